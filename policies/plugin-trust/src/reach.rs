//! Which agents can call the tools of plugins though nothing asks for them (reference: state-checks 5.3).

use std::collections::BTreeSet;

use chitin_policy_sdk::{Context, Failure, Finding, Node, js, listing, tools, warn};

use crate::installed::{self, Folder, Plugins};

/// A tool that no core tool is called like: whoever may call it may call what plugins bring.
const PROBE: &str = "__openclaw_plugin_probe__";

/// A name for the tools of all plugins.
const ALL_PLUGINS: &str = "group:plugins";

/// The plugins that the gateway would load.
enum Enabled {
    /// By their ids: the names of their folders in lower case.
    Named(Vec<String>),
    /// Whatever lies behind a link.
    Unknown,
}

/// One finding for all agents, where plugins are enabled and open to some.
pub fn permissive(cx: &Context<'_>, folder: &Folder) -> Result<Option<Finding>, Failure> {
    let config = cx.config();
    let Some(enabled) = enabled(cx, folder)? else { return Ok(None) };
    let (mut labels, mut nodes) = (Vec::new(), Vec::new());
    if is_permissive(&config, None, &enabled)? {
        labels.push("agents without settings of their own".to_owned());
        nodes.push(config.get("tools"));
    }
    for entry in config.at("agents.list").items().filter(|entry| entry.object().is_some()) {
        if is_permissive(&config, Some(&entry), &enabled)? {
            labels.push(format!("agent \"{}\"", entry.get("id").text().unwrap_or_default()));
            nodes.push(entry.get("tools"));
        }
    }
    let plugins = match &enabled {
        Enabled::Named(ids) => listing::words(ids),
        Enabled::Unknown => format!("whatever lies in {}", cx.display_path(&folder.path)),
    };
    let finding = warn("plugins.tools_reachable_permissive_policy", "Agents can call plugin tools that nobody gave them")
        .detail(format!(
            "Enabled plugins: {plugins}. The tool policy lets their tools through for {}: text that strangers \
             get in front of them can drive code that is not part of OpenClaw.",
            listing::words(&labels)
        ))
        .remediation(
            "Set tools.profile to \"coding\" or \"minimal\", or tools.allow to the tools that are needed, for each agent that \
             reads what strangers write",
        )
        .at_all(&nodes)
        .at_objects([&folder.path]);
    Ok((!labels.is_empty()).then_some(finding))
}

/// None where no plugin is enabled.
fn enabled(cx: &Context<'_>, folder: &Folder) -> Result<Option<Enabled>, Failure> {
    let config = cx.config();
    let plugins = config.get("plugins");
    if plugins.get("enabled").is_false() {
        return Ok(None);
    }
    let allow: Vec<&str> = plugins.get("allow").texts().collect();
    let deny: BTreeSet<String> = plugins.get("deny").texts().map(str::to_lowercase).collect();
    let allowed: BTreeSet<String> = allow.iter().map(|allowed| allowed.to_lowercase()).collect();
    let entries = plugins.get("entries");
    let off = entries.entries().filter(|(_, entry)| entry.get("enabled").is_false());
    let switched_off: BTreeSet<String> = off.map(|(key, _)| js::trim(key).to_lowercase()).collect();
    let names = match &folder.plugins {
        Plugins::Listed(names) => names.clone(),
        Plugins::Elsewhere(_) if allow.is_empty() => return Ok(Some(Enabled::Unknown)),
        Plugins::Elsewhere(_) => behind_link(cx, &allow)?,
    };
    let ids = names.iter().map(|name| js::trim(&name.replace("%25", "%")).to_lowercase());
    let may_load = |id: &String| {
        let allowed = allow.is_empty() || allowed.contains(id);
        !id.is_empty() && allowed && !deny.contains(id) && !switched_off.contains(id)
    };
    let ids: Vec<String> = ids.filter(may_load).collect();
    Ok((!ids.is_empty()).then_some(Enabled::Named(ids)))
}

/// The allowed plugins that are there, behind a link that cannot be listed.
fn behind_link(cx: &Context<'_>, allow: &[&str]) -> Result<Vec<String>, Failure> {
    let mut names = Vec::new();
    for name in allow.iter().map(|name| name.replace('%', "%25")).filter(|name| !name.contains('/')) {
        if installed::is_there(cx, &name)? {
            names.push(name);
        }
    }
    Ok(names)
}

/// The tools of plugins are open to an agent, or, without one, by the global settings.
fn is_permissive(config: &Node<'_>, entry: Option<&Node<'_>>, enabled: &Enabled) -> Result<bool, Failure> {
    let (global, own) = (config.get("tools"), entry.map(|entry| entry.get("tools")));
    let id = entry.and_then(|entry| entry.get("id").text());
    let policies = tools::policies(config, id, own.as_ref())?;
    if policies.iter().all(|policy| policy.allows(PROBE)) {
        return Ok(true);
    }
    let is_restricted = tools::profile(&global, own.as_ref()).is_some();
    Ok(!is_restricted && [Some(global), own].iter().flatten().any(|section| names_plugins(section, enabled)))
}

/// A `tools` section, or what it says for one provider, lists a plugin by its id or all of them.
fn names_plugins(section: &Node<'_>, enabled: &Enabled) -> bool {
    let asks_for = |name: &str| {
        let name = name.to_lowercase();
        name == ALL_PLUGINS || matches!(enabled, Enabled::Named(ids) if ids.contains(&name))
    };
    let providers = section.get("byProvider");
    let places = [section.clone()].into_iter().chain(providers.entries().map(|(_, provider)| provider));
    let mut lists = places.flat_map(|place| [place.get("allow"), place.get("alsoAllow")]);
    lists.any(|list| list.texts().any(asks_for))
}

#[cfg(test)]
mod tests {
    use chitin_policy_sdk::testing::MemoryHost;

    fn is_reachable(config: &str) -> bool {
        let host = MemoryHost::new(config).directory("state", "extensions", 0o755);
        let ids = host.directory("state", "extensions/Foo", 0o755).ids(crate::audit);
        ids.iter().any(|id| id == "plugins.tools_reachable_permissive_policy:warn")
    }

    #[test]
    fn only_a_plugin_that_would_load_is_reachable() {
        for (plugins, reachable) in [
            ("{}", true),
            ("{enabled: false}", false),
            (r#"{enabled: "false"}"#, true),
            (r#"{deny: [" FOO "]}"#, false),
            (r#"{allow: [" fOO "]}"#, true),
            (r#"{allow: ["bar"]}"#, false),
            (r#"{allow: ["bar", "foo"], deny: ["foo"]}"#, false),
            ("{entries: {foo: {enabled: false}}}", false),
            (r#"{entries: {" FOO": {enabled: false}}}"#, false),
            ("{entries: {foo: {enabled: true}}}", true),
            ("{entries: {foo: 5}}", true),
            ("[5]", true),
        ] {
            assert_eq!(is_reachable(&format!("{{plugins: {plugins}}}")), reachable, "{plugins}");
        }
    }

    #[test]
    fn a_tool_policy_is_broad_or_names_plugins() {
        for (tools, reachable) in [
            ("{}", true),
            ("5", true),
            (r#"{profile: "minimal"}"#, false),
            (r#"{profile: "coding"}"#, false),
            (r#"{profile: "messaging"}"#, false),
            (r#"{profile: "full"}"#, true),
            (r#"{profile: "coding", alsoAllow: ["foo"]}"#, false),
            (r#"{profile: "coding", allow: ["*"]}"#, false),
            (r#"{profile: "coding", byProvider: {x: {allow: ["foo"]}}}"#, false),
            (r#"{allow: ["read"]}"#, false),
            ("{allow: []}", true),
            (r#"{allow: ["*"]}"#, true),
            (r#"{allow: ["*probe__"]}"#, true),
            (r#"{allow: ["f*"]}"#, false),
            (r#"{allow: [" FOO "]}"#, true),
            (r#"{allow: ["bar"]}"#, false),
            (r#"{allow: ["group:plugins"]}"#, true),
            (r#"{alsoAllow: ["read"]}"#, true),
            (r#"{deny: ["foo"]}"#, true),
            (r#"{deny: ["group:plugins"]}"#, true),
            (r#"{deny: ["*"]}"#, false),
            (r#"{deny: ["__openclaw*"]}"#, false),
            (r#"{allow: ["foo"], deny: ["foo"]}"#, true),
            (r#"{allow: ["read"], byProvider: {x: {alsoAllow: ["foo"]}}}"#, true),
            (r#"{allow: ["read"], byProvider: {x: {profile: "full"}}}"#, false),
        ] {
            assert_eq!(is_reachable(&format!("{{tools: {tools}}}")), reachable, "{tools}");
        }
    }

    #[test]
    fn the_sandbox_keeps_plugins_out_and_no_explicit_entry() {
        for (config, reachable) in [
            (r#"{agents: {defaults: {sandbox: {mode: "all"}}}}"#, false),
            (r#"{agents: {defaults: {sandbox: {mode: "non-main"}}}}"#, true),
            (
                r#"{agents: {defaults: {sandbox: {mode: "all"}}}, tools: {sandbox: {tools: {allow: []}}}}"#,
                true,
            ),
            (r#"{agents: {defaults: {sandbox: {mode: "all"}}}, tools: {allow: ["foo"]}}"#, true),
            (r#"{agents: {list: [{id: "a", sandbox: {mode: "all"}}]}}"#, true),
        ] {
            assert_eq!(is_reachable(config), reachable, "{config}");
        }
    }

    #[test]
    fn each_agent_is_judged_by_its_own_settings() {
        let detail = |config: &str| {
            let host = MemoryHost::new(config).directory("state", "extensions", 0o755);
            let findings = host.directory("state", "extensions/foo", 0o755).run(crate::audit);
            findings.expect("a verdict").pop().map_or_else(String::new, |finding| finding.detail)
        };
        let config = r#"{tools: {profile: "minimal"}, agents: {list: [{id: "a", tools: {profile: "full"}}, {id: "b"}]}}"#;
        assert!(detail(config).contains(r#"through for agent "a": "#));
        let config = r#"{agents: {list: [{id: "a", tools: {deny: ["*"]}}, 5, {tools: {}}]}}"#;
        assert!(detail(config).contains(r#"for agents without settings of their own and agent "": "#));
        let config = r#"{tools: {allow: ["foo"]}, agents: {list: [{id: "a", tools: {allow: ["read"]}}]}}"#;
        assert!(detail(config).contains(r#"their own and agent "a": "#), "a global entry counts for all");
    }
}
