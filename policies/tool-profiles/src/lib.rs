//! Agents that leave the minimal tool profile.

use chitin_policy_sdk::{Context, Node, Verdict, agents, listing, warn};

/// Compares each agent's tool profile with the common one, where that is the minimal one.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let config = cx.config();
    if !is_minimal(&config.at("tools.profile")) {
        return Ok(Vec::new());
    }
    let own = agents::named(&config).into_iter().map(|(id, agent)| (id, agent.at("tools.profile")));
    let overriding: Vec<(&str, Node<'_>)> =
        own.filter(|(_, profile)| profile.is_truthy() && !is_minimal(profile)).collect();
    if overriding.is_empty() {
        return Ok(Vec::new());
    }
    let names: Vec<String> = overriding
        .iter()
        .map(|(id, profile)| format!("\"{id}\" ({})", profile.text().unwrap_or("no text")))
        .collect();
    let finding = warn("tools.profile_minimal_overridden", "Agents override the minimal tool profile")
        .detail(format!(
            "tools.profile is \"minimal\", and these agents have a profile of their own instead: {}. Each has the tools of \
             that profile, which whoever relies on the common one does not expect.",
            listing::words(&names)
        ))
        .remediation(
            "Remove tools.profile from each of these agents, or set it to \"minimal\"; allow a single tool by the agent's \
             tools.alsoAllow",
        )
        .at_all(overriding.iter().map(|(_, profile)| profile));
    Ok(vec![finding])
}

fn is_minimal(profile: &Node<'_>) -> bool {
    profile.text() == Some("minimal")
}

chitin_policy_sdk::policy!(audit);

#[cfg(test)]
mod tests {
    use chitin_policy_sdk::Location;
    use chitin_policy_sdk::testing::MemoryHost;

    use super::*;

    const NOTHING: [&str; 0] = [];
    const OVERRIDDEN: [&str; 1] = ["tools.profile_minimal_overridden:warn"];

    fn host(profile: &str, list: &str) -> MemoryHost {
        MemoryHost::new(&format!("{{tools: {{profile: {profile}}}, agents: {{list: {list}}}}}"))
    }

    fn agent(profile: &str) -> MemoryHost {
        host(r#""minimal""#, &format!(r#"[{{id: "a", tools: {{profile: {profile}}}}}]"#))
    }

    #[test]
    fn any_other_profile_overrides_the_minimal_one() {
        for profile in [r#""full""#, r#""coding""#, r#""weird""#, r#""Minimal""#, "5"] {
            assert_eq!(agent(profile).ids(audit), OVERRIDDEN, "{profile}");
        }
        for profile in [r#""minimal""#, r#""""#, "null", "0"] {
            assert_eq!(agent(profile).ids(audit), NOTHING, "{profile}");
        }
    }

    #[test]
    fn only_the_exact_word_is_the_minimal_profile() {
        let list = r#"[{id: "a", tools: {profile: "full"}}]"#;
        for profile in [r#""Minimal""#, r#""coding""#, "null", "{}"] {
            assert_eq!(host(profile, list).ids(audit), NOTHING, "{profile}");
        }
    }

    #[test]
    fn all_agents_are_named_in_one_finding_that_points_at_each() {
        let list = r#"[{id: "a", tools: {profile: "full"}}, {tools: {profile: "full"}}, null, {id: "", tools: {profile: "coding"}}]"#;
        let findings = host(r#""minimal""#, list).run(audit).expect("a verdict");
        assert_eq!(findings.len(), 1);
        assert!(findings[0].detail.contains(r#""a" (full) and "" (coding)."#));
        let places = ["/agents/list/0/tools/profile", "/agents/list/3/tools/profile"];
        assert_eq!(findings[0].locations, places.map(|pointer| Location::Config(pointer.to_owned())));
    }

    #[test]
    fn more_agents_than_a_finding_may_point_at_are_still_one_finding() {
        let agents = vec![r#"{id: "a", tools: {profile: "full"}}"#; 101].join(", ");
        let findings = host(r#""minimal""#, &format!("[{agents}]")).run(audit).expect("a verdict");
        assert_eq!(findings[0].locations.len(), 100);
        assert!(findings[0].detail.contains("and 89 more."));
    }

    #[test]
    fn agents_of_the_newer_generation_are_found_by_their_keys() {
        let config =
            r#"{tools: {profile: "minimal"}, agents: {entries: {main: {tools: {profile: "coding"}}}}}"#;
        assert_eq!(MemoryHost::new(config).ids(audit), OVERRIDDEN);
    }

    #[test]
    fn what_is_no_list_has_no_agents() {
        for list in ["{}", "5", r#""full""#, "null"] {
            assert_eq!(host(r#""minimal""#, list).ids(audit), NOTHING, "{list}");
        }
    }
}
