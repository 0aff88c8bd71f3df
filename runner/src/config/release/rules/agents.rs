//! Agents and what refers to them: bindings, broadcasts, targets, heartbeats, directories, avatars.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use crate::config::agents::folder;
use crate::config::release::NEWER_STRUCTURE;
use crate::config::rules::forms::{duration, is_digits, is_on_drive};
use crate::config::rules::spot::Spot;
use crate::config::rules::{Judge, MAIN};
use crate::target::{absolute, expand_home, is_inside, js_trim};

/// Most agents of one thread.
const MAX_THREAD: usize = 16;

/// The id the way the gateway compares it.
pub(super) fn normal_id(id: &str) -> String {
    let id = folder(id);
    if id.is_empty() { MAIN.to_owned() } else { id }
}

/// The ids of all agents, the way they are compared.
fn ids(judge: &Judge<'_>) -> HashSet<String> {
    judge.agents().filter_map(|agent| agent.text_of("id").map(normal_id)).collect()
}

/// Settings that name an agent name one that is there.
pub(super) fn targets(judge: &mut Judge<'_>) {
    let mut known = ids(judge);
    if known.is_empty() {
        known.insert(MAIN.to_owned());
    }
    for path in ["agents/defaults/heartbeat/agentId", "agents/defaults/systemAgent/agentId", "talk/agentId"] {
        let Some(target) = judge.at(path) else { continue };
        if target.text().is_some_and(|id| !known.contains(&normal_id(id))) {
            judge.refuse(target.pointer, "This must be the id of an agent that the config has.");
        }
    }
}

/// A binding names an agent that is there. `main` is always there since the newer structure.
pub(super) fn bound(judge: &mut Judge<'_>) {
    let known = ids(judge);
    if known.is_empty() {
        return;
    }
    let is_newer = judge.release >= NEWER_STRUCTURE;
    for binding in judge.root().items_of("bindings") {
        let Some(id) = binding.text_of("agentId") else { continue };
        let is_there = known.contains(&normal_id(id)) || (is_newer && id == MAIN);
        if !is_there {
            let pointer = binding.below("agentId");
            judge.refuse(pointer, "A binding must name an agent that the config has.");
        }
    }
}

/// A binding has no settings of another type, and one of acp type names its peer.
pub(super) fn binding_types(judge: &mut Judge<'_>) {
    for binding in judge.root().items_of("bindings").filter(|binding| !binding.is_unknown_at("type")) {
        let is_acp = binding.is("type", "acp");
        let other = if is_acp { "session" } else { "acp" };
        if binding.has(other) {
            let message =
                format!("Only a binding of {} type can have {other}.", if is_acp { "route" } else { "acp" });
            judge.refuse(binding.below(other), message);
        }
        if is_acp && !binding.at("match/peer").is_some_and(|peer| peer.fills("id")) {
            let pointer =
                binding.at("match").map_or_else(|| binding.below("match"), |spot| spot.below("peer"));
            judge.refuse(pointer, "A binding of acp type needs the id of one peer in match.peer.id.");
        }
    }
}

/// Every agent of a broadcast is there, by the exact id.
pub(super) fn broadcast(judge: &mut Judge<'_>) {
    let agents: Vec<_> = judge.agents().collect();
    let known: HashSet<&str> = agents.iter().filter_map(|agent| agent.text_of("id")).collect();
    let is_newer = judge.release >= NEWER_STRUCTURE;
    for (key, group) in judge.root().members_of("broadcast").filter(|(key, _)| *key != "strategy") {
        if known.is_empty() && !(is_newer && is_of_channel(key)) {
            continue;
        }
        let list = if group.value.is_array() { Some(group) } else { group.get("agents") };
        for id in list.into_iter().flat_map(|list| list.items()) {
            if id.text().is_some_and(|id| !known.contains(id)) {
                judge.refuse(id.pointer, "A broadcast group names an agent that the config does not have.");
            }
        }
    }
}

/// A group with settings is one of a channel, and a thread has an end.
pub(super) fn threads(judge: &mut Judge<'_>) {
    for (key, group) in judge.root().members_of("broadcast") {
        if group.value.is_object() && !is_of_channel(key) {
            judge.refuse(
                group.pointer,
                "A broadcast group with settings needs a key of channel and peer, as in telegram:1.",
            );
        } else if is_of_channel(key) && group.value.as_array().is_some_and(|list| list.len() > MAX_THREAD) {
            let message = format!("A broadcast group of one peer has at most {MAX_THREAD} agents.");
            judge.refuse(group.pointer, message);
        }
    }
}

/// `channel:peer`.
fn is_of_channel(key: &str) -> bool {
    key.split_once(':').is_some_and(|(channel, peer)| {
        !peer.is_empty()
            && !peer.starts_with(['\n', '\r', '\u{2028}', '\u{2029}'])
            && channel.starts_with(|c: char| c.is_ascii_alphabetic())
            && channel.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
    })
}

/// Two agents must not share a directory. Links are not followed.
pub(super) fn directories(judge: &mut Judge<'_>) {
    let list: Vec<_> = judge.agents().collect();
    let id_of = |agent: &Spot<'_>| agent.text_of("id").map(normal_id);
    let default = list.iter().find(|agent| agent.is_true("default")).or(list.first()).and_then(id_of);
    let bound = judge.root().items_of("bindings");
    let bound = bound.filter_map(|binding| Some(normal_id(binding.text_of("agentId")?)));

    let mut explicit: HashMap<String, Option<&str>> = HashMap::new();
    for agent in &list {
        let Some(dir) = agent.get("agentDir").filter(Spot::is_filled) else { continue };
        if let Some(id) = id_of(agent) {
            explicit.entry(id).or_insert_with(|| dir.text());
        }
    }
    let ids = default
        .or_else(|| Some(MAIN.to_owned()))
        .into_iter()
        .chain(list.iter().filter_map(id_of))
        .chain(bound);
    let mut owners: HashMap<PathBuf, String> = HashMap::new();
    let mut problems = Vec::new();
    for id in ids {
        let dir = match explicit.get(&id) {
            // A text with a reference without a value: nobody knows where that is.
            Some(None) => continue,
            Some(Some(dir)) => path(judge, dir),
            None => judge.located.state_dir.join("agents").join(&id).join("agent"),
        };
        let owner = owners.entry(dir).or_insert_with(|| id.clone());
        if *owner != id {
            problems
                .push(format!("The agents {owner} and {id} share one agent directory; each needs its own."));
        }
    }
    for message in problems {
        judge.refuse("/agents/list", message);
    }
}

/// A path of the config, from the current directory.
fn path(judge: &Judge<'_>, text: &str) -> PathBuf {
    let located = judge.located;
    let text = js_trim(text);
    expand_home(text, &located.home).unwrap_or_else(|| absolute(&located.cwd, Path::new(text)))
}

/// An avatar is a URL or lies in the agent's workspace.
pub(super) fn avatars(judge: &mut Judge<'_>) {
    let shared =
        judge.at("agents/defaults/workspace").and_then(|spot| spot.text()).map(|text| path(judge, text));
    let mut refused = Vec::new();
    for agent in judge.agents() {
        let Some(avatar) = agent.at("identity/avatar") else { continue };
        let own = agent.text_of("workspace").map(|text| path(judge, text));
        let workspaces: Vec<&Path> = own
            .iter()
            .chain(&shared)
            .map(PathBuf::as_path)
            .chain([judge.located.state_dir.as_path()])
            .collect();
        if avatar.text().is_some_and(|text| !stays_inside(text, &workspaces)) {
            refused.push(avatar.pointer);
        }
    }
    for pointer in refused {
        judge.refuse(
            pointer,
            "An avatar must be a data: or http(s) URL, or a relative path that stays inside the agent's workspace.",
        );
    }
}

fn stays_inside(avatar: &str, workspaces: &[&Path]) -> bool {
    let avatar = js_trim(avatar);
    let lower = avatar.to_ascii_lowercase();
    if avatar.is_empty() || ["data:", "http://", "https://"].iter().any(|scheme| lower.starts_with(scheme)) {
        return true;
    }
    let has_scheme = lower.split_once(':').is_some_and(|(scheme, _)| {
        scheme.starts_with(|c: char| c.is_ascii_lowercase())
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
    });
    if (has_scheme && !is_on_drive(avatar)) || avatar.starts_with('~') {
        return false;
    }
    let avatar = Path::new(avatar);
    // An absolute path is right where it leads into a workspace, which can have a name of the gateway's own making.
    if avatar.is_absolute() {
        return workspaces.iter().any(|workspace| is_inside(workspace, &absolute(workspace, avatar)));
    }
    let base = Path::new("/workspace/of/the/agent");
    is_inside(base, &absolute(base, avatar))
}

/// Only a runtime of acp type has settings of one.
pub(super) fn runtime(judge: &mut Judge<'_>) {
    for agent in judge.agents() {
        let Some(runtime) = agent.get("runtime").filter(|runtime| !runtime.is_unknown_at("type")) else {
            continue;
        };
        if runtime.has("acp") && !runtime.is("type", "acp") {
            judge.refuse(runtime.below("acp"), "Only a runtime of acp type can have acp.");
        }
    }
}

/// The heartbeats of all agents.
fn heartbeats<'a>(judge: &Judge<'a>) -> impl Iterator<Item = Spot<'a>> + use<'a> {
    let heartbeats: Vec<_> = judge.agents_and_defaults().filter_map(|agent| agent.get("heartbeat")).collect();
    heartbeats.into_iter()
}

/// The interval of a heartbeat is a duration.
pub(super) fn heartbeat_interval(judge: &mut Judge<'_>) {
    let composed = judge.takes_composed_durations();
    for heartbeat in heartbeats(judge) {
        let every = heartbeat.text_of("every").filter(|every| !every.is_empty());
        if every.is_some_and(|every| duration(every, "m", composed).is_none()) {
            let pointer = heartbeat.below("every");
            judge.refuse(pointer, "The interval must be a duration such as 30m (ms, s, m, h or d).");
        }
    }
}

/// The hours of a heartbeat are times of day. Before the newer structure they are looked at only where there is an interval.
pub(super) fn heartbeat_hours(judge: &mut Judge<'_>) {
    let always = judge.release >= NEWER_STRUCTURE;
    for heartbeat in heartbeats(judge) {
        let is_looked_at = always || heartbeat.text_of("every").is_some_and(|every| !every.is_empty());
        let Some(hours) = heartbeat.get("activeHours").filter(|_| is_looked_at) else { continue };
        for (key, last) in [("start", false), ("end", true)] {
            let time = hours.text_of(key).filter(|time| !time.is_empty());
            if time.is_some_and(|time| !is_time(time, last)) {
                judge.refuse(hours.below(key), "A time must be written HH:MM, with 24:00 only as an end.");
            }
        }
    }
}

fn is_time(text: &str, last: bool) -> bool {
    let Some((hour, minute)) = text.split_once(':') else { return false };
    let two = |text: &str| (text.len() == 2 && is_digits(text)).then(|| text.parse::<u8>().ok()).flatten();
    match (two(hour), two(minute)) {
        (Some(hour), Some(minute)) => (hour < 24 && minute < 60) || (last && hour == 24 && minute == 0),
        _ => false,
    }
}

/// Names that JavaScript gives a meaning of their own.
pub(super) fn is_blocked(key: &str) -> bool {
    ["__proto__", "prototype", "constructor"].contains(&key)
}

/// No agent has such a name as a key.
pub(super) fn blocked_keys(judge: &mut Judge<'_>) {
    for agent in judge.agents() {
        for (_, member) in agent.members().filter(|(key, _)| is_blocked(key)) {
            judge.refuse(member.pointer, "An agent cannot have a key of this name.");
        }
    }
}
