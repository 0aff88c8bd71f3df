//! Channel and plugin ids that a config names: known ones are built in, bundled, or declared by a manifest in the
//! extensions directory. An approximation of the gateway's plugin registry, which runs code to find out.

use std::path::Path;

use serde_json::Value;

use crate::config::extensions::{self, Extensions};
use crate::config::pointer::join;
use crate::config::rules::invalid;
use crate::config::{Problem, ProblemKind, Problems};
use crate::target::{Located, absolute, expand_home, js_trim};

/// Channels that need no plugin, and the section with defaults for all.
const BUILT_IN: [&str; 9] =
    ["defaults", "telegram", "whatsapp", "discord", "irc", "googlechat", "slack", "signal", "imessage"];

/// Channels of bundled plugins.
const BUNDLED_CHANNELS: [&str; 12] = [
    "bluebubbles",
    "feishu",
    "line",
    "matrix",
    "mattermost",
    "msteams",
    "nextcloud-talk",
    "nostr",
    "tlon",
    "twitch",
    "zalo",
    "zalouser",
];

/// Other names for channels, accepted as a heartbeat target.
const CHANNEL_ALIASES: [&str; 4] = ["imsg", "internet-relay-chat", "google-chat", "gchat"];

/// Bundled plugins that are no channel of [`BUILT_IN`] or [`BUNDLED_CHANNELS`].
const BUNDLED: [&str; 16] = [
    "copilot-proxy",
    "device-pair",
    "diagnostics-otel",
    "google-antigravity-auth",
    "google-gemini-cli-auth",
    "llm-task",
    "lobster",
    "memory-core",
    "memory-lancedb",
    "minimax-portal-auth",
    "open-prose",
    "phone-control",
    "qwen-portal-auth",
    "talk-voice",
    "thread-ownership",
    "voice-call",
];

/// Members that the configs of bundled plugins may have; every other bundled plugin has none.
const PLUGIN_KEYS: [(&str, &[&str]); 5] = [
    ("device-pair", &["publicUrl"]),
    (
        "llm-task",
        &[
            "defaultProvider",
            "defaultModel",
            "defaultAuthProfileId",
            "allowedModels",
            "maxTokens",
            "timeoutMs",
        ],
    ),
    ("memory-lancedb", &["embedding", "dbPath", "autoCapture", "autoRecall", "captureMaxChars"]),
    ("thread-ownership", &["forwarderUrl", "abTestChannels"]),
    (
        "voice-call",
        &[
            "enabled",
            "provider",
            "telnyx",
            "twilio",
            "plivo",
            "fromNumber",
            "toNumber",
            "inboundPolicy",
            "allowFrom",
            "inboundGreeting",
            "outbound",
            "maxDurationSeconds",
            "silenceTimeoutMs",
            "transcriptTimeoutMs",
            "ringTimeoutMs",
            "maxConcurrentCalls",
            "serve",
            "tailscale",
            "tunnel",
            "streaming",
            "publicUrl",
            "skipSignatureVerification",
            "stt",
            "tts",
            "store",
            "responseModel",
            "responseSystemPrompt",
            "responseTimeoutMs",
        ],
    ),
];

/// What is installed beside the bundled plugins.
struct Found {
    installed: Extensions,
    /// Plugins can come from elsewhere or could not all be looked at: an unknown id proves nothing.
    open_ended: bool,
}

/// Checks the ids a config names.
pub(in crate::config) fn check(config: &Value, located: &Located, problems: &mut Problems) {
    let found = discover(config, located);
    let channels = config.get("channels").and_then(Value::as_object);
    for id in channels.into_iter().flat_map(serde_json::Map::keys) {
        if !js_trim(id).is_empty() && !is_channel(js_trim(id), &found) {
            let message =
                format!("No channel \"{}\" is built in or declared by an installed plugin.", js_trim(id));
            problems.push(Problem::new(ProblemKind::UnknownKey, message).at(join("/channels", id)));
        }
    }
    heartbeat_targets(config, &found, problems);
    let plugins = config.get("plugins");
    if let Some(plugins) = plugins {
        plugin_ids(plugins, &found, problems);
        plugin_configs(plugins, problems);
        load_paths(plugins, located, problems);
    }
    // Only a config that makes the gateway look at its plugins makes it stumble over a broken one.
    let foreign = channels.is_some_and(|channels| channels.keys().any(|id| !BUILT_IN.contains(&js_trim(id))));
    if let (Some(broken), true) = (&found.installed.broken, plugins.is_some() || foreign) {
        let pointer = if plugins.is_some() { "/plugins" } else { "/channels" };
        let message = format!(
            "{broken} This config makes the gateway read its plugins, so it refuses to start; complete or remove the \
             folder."
        );
        invalid(problems, pointer, message);
    }
}

fn load_paths(plugins: &Value, located: &Located, problems: &mut Problems) {
    let paths = plugins.pointer("/load/paths").and_then(Value::as_array).into_iter().flatten().enumerate();
    for (index, path) in paths {
        let Some(path) = path.as_str().map(js_trim).filter(|path| !path.is_empty()) else { continue };
        let path =
            expand_home(path, &located.home).unwrap_or_else(|| absolute(&located.cwd, Path::new(path)));
        if !path.exists() {
            let message = format!("The plugin path {} does not exist.", path.display());
            invalid(problems, format!("/plugins/load/paths/{index}"), message);
        }
    }
}

fn is_channel(id: &str, found: &Found) -> bool {
    BUILT_IN.contains(&id)
        || BUNDLED_CHANNELS.contains(&id)
        || found.installed.channels.contains(id)
        || found.open_ended
}

fn heartbeat_targets(config: &Value, found: &Found, problems: &mut Problems) {
    let mut check = |pointer: String| {
        let Some(target) = config.pointer(&pointer).and_then(Value::as_str) else { return };
        let target = js_trim(target).to_ascii_lowercase();
        let known = target == "last"
            || target == "none"
            || CHANNEL_ALIASES.contains(&target.as_str())
            || (target != "defaults" && is_channel(&target, found));
        if target.is_empty() || !known {
            invalid(problems, pointer, "A heartbeat target is last, none or the name of a channel.");
        }
    };
    check("/agents/defaults/heartbeat/target".to_owned());
    let agents = config.pointer("/agents/list").and_then(Value::as_array).map_or(0, Vec::len);
    for index in 0..agents {
        check(format!("/agents/list/{index}/heartbeat/target"));
    }
}

fn plugin_ids(plugins: &Value, found: &Found, problems: &mut Problems) {
    if found.open_ended {
        return;
    }
    let known = |id: &str| {
        (BUILT_IN.contains(&id) && id != "defaults")
            || BUNDLED_CHANNELS.contains(&id)
            || BUNDLED.contains(&id)
            || found.installed.ids.contains(id)
    };
    let message = "No plugin of this name is bundled or installed.";
    let entries = plugins.get("entries").and_then(Value::as_object);
    for id in entries.into_iter().flat_map(serde_json::Map::keys).filter(|id| !known(id)) {
        invalid(problems, join("/plugins/entries", id), message);
    }
    for list in ["allow", "deny"] {
        let ids = plugins.get(list).and_then(Value::as_array).into_iter().flatten().enumerate();
        for (index, _) in
            ids.filter(|(_, id)| id.as_str().is_some_and(|id| !js_trim(id).is_empty() && !known(js_trim(id))))
        {
            invalid(problems, format!("/plugins/{list}/{index}"), message);
        }
    }
    let memory = plugins.pointer("/slots/memory").and_then(Value::as_str).map(js_trim);
    if memory.is_some_and(|id| !id.is_empty() && id != "none" && !known(id)) {
        invalid(problems, "/plugins/slots/memory", message);
    }
}

/// Only what can be told from the config: members of the configs of bundled plugins that are switched on.
fn plugin_configs(plugins: &Value, problems: &mut Problems) {
    let entries = plugins.get("entries").and_then(Value::as_object);
    for (id, entry) in entries.into_iter().flatten() {
        let bundled = BUNDLED.contains(&id.as_str())
            || BUNDLED_CHANNELS.contains(&id.as_str())
            || BUILT_IN.contains(&id.as_str());
        if !bundled || entry.get("enabled") == Some(&Value::Bool(false)) {
            continue;
        }
        let allowed = PLUGIN_KEYS.iter().find(|(plugin, _)| plugin == id).map_or(&[][..], |(_, keys)| keys);
        let pointer = join(&join("/plugins/entries", id), "config");
        let config = entry.get("config").and_then(Value::as_object);
        for key in
            config.into_iter().flat_map(serde_json::Map::keys).filter(|key| !allowed.contains(&key.as_str()))
        {
            let message = format!("The plugin {id} has no setting \"{key}\".");
            problems.push(Problem::new(ProblemKind::UnknownKey, message).at(join(&pointer, key)));
        }
        if id == "memory-lancedb" && config.is_none_or(|config| !config.contains_key("embedding")) {
            invalid(problems, join(&pointer, "embedding"), "memory-lancedb needs the setting embedding.");
        }
    }
}

fn discover(config: &Value, located: &Located) -> Found {
    let load_paths = config.pointer("/plugins/load/paths").and_then(Value::as_array);
    let installed = extensions::discover(&located.state_dir.join("extensions"), located.territory);
    Found { open_ended: installed.cut || load_paths.is_some_and(|paths| !paths.is_empty()), installed }
}
