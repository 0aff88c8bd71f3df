//! Whether an agent's tools run in a sandbox (reference: config-checks 1.6).

use crate::openclaw::agents;
use crate::{Node, NotAssessed};

/// The sandbox mode that holds for an agent.
pub struct Mode<'a> {
    /// Where it is said: at the agent, or else the place of the default.
    pub node: Node<'a>,
}

impl<'a> Mode<'a> {
    /// `agents.list[].sandbox.mode` of the agent, else `agents.defaults.sandbox.mode`. Without an id, or with an
    /// empty one, only the default counts.
    ///
    /// # Errors
    /// Where it cannot be told which entry is the agent's.
    pub fn of(config: &Node<'a>, id: Option<&str>) -> Result<Self, NotAssessed> {
        let id = id.filter(|id| !id.is_empty());
        Self::in_entry(config, id.map(|id| agents::entry(config, id)).transpose()?.flatten())
    }

    /// The same of an agent with this description.
    ///
    /// # Errors
    /// A hidden setting.
    pub(super) fn in_entry(config: &Node<'a>, entry: Option<Node<'a>>) -> Result<Self, NotAssessed> {
        Ok(Self { node: setting(config, entry, "mode")? })
    }

    /// The mode's name; "off" where none is set, "?" where it is not a text.
    ///
    /// # Errors
    /// Where it is not shown.
    pub fn name(&self) -> Result<&'a str, NotAssessed> {
        Ok(if self.node.is_nullish()? { "off" } else { self.node.text()?.unwrap_or("?") })
    }

    /// Nothing runs in a sandbox.
    ///
    /// # Errors
    /// As [`Mode::name`].
    pub fn is_off(&self) -> Result<bool, NotAssessed> {
        Ok(self.name()? == "off")
    }

    /// Everything runs in a sandbox.
    ///
    /// # Errors
    /// As [`Mode::name`].
    pub fn is_all(&self) -> Result<bool, NotAssessed> {
        Ok(self.name()? == "all")
    }
}

/// What the sandbox of an agent with this description may do with the workspace: "none" where nothing is said, "?" where it is not a text.
///
/// # Errors
/// A hidden setting.
pub fn workspace_access<'a>(config: &Node<'a>, entry: Option<Node<'a>>) -> Result<&'a str, NotAssessed> {
    let node = setting(config, entry, "workspaceAccess")?;
    Ok(if node.is_nullish()? { "none" } else { node.text()?.unwrap_or("?") })
}

/// A setting of an agent's sandbox, else that of the defaults.
fn setting<'a>(config: &Node<'a>, entry: Option<Node<'a>>, key: &str) -> Result<Node<'a>, NotAssessed> {
    if let Some(entry) = entry {
        let node = entry.get("sandbox").get(key);
        if !node.is_nullish()? {
            return Ok(node);
        }
    }
    Ok(config.at("agents.defaults.sandbox").get(key))
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
        let mode = |id| Mode::of(&config, id).expect("shown").name().expect("shown").to_owned();
        assert_eq!(mode(Some(" work ")), "all", "the first entry decides for both spellings");
        assert_eq!(mode(Some("home")), "non-main");
        assert_eq!(mode(Some("main")), "off", "an entry without an id is main");
        assert_eq!(mode(Some("")), "non-main");
        assert_eq!(mode(None), "non-main");
        assert_eq!(
            Mode::of(&config, Some("work")).expect("shown").node.pointer(),
            "/agents/list/0/sandbox/mode"
        );
    }

    #[test]
    fn what_a_sandbox_may_do_with_the_workspace_is_said_like_its_mode() {
        let config = json!({"agents": {
            "defaults": {"sandbox": {"workspaceAccess": "ro"}},
            "list": [{"id": "a", "sandbox": {"workspaceAccess": "rw"}}, {"id": "b"}],
        }});
        let config = Node::root(&config);
        let access = |id: Option<&str>| {
            let entry = id.and_then(|id| agents::entry(&config, id).expect("shown"));
            workspace_access(&config, entry).expect("shown")
        };
        assert_eq!((access(Some("A")), access(Some("b")), access(None)), ("rw", "ro", "ro"));
        let empty = json!({});
        assert_eq!(workspace_access(&Node::root(&empty), None), Ok("none"));
    }

    #[test]
    fn without_a_mode_the_sandbox_is_off() {
        let empty = json!({});
        let mode = Mode::of(&Node::root(&empty), None).expect("shown");
        assert_eq!((mode.is_off(), mode.is_all()), (Ok(true), Ok(false)));
        assert_eq!(mode.node.pointer(), "/agents/defaults/sandbox/mode");
        let odd = json!({"agents": {"defaults": {"sandbox": {"mode": 5}}}});
        assert_eq!(Mode::of(&Node::root(&odd), None).expect("shown").is_off(), Ok(false));
    }
}
