//! Agents of which it is not clear whose turn it is.

use chitin_policy_sdk::{Answer, Context, Finding, Node, NotAssessed, Verdict, any, warn};

const CHECK: &str = "config.agent_roster.invalid_default_count";

/// Looks at which agent is the default one.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let mut answer = Answer::new();
    answer.check(CHECK, roster(&cx.config()));
    Ok(answer)
}

/// One owner by default, or none where each conversation names its own (reference: 2026.9-delta 3.1).
fn roster(config: &Node<'_>) -> Result<Option<Finding>, NotAssessed> {
    let agents: Vec<Node<'_>> = config.at("agents.list").items()?.collect();
    let (mut count, mut marked, mut open) = (0, Vec::new(), None);
    for agent in &agents {
        let default = agent.get("default");
        match agent.is_object() {
            Ok(true) => count += 1,
            Ok(false) => continue,
            // Part of it is shown.
            Err(reason) => return Err(reason),
        }
        match default.is_true() {
            Ok(true) => marked.push(default),
            Ok(false) => {}
            Err(reason) => open = Some(reason),
        }
    }
    if count == 0 {
        return Ok(None);
    }
    let ownership = config.at("agents.ownership");
    let is_explicit = ownership.text().map(|text| text == Some("explicit"));
    let known = || open.clone().map_or(Ok(false), Err);
    let is_marked = || any([Ok(!marked.is_empty()), known()]);
    let is_wrong = match (is_explicit, count) {
        (Ok(true), _) => is_marked()?,
        (Ok(false), 1) => false,
        (Ok(false), _) => any([Ok(marked.len() > 1), known().map(|_| marked.len() != 1)])?,
        // A sole agent is the default one, marked or not; where each conversation has its owner, it must not be marked.
        (Err(reason), 1) if is_marked()? => return Err(reason),
        (Err(_), 1) => false,
        // Two or more marked agents are always wrong. One is wrong with explicit ownership, none is wrong without.
        (Err(_), _) if marked.len() > 1 => true,
        (Err(reason), _) => return Err(reason),
    };
    if !is_wrong {
        return Ok(None);
    }
    let is_explicit = ownership.text() == Ok(Some("explicit"));
    let number = match marked.len() {
        0 => "none of them is".to_owned(),
        1 => "one of them is".to_owned(),
        many => format!("{many} of them are"),
    };
    let (why, cure) = if is_explicit {
        (
            "while agents.ownership is \"explicit\", which leaves no agent the default",
            "Remove \"default\" from the agents of agents.entries, and name the agent of each channel in bindings",
        )
    } else {
        (
            "so that nothing says which of them answers where no binding does",
            "Set \"default\" to true on one agent of agents.entries; or set agents.ownership to \"explicit\", and name the \
             agent of each channel in bindings",
        )
    };
    Ok(Some(
        warn(CHECK, "Agents do not say which of them is the default")
            .detail(format!(
                "There are {count} agents, and {number} marked as default, {why}. A message can reach an agent that has more \
                 rights than was meant for its sender."
            ))
            .remediation(cure)
            .at(&config.at("agents.list"))
            .at_all(&marked),
    ))
}

chitin_policy_sdk::policy!(audit);

#[cfg(test)]
mod tests {
    use chitin_policy_sdk::Location;
    use chitin_policy_sdk::testing::MemoryHost;

    use super::*;

    const NOTHING: [&str; 0] = [];
    const WRONG: &str = "config.agent_roster.invalid_default_count:warn";
    const OPEN: &str = "config.agent_roster.invalid_default_count:not assessed";

    fn host(agents: &str) -> MemoryHost {
        MemoryHost::new(&format!("{{agents: {agents}}}")).release(2026, 9, 6)
    }

    #[test]
    fn one_of_several_agents_is_the_default() {
        for fine in [
            "{}",
            "{list: []}",
            "{list: [{}]}",
            "{list: [{default: true}]}",
            "{list: [{default: true}, {}]}",
            "{list: [{default: true}, {default: false}, 5]}",
            r#"{ownership: "none", list: [{default: true}, {default: 1}]}"#,
        ] {
            assert_eq!(host(fine).ids(audit), NOTHING, "{fine}");
        }
        for wrong in
            ["{list: [{}, {}]}", "{list: [{default: true}, {default: true}]}", "{list: [{default: 1}, {}]}"]
        {
            assert_eq!(host(wrong).ids(audit), [WRONG], "{wrong}");
        }
    }

    #[test]
    fn where_each_conversation_has_its_owner_none_is_the_default() {
        let explicit = |list: &str| host(&format!(r#"{{ownership: "explicit", list: {list}}}"#));
        for fine in ["[{}]", "[{}, {}]", "[]", "5"] {
            assert_eq!(explicit(fine).ids(audit), NOTHING, "{fine}");
        }
        for wrong in ["[{default: true}]", "[{default: true}, {}]"] {
            assert_eq!(explicit(wrong).ids(audit), [WRONG], "{wrong}");
        }
    }

    #[test]
    fn the_finding_points_at_the_marks() {
        let finding = host("{list: [{default: true}, {}, {default: true}]}").findings(audit).remove(0);
        assert!(finding.detail.starts_with("There are 3 agents, and 2 of them are marked as default, so"));
        let places = ["/agents/list", "/agents/list/0/default", "/agents/list/2/default"];
        assert_eq!(finding.locations, places.map(|place| Location::Config(place.to_owned())));
    }

    #[test]
    fn agents_of_wrong_types_are_none() {
        for odd in ["5", "[]", "{list: {}}", "{list: [5, null, []]}", r#"{list: "x", ownership: 5}"#] {
            assert_eq!(host(odd).ids(audit), NOTHING, "{odd}");
        }
    }

    #[test]
    fn what_is_not_shown_is_not_guessed() {
        let ids = |agents: &str, pointer: &str| host(agents).withhold(pointer).ids(audit);
        assert_eq!(ids("{list: [{}]}", "/agents"), [OPEN]);
        assert_eq!(ids("{list: [{}]}", "/agents/list"), [OPEN]);
        for (list, without_ownership, without_default) in [
            ("[{}]", NOTHING.as_slice(), NOTHING.as_slice()),
            ("[{}, {}]", &[OPEN], &[OPEN]),
            ("[{}, {default: true}]", &[OPEN], &[OPEN]),
            ("[{}, {default: true}, {default: true}]", &[WRONG], &[WRONG]),
        ] {
            let agents = format!("{{list: {list}}}");
            assert_eq!(ids(&agents, "/agents/ownership"), without_ownership, "{list}");
            assert_eq!(ids(&agents, "/agents/list/0/default"), without_default, "{list}");
        }
        assert_eq!(ids("{list: [{default: true}]}", "/agents/ownership"), [OPEN]);
        let explicit = r#"{ownership: "explicit", list: [{}, {}]}"#;
        assert_eq!(ids(explicit, "/agents/list/0/default"), [OPEN]);
        let hidden = host(r#"{ownership: {"$hidden": "variable"}, list: [{}, {}]}"#);
        assert_eq!(hidden.ids(audit), [OPEN]);
        let text = host(r#"{list: [{default: {"$hidden": "variable"}}, {default: true}]}"#);
        assert_eq!(text.ids(audit), NOTHING, "a text is not true");
    }
}
