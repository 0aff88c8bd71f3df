//! Which generation of OpenClaw a config was written for: by its version stamp, else by keys that only one
//! generation has.

use serde_json::Value;

use crate::config::release::Release;
use crate::config::tree::{Node, Tree};
use crate::config::{Problem, ProblemKind, Problems};

/// The older generation, whose schema is known here.
pub(in crate::config) const OLD: &str = "2026.2";
/// The newer generation.
pub(in crate::config) const NEW: &str = "2026.9";

/// First version that is not of the old generation.
const OLD_ENDS: (u64, u64) = (2026, 3);
/// Newest version line known here.
const NEWEST: (u64, u64) = (2026, 9);

/// The release of a generation that is known best.
pub(in crate::config) fn release(generation: &str) -> Release {
    if generation == NEW {
        Release { year: 2026, month: 9, patch: 6 }
    } else {
        Release { year: 2026, month: 2, patch: 19 }
    }
}

/// Keys that only the old generation accepts. `*` stands for any key or index.
const OLD_KEYS: [&str; 24] = [
    "/meta/lastTouchedAt",
    "/agents/list/1",
    "/gateway/nodes/allowCommands",
    "/gateway/nodes/denyCommands",
    "/gateway/controlUi/allowInsecureAuth",
    "/logging/redactSensitive",
    "/commands/useAccessGroups",
    "/plugins/installs",
    "/hooks/internal/installs",
    "/hooks/internal/handlers",
    "/channels/bluebubbles",
    "/channels/discord/dm/policy",
    "/channels/discord/dm/allowFrom",
    "/channels/slack/dm/policy",
    "/channels/slack/dm/allowFrom",
    "/browser/color",
    "/browser/profiles/*/color",
    "/browser/ssrfPolicy/allowPrivateNetwork",
    "/agents/defaults/memorySearch",
    "/memory/qmd",
    "/messages/tts",
    "/canvasHost",
    "/session/idleMinutes",
    "/session/agentToAgent",
];

/// Keys that only the new generation accepts. Such keys as `gateway.customBindHost`, which people also write into
/// old configs by mistake, are no evidence.
const NEW_KEYS: [&str; 37] = [
    "/agents/entries",
    "/agents/ownership",
    "/agents/defaults/skills",
    "/agents/defaults/sandbox/backend",
    "/agents/defaults/sandbox/ssh",
    "/agents/defaults/sandbox/docker/dangerouslyAllowContainerNamespaceJoin",
    "/agents/defaults/sandbox/docker/dangerouslyAllowExternalBindSources",
    "/agents/defaults/sandbox/docker/dangerouslyAllowReservedContainerTargets",
    "/bindings/*/session",
    "/browser/extensionRelay",
    "/browser/ssrfPolicy/dangerouslyAllowPrivateNetwork",
    "/channels/*/dangerouslyAllowNameMatching",
    "/gateway/allowRealIpFallback",
    "/gateway/auth/identityScopes",
    "/gateway/auth/trustedProxy/allowLoopback",
    "/gateway/auth/trustedProxy/deviceAutoApprove",
    "/gateway/controlUi/dangerouslyAllowHostHeaderOriginFallback",
    "/gateway/nodes/commands",
    "/gateway/nodes/pairing",
    "/gateway/publicOrigin",
    "/gateway/roles",
    "/meta/migrations",
    "/session/groupScope",
    "/tools/exec/mode",
    "/tools/exec/safeBinProfiles",
    "/tools/exec/safeBinTrustedDirs",
    "/tools/exec/strictInlineEval",
    "/accessGroups",
    "/acp",
    "/cloudWorkers",
    "/mcp",
    "/secrets",
    "/security",
    "/surfaces",
    "/telemetry",
    "/transcripts",
    "/worktreeRoot",
];

/// The generation and the reason for it.
pub(in crate::config) fn detect(config: &Value, problems: &mut Problems) -> (&'static str, String) {
    let stamp = config.pointer("/meta/lastTouchedVersion").and_then(Value::as_str);
    let version = stamp.and_then(version);
    if let (Some(version), Some(stamp)) = (version, stamp) {
        if version > NEWEST {
            // Cut, because the stamp is free text.
            let stamp: String = stamp.chars().take(40).collect();
            let message = format!(
                "The config was written by version {stamp}; the newest one known here is {}.{}. Settings that came \
                 later are not checked.",
                NEWEST.0, NEWEST.1
            );
            problems.push(Problem::new(ProblemKind::NewerVersion, message).at("/meta/lastTouchedVersion"));
        }
        if version < OLD_ENDS {
            return (OLD, "meta.lastTouchedVersion".to_owned());
        }
    }
    let old = old_evidence(config);
    let new = new_evidence(config);
    match (old, new, version) {
        (None, Some(key), _) => (NEW, format!("{key} exists only in {NEW}")),
        (Some(key), None, _) => (OLD, format!("{key} exists only in {OLD}")),
        // Both or neither: the stamp decides, and without one the generation whose schema is known.
        (_, _, Some(_)) => (NEW, "meta.lastTouchedVersion".to_owned()),
        _ => (OLD, "no evidence; assumed".to_owned()),
    }
}

/// The version that wrote a config last, as its stamp says; year and month.
pub(in crate::config) fn last_writer(config: &Tree) -> Option<(u64, u64)> {
    match &config.get("meta")?.get("lastTouchedVersion")?.node {
        Node::Leaf(Value::String(stamp)) => version(stamp),
        _ => None,
    }
}

/// Year and month of `2026.9.6-beta`.
fn version(stamp: &str) -> Option<(u64, u64)> {
    let mut parts = stamp.trim().split(['.', '-']);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

fn old_evidence(config: &Value) -> Option<String> {
    first_present(config, &OLD_KEYS)
}

fn new_evidence(config: &Value) -> Option<String> {
    first_present(config, &NEW_KEYS)
        .or_else(|| holds_secret_ref(config).then(|| "a SecretRef object".to_owned()))
}

fn first_present(config: &Value, keys: &[&str]) -> Option<String> {
    let key = keys.iter().find(|key| {
        let path: Vec<&str> = key.split('/').skip(1).collect();
        present(config, &path)
    })?;
    Some(crate::config::pointer::readable(key))
}

fn present(value: &Value, path: &[&str]) -> bool {
    let Some((first, rest)) = path.split_first() else { return true };
    match (value, *first) {
        (Value::Object(map), "*") => map.values().any(|item| present(item, rest)),
        (Value::Array(items), "*") => items.iter().any(|item| present(item, rest)),
        (Value::Object(map), key) => map.get(key).is_some_and(|item| present(item, rest)),
        (Value::Array(items), index) => index
            .parse()
            .ok()
            .and_then(|index: usize| items.get(index))
            .is_some_and(|item| present(item, rest)),
        _ => false,
    }
}

fn holds_secret_ref(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(holds_secret_ref),
        Value::Object(map) => is_secret_ref(value) || map.values().any(holds_secret_ref),
        _ => false,
    }
}

/// A reference to a secret that is kept elsewhere: exactly `source`, `provider` and `id`, all strings.
pub(in crate::config) fn is_secret_ref(value: &Value) -> bool {
    let Some(map) = value.as_object() else { return false };
    let text = |key: &str| map.get(key).and_then(Value::as_str);
    map.len() == 3
        && text("source").is_some_and(|source| ["env", "file", "exec", "store"].contains(&source))
        && text("provider").is_some()
        && text("id").is_some()
}
