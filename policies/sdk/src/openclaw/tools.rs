//! Which tools an agent may call (reference: config-checks 1.7). The joins of `allow` and `alsoAllow` that
//! state-checks 5.3 describes are the same, and so are its sandbox lists.

use crate::openclaw::agents;
use crate::openclaw::sandbox::Mode;
use crate::{Node, NotAssessed, js};

/// Names for several tools.
const GROUPS: [(&str, &[&str]); 10] = [
    ("group:memory", &["memory_search", "memory_get"]),
    ("group:web", &["web_search", "web_fetch"]),
    ("group:fs", &["read", "write", "edit", "apply_patch"]),
    ("group:runtime", &["exec", "process"]),
    (
        "group:sessions",
        &[
            "sessions_list",
            "sessions_history",
            "sessions_send",
            "sessions_spawn",
            "subagents",
            "session_status",
        ],
    ),
    ("group:ui", &["browser", "canvas"]),
    ("group:automation", &["cron", "gateway"]),
    ("group:messaging", &["message"]),
    ("group:nodes", &["nodes"]),
    (
        "group:openclaw",
        &[
            "browser",
            "canvas",
            "nodes",
            "cron",
            "message",
            "gateway",
            "agents_list",
            "sessions_list",
            "sessions_history",
            "sessions_send",
            "sessions_spawn",
            "subagents",
            "session_status",
            "memory_search",
            "memory_get",
            "web_search",
            "web_fetch",
            "image",
        ],
    ),
];

/// Profiles and the tools that they leave. `full`, and every name that is unknown, leaves all.
const PROFILES: [(&str, &[&str]); 3] = [
    ("minimal", &["session_status"]),
    ("coding", &["group:fs", "group:runtime", "group:sessions", "group:memory", "image"]),
    (
        "messaging",
        &["group:messaging", "sessions_list", "sessions_history", "sessions_send", "session_status"],
    ),
];

/// What a sandbox allows where the config does not say.
const SANDBOX_ALLOW: [&str; 13] = [
    "exec",
    "process",
    "read",
    "write",
    "edit",
    "apply_patch",
    "image",
    "sessions_list",
    "sessions_history",
    "sessions_send",
    "sessions_spawn",
    "subagents",
    "session_status",
];

/// What a sandbox denies where the config does not say: what reaches out of it, and the core chat channels.
const SANDBOX_DENY: [&str; 13] = [
    "browser",
    "canvas",
    "nodes",
    "cron",
    "gateway",
    "telegram",
    "whatsapp",
    "discord",
    "irc",
    "googlechat",
    "slack",
    "signal",
    "imessage",
];

/// The tool that is in every sandbox unless it is denied.
const IMAGE: &str = "image";

/// The form of a tool's name that is compared.
#[must_use]
pub fn normalise(name: &str) -> String {
    match js::trim(name).to_lowercase().as_str() {
        "bash" => "exec".to_owned(),
        "apply-patch" => "apply_patch".to_owned(),
        other => other.to_owned(),
    }
}

/// Which tools one section of the config lets through. Without patterns, all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Patterns of what is allowed; empty allows everything.
    allow: Vec<String>,
    /// Patterns of what is denied, which goes before.
    deny: Vec<String>,
}

impl Policy {
    /// The policy of a `profile`; none where it leaves all tools.
    ///
    /// # Errors
    /// Where it is not shown.
    pub fn profile(profile: &Node<'_>) -> Result<Option<Self>, NotAssessed> {
        let name = profile.text()?;
        let known = PROFILES.iter().find(|(known, _)| Some(*known) == name);
        Ok(known.map(|(_, allow)| Self { allow: expand(allow), deny: Vec::new() }))
    }

    /// `PICK`: `allow`, `alsoAllow` and `deny` of a `tools` section. `alsoAllow` alone adds to "everything".
    ///
    /// # Errors
    /// Where an entry is not shown.
    pub fn pick(section: &Node<'_>) -> Result<Self, NotAssessed> {
        let (allow, also) = (section.get("allow"), section.get("alsoAllow"));
        let mut names = names(&allow)?;
        names.extend(self::names(&also)?);
        if has_items(&also)? && !has_items(&allow)? {
            names.push("*");
        }
        Ok(Self { allow: expand(&names), deny: expand(&self::names(&section.get("deny"))?) })
    }

    /// `SANDBOX_POLICY`: what an agent's sandbox lets through. Each list is taken whole from the agent, else from
    /// `tools`, else it is the built-in one.
    ///
    /// # Errors
    /// As [`Policy::pick`].
    pub fn sandbox(config: &Node<'_>, agent: Option<&str>) -> Result<Self, NotAssessed> {
        let own = match agent.filter(|id| !id.is_empty()) {
            Some(id) => agents::entry(config, id)?,
            None => None,
        };
        let list = |key: &str, default: &[&str]| {
            for node in own.iter().chain([config]) {
                let list = node.at("tools.sandbox.tools").get(key);
                if list.is_list()? {
                    return Ok(expand(&names(&list)?));
                }
            }
            Ok(expand(default))
        };
        let mut policy = Self { allow: list("allow", &SANDBOX_ALLOW)?, deny: list("deny", &SANDBOX_DENY)? };
        let known = policy.allow.iter().chain(&policy.deny).any(|name| name == IMAGE);
        if !policy.allow.is_empty() && !known {
            policy.allow.push(IMAGE.to_owned());
        }
        Ok(policy)
    }

    /// `ALLOWED`: a tool, by its normalised name, passes.
    #[must_use]
    pub fn allows(&self, tool: &str) -> bool {
        let any = |patterns: &[String]| patterns.iter().any(|pattern| matches(pattern, tool));
        !any(&self.deny) && (self.allow.is_empty() || any(&self.allow))
    }
}

/// All policies that hold for an agent; a tool has to pass each. `section` is the agent's own `tools`, absent where
/// only the global ones count.
///
/// # Errors
/// As [`Policy::pick`].
pub fn policies(
    config: &Node<'_>,
    agent: Option<&str>,
    section: Option<&Node<'_>>,
) -> Result<Vec<Policy>, NotAssessed> {
    let global = config.get("tools");
    let mut policies: Vec<Policy> = profile(&global, section)?.into_iter().collect();
    policies.push(Policy::pick(&global)?);
    if let Some(section) = section {
        policies.push(Policy::pick(section)?);
    }
    if Mode::of(config, agent)?.is_all()? {
        policies.push(Policy::sandbox(config, agent)?);
    }
    Ok(policies)
}

/// The policy of the profile that holds: the agent's own, else the global one.
///
/// # Errors
/// As [`Policy::profile`].
pub fn profile(global: &Node<'_>, section: Option<&Node<'_>>) -> Result<Option<Policy>, NotAssessed> {
    if let Some(own) = section.map(|section| section.get("profile"))
        && !own.is_nullish()?
    {
        return Policy::profile(&own);
    }
    Policy::profile(&global.get("profile"))
}

fn has_items(list: &Node<'_>) -> Result<bool, NotAssessed> {
    Ok(list.items()?.next().is_some())
}

fn names<'a>(list: &Node<'a>) -> Result<Vec<&'a str>, NotAssessed> {
    let names = list.items()?.map(|item| item.text());
    Ok(names.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
}

/// The patterns of a list: normalised, without blank ones, groups replaced by their members.
fn expand(names: &[&str]) -> Vec<String> {
    let mut patterns = Vec::new();
    for name in names.iter().map(|name| normalise(name)).filter(|name| !name.is_empty()) {
        match GROUPS.iter().find(|(group, _)| *group == name) {
            Some((_, members)) => patterns.extend(members.iter().map(|&member| member.to_owned())),
            None => patterns.push(name),
        }
    }
    patterns
}

/// `*` stands for any run of characters, everything else for itself.
fn matches(pattern: &str, tool: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == tool };
    let Some(mut text) = tool.strip_prefix(head) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let tail = parts.pop().unwrap_or_default();
    for part in parts {
        match text.split_once(part) {
            Some((_, after)) => text = after,
            None => return false,
        }
    }
    text.ends_with(tail)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::MemoryHost;

    #[test]
    fn a_pattern_names_the_whole_tool() {
        for (pattern, tool, expected) in [
            ("*", "read", true),
            ("**", "read", true),
            ("web_fetch", "web_fetch", true),
            ("web_fetch", "web_fetch2", false),
            ("web*", "web_fetch", true),
            ("*_fetch", "web_fetch", true),
            ("*eb*et*", "web_fetch", true),
            ("w*_*h", "web_fetch", true),
            ("web.*", "web_fetch", false),
            ("web?fetch", "web_fetch", false),
            ("*fetch*fetch", "web_fetch", false),
            ("we*eb", "web", false),
            ("", "web", false),
        ] {
            assert_eq!(matches(pattern, tool), expected, "{pattern} {tool}");
        }
    }

    #[test]
    fn names_are_compared_without_case_and_by_alias() {
        for (name, form) in [(" Bash ", "exec"), ("apply-patch", "apply_patch"), ("WEB_fetch", "web_fetch")] {
            assert_eq!(normalise(name), form);
        }
    }

    fn pick(section: &Value) -> Policy {
        Policy::pick(&Node::root(section)).expect("nothing is hidden")
    }

    #[test]
    fn pick_joins_allow_and_also_allow() {
        for (section, fetch, read) in [
            (json!({}), true, true),
            (json!(null), true, true),
            (json!({"allow": []}), true, true),
            (json!({"allow": [" "]}), true, true),
            (json!({"allow": ["read"]}), false, true),
            (json!({"allow": "read"}), true, true),
            (json!({"allow": [5, null, "read"]}), false, true),
            (json!({"allow": [" GROUP:WEB "]}), true, false),
            (json!({"allow": ["group:unknown"]}), false, false),
            (json!({"allow": ["read"], "alsoAllow": ["web_fetch"]}), true, true),
            (json!({"allow": [" "], "alsoAllow": ["read"]}), false, true),
            (json!({"alsoAllow": ["x"]}), true, true),
            (json!({"allow": [], "alsoAllow": ["x"]}), true, true),
            (json!({"alsoAllow": []}), true, true),
            (json!({"deny": ["web*"]}), false, true),
            (json!({"deny": ["*"], "allow": ["*"]}), false, false),
            (json!({"deny": ["group:*"]}), true, true),
            (json!({"deny": ["group:openclaw"]}), false, true),
        ] {
            let policy = pick(&section);
            assert_eq!((policy.allows("web_fetch"), policy.allows("read")), (fetch, read), "{section}");
        }
    }

    #[test]
    fn an_entry_that_a_variable_gives_is_not_guessed() {
        for key in ["allow", "alsoAllow", "deny"] {
            assert!(
                Policy::pick(&Node::root(&json!({key: ["*", {"$hidden": "variable"}]}))).is_err(),
                "{key}"
            );
        }
    }

    #[test]
    fn a_profile_is_named_exactly() {
        let profile = |name: Value| Policy::profile(&Node::root(&name)).expect("nothing is hidden");
        assert!(profile(json!("minimal")).is_some_and(|policy| !policy.allows("read")));
        assert!(profile(json!("coding")).is_some_and(|policy| policy.allows("exec")));
        assert!(profile(json!("messaging")).is_some_and(|policy| policy.allows("message")));
        for name in [json!("full"), json!("Minimal"), json!(""), json!(null), json!(5)] {
            assert_eq!(profile(name), None);
        }
    }

    #[test]
    fn a_sandbox_has_lists_of_its_own() {
        let sandbox =
            |config: Value| Policy::sandbox(&Node::root(&config), Some("a")).expect("nothing is hidden");
        let global = |tools: Value| sandbox(json!({"tools": {"sandbox": {"tools": tools}}}));
        let default = sandbox(json!({}));
        assert!(default.allows("exec") && !default.allows("web_fetch") && !default.allows("browser"));
        assert!(global(json!({"allow": []})).allows("web_fetch"));
        assert!(!global(json!({"allow": []})).allows("browser"), "it is still denied");
        assert!(global(json!({"allow": [" "], "deny": []})).allows("browser"));
        assert!(global(json!({"allow": ["read"]})).allows("image"), "it is added");
        assert!(!global(json!({"allow": ["read"], "deny": ["image"]})).allows("image"));
        assert!(!global(json!({"allow": "*"})).allows("web_fetch"), "it is no list");
        assert!(!global(json!({"alsoAllow": ["web_fetch"]})).allows("web_fetch"));
        let own = sandbox(json!({
            "tools": {"sandbox": {"tools": {"allow": ["*"], "deny": []}}},
            "agents": {"list": [{"id": "A", "tools": {"sandbox": {"tools": {"allow": ["read"]}}}}]},
        }));
        assert!(!own.allows("exec") && own.allows("read"), "no list is merged with another");
    }

    #[test]
    fn every_policy_has_to_let_a_tool_through() {
        let config = json!({
            "tools": {"profile": "minimal", "deny": ["exec"]},
            "agents": {"defaults": {"sandbox": {"mode": "all"}}, "list": [{"id": "a", "tools": {"profile": "full"}}]},
        });
        let config = Node::root(&config);
        let section = agents::entry(&config, "a").expect("shown").map(|entry| entry.get("tools"));
        let passes = |section: Option<&Node<'_>>, tool| {
            let policies = policies(&config, Some("a"), section).expect("nothing is hidden");
            policies.iter().all(|policy| policy.allows(tool))
        };
        assert!(passes(section.as_ref(), "read"), "the agent's own profile goes before");
        assert!(!passes(None, "read"));
        assert!(!passes(section.as_ref(), "exec"));
        assert!(!passes(section.as_ref(), "web_fetch"), "not in the sandbox");
    }

    #[test]
    fn lists_that_are_withheld_allow_and_deny_nothing_by_themselves() {
        for section in [json!({"$hidden": "withheld"}), json!({"deny": ["x"], "$hidden": "withheld"})] {
            assert!(Policy::pick(&Node::root(&section)).is_err(), "{section}");
        }
        for key in ["allow", "alsoAllow", "deny"] {
            assert!(Policy::pick(&Node::root(&json!({key: {"$hidden": "withheld"}}))).is_err(), "{key}");
        }
        let text = json!({"allow": {"$hidden": "variable"}});
        assert!(pick(&text).allows("read"), "a text is no list");
    }

    #[test]
    fn a_value_that_is_not_shown_is_asked_for_only_where_it_counts() {
        let hidden = r#"{"$hidden": "variable"}"#;
        let all = r#"{mode: "all"}"#;
        for (tools, sandbox, own, is_shown) in [
            ("{profile: HIDDEN}", "{}", "{}", false),
            ("{profile: HIDDEN}", "{}", r#"{profile: "full"}"#, true),
            (r#"{profile: "minimal"}"#, "{}", "{profile: HIDDEN}", false),
            ("{}", "{mode: HIDDEN}", "{}", false),
            ("{}", "{}", "{deny: [HIDDEN]}", false),
            ("{sandbox: {tools: {deny: [HIDDEN]}}}", "{}", "{}", true),
            ("{sandbox: {tools: {deny: [HIDDEN]}}}", all, "{}", false),
            ("{sandbox: {tools: {deny: [HIDDEN]}}}", all, "{sandbox: {tools: {deny: []}}}", true),
            ("{sandbox: {tools: {allow: [HIDDEN]}}}", all, "{sandbox: {tools: {deny: []}}}", false),
        ] {
            let agents =
                format!(r#"{{defaults: {{sandbox: {sandbox}}}, list: [{{id: "a", tools: {own}}}]}}"#);
            let config = format!("{{tools: {tools}, agents: {agents}}}").replace("HIDDEN", hidden);
            MemoryHost::new(&config).with(|cx| {
                let config = cx.config();
                let section = agents::entry(&config, "a").expect("shown").map(|entry| entry.get("tools"));
                let policies = policies(&config, Some("a"), section.as_ref());
                assert_eq!(policies.is_ok(), is_shown, "{tools} {sandbox} {own}");
            });
        }
    }
}
