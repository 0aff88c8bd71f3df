//! Channel and plugin ids that a config names: known ones are built in, bundled, or declared by a manifest in the
//! extensions directory. An approximation of the gateway's plugin registry, which runs code to find out.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::config::extensions::{self, Broken, Extensions, Fault};
use crate::config::pointer::join;
use crate::config::release::{NEWER_STRUCTURE, Release, ReleaseRange};
use crate::config::rules::invalid;
use crate::config::schema::{self, Schema};
use crate::config::{Problem, ProblemKind, Problems};
use crate::target::{Located, absolute, expand_home, js_trim, sysroot};
use crate::wording::nearest;

/// Sections of `channels` that are no channel.
const SECTIONS: [&str; 2] = ["defaults", "modelByChannel"];

/// Channels that need no plugin before [`NEWER_STRUCTURE`], and the section with defaults for all: only others make the gateway look at
/// its plugins.
const BUILT_IN: [&str; 9] =
    ["defaults", "telegram", "whatsapp", "discord", "irc", "googlechat", "slack", "signal", "imessage"];

/// A channel for tests, which the schema describes for longer than its plugin comes along (run: 2026.4.15 refuses it).
const TEST_CHANNEL: &str = "qa-channel";

/// Other names for channels, accepted as a heartbeat target, with the first release that has them.
const CHANNEL_ALIASES: [(&str, Release); 11] = [
    ("imsg", Release::OLDEST),
    ("internet-relay-chat", Release::OLDEST),
    ("google-chat", Release::OLDEST),
    ("gchat", Release::OLDEST),
    ("lark", CATALOGUE),
    ("teams", CATALOGUE),
    ("nc", CATALOGUE),
    ("nc-talk", CATALOGUE),
    ("twitch-chat", CATALOGUE),
    ("zl", CATALOGUE),
    ("zlu", CATALOGUE),
];

/// Since then the names of all channels that are known of count, installed or not.
const CATALOGUE: Release = Release::new(2026, 3, 22);

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

/// What is said of a name that a config alone cannot explain.
pub(in crate::config) const ON_THE_SERVER: &str =
    "whether a plugin on the server brings it, an audit of the installation there tells";

/// What the gateway refuses of names that it does not know, and from which release on it only warns of them; read in the
/// programs of the releases on both sides, and where none in between was looked at the earliest that can be.
const ENTRIES_WARN: Release = Release::new(2026, 2, 25);
const ALLOW_WARN: Release = Release::new(2026, 3, 24);
const DENY_WARN: Release = Release::new(2026, 5, 12);
/// An unknown channel, where a plugin of its name is named elsewhere in the config.
const NAMED_CHANNEL_WARN: Release = Release::new(2026, 4, 29);
/// The memory slot, of the one official plugin that is installed apart.
const LANCEDB_WARN: Release = Release::new(2026, 5, 12);
/// Ids that were plugins once: only warned of from these releases on.
const REMOVED: [(&str, Release); 2] = [
    ("google-antigravity-auth", Release::new(2026, 2, 24)),
    ("google-gemini-cli-auth", Release::new(2026, 3, 22)),
];

/// Whether the settings of channels and plugins are judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config) enum Layer {
    /// A plugin that should be loaded is missing, and the gateway then looks at none of them.
    Off,
    On,
}

impl Layer {
    /// What the gateway of a release does with this config.
    pub(in crate::config) fn of(release: Release, config: &Value, located: &Located) -> Self {
        let off = release >= OFF_SINCE
            && !located.is_config_alone()
            && missing_paths(config, located).next().is_some();
        if off { Self::Off } else { Self::On }
    }

    /// The section of this name below `channels` is judged.
    pub(in crate::config) fn judges_channel(self, id: &str) -> bool {
        self == Self::On || SECTIONS.contains(&id)
    }

    /// The settings that plugins declare are judged, whether they are switched on or not.
    pub(in crate::config) fn judges_entries(self) -> bool {
        self == Self::On
    }
}

/// The first release that passes over a missing path (run: 2026.9.3 refuses the config).
const OFF_SINCE: Release = Release::new(2026, 9, 6);

/// What is installed beside the bundled plugins.
struct Found {
    release: Release,
    schema: &'static Schema,
    /// The ids of the plugins that come with the release.
    bundled: HashSet<&'static str>,
    installed: Extensions,
    /// Plugins can come from elsewhere or could not all be looked at: an unknown id proves nothing.
    open_ended: bool,
    /// A config alone is looked at: the server may have more.
    is_alone: bool,
}

/// Checks the ids a config names, where the layer is on.
pub(in crate::config) fn check(
    release: Release,
    config: &Value,
    located: &Located,
    layer: Layer,
    problems: &mut Problems,
) {
    if layer == Layer::Off {
        return;
    }
    let found = discover(release, config, located);
    let channels = config.get("channels").and_then(Value::as_object);
    let plugins = config.get("plugins");
    for id in channels.into_iter().flat_map(serde_json::Map::keys) {
        if !js_trim(id).is_empty() && !found.is_channel(js_trim(id)) && !found.is_named(id, plugins) {
            let known = found.schema.find(&["channels".to_owned()]);
            let meant = known.and_then(|known| nearest(js_trim(id), known.names()));
            let meant = meant.map(|known| format!(" There is \"{known}\".")).unwrap_or_default();
            let id = js_trim(id);
            let (kind, message) = if found.is_alone {
                let message = format!("the channel {id} is not built in; {ON_THE_SERVER}.{meant}");
                (ProblemKind::ChannelElsewhere, message)
            } else {
                let message =
                    format!("No channel \"{id}\" is built in or declared by an installed plugin.{meant}");
                (ProblemKind::UnknownKey, message)
            };
            problems.push(Problem::new(kind, message).at(join("/channels", id)));
        }
    }
    heartbeat_targets(config, &found, problems);
    if let Some(plugins) = plugins {
        plugin_ids(plugins, &found, problems);
        plugin_configs(plugins, &found, problems);
        // Of later releases the layer says that there are none.
        let missing = Some(missing_paths(config, located)).filter(|_| release < OFF_SINCE);
        for (index, path) in missing.into_iter().flatten() {
            let pointer = format!("/plugins/load/paths/{index}");
            if found.is_alone {
                let message = format!("the plugin path {} is a place on the server", path.display());
                problems.push(Problem::new(ProblemKind::PluginElsewhere, message).at(pointer));
            } else {
                invalid(problems, pointer, format!("The plugin path {} does not exist.", path.display()));
            }
        }
    }
    // Only a config that makes the gateway look at its plugins makes it stumble over a broken one.
    let broken = &found.installed.broken;
    let of_all = broken.iter().find(|broken| refused(release, broken.fault) == Refused::Always);
    if let (Some(Broken { message, .. }), true) = (of_all, reads_plugins(release, config)) {
        let pointer = if plugins.is_some() { "/plugins" } else { "/channels" };
        let message = format!(
            "{message} This config makes the gateway read its plugins, so it refuses to start; complete or remove the \
             folder."
        );
        invalid(problems, pointer, message);
    }
    for one in broken.iter().filter(|one| refused(release, one.fault) == Refused::WhereNamed) {
        if let Some(pointer) = plugins.and_then(|plugins| named_at(plugins, &one.id)) {
            let message =
                format!("{} This config names the plugin, so the gateway refuses to start.", one.message);
            invalid(problems, pointer, message);
        }
    }
}

/// Where a broken plugin keeps the gateway from starting.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Refused {
    /// Nowhere: it is passed over.
    Never,
    /// Wherever plugins are read.
    Always,
    /// Where the config names the plugin.
    WhereNamed,
}

/// What a release does with a broken plugin (run: 2026.2.19, 2026.3.13, 2026.4.15, 2026.5.28, 2026.7.35, 2026.8.2 and 2026.9.6).
fn refused(release: Release, fault: Fault) -> Refused {
    /// From here on an entry that is not there is passed over.
    const PASSED_OVER: Release = Release::new(2026, 4, 15);
    /// From here on the config has to name a plugin with a wrong entry.
    const NAMED: Release = Release::new(2026, 5, 28);
    match fault {
        Fault::EntryMissing if (PASSED_OVER..NAMED).contains(&release) => Refused::Never,
        Fault::EntryMissing | Fault::EntryOutside if release < NAMED => Refused::Always,
        Fault::EntriesMalformed if release < NAMED => Refused::Never,
        Fault::Manifest | Fault::EntriesMalformed if release < NEWER_STRUCTURE => Refused::Always,
        _ => Refused::WhereNamed,
    }
}

/// A config makes the gateway look at its plugins (run: 2026.4.15, 2026.5.28, 2026.6.11 and 2026.7.35).
fn reads_plugins(release: Release, config: &Value) -> bool {
    /// From here on any channel does.
    const ANY_CHANNEL: Release = Release::new(2026, 4, 15);
    /// From here on a model does.
    const ANY_MODEL: Release = Release::new(2026, 5, 28);
    /// From here on the section of plugins does only where it names one.
    const NAMES_ONE: Release = Release::new(2026, 6, 1);
    let section = |name: &str| config.get(name).and_then(Value::as_object);
    let is_read = |id: &String| {
        let id = js_trim(id);
        if release < ANY_CHANNEL { !BUILT_IN.contains(&id) } else { !SECTIONS.contains(&id) }
    };
    let by_channel = section("channels").is_some_and(|channels| channels.keys().any(is_read));
    let by_plugins = section("plugins").is_some_and(|plugins| {
        let is_filled = |key: &str| {
            plugins.get(key).is_some_and(|value| match value {
                Value::Array(list) => !list.is_empty(),
                Value::Object(map) => !map.is_empty(),
                _ => false,
            })
        };
        release < NAMES_ONE || ["entries", "allow", "deny"].into_iter().any(is_filled)
    });
    // Only one release was seen to do so.
    let by_model = (ANY_MODEL..NAMES_ONE).contains(&release) && names_model(config);
    by_channel || by_plugins || by_model
}

/// Some agent has a model, or there is a list of models.
fn names_model(config: &Value) -> bool {
    const KEYS: [&str; 3] = ["model", "models", "imageModel"];
    let names = |agent: &Value| KEYS.iter().any(|key| agent.get(key).is_some());
    let list = config.pointer("/agents/list").and_then(Value::as_array);
    config.pointer("/agents/defaults").is_some_and(names) || list.into_iter().flatten().any(names)
}

/// Where a plugin is named: in its settings, in a list of those that may or may not run, or for a task.
fn named_at(plugins: &Value, id: &str) -> Option<String> {
    let keys = |section: &str| plugins.get(section).and_then(Value::as_object);
    let is_id = |name: &str| js_trim(name).eq_ignore_ascii_case(id);
    if let Some(key) = keys("entries").and_then(|entries| entries.keys().find(|key| is_id(key))) {
        return Some(join("/plugins/entries", key));
    }
    let names_it = |value: &Value| value.as_str().is_some_and(is_id);
    for list in ["allow", "deny"] {
        let place =
            plugins.get(list).and_then(Value::as_array).and_then(|list| list.iter().position(names_it));
        if let Some(place) = place {
            return Some(format!("/plugins/{list}/{place}"));
        }
    }
    let slot = keys("slots").and_then(|slots| slots.iter().find(|(_, value)| names_it(value)));
    slot.map(|(slot, _)| join("/plugins/slots", slot))
}

/// The entries of `plugins.load.paths` that are not there.
fn missing_paths(config: &Value, located: &Located) -> impl Iterator<Item = (usize, PathBuf)> {
    let paths = config.pointer("/plugins/load/paths").and_then(Value::as_array).into_iter().flatten();
    paths.enumerate().filter_map(|(index, path)| {
        let path = path.as_str().map(js_trim).filter(|path| !path.is_empty())?;
        if located.is_config_alone() {
            // A place on the server: nobody looks for it here.
            return Some((index, PathBuf::from(path)));
        }
        let path =
            expand_home(path, &located.home).unwrap_or_else(|| absolute(&located.cwd, Path::new(path)));
        (!sysroot::exists(&path)).then_some((index, path))
    })
}

impl Found {
    fn is_channel(&self, id: &str) -> bool {
        let described = || {
            id != TEST_CHANNEL
                && self
                    .schema
                    .find(&["channels".to_owned()])
                    .is_some_and(|node| node.own_member(id).is_some())
        };
        // Channels of bundled plugins had no keys in the table for a while.
        let bundled = || {
            self.bundled.contains(id) && schema::history(&["channels".to_owned(), id.to_owned()]).is_known()
        };
        described() || bundled() || self.installed.channels.contains(id) || self.open_ended
    }

    /// The config names a plugin that may bring this channel, which is enough then.
    fn is_named(&self, id: &str, plugins: Option<&Value>) -> bool {
        let Some(plugins) = plugins.filter(|_| self.release >= NAMED_CHANNEL_WARN) else { return false };
        let allowed = plugins.get("allow").and_then(Value::as_array).into_iter().flatten();
        let has = |section: &str| plugins.get(section).is_some_and(|section| section.get(id).is_some());
        has("entries") || has("installs") || allowed.filter_map(Value::as_str).any(|allowed| allowed == id)
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
        if found.is_alone && !target.is_empty() && !known {
            let message =
                format!("the heartbeat target {target} is no channel that is built in; {ON_THE_SERVER}");
            problems.push(Problem::new(ProblemKind::PluginElsewhere, message).at(pointer));
        } else if target.is_empty() || !known {
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
    let refused = |id: &str, warned_since: Release| {
        let removed = REMOVED.iter().any(|(removed, since)| *removed == id && *since <= found.release);
        found.release < warned_since && !removed && !found.is_plugin(id)
    };
    let mut refuse = |id: &str, pointer: String| {
        if found.is_alone {
            let message =
                format!("the plugin {} does not come with this release; {ON_THE_SERVER}", js_trim(id));
            problems.push(Problem::new(ProblemKind::PluginElsewhere, message).at(pointer));
        } else {
            invalid(problems, pointer, "No plugin of this name is bundled or installed.");
        }
    };
    let memory = plugins.pointer("/slots/memory").and_then(Value::as_str).map(js_trim);
    if let Some(id) = memory.filter(|id| {
        let warned_since = if *id == "memory-lancedb" { LANCEDB_WARN } else { Release::ENDLESS };
        !id.is_empty() && *id != "none" && refused(id, warned_since)
    }) {
        refuse(id, "/plugins/slots/memory".to_owned());
    }
    let entries = plugins.get("entries").and_then(Value::as_object);
    for id in entries.into_iter().flat_map(serde_json::Map::keys).filter(|id| refused(id, ENTRIES_WARN)) {
        refuse(id, join("/plugins/entries", id));
    }
    for (list, warned_since) in [("allow", ALLOW_WARN), ("deny", DENY_WARN)] {
        let ids = plugins.get(list).and_then(Value::as_array).into_iter().flatten().enumerate();
        for (index, id) in ids.filter_map(|(index, id)| Some((index, js_trim(id.as_str()?)))) {
            if !id.is_empty() && refused(id, warned_since) {
                refuse(id, format!("/plugins/{list}/{index}"));
            }
        }
    }
}

/// The settings that a bundled plugin must have, where it is the one for memories and has none at all. Other plugins that are
/// switched on by themselves need none.
fn plugin_configs(plugins: &Value, found: &Found, problems: &mut Problems) {
    let text = |value: &Value| value.as_str().map(|text| js_trim(text).to_owned());
    let has = |list: &str, id: &str| {
        let ids = plugins.get(list).and_then(Value::as_array).into_iter().flatten();
        ids.filter_map(text).any(|listed| listed == id)
    };
    let Some(id) = plugins.pointer("/slots/memory").and_then(text) else { return };
    let allows_all = plugins.get("allow").and_then(Value::as_array).is_none_or(Vec::is_empty);
    let is_on = plugins.get("enabled") != Some(&Value::Bool(false))
        && !has("deny", &id)
        && (allows_all || has("allow", &id))
        && found.bundled.contains(id.as_str());
    let own = plugins.get("entries").and_then(|entries| entries.get(&id)?.get("config"));
    let path = ["plugins", "entries", &id, "config"].map(str::to_owned);
    let Some(config) = found.schema.find(&path).filter(|_| is_on && own.is_none()) else { return };
    for (key, member) in &config.keys {
        if found.schema.node(*member).is_some_and(|node| node.shape().required) {
            let pointer = join(&join(&join("/plugins/entries", &id), "config"), key);
            invalid(problems, pointer, format!("{id} needs the setting {key}."));
        }
    }
}

fn discover(release: Release, config: &Value, located: &Located) -> Found {
    let load_paths = config.pointer("/plugins/load/paths").and_then(Value::as_array);
    let mut installed =
        extensions::discover(&located.state_dir.join("extensions"), located.territory, release);
    installed.discover_packages(&located.state_dir.join("npm"), located.territory, release);
    Found {
        release,
        schema: schema::get(release),
        bundled: bundled(release),
        is_alone: located.is_config_alone(),
        open_ended: installed.cut || load_paths.is_some_and(|paths| !paths.is_empty()),
        installed,
    }
}
