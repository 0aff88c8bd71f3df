//! What the gateway fills in after validation: the schema's defaults and order of keys, the runtime defaults, and
//! `~` in paths.

use std::path::Path;

use serde_json::{Map, Value, json};

use crate::config::release::{NEWER_STRUCTURE, Release};
use crate::config::schema::{Id, Schema};
use crate::config::sensitive::is_path_key;
use crate::target::{Environment, expand_home};

/// Short names the gateway gives to well-known models that have none.
const MODEL_ALIASES: [(&str, &str); 6] = [
    ("anthropic/claude-opus-4-6", "opus"),
    ("anthropic/claude-sonnet-4-6", "sonnet"),
    ("openai/gpt-5.2", "gpt"),
    ("openai/gpt-5-mini", "gpt-mini"),
    ("google/gemini-3-pro-preview", "gemini"),
    ("google/gemini-3-flash-preview", "gemini-flash"),
];

/// Context window of a model that does not say, in tokens.
const CONTEXT_WINDOW: u64 = 200_000;
/// Output limit of a model that does not say, in tokens.
const MAX_TOKENS: u64 = 8192;

/// The same config with the schema's defaults, its order of keys, and JavaScript's order elsewhere.
pub(in crate::config) fn schema_order(schema: &Schema, config: Value) -> Value {
    ordered(schema, config, Some(Schema::ROOT))
}

fn ordered(schema: &Schema, value: Value, id: Option<Id>) -> Value {
    let node = id.and_then(|id| schema.node(id));
    match value {
        Value::Array(items) => {
            let item = node.and_then(|node| node.item);
            Value::Array(items.into_iter().map(|value| ordered(schema, value, item)).collect())
        }
        Value::Object(mut map) => {
            let mut done = Map::new();
            for (key, member) in node.iter().flat_map(|node| &node.keys) {
                let default = || schema.node(*member)?.shape().default.clone();
                // Not swap_remove: the rest keeps its order.
                if let Some(value) = map.get_mut(*key).map(Value::take).or_else(default) {
                    done.insert((*key).to_owned(), ordered(schema, value, Some(*member)));
                }
            }
            let mut others: Vec<(String, Value)> =
                map.into_iter().filter(|(key, _)| !done.contains_key(key)).collect();
            // Stable: whole numbers by size, everything else behind them as it came.
            others.sort_by_key(|(key, _)| array_index(key).unwrap_or(u64::MAX));
            let any_key = node.and_then(|node| node.any_key);
            for (key, value) in others {
                done.insert(key, ordered(schema, value, any_key));
            }
            Value::Object(done)
        }
        leaf => leaf,
    }
}

/// A key that JavaScript counts as an index: a canonical whole number below 2^32 - 1.
fn array_index(key: &str) -> Option<u64> {
    let number: u64 = key.parse().ok()?;
    (number < u64::from(u32::MAX) && number.to_string() == key).then_some(number)
}

/// The defaults that are code in the gateway.
pub(in crate::config) fn runtime(release: Release, config: &mut Value, env: &Environment) {
    let Some(root) = config.as_object_mut() else { return };
    if release >= NEWER_STRUCTURE {
        for (key, value) in
            [("native", json!("auto")), ("nativeSkills", json!("auto")), ("restart", json!(true))]
        {
            fill(object(root, "commands"), key, || value);
        }
    }
    fill(object(root, "messages"), "ackReactionScope", || json!("group-mentions"));
    if let Some(session) = root.get_mut("session").and_then(Value::as_object_mut) {
        // The gateway knows one main key only, whatever the file says.
        if session.contains_key("mainKey") {
            session.insert("mainKey".to_owned(), json!("main"));
        }
    }
    let logging = root.get_mut("logging").filter(|_| release < NEWER_STRUCTURE);
    if let Some(logging) = logging.and_then(Value::as_object_mut) {
        fill(Some(logging), "redactSensitive", || json!("tools"));
    }
    let auth = anthropic_auth(root, env);
    if let Some(defaults) = object(root, "agents").and_then(|agents| object(agents, "defaults")) {
        // Since then as many as the machine has processors for; at least these.
        fill(Some(&mut *defaults), "maxConcurrent", || json!(if release >= NEWER_STRUCTURE { 8 } else { 4 }));
        fill(object(defaults, "subagents"), "maxConcurrent", || json!(8));
        if release >= NEWER_STRUCTURE {
            fill(object(defaults, "subagents"), "archiveAfterMinutes", || json!(60));
        }
        if let Some(auth) = auth {
            for_anthropic(defaults, auth);
        }
        fill(object(defaults, "compaction"), "mode", || json!("safeguard"));
        alias_models(defaults);
    }
    complete_models(root);
}

/// The object at `key`, made when it is missing; `None` when something else is there.
fn object<'m>(map: &'m mut Map<String, Value>, key: &str) -> Option<&'m mut Map<String, Value>> {
    map.entry(key).or_insert_with(|| Value::Object(Map::new())).as_object_mut()
}

fn fill(map: Option<&mut Map<String, Value>>, key: &str, value: impl FnOnce() -> Value) {
    if let Some(map) = map {
        map.entry(key).or_insert_with(value);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AnthropicAuth {
    ApiKey,
    Oauth,
}

/// How the gateway would authenticate to Anthropic, if that can be told.
fn anthropic_auth(root: &Map<String, Value>, env: &Environment) -> Option<AnthropicAuth> {
    let mode = |profile: &Value| match profile.get("mode").and_then(Value::as_str) {
        Some("api_key") => Some(AnthropicAuth::ApiKey),
        Some("oauth" | "token") => Some(AnthropicAuth::Oauth),
        _ => None,
    };
    let auth = root.get("auth");
    let profiles = auth.and_then(|auth| auth.get("profiles")).and_then(Value::as_object);
    let is_anthropic = |profile: &Value| profile.get("provider").and_then(Value::as_str) == Some("anthropic");
    let order = auth.and_then(|auth| auth.get("order")?.get("anthropic")?.as_array());
    let ordered = order.into_iter().flatten().filter_map(|id| profiles?.get(id.as_str()?));
    if let Some(found) = ordered.filter(|profile| is_anthropic(profile)).find_map(mode) {
        return Some(found);
    }
    let modes: Vec<AnthropicAuth> = profiles
        .into_iter()
        .flat_map(Map::values)
        .filter(|profile| is_anthropic(profile))
        .filter_map(mode)
        .collect();
    if let Some(first) = modes.first()
        && modes.iter().all(|mode| mode == first)
    {
        return Some(*first);
    }
    if env.non_blank("ANTHROPIC_OAUTH_TOKEN").is_some() {
        return Some(AnthropicAuth::Oauth);
    }
    env.non_blank("ANTHROPIC_API_KEY").map(|_| AnthropicAuth::ApiKey)
}

fn for_anthropic(defaults: &mut Map<String, Value>, auth: AnthropicAuth) {
    if let Some(pruning) = object(defaults, "contextPruning") {
        fill(Some(&mut *pruning), "mode", || json!("cache-ttl"));
        fill(Some(pruning), "ttl", || json!("1h"));
    }
    let every = if auth == AnthropicAuth::Oauth { "1h" } else { "30m" };
    fill(object(defaults, "heartbeat"), "every", || json!(every));
    if auth != AnthropicAuth::ApiKey {
        return;
    }
    let is_anthropic = |name: &str| name.starts_with("anthropic/");
    let primary = defaults.get("model").and_then(|model| model.get("primary")).and_then(Value::as_str);
    let primary = primary.filter(|name| is_anthropic(name)).map(str::to_owned);
    if primary.is_none() && !defaults.contains_key("models") {
        return;
    }
    let Some(models) = object(defaults, "models") else { return };
    if let Some(primary) = primary {
        models.entry(primary).or_insert_with(|| json!({}));
    }
    for (_, model) in models.iter_mut().filter(|(name, _)| is_anthropic(name)) {
        let params = model.as_object_mut().and_then(|model| object(model, "params"));
        fill(params, "cacheRetention", || json!("short"));
    }
}

fn alias_models(defaults: &mut Map<String, Value>) {
    let Some(models) = defaults.get_mut("models").and_then(Value::as_object_mut) else { return };
    for (name, alias) in MODEL_ALIASES {
        fill(models.get_mut(name).and_then(Value::as_object_mut), "alias", || json!(alias));
    }
}

fn complete_models(root: &mut Map<String, Value>) {
    let providers = root.get_mut("models").and_then(|models| models.get_mut("providers"));
    for provider in providers.and_then(Value::as_object_mut).into_iter().flat_map(Map::values_mut) {
        let models = provider.get_mut("models").and_then(Value::as_array_mut);
        for model in models.into_iter().flatten().filter_map(Value::as_object_mut) {
            fill(Some(&mut *model), "reasoning", || json!(false));
            fill(Some(&mut *model), "input", || json!(["text"]));
            if let Some(cost) = object(model, "cost") {
                for key in ["input", "output", "cacheRead", "cacheWrite"] {
                    fill(Some(&mut *cost), key, || json!(0));
                }
            }
            fill(Some(&mut *model), "contextWindow", || json!(CONTEXT_WINDOW));
            let window = model.get("contextWindow").and_then(Value::as_u64).unwrap_or(CONTEXT_WINDOW);
            fill(Some(&mut *model), "maxTokens", || json!(MAX_TOKENS.min(window)));
            if model.get("maxTokens").and_then(Value::as_u64).is_some_and(|tokens| tokens > window) {
                model.insert("maxTokens".to_owned(), json!(window));
            }
        }
    }
}

/// Expands `~` in values whose key says that they are paths.
pub(in crate::config) fn expand_tilde(config: &mut Value, home: &Path) {
    expand(config, None, home);
}

fn expand(value: &mut Value, key: Option<&str>, home: &Path) {
    match value {
        Value::String(text) if key.is_some_and(is_path_key) => {
            if let Some(path) = expand_home(text, home) {
                *text = path.to_string_lossy().into_owned();
            }
        }
        Value::Array(items) => {
            let key = key.filter(|key| matches!(*key, "paths" | "pathPrepend"));
            for item in items {
                let key = key.filter(|_| item.is_string()).map(|_| "paths");
                expand(item, key, home);
            }
        }
        Value::Object(map) => map.iter_mut().for_each(|(key, item)| expand(item, Some(key), home)),
        _ => {}
    }
}
