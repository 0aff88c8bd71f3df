//! Which agents can call the tools of plugins though nothing asks for them (reference: state-checks 5.3).

use std::collections::{BTreeMap, BTreeSet};

use chitin_policy_sdk::openclaw::tools::{Catalogue, Scope};
use chitin_policy_sdk::{Answer, Context, Node, NotAssessed, all, any, js, listing, warn};

use crate::installed::{self, Folder, Plugins};

const CHECK: &str = "plugins.tools_reachable_permissive_policy";

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

/// Adds one finding for all agents, where plugins are enabled and open to some.
pub fn permissive(cx: &Context<'_>, folder: &Folder, answer: &mut Answer) {
    let config = cx.config();
    let enabled = match enabled(cx, folder, answer) {
        Ok(Some(enabled)) => enabled,
        Ok(None) => return,
        Err(reason) => return answer.leave_open(CHECK, reason),
    };
    let catalogue = Catalogue::of(cx.release());
    let (mut labels, mut nodes) = (Vec::new(), Vec::new());
    match is_permissive(catalogue, &config, &Scope::common(), &enabled) {
        Ok(true) => {
            labels.push("agents without settings of their own".to_owned());
            nodes.push(config.get("tools"));
        }
        Ok(false) => {}
        Err(reason) => answer.leave_open(CHECK, reason),
    }
    let agents = config.at("agents.list").items().map(Iterator::collect);
    let agents: Vec<Node<'_>> = agents.unwrap_or_else(|reason| {
        answer.leave_open(CHECK, reason);
        Vec::new()
    });
    for agent in agents {
        match open_agent(catalogue, &config, &agent, &enabled) {
            Ok(Some(id)) => {
                labels.push(if id.is_empty() { agent.dotted() } else { format!("agent \"{id}\"") });
                nodes.push(agent.get("tools"));
            }
            Ok(None) => {}
            Err(reason) => answer.leave_open(CHECK, reason),
        }
    }
    if labels.is_empty() {
        return;
    }
    let plugins = match &enabled {
        Enabled::Named(ids) => listing::words(ids),
        Enabled::Unknown => format!("whatever lies in {}", cx.display_path(&folder.path)),
    };
    answer.findings.push(
        warn(CHECK, "No tool policy says which agents may call plugin tools")
            .detail(format!(
                "Enabled plugins: {plugins}. Their tools are open to {}: text that strangers get in front of such an agent \
                 can drive code that is not part of OpenClaw.",
                listing::words(&labels)
            ))
            .remediation(
                "Set tools.profile to \"coding\" or \"minimal\" for all agents, or of those agents alone that read what \
                 strangers write; or tools.allow to the tools that are needed",
            )
            .at_all(&nodes)
            .at_objects([&folder.path]),
    );
}

/// The id of an agent to which plugins are open.
fn open_agent<'a>(
    catalogue: Catalogue,
    config: &Node<'a>,
    agent: &Node<'a>,
    enabled: &Enabled,
) -> Result<Option<&'a str>, NotAssessed> {
    if !agent.is_object()? {
        return Ok(None);
    }
    let id = agent.get("id").text();
    let scope = Scope::of(id.clone().transpose(), Some(agent.clone()));
    if !is_permissive(catalogue, config, &scope, enabled)? {
        return Ok(None);
    }
    Ok(Some(id?.unwrap_or_default()))
}

/// The texts of a list of ids, in lower case.
struct Ids {
    shown: BTreeSet<String>,
    /// Why there may be others; none where these are all.
    open: Option<NotAssessed>,
}

impl Ids {
    fn read(list: &Node<'_>) -> Self {
        let mut ids = Self { shown: BTreeSet::new(), open: None };
        let items = match list.items() {
            Ok(items) => items,
            Err(reason) => return Self { open: Some(reason), ..ids },
        };
        for item in items {
            match item.trimmed() {
                Ok(id) => ids.shown.extend(id.map(str::to_lowercase)),
                Err(reason) => ids.open = Some(reason),
            }
        }
        ids
    }

    fn has(&self, id: &str) -> Result<bool, NotAssessed> {
        any([Ok(self.shown.contains(id)), self.open.clone().map_or(Ok(false), Err)])
    }

    fn is_empty(&self) -> Result<bool, NotAssessed> {
        all([Ok(self.shown.is_empty()), self.open.clone().map_or(Ok(true), Err)])
    }
}

/// None where no plugin is enabled. Where some of them cannot be told, the others count and the check is left open.
fn enabled(cx: &Context<'_>, folder: &Folder, answer: &mut Answer) -> Result<Option<Enabled>, NotAssessed> {
    let plugins = cx.config().get("plugins");
    if plugins.get("enabled").is_false()? {
        return Ok(None);
    }
    let (allow, deny) = (Ids::read(&plugins.get("allow")), Ids::read(&plugins.get("deny")));
    let switched_off = switched_off(&plugins.get("entries"));
    let names = match &folder.plugins {
        Plugins::Listed(names) => names.clone(),
        Plugins::Elsewhere(_) if allow.is_empty()? => return Ok(Some(Enabled::Unknown)),
        Plugins::Elsewhere(_) => behind_link(cx, &plugins.get("allow"), answer)?,
    };
    let may_load = |id: &str| {
        let is_allowed = any([allow.is_empty(), allow.has(id)]);
        let is_off = match &switched_off {
            Ok(ids) => ids.get(id).cloned().unwrap_or(Ok(false)),
            Err(reason) => Err(reason.clone()),
        };
        all([is_allowed, deny.has(id).map(|is_denied| !is_denied), is_off.map(|is_off| !is_off)])
    };
    let ids = names.iter().map(|name| js::trim(&name.replace("%25", "%")).to_lowercase());
    let mut enabled = Vec::new();
    for id in ids.filter(|id| !id.is_empty()) {
        match may_load(&id) {
            Ok(true) => enabled.push(id),
            Ok(false) => {}
            Err(reason) => answer.leave_open(CHECK, reason),
        }
    }
    Ok((!enabled.is_empty()).then_some(Enabled::Named(enabled)))
}

/// The ids in `plugins.entries`, each with whether it is switched off there.
fn switched_off(entries: &Node<'_>) -> Result<BTreeMap<String, Result<bool, NotAssessed>>, NotAssessed> {
    let mut ids = BTreeMap::new();
    for (key, entry) in entries.entries()? {
        let known = ids.entry(js::trim(key).to_lowercase()).or_insert(Ok(false));
        *known = any([known.clone(), entry.get("enabled").is_false()]);
    }
    Ok(ids)
}

/// The allowed plugins that are there, behind a link that cannot be listed.
fn behind_link(cx: &Context<'_>, allow: &Node<'_>, answer: &mut Answer) -> Result<Vec<String>, NotAssessed> {
    let mut names = Vec::new();
    for item in allow.items()? {
        let is_there = item.trimmed().and_then(|name| {
            let name = name.map(|name| name.replace('%', "%25")).filter(|name| !name.contains('/'));
            let Some(name) = name else { return Ok(None) };
            Ok(installed::is_there(cx, &name)?.then_some(name))
        });
        match is_there {
            Ok(name) => names.extend(name),
            Err(reason) => answer.leave_open(CHECK, reason),
        }
    }
    Ok(names)
}

/// The tools of plugins are open in a scope.
fn is_permissive(
    catalogue: Catalogue,
    config: &Node<'_>,
    scope: &Scope<'_>,
    enabled: &Enabled,
) -> Result<bool, NotAssessed> {
    let (global, own) = (config.get("tools"), scope.entry.as_ref().map(|entry| entry.get("tools")));
    // A profile that leaves only some tools leaves none of a plugin, whatever the lists say.
    if catalogue.profile(&global, own.as_ref())?.is_some_and(|profile| !profile.allows(PROBE)) {
        return Ok(false);
    }
    let is_broad = catalogue.stack(config, scope, None).allows(PROBE);
    let sections = [Some(&global), own.as_ref()].into_iter().flatten();
    any([is_broad].into_iter().chain(sections.map(|section| names_plugins(section, enabled))))
}

/// A `tools` section, or what it says for one provider, lists a plugin by its id or all of them.
fn names_plugins(section: &Node<'_>, enabled: &Enabled) -> Result<bool, NotAssessed> {
    let asks_for = |name: &str| {
        let name = name.to_lowercase();
        name == ALL_PLUGINS || matches!(enabled, Enabled::Named(ids) if ids.contains(&name))
    };
    let lists = |place: &Node<'_>| {
        any(["allow", "alsoAllow"]
            .map(|key| any(place.get(key).items()?.map(|item| Ok(item.trimmed()?.is_some_and(asks_for))))))
    };
    let mut places = vec![lists(section)];
    match section.get("byProvider").entries() {
        Ok(providers) => places.extend(providers.map(|(_, provider)| lists(&provider))),
        Err(reason) => places.push(Err(reason)),
    }
    any(places)
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
            let mut findings = host.directory("state", "extensions/foo", 0o755).findings(crate::audit);
            findings.pop().map_or_else(String::new, |finding| finding.detail)
        };
        let config = r#"{tools: {profile: "minimal"}, agents: {list: [{id: "a", tools: {profile: "full"}}, {id: "b"}]}}"#;
        assert!(detail(config).contains(r#"open to agent "a": "#));
        let config = r#"{agents: {list: [{id: "a", tools: {deny: ["*"]}}, 5, {tools: {}}]}}"#;
        assert!(detail(config).contains("open to agents without settings of their own and agents.list.2: "));
        let config = r#"{tools: {allow: ["foo"]}, agents: {list: [{id: "a", tools: {allow: ["read"]}}]}}"#;
        assert!(detail(config).contains(r#"their own and agent "a": "#), "a global entry counts for all");
    }

    #[test]
    fn what_a_profile_leaves_is_that_of_the_release() {
        let config = r#"{tools: {profile: "coding", alsoAllow: ["*"]}}"#;
        let host = MemoryHost::new(config).directory("state", "extensions", 0o755);
        let host = host.directory("state", "extensions/foo", 0o755);
        assert_eq!(verdict(&host.clone().release(2026, 7, 35)), CLEAN, "it adds nothing to a profile");
        assert_eq!(verdict(&host.release(2026, 8, 1)), FOUND);
    }

    /// What is said of the check: "finding", "open", both, or neither.
    fn seen(config: &str) -> (bool, bool) {
        let config = config.replace("HIDDEN", r#"{"$hidden": "variable"}"#);
        let host = MemoryHost::new(&config).directory("state", "extensions/foo", 0o755);
        verdict(&host.directory("state", "extensions", 0o755))
    }

    fn verdict(host: &MemoryHost) -> (bool, bool) {
        let ids = host.ids(crate::audit);
        let has = |what: &str| {
            ids.iter().any(|id| *id == format!("plugins.tools_reachable_permissive_policy:{what}"))
        };
        (has("warn"), has("not assessed"))
    }

    const FOUND: (bool, bool) = (true, false);
    const OPEN: (bool, bool) = (false, true);
    const BOTH: (bool, bool) = (true, true);
    const CLEAN: (bool, bool) = (false, false);

    #[test]
    fn a_name_that_is_not_shown_counts_where_it_decides() {
        for (config, expected) in [
            ("{plugins: {allow: [HIDDEN]}}", OPEN),
            (r#"{plugins: {allow: ["foo", HIDDEN]}}"#, FOUND),
            (r#"{plugins: {allow: ["bar", HIDDEN]}}"#, OPEN),
            ("{plugins: {deny: [HIDDEN]}}", OPEN),
            (r#"{plugins: {deny: ["foo", HIDDEN]}}"#, CLEAN),
            ("{plugins: {enabled: false, deny: [HIDDEN]}}", CLEAN),
            ("{plugins: {entries: {foo: {enabled: HIDDEN}}}}", FOUND),
            (r#"{plugins: {deny: [HIDDEN]}, tools: {profile: "minimal"}}"#, OPEN),
            ("{tools: {profile: HIDDEN}}", OPEN),
            ("{tools: {deny: [HIDDEN]}}", OPEN),
            (r#"{tools: {profile: "minimal", deny: [HIDDEN]}}"#, CLEAN),
            (r#"{tools: {allow: ["read", HIDDEN]}}"#, OPEN),
            (r#"{tools: {allow: ["foo", HIDDEN]}}"#, FOUND),
            (r#"{tools: {allow: ["read"], byProvider: {x: {allow: [HIDDEN]}}}}"#, OPEN),
            ("{agents: {defaults: {sandbox: {mode: HIDDEN}}}}", OPEN),
            (r#"{agents: {list: [{id: "a", tools: {deny: [HIDDEN]}}]}}"#, BOTH),
            ("{agents: {list: [{id: HIDDEN}]}}", BOTH),
            (r#"{tools: {profile: "minimal"}, agents: {list: [{id: HIDDEN}]}}"#, CLEAN),
            (
                r#"{tools: {profile: "minimal"}, agents: {list: [{id: HIDDEN, tools: {profile: "full"}}]}}"#,
                OPEN,
            ),
        ] {
            assert_eq!(seen(config), expected, "{config}");
        }
    }

    #[test]
    fn what_is_withheld_is_not_taken_for_absent() {
        let config = r#"{plugins: {allow: [], deny: [], entries: {}}, tools: {profile: "full", byProvider: {}},
            agents: {defaults: {sandbox: {}}, list: []}}"#;
        let host = MemoryHost::new(config).directory("state", "extensions/foo", 0o755);
        let host = host.directory("state", "extensions", 0o755);
        for (pointer, expected) in [
            ("/plugins", OPEN),
            ("/plugins/enabled", OPEN),
            ("/plugins/allow", OPEN),
            ("/plugins/deny", OPEN),
            ("/plugins/entries", OPEN),
            ("/tools", OPEN),
            ("/tools/profile", OPEN),
            ("/tools/deny", OPEN),
            ("/tools/byProvider", FOUND),
            ("/agents/defaults/sandbox", OPEN),
            ("/agents/list", BOTH),
        ] {
            assert_eq!(verdict(&host.clone().withhold(pointer)), expected, "{pointer}");
        }
    }
}
