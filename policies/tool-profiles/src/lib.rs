//! Agents that leave the minimal tool profile.

use chitin_policy_sdk::openclaw::agents;
use chitin_policy_sdk::{Answer, Context, Node, NotAssessed, Verdict, listing, warn};

const ID: &str = "tools.profile_minimal_overridden";

/// Compares each agent's tool profile with the common one, where that is the minimal one.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let config = cx.config();
    let mut answer = Answer::new();
    let is_common = is_minimal(&config.at("tools.profile"));
    if is_common == Ok(false) {
        return Ok(answer);
    }
    let agents = match agents::each(&config) {
        Ok(agents) => agents,
        Err(reason) => {
            answer.leave_open(ID, reason);
            return Ok(answer);
        }
    };
    let (mut names, mut profiles) = (Vec::new(), Vec::new());
    for (id, agent) in agents {
        let profile = agent.at("tools.profile");
        match own_profile(&profile) {
            Ok(Some(text)) => {
                // An agent whose id is not shown is named by its place.
                let name = id.map_or_else(|_| agent.dotted(), |id| format!("\"{id}\""));
                names.push(format!("{name} ({text})"));
                profiles.push(profile);
            }
            Ok(None) => {}
            Err(reason) => answer.leave_open(ID, reason),
        }
    }
    if names.is_empty() {
        return Ok(answer);
    }
    if let Err(reason) = is_common {
        answer.leave_open(ID, reason);
        return Ok(answer);
    }
    let finding = warn(ID, "Agents override the minimal tool profile")
        .detail(format!(
            "The common tools.profile is \"minimal\", and does not hold for agents with a profile of their own: {}.",
            listing::words(&names)
        ))
        .remediation(
            "Remove tools.profile from the entries of these agents, not the common one; allow single tools by the agent's \
             tools.alsoAllow. Leave it where the agent needs the wider profile",
        )
        .at_all(&profiles);
    answer.findings.push(finding);
    Ok(answer)
}

/// A profile that is not the minimal one, in words; none where the agent has none of its own.
fn own_profile<'a>(profile: &Node<'a>) -> Result<Option<&'a str>, NotAssessed> {
    if !profile.is_truthy()? || is_minimal(profile)? {
        return Ok(None);
    }
    Ok(Some(profile.text()?.unwrap_or("no string")))
}

fn is_minimal(profile: &Node<'_>) -> Result<bool, NotAssessed> {
    Ok(profile.text()? == Some("minimal"))
}

chitin_policy_sdk::policy!(audit);

#[cfg(test)]
mod tests {
    use chitin_policy_sdk::testing::MemoryHost;
    use chitin_policy_sdk::{Hidden, Location};

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
        let findings = host(r#""minimal""#, list).findings(audit);
        assert_eq!(findings.len(), 1);
        assert!(findings[0].detail.contains(r#""a" (full) and "" (coding)."#));
        let places = ["/agents/list/0/tools/profile", "/agents/list/3/tools/profile"];
        assert_eq!(findings[0].locations, places.map(|pointer| Location::Config(pointer.to_owned())));
    }

    #[test]
    fn more_agents_than_a_finding_may_point_at_are_still_one_finding() {
        let agents = vec![r#"{id: "a", tools: {profile: "full"}}"#; 101].join(", ");
        let findings = host(r#""minimal""#, &format!("[{agents}]")).findings(audit);
        assert_eq!(findings[0].locations.len(), 100);
        assert!(findings[0].detail.contains("and 89 more."));
    }

    #[test]
    fn what_is_no_list_has_no_agents() {
        for list in ["{}", "5", r#""full""#, "null"] {
            assert_eq!(host(r#""minimal""#, list).ids(audit), NOTHING, "{list}");
        }
    }

    const OPEN: &str = "tools.profile_minimal_overridden:not assessed";

    #[test]
    fn a_hidden_profile_costs_its_own_agent() {
        let list = r#"[{id: "a", tools: {profile: "full"}}, {id: "b", tools: {profile: "full"}}]"#;
        let hidden = |common: &str| {
            let host = host(common, list).hide("/agents/list/1/tools/profile", Hidden::Variable);
            host.ids(audit)
        };
        assert_eq!(hidden(r#""minimal""#), [OVERRIDDEN[0], OPEN]);
        assert_eq!(hidden(r#""coding""#), NOTHING);
    }

    #[test]
    fn a_hidden_common_profile_leaves_open_what_an_agent_makes_of_it() {
        let hidden = |host: MemoryHost| host.hide("/tools/profile", Hidden::Variable).ids(audit);
        assert_eq!(hidden(agent(r#""full""#)), [OPEN]);
        assert_eq!(hidden(agent(r#""minimal""#)), NOTHING, "nothing overrides it");
        assert_eq!(hidden(agent("null")), NOTHING);
    }

    #[test]
    fn an_agent_whose_id_is_hidden_is_named_by_its_place() {
        let host = agent(r#""full""#).hide("/agents/list/0/id", Hidden::Variable);
        assert!(host.findings(audit)[0].detail.contains("of their own: agents.list.0 (full)."));
    }

    #[test]
    fn what_is_withheld_is_not_taken_for_absent() {
        for pointer in ["/tools", "/tools/profile", "/agents", "/agents/list"] {
            let ids = agent(r#""full""#).withhold(pointer).ids(audit);
            assert_eq!(ids, [OPEN], "{pointer}");
        }
        let list = r#"[{id: "a", tools: {}}, {id: "b", tools: {profile: "full"}}]"#;
        let host = host(r#""minimal""#, list).withhold("/agents/list/0/tools/profile");
        assert_eq!(host.ids(audit), [OVERRIDDEN[0], OPEN]);
        assert_eq!(self::host(r#""full""#, "[]").withhold("/agents").ids(audit), NOTHING);
    }
}
