//! Webhooks: the code that they run, and the sessions that they keep.

use crate::config::rules::Judge;
use crate::target::js_trim;

/// The code of a hook lies below its folder.
pub(super) fn modules(judge: &mut Judge<'_>) {
    let Some(hooks) = judge.at("hooks") else { return };
    let transforms = hooks.items_of("mappings").filter_map(|mapping| mapping.at("transform/module"));
    let handlers = hooks.get("internal").map(|internal| internal.items_of("handlers")).into_iter().flatten();
    let modules: Vec<_> = transforms.chain(handlers.filter_map(|handler| handler.get("module"))).collect();
    for module in modules {
        if module.text().is_some_and(|module| !is_safe_module(module)) {
            judge.refuse(module.pointer, "A module must be a relative path without '..', '~' and ':'.");
        }
    }
}

fn is_safe_module(module: &str) -> bool {
    let module = js_trim(module);
    !(module.is_empty()
        || module.starts_with(['/', '~'])
        || module.contains(':')
        || module.split(['/', '\\']).any(|part| part == ".."))
}

/// A session that is kept has a key.
pub(super) fn persistent_sessions(judge: &mut Judge<'_>) {
    let Some(hooks) = judge.at("hooks").filter(|hooks| !hooks.fills("defaultSessionKey")) else { return };
    for mapping in hooks.items_of("mappings") {
        let is_agent = mapping.get("action").is_none_or(|action| action.text() == Some("agent"));
        let is_kept = mapping.is("sessionMode", "persistent");
        if is_agent && is_kept && !mapping.fills("sessionKey") && !mapping.has("transform") {
            judge.refuse(
                mapping.below("sessionKey"),
                "A mapping with a persistent session needs a sessionKey, hooks.defaultSessionKey or a transform.",
            );
        }
    }
}
