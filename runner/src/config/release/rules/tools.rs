//! Tools: their lists, exec, loop detection, web search.

use crate::config::plugins::ON_THE_SERVER;
use crate::config::release::Release;
use crate::config::rules::Judge;
use crate::config::rules::agents::is_blocked;
use crate::config::rules::spot::Spot;
use crate::config::{Problem, ProblemKind};

/// The `tools` of the config and of every agent.
fn tools<'a>(judge: &Judge<'a>) -> impl Iterator<Item = Spot<'a>> + use<'a> {
    let own = judge.agents().filter_map(|agent| agent.get("tools"));
    let tools: Vec<_> = judge.at("tools").into_iter().chain(own).collect();
    tools.into_iter()
}

/// `allow` and `alsoAllow` are no pair, wherever tools are listed.
pub(super) fn lists(judge: &mut Judge<'_>) {
    for tools in tools(judge) {
        let inner = ["sandbox/tools", "subagents/tools"].into_iter().filter_map(|path| tools.at(path));
        let many = ["byProvider", "toolsBySender"].into_iter();
        let many = many.flat_map(|key| tools.members_of(key).map(|(_, spot)| spot).collect::<Vec<_>>());
        for list in std::iter::once(tools.clone()).chain(inner).chain(many) {
            one_list(&list, judge);
        }
    }
}

/// The same inside of channels, where their schemas still had rules.
pub(super) fn lists_of_channels(judge: &mut Judge<'_>) {
    if let Some(channels) = judge.at("channels") {
        below(&channels, judge);
    }
}

fn below(spot: &Spot<'_>, judge: &mut Judge<'_>) {
    for item in spot.items() {
        below(&item, judge);
    }
    if spot.value.is_object() {
        one_list(spot, judge);
    }
    for (_, member) in spot.members() {
        below(&member, judge);
    }
}

fn one_list(list: &Spot<'_>, judge: &mut Judge<'_>) {
    let filled = |key: &str| list.items_of(key).next().is_some();
    if filled("allow") && filled("alsoAllow") {
        judge.refuse(
            list.below("alsoAllow"),
            "allow and alsoAllow exclude each other: one replaces the profile's tools, the other adds to them.",
        );
    }
}

/// `mode` says what `security` and `ask` say.
pub(super) fn exec_mode(judge: &mut Judge<'_>) {
    for exec in tools(judge).filter_map(|tools| tools.get("exec")) {
        if exec.has("mode") && (exec.has("security") || exec.has("ask")) {
            judge.refuse(
                exec.below("mode"),
                "mode stands for security and ask together, and excludes both beside it.",
            );
        }
    }
}

/// Every level of loop detection lies above the one before.
pub(super) fn loop_detection(judge: &mut Judge<'_>) {
    for detection in tools(judge).filter_map(|tools| tools.get("loopDetection")) {
        let keys = ["warningThreshold", "criticalThreshold", "globalCircuitBreakerThreshold"];
        let levels = keys.map(|key| detection.value.get(key).and_then(serde_json::Value::as_f64));
        // Neighbours are compared; where the one between is missing, the gateway compares nothing.
        if levels.windows(2).any(|pair| matches!(pair, [Some(first), Some(second)] if first >= second)) {
            judge.refuse(
                detection.pointer,
                "The thresholds of loop detection must rise from warning over critical to breaker.",
            );
        }
    }
}

/// Providers of web search whose settings stood below `tools.web.search`.
const MOVED: [&str; 12] = [
    "brave",
    "duckduckgo",
    "exa",
    "firecrawl",
    "gemini",
    "grok",
    "kimi",
    "minimax",
    "ollama",
    "perplexity",
    "searxng",
    "tavily",
];

/// Settings of one provider of web search belong to its plugin.
pub(super) fn moved_web_search(judge: &mut Judge<'_>) {
    let Some(search) = judge.at("tools/web/search") else { return };
    for (key, setting) in search.members() {
        if is_blocked(key) {
            judge.refuse(setting.pointer, "Web search cannot have a key of this name.");
        } else if key == "apiKey" || (MOVED.contains(&key) && setting.value.is_object()) {
            judge.refuse(
                setting.pointer,
                "Settings of one provider of web search belong in plugins.entries.<plugin>.config.webSearch now.",
            );
        }
    }
}

/// Providers of web search that need no further plugin, with the releases that have them.
const WEB_SEARCH: [&str; 4] = ["gemini", "grok", "minimax", "ollama"];

/// First release whose list of providers is known here.
pub(super) const WEB_SEARCH_SINCE: Release = Release::new(2026, 8, 1);

/// The provider of web search is one of a plugin. Whatever the config says of plugins may bring another one.
pub(super) fn web_search_provider(judge: &mut Judge<'_>) {
    let Some(provider) = judge.at("tools/web/search/provider") else { return };
    let Some(name) = provider.text().map(crate::target::js_trim) else { return };
    if name.is_empty() {
        judge.refuse(provider.pointer, "The provider of web search must not be blank.");
    } else if judge.release >= WEB_SEARCH_SINCE && !WEB_SEARCH.contains(&name) && !may_bring_providers(judge)
    {
        if judge.located.is_config_alone() {
            let message =
                format!("the provider of web search {name} comes with no bundled plugin; {ON_THE_SERVER}");
            judge.problems.push(Problem::new(ProblemKind::PluginElsewhere, message).at(provider.pointer));
            return;
        }
        judge.refuse(
            provider.pointer,
            "No plugin of this installation has a provider of web search of this name.",
        );
    }
}

/// The config or the folder of extensions has plugins besides those that come with the gateway.
fn may_bring_providers(judge: &Judge<'_>) -> bool {
    let Some(plugins) = judge.at("plugins") else { return judge.has_extensions() };
    let named = ["allow", "entries", "load"];
    named.into_iter().any(|key| plugins.has(key)) || judge.has_extensions()
}
