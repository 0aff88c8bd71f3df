//! Keys of older layouts, and where what they held belongs in the release that is audited.

use serde_json::Value;

use crate::config::pointer::{escape, readable, segments};
use crate::config::release::{NEWER_STRUCTURE, Release};
use crate::config::schema;
use crate::config::{Problem, ProblemKind, Problems};
use crate::target::js_trim;

/// A key that moved or went. Where the release still knows it, nothing is said of it.
struct Moved {
    /// `*` is any key, or any item of a list.
    key: &'static str,
    /// The first and the last of the releases that this is said of.
    releases: (Release, Release),
    now: Now,
}

/// What became of what a key held.
enum Now {
    /// It belongs there.
    In(&'static str),
    /// The gateway keeps it itself, or it means nothing any more.
    Gone(&'static str),
}

use Now::{Gone, In};

/// All releases.
const ALL: (Release, Release) = (Release::OLDEST, Release::ENDLESS);
/// Those of the older structure.
const OLDER: (Release, Release) = (Release::OLDEST, Release::new(2026, 7, u16::MAX));
/// Those of the newer one.
const NEWER: (Release, Release) = (NEWER_STRUCTURE, Release::ENDLESS);

const IN_STATE: &str = "the gateway keeps it in its state directory";
const NO_EFFECT: &str = "this release has no such setting";

const fn all(key: &'static str, now: Now) -> Moved {
    Moved { key, releases: ALL, now }
}

const fn older(key: &'static str, now: Now) -> Moved {
    Moved { key, releases: OLDER, now }
}

const fn newer(key: &'static str, now: Now) -> Moved {
    Moved { key, releases: NEWER, now }
}

/// The releases that read an address as the mode that it stands for (programs 2026.3.31 to 2026.4.29; 2026.3.13 and 2026.5.28
/// refuse the config).
const ADDRESSES: std::ops::RangeInclusive<Release> = Release::new(2026, 3, 31)..=Release::new(2026, 4, 29);
/// Addresses in place of a mode of `gateway.bind`.
const TO_ALL: [&str; 4] = ["0.0.0.0", "::", "[::]", "*"];
const TO_ITSELF: [&str; 4] = ["127.0.0.1", "localhost", "::1", "[::1]"];

/// Where the mode stands.
pub(in crate::config) const BIND: &str = "/gateway/bind";

/// Reads what an older layout has as the release does that still takes it.
pub(in crate::config) fn read(release: Release, config: &mut Value) {
    let Some(bind) = config.pointer_mut(BIND).filter(|_| ADDRESSES.contains(&release)) else { return };
    let address = bind.as_str().map(|text| js_trim(text).to_ascii_lowercase()).unwrap_or_default();
    let mode = [("lan", TO_ALL), ("loopback", TO_ITSELF)]
        .into_iter()
        .find(|(_, all)| all.contains(&address.as_str()));
    if let Some((mode, _)) = mode {
        *bind = mode.into();
    }
}

/// Checked in this order, the first of two at one key counts.
const MOVED: [Moved; 65] = [
    all("/whatsapp", In("channels.whatsapp")),
    all("/telegram", In("channels.telegram")),
    all("/discord", In("channels.discord")),
    all("/slack", In("channels.slack")),
    all("/signal", In("channels.signal")),
    all("/imessage", In("channels.imessage")),
    all("/msteams", In("channels.msteams")),
    older("/identity", In("agents.list[].identity")),
    newer("/identity", In("agents.entries.<id>.identity")),
    all("/agent", In("agents.defaults, and tools for its tools")),
    older("/memorySearch", In("agents.defaults.memorySearch")),
    newer("/memorySearch", In("memory.search")),
    all("/routing/allowFrom", In("channels.whatsapp.allowFrom")),
    all("/routing/bindings", In("bindings")),
    older("/routing/agents", In("agents.list")),
    newer("/routing/agents", In("agents.entries")),
    older("/routing/defaultAgentId", In("agents.list[].default")),
    newer("/routing/defaultAgentId", In("agents.entries.<id>.default")),
    all("/routing/agentToAgent", In("tools.agentToAgent")),
    all(
        "/routing/groupChat/requireMention",
        In("the groups of each channel, such as channels.whatsapp.groups.\"*\".requireMention"),
    ),
    all("/routing/groupChat/mentionPatterns", In("messages.groupChat.mentionPatterns")),
    all("/routing/queue", In("messages.queue")),
    all("/routing/transcribeAudio", In("tools.media.audio.models")),
    all("/telegram/requireMention", In("channels.telegram.groups.\"*\".requireMention")),
    all("/tools/bash", In("tools.exec")),
    all("/agent/allowedModels", In("agents.defaults.models")),
    all("/agent/modelAliases", In("agents.defaults.models")),
    all("/agent/modelFallbacks", In("agents.defaults.model.fallbacks")),
    all("/agent/imageModelFallbacks", In("agents.defaults.imageModel.fallbacks")),
    all("/gateway/token", In("gateway.auth.token")),
    newer("/meta/lastTouchedAt", Gone(IN_STATE)),
    newer("/agents/list", In("agents.entries, by the id of each agent")),
    newer("/gateway/nodes/allowCommands", In("gateway.nodes.commands.allow")),
    newer("/gateway/nodes/denyCommands", In("gateway.nodes.commands.deny")),
    newer("/gateway/controlUi/allowInsecureAuth", Gone(NO_EFFECT)),
    newer("/logging/redactSensitive", Gone("logs are always without secrets")),
    newer("/commands/useAccessGroups", Gone(NO_EFFECT)),
    newer("/plugins/installs", Gone(IN_STATE)),
    newer("/hooks/internal/installs", Gone(IN_STATE)),
    newer("/hooks/internal/handlers", Gone(NO_EFFECT)),
    newer("/tools/web/search/apiKey", In("plugins.entries.<id>.config.webSearch of the search provider")),
    newer("/tools/web/search/perplexity", In("plugins.entries.perplexity.config.webSearch")),
    newer("/tools/web/search/grok", In("plugins.entries.xai.config.webSearch")),
    Moved {
        key: "/browser/ssrfPolicy/allowPrivateNetwork",
        releases: (Release::new(2026, 4, 5), Release::ENDLESS),
        now: In("browser.ssrfPolicy.dangerouslyAllowPrivateNetwork"),
    },
    newer("/browser/color", Gone(NO_EFFECT)),
    newer("/browser/profiles/*/color", Gone(NO_EFFECT)),
    newer("/channels/discord/dm/policy", In("channels.discord.dmPolicy")),
    newer("/channels/discord/dm/allowFrom", In("channels.discord.allowFrom")),
    newer("/channels/slack/dm/policy", In("channels.slack.dmPolicy")),
    newer("/channels/slack/dm/allowFrom", In("channels.slack.allowFrom")),
    newer("/channels/googlechat/dm/policy", In("channels.googlechat.dmPolicy")),
    newer("/channels/googlechat/dm/allowFrom", In("channels.googlechat.allowFrom")),
    newer("/channels/bluebubbles", In("channels.imessage")),
    all("/agents/defaults/sandbox/perSession", In("agents.defaults.sandbox.scope")),
    newer("/agents/defaults/sandbox/browser/enableNoVnc", In("agents.defaults.sandbox.browser.noVncEnabled")),
    newer("/agents/defaults/memorySearch", In("memory.search")),
    newer("/agents/entries/*/memorySearch", In("agents.entries.<id>.memory.search")),
    newer("/memory/qmd", Gone(NO_EFFECT)),
    newer("/messages/tts", In("tts")),
    newer("/canvasHost", Gone(NO_EFFECT)),
    newer("/session/idleMinutes", In("session.reset.idleMinutes")),
    newer("/session/agentToAgent", Gone(NO_EFFECT)),
    newer("/env/*", In("env.vars")),
    all("/talk/apiKey", In("talk.providers.<id>.apiKey")),
    newer("/audio", Gone(NO_EFFECT)),
];

/// What the loader calls legacy although the release knows the key: where it holds a text, or whatever it holds.
const REFUSED: [(Moved, bool); 3] = [
    (all("/agent/model", In("agents.defaults.model.primary")), true),
    (all("/agent/imageModel", In("agents.defaults.imageModel.primary")), true),
    (
        // From 2026.4.9 on it is moved at load, or means what it says.
        Moved {
            key: "/messages/tts/enabled",
            releases: (Release::OLDEST, Release::new(2026, 4, 5)),
            now: In("messages.tts.auto"),
        },
        false,
    ),
];

impl Moved {
    fn applies_to(&self, release: Release) -> bool {
        (self.releases.0..=self.releases.1).contains(&release)
    }
}

/// Keys of older layouts that the release does not know.
pub(in crate::config) fn check(release: Release, config: &Value, problems: &mut Problems) {
    let mut found = Vec::new();
    for moved in MOVED.iter().filter(|moved| moved.applies_to(release)) {
        let steps: Vec<&str> = moved.key.split('/').skip(1).collect();
        places(config, &steps, String::new(), &mut found);
        for pointer in found.drain(..).filter(|pointer| !is_known(release, pointer)) {
            say(&pointer, &moved.now, problems);
        }
    }
    for (refused, only_text) in REFUSED.iter().filter(|(refused, _)| refused.applies_to(release)) {
        if config.pointer(refused.key).is_some_and(|value| !only_text || value.is_string()) {
            say(refused.key, &refused.now, problems);
        }
    }
}

fn say(pointer: &str, now: &Now, problems: &mut Problems) {
    let name = readable(pointer);
    let message = match now {
        In(place) => format!("{name} is a key of an older release. What it holds belongs in {place} now."),
        Gone(reason) => format!("{name} is a key of an older release: {reason}. Remove it."),
    };
    problems.push(Problem::new(ProblemKind::LegacyKey, message).at(pointer));
}

/// The release has the key itself: a key that anything goes by is none.
fn is_known(release: Release, pointer: &str) -> bool {
    let schema = schema::get(release);
    let Some(path) = segments(pointer) else { return false };
    let Some((last, above)) = path.split_last() else { return true };
    schema.find(above).is_some_and(|node| node.own_member(last).is_some())
}

/// The pointers to what the config has at a path.
fn places(value: &Value, steps: &[&str], pointer: String, found: &mut Vec<String>) {
    /// More of one kind help nobody.
    const MOST: usize = 20;
    let Some((step, rest)) = steps.split_first() else {
        return found.push(pointer);
    };
    if found.len() >= MOST {
        return;
    }
    match (value, *step) {
        (Value::Object(map), "*") => {
            for (key, value) in map {
                places(value, rest, format!("{pointer}/{}", escape(key)), found);
            }
        }
        (Value::Object(map), step) => {
            if let Some(value) = map.get(step) {
                places(value, rest, format!("{pointer}/{step}"), found);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(release: (u16, u8, u16), config: &Value) -> Vec<String> {
        let mut problems = Problems::default();
        check(Release::new(release.0, release.1, release.2), config, &mut problems);
        problems.finish().into_iter().filter_map(|problem| problem.pointer).collect()
    }

    #[test]
    fn a_key_is_legacy_where_the_release_does_not_know_it() {
        let config = json!({
            "env": {"A": "1", "vars": {}}, "logging": {"redactSensitive": "off"}, "messages": {"tts": {"enabled": true}},
            "browser": {"profiles": {"a/b": {"color": "x"}}}, "gateway": {"token": "x"}, "agent": {"model": "m"},
            "agents": {"defaults": {"sandbox": {"perSession": true}}},
        });
        let older = ["/agent", "/gateway/token", "/agent/model", "/messages/tts/enabled"];
        assert_eq!(told((2026, 2, 19), &config), older);
        let mut later = older.to_vec();
        later.insert(2, "/agents/defaults/sandbox/perSession");
        assert_eq!(told((2026, 4, 5), &config), later);
        let newer = [
            "/agent",
            "/gateway/token",
            "/logging/redactSensitive",
            "/browser/profiles/a~1b/color",
            "/agents/defaults/sandbox/perSession",
            "/messages/tts",
            "/env/A",
            "/agent/model",
        ];
        assert_eq!(told((2026, 9, 6), &config), newer);
    }

    #[test]
    fn every_range_is_one() {
        for moved in MOVED.iter().chain(REFUSED.iter().map(|(refused, _)| refused)) {
            assert!(moved.releases.0 <= moved.releases.1, "{}", moved.key);
        }
    }
}
