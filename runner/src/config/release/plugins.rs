//! Channel and plugin ids that a config names: known ones are built in, bundled, or declared by a manifest in the
//! extensions directory. An approximation of the gateway's plugin registry, which runs code to find out.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::config::extensions::{self, Extensions};
use crate::config::pointer::join;
use crate::config::release::{NEWER_STRUCTURE, Release, ReleaseRange};
use crate::config::rules::invalid;
use crate::config::schema::{self, Schema};
use crate::config::{Problem, ProblemKind, Problems};
use crate::target::{Located, absolute, expand_home, js_trim};

/// Sections of `channels` that are no channel.
const SECTIONS: [&str; 2] = ["defaults", "modelByChannel"];

/// Channels that need no plugin before [`NEWER_STRUCTURE`], and the section with defaults for all: only others make the gateway look at
/// its plugins.
const BUILT_IN: [&str; 9] =
    ["defaults", "telegram", "whatsapp", "discord", "irc", "googlechat", "slack", "signal", "imessage"];

/// Other names for channels, accepted as a heartbeat target, with the first release that has them.
const CHANNEL_ALIASES: [(&str, Release); 11] = [
    ("imsg", OLDEST),
    ("internet-relay-chat", OLDEST),
    ("google-chat", OLDEST),
    ("gchat", OLDEST),
    ("lark", NEWER_STRUCTURE),
    ("teams", NEWER_STRUCTURE),
    ("nc", NEWER_STRUCTURE),
    ("nc-talk", NEWER_STRUCTURE),
    ("twitch-chat", NEWER_STRUCTURE),
    ("zl", NEWER_STRUCTURE),
    ("zlu", NEWER_STRUCTURE),
];

/// Before every release.
const OLDEST: Release = Release { year: 0, month: 0, patch: 0 };

/// The plugins that come with each release: id, tab, and its range of releases. `tests/release-facts` makes it.
const PLUGINS: &str = include_str!("plugins.tsv");

/// The ids of the plugins that come with a release.
fn bundled(release: Release) -> HashSet<&'static str> {
    // A release that is not in the table is as the newest before it, which the ranges, as they name known releases, may end at.
    let release = schema::get(release).release().unwrap_or(release);
    let known = |range: &str| range.parse::<ReleaseRange>().is_ok_and(|range| range.contains(release));
    let lines = PLUGINS.lines().filter_map(|line| line.split_once('\t'));
    lines.filter(|(_, range)| range.is_empty() || known(range)).map(|(id, _)| id).collect()
}

/// How far the settings of channels and plugins are judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config) enum Layer {
    /// Not at all: a plugin that should be loaded is missing, and the gateway then looks at none of them.
    Off,
    /// Those of plugins that are not switched off.
    SwitchedOn,
    All,
}

impl Layer {
    /// What the gateway of a release does with this config.
    pub(in crate::config) fn of(release: Release, config: &Value, located: &Located) -> Self {
        match release >= NEWER_STRUCTURE {
            false => Self::SwitchedOn,
            true if missing_paths(config, located).next().is_some() => Self::Off,
            true => Self::All,
        }
    }

    /// The section of this name below `channels` is judged.
    pub(in crate::config) fn judges_channel(self, id: &str) -> bool {
        self != Self::Off || SECTIONS.contains(&id)
    }

    /// The settings that a plugin declares are judged in this entry.
    pub(in crate::config) fn judges_entry(self, entry: &Value) -> bool {
        match self {
            Self::Off => false,
            Self::SwitchedOn => entry.get("enabled") != Some(&Value::Bool(false)),
            Self::All => true,
        }
    }
}

/// What is installed beside the bundled plugins.
struct Found {
    release: Release,
    schema: &'static Schema,
    /// The ids of the plugins that come with the release.
    bundled: HashSet<&'static str>,
    installed: Extensions,
    /// Plugins can come from elsewhere or could not all be looked at: an unknown id proves nothing.
    open_ended: bool,
}

/// Checks the ids a config names.
pub(in crate::config) fn check(release: Release, config: &Value, located: &Located, problems: &mut Problems) {
    let found = discover(release, config, located);
    let channels = config.get("channels").and_then(Value::as_object);
    let plugins = config.get("plugins");
    if Layer::of(release, config, located) == Layer::Off {
        return;
    }
    for id in channels.into_iter().flat_map(serde_json::Map::keys) {
        if !js_trim(id).is_empty() && !found.is_channel(js_trim(id)) && !found.is_named(id, plugins) {
            let message =
                format!("No channel \"{}\" is built in or declared by an installed plugin.", js_trim(id));
            problems.push(Problem::new(ProblemKind::UnknownKey, message).at(join("/channels", id)));
        }
    }
    heartbeat_targets(config, &found, problems);
    if let Some(plugins) = plugins {
        plugin_ids(plugins, &found, problems);
        plugin_configs(plugins, &found, problems);
        for (index, path) in missing_paths(config, located) {
            let message = format!("The plugin path {} does not exist.", path.display());
            invalid(problems, format!("/plugins/load/paths/{index}"), message);
        }
    }
    // Only a config that makes the gateway look at its plugins makes it stumble over a broken one.
    let foreign = channels.is_some_and(|channels| channels.keys().any(|id| !BUILT_IN.contains(&js_trim(id))));
    if let (Some(broken), true) =
        (&found.installed.broken, release < NEWER_STRUCTURE && (plugins.is_some() || foreign))
    {
        let pointer = if plugins.is_some() { "/plugins" } else { "/channels" };
        let message = format!(
            "{broken} This config makes the gateway read its plugins, so it refuses to start; complete or remove the \
             folder."
        );
        invalid(problems, pointer, message);
    }
}

/// The entries of `plugins.load.paths` that are not there.
fn missing_paths(config: &Value, located: &Located) -> impl Iterator<Item = (usize, PathBuf)> {
    let paths = config.pointer("/plugins/load/paths").and_then(Value::as_array).into_iter().flatten();
    paths.enumerate().filter_map(|(index, path)| {
        let path = path.as_str().map(js_trim).filter(|path| !path.is_empty())?;
        let path =
            expand_home(path, &located.home).unwrap_or_else(|| absolute(&located.cwd, Path::new(path)));
        (!path.exists()).then_some((index, path))
    })
}

impl Found {
    fn is_channel(&self, id: &str) -> bool {
        let described =
            || self.schema.find(&["channels".to_owned()]).is_some_and(|node| node.own_member(id).is_some());
        // Channels of bundled plugins had no keys in the table for a while.
        let bundled = || {
            self.bundled.contains(id) && schema::history(&["channels".to_owned(), id.to_owned()]).is_known()
        };
        described() || bundled() || self.installed.channels.contains(id) || self.open_ended
    }

    /// The config names a plugin that may bring this channel: since [`NEWER_STRUCTURE`] that is enough.
    fn is_named(&self, id: &str, plugins: Option<&Value>) -> bool {
        let Some(plugins) = plugins.filter(|_| self.release >= NEWER_STRUCTURE) else { return false };
        let allowed = plugins.get("allow").and_then(Value::as_array).into_iter().flatten();
        plugins.get("entries").is_some_and(|entries| entries.get(id).is_some())
            || allowed.filter_map(Value::as_str).any(|allowed| allowed == id)
    }

    fn is_plugin(&self, id: &str) -> bool {
        self.bundled.contains(id) || self.installed.ids.contains(id)
    }
}

fn heartbeat_targets(config: &Value, found: &Found, problems: &mut Problems) {
    let mut check = |pointer: String| {
        let Some(target) = config.pointer(&pointer).and_then(Value::as_str) else { return };
        let target = js_trim(target).to_ascii_lowercase();
        let known = ["last", "none"].contains(&target.as_str())
            || (target == "owner" && found.release >= NEWER_STRUCTURE)
            || CHANNEL_ALIASES.iter().any(|(alias, since)| *alias == target && *since <= found.release)
            || (!SECTIONS.contains(&target.as_str()) && found.is_channel(&target));
        if target.is_empty() || !known {
            invalid(problems, pointer, "A heartbeat target is last, none or the name of a channel.");
        }
    };
    check("/agents/defaults/heartbeat/target".to_owned());
    let agents = config.pointer("/agents/list").and_then(Value::as_array).map_or(0, Vec::len);
    for index in 0..agents {
        check(format!("/agents/list/{index}/heartbeat/target"));
    }
    let entries = config.pointer("/agents/entries").and_then(Value::as_object);
    for id in entries.into_iter().flat_map(serde_json::Map::keys) {
        check(format!("{}/heartbeat/target", join("/agents/entries", id)));
    }
}

fn plugin_ids(plugins: &Value, found: &Found, problems: &mut Problems) {
    if found.open_ended {
        return;
    }
    let message = "No plugin of this name is bundled or installed.";
    let memory = plugins.pointer("/slots/memory").and_then(Value::as_str).map(js_trim);
    let warned = |id: &str| found.release >= NEWER_STRUCTURE && id == "memory-lancedb";
    if memory.is_some_and(|id| !id.is_empty() && id != "none" && !found.is_plugin(id) && !warned(id)) {
        invalid(problems, "/plugins/slots/memory", message);
    }
    // Since then the gateway only warns of other names that it does not know.
    if found.release >= NEWER_STRUCTURE {
        return;
    }
    let entries = plugins.get("entries").and_then(Value::as_object);
    for id in entries.into_iter().flat_map(serde_json::Map::keys).filter(|id| !found.is_plugin(id)) {
        invalid(problems, join("/plugins/entries", id), message);
    }
    for list in ["allow", "deny"] {
        let ids = plugins.get(list).and_then(Value::as_array).into_iter().flatten().enumerate();
        for (index, _) in ids.filter(|(_, id)| {
            id.as_str().map(js_trim).is_some_and(|id| !id.is_empty() && !found.is_plugin(id))
        }) {
            invalid(problems, format!("/plugins/{list}/{index}"), message);
        }
    }
}

/// The settings that a bundled plugin must have, where its entry has none at all.
fn plugin_configs(plugins: &Value, found: &Found, problems: &mut Problems) {
    let entries = plugins.get("entries").and_then(Value::as_object);
    for (id, entry) in entries.into_iter().flatten() {
        if entry.get("config").is_some() || entry.get("enabled") == Some(&Value::Bool(false)) {
            continue;
        }
        let path = ["plugins", "entries", id, "config"].map(str::to_owned);
        let Some(config) = found.schema.find(&path).filter(|_| found.bundled.contains(id.as_str())) else {
            continue;
        };
        for (key, member) in &config.keys {
            if found.schema.node(*member).is_some_and(|node| node.shape().required) {
                let pointer = join(&join(&join("/plugins/entries", id), "config"), key);
                invalid(problems, pointer, format!("{id} needs the setting {key}."));
            }
        }
    }
}

fn discover(release: Release, config: &Value, located: &Located) -> Found {
    let load_paths = config.pointer("/plugins/load/paths").and_then(Value::as_array);
    let installed = extensions::discover(&located.state_dir.join("extensions"), located.territory);
    Found {
        release,
        schema: schema::get(release),
        bundled: bundled(release),
        open_ended: installed.cut || load_paths.is_some_and(|paths| !paths.is_empty()),
        installed,
    }
}
