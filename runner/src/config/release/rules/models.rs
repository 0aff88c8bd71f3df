//! Models and their providers.

use std::collections::HashSet;

use crate::config::rules::Judge;
use crate::config::rules::forms::{is_private, model, url};
use crate::config::rules::overlays::is_overlay;
use crate::config::rules::spot::Spot;
use crate::target::js_trim;

/// A provider that does not come with the gateway says where it is and what it has.
pub(super) fn providers(judge: &mut Judge<'_>) {
    let providers: Vec<_> =
        judge.at("models").into_iter().flat_map(|models| models.members_of("providers")).collect();
    for (id, provider) in providers {
        if !provider.value.is_object() || is_overlay(id, judge.release) {
            continue;
        }
        if provider.get("baseUrl").is_none_or(|url| url.text() == Some("")) {
            judge.refuse(provider.below("baseUrl"), "A model provider of your own needs a baseUrl.");
        }
        if !provider.has("models") {
            judge.refuse(provider.below("models"), "A model provider of your own needs a list of models.");
        }
    }
}

/// A mode of a request's part, the other keys that it takes, and those that it needs (measured on 2026.4.15 and 2026.9.6).
const FORMS: [(&str, &str, &[&str], &[&str]); 5] = [
    ("auth", "provider-default", &[], &[]),
    ("auth", "authorization-bearer", &["token"], &["token"]),
    ("auth", "header", &["headerName", "value", "prefix"], &["headerName", "value"]),
    ("proxy", "env-proxy", &["tls"], &[]),
    ("proxy", "explicit-proxy", &["tls", "url"], &["url"]),
];

/// How requests to providers are made: the mode decides about the keys beside it.
pub(super) fn requests(judge: &mut Judge<'_>) {
    let providers = judge.at("models").into_iter().flat_map(|models| models.members_of("providers"));
    let mut owners: Vec<Spot<'_>> = providers.map(|(_, provider)| provider).collect();
    for (_, kind) in judge.at("tools/media").into_iter().flat_map(|media| media.members()) {
        // The list of models for all kinds stands among the kinds.
        owners.extend(kind.items().chain(kind.items_of("models")));
        owners.push(kind);
    }
    for request in owners.iter().filter_map(|owner| owner.get("request")) {
        for (part, mode, takes, needs) in FORMS {
            let Some(part) = request.get(part).filter(|part| part.is("mode", mode)) else { continue };
            for key in needs.iter().filter(|key| !part.has(key)) {
                judge.refuse(part.below(key), format!("The mode {mode} needs {key}."));
            }
            let keys = part.value.as_object().into_iter().flat_map(serde_json::Map::keys);
            for key in keys.filter(|key| *key != "mode" && !takes.contains(&key.as_str())) {
                judge.refuse(part.below(key), format!("The mode {mode} takes no {key}."));
            }
        }
    }
}

/// The catalogue of models comes over https, or from this machine.
pub(super) fn catalog(judge: &mut Judge<'_>) {
    let Some(spot) = judge.at("models/catalogRefresh/url") else { return };
    if spot.text().is_some_and(|text| !url(text).is_some_and(|url| is_private(&url))) {
        judge.refuse(spot.pointer, "The catalogue's URL must be https; http only for this machine.");
    }
}

/// Names of models that were valid before names had a form.
const OLD_NAMES: [&str; 2] = ["openrouter:auto", "openrouter:free"];

/// What a policy allows has the form of a model's name.
pub(super) fn policies(judge: &mut Judge<'_>) {
    let shared = judge.at("agents/defaults");
    let aliases = |agent: &Spot<'_>| -> Vec<String> {
        let entries = agent.members_of("models").filter_map(|(_, entry)| entry.text_of("alias"));
        entries.map(|alias| js_trim(alias).to_lowercase()).filter(|alias| !alias.is_empty()).collect()
    };
    let common: HashSet<String> = shared.iter().flat_map(aliases).collect();
    let mut wrong = Vec::new();
    for agent in judge.agents_and_defaults() {
        let own: HashSet<String> = aliases(&agent).into_iter().collect();
        for item in agent.get("modelPolicy").into_iter().flat_map(|policy| policy.items_of("allow")) {
            let Some(text) = item.text() else { continue };
            let name = js_trim(text).to_lowercase();
            let is_known =
                common.contains(&name) || own.contains(&name) || OLD_NAMES.contains(&name.as_str());
            if !is_known && !is_reference(text) {
                wrong.push(item.pointer);
            }
        }
    }
    for pointer in wrong {
        judge.refuse(pointer, "An allowed model is an alias, provider/model, or provider/* for all of them.");
    }
}

/// `provider/model` or `provider/*`.
fn is_reference(text: &str) -> bool {
    let parts: Vec<&str> = js_trim(text).split('/').map(js_trim).collect();
    let (last, first) = match parts.split_last() {
        Some((last, first)) if !first.is_empty() => (*last, first),
        _ => return false,
    };
    let is_part = |part: &str| {
        !part.is_empty() && !part.contains('*') && !part.contains(|c: char| c <= '\u{1f}' || c == '\u{7f}')
    };
    first.iter().all(|part| is_part(part)) && (last == "*" || is_part(last))
}

/// The decision model has the form of a model's name.
pub(super) fn decision(judge: &mut Judge<'_>) {
    let wrong: Vec<_> = judge
        .agents_and_defaults()
        .filter_map(|agent| agent.get("decisionModel"))
        .filter(|spot| spot.text().is_some_and(|text| !js_trim(text).is_empty() && model(text).is_none()))
        .collect();
    for spot in wrong {
        judge.refuse(spot.pointer, "The decision model is provider/model, or empty for none.");
    }
}

/// Settings of single models stand under their exact names.
pub(super) fn entries(judge: &mut Judge<'_>) {
    let entries: Vec<_> = judge.agents_and_defaults().flat_map(|agent| agent.members_of("models")).collect();
    for (name, entry) in entries {
        let is_exact = !name.contains('*') && model(name).is_some();
        for key in ["codeMode", "pickerRuntimes"].into_iter().filter(|key| !is_exact && entry.has(key)) {
            judge.refuse(entry.below(key), format!("{key} needs an exact provider/model as its key."));
        }
        for runtime in entry.items_of("pickerRuntimes") {
            if runtime.text().is_some_and(|id| ["auto", "default"].contains(&js_trim(id))) {
                judge.refuse(runtime.pointer, "A runtime of the picker is one by its name.");
            }
        }
    }
}
