//! Whether an agent's tools run in a sandbox (reference: config-checks 1.6).

use crate::{Node, agents};

/// The sandbox mode that holds for an agent.
pub struct Mode<'a> {
    /// Where it is said: at the agent, or else the place of the default.
    pub node: Node<'a>,
}

impl<'a> Mode<'a> {
    /// `agents.list[].sandbox.mode` of the agent, else `agents.defaults.sandbox.mode`. Without an id, or with an
    /// empty one, only the default counts.
    #[must_use]
    pub fn of(config: &Node<'a>, id: Option<&str>) -> Self {
        let own = id
            .filter(|id| !id.is_empty())
            .and_then(|id| agents::entry(config, id))
            .map(|entry| entry.at("sandbox.mode"))
            .filter(|mode| !mode.is_nullish());
        Self { node: own.unwrap_or_else(|| config.at("agents.defaults.sandbox.mode")) }
    }

    /// The mode's name; "off" where none is set, "?" where it is not a text.
    #[must_use]
    pub fn name(&self) -> &'a str {
        if self.node.is_nullish() { "off" } else { self.node.text().unwrap_or("?") }
    }

    /// Nothing runs in a sandbox.
    #[must_use]
    pub fn is_off(&self) -> bool {
        self.name() == "off"
    }

    /// Everything runs in a sandbox.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.name() == "all"
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_agents_own_mode_goes_before_the_default() {
        let config = json!({"agents": {
            "defaults": {"sandbox": {"mode": "non-main"}},
            "list": [{"id": "Work", "sandbox": {"mode": "all"}}, {"id": " work ", "sandbox": {"mode": "off"}},
                {"id": "home"}, {"id": "", "sandbox": {"mode": "off"}}],
        }});
        let config = Node::root(&config);
        let mode = |id| Mode::of(&config, id).name().to_owned();
        assert_eq!(mode(Some(" work ")), "all", "the first entry decides for both spellings");
        assert_eq!(mode(Some("home")), "non-main");
        assert_eq!(mode(Some("main")), "off", "an entry without an id is main");
        assert_eq!(mode(Some("")), "non-main");
        assert_eq!(mode(None), "non-main");
        assert_eq!(Mode::of(&config, Some("work")).node.pointer(), "/agents/list/0/sandbox/mode");
    }

    #[test]
    fn without_a_mode_the_sandbox_is_off() {
        let empty = json!({});
        let mode = Mode::of(&Node::root(&empty), None);
        assert!(mode.is_off() && !mode.is_all());
        assert_eq!(mode.node.pointer(), "/agents/defaults/sandbox/mode");
        let odd = json!({"agents": {"defaults": {"sandbox": {"mode": 5}}}});
        assert!(!Mode::of(&Node::root(&odd), None).is_off());
    }
}
