//! Rules of the gateway's validation that look at more than one key: old layouts, agents and what refers to them.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::config::pointer::join;
use crate::config::{Problem, ProblemKind, Problems};
use crate::target::{Located, absolute, expand_home, is_inside, js_trim};

/// A value that the gateway would refuse for a reason the table cannot say.
pub(in crate::config) fn invalid(
    problems: &mut Problems,
    pointer: impl Into<String>,
    message: impl Into<String>,
) {
    problems.push(Problem::new(ProblemKind::InvalidValue, message).at(pointer));
}

/// The gateway's limit for agent ids, in characters.
const MAX_ID_CHARS: usize = 64;

/// Agents and what refers to them.
pub(in crate::config) fn agents(config: &Value, located: &Located, problems: &mut Problems) {
    let empty = Vec::new();
    let list = config.pointer("/agents/list").and_then(Value::as_array).unwrap_or(&empty);
    agent_dirs(config, list, located, problems);
    broadcast(config, list, problems);
    for (index, agent) in list.iter().enumerate() {
        let avatar = agent.pointer("/identity/avatar").and_then(Value::as_str);
        if avatar.is_some_and(|avatar| !avatar_stays_inside(avatar)) {
            invalid(
                problems,
                format!("/agents/list/{index}/identity/avatar"),
                "An avatar must be a data: or http(s) URL, or a relative path that stays inside the agent's workspace.",
            );
        }
    }
}

/// The id the way the gateway compares it.
fn normal_id(id: &str) -> String {
    let id = js_trim(id);
    let mut normal = String::new();
    for c in id.chars().flat_map(char::to_lowercase) {
        if c.is_ascii_alphanumeric() || c == '_' || c == '-' {
            normal.push(c);
        } else if !normal.ends_with('-') {
            normal.push('-');
        }
    }
    let cut: String = normal.trim_matches('-').chars().take(MAX_ID_CHARS).collect();
    if cut.is_empty() { "main".to_owned() } else { cut }
}

/// Two agents must not share a directory.
fn agent_dirs(config: &Value, list: &[Value], located: &Located, problems: &mut Problems) {
    let id_of = |agent: &Value| agent.get("id").and_then(Value::as_str).map(normal_id);
    let is_default = |agent: &&Value| agent.get("default") == Some(&Value::Bool(true));
    let default = list.iter().find(is_default).or(list.first()).and_then(id_of);
    let bound = config.get("bindings").and_then(Value::as_array).into_iter().flatten();
    let bound = bound.filter_map(|binding| Some(normal_id(binding.get("agentId")?.as_str()?)));

    let mut explicit: HashMap<String, &str> = HashMap::new();
    for agent in list {
        let dir = agent.get("agentDir").and_then(Value::as_str).filter(|dir| !js_trim(dir).is_empty());
        if let (Some(id), Some(dir)) = (id_of(agent), dir) {
            explicit.entry(id).or_insert(dir);
        }
    }
    let ids = default
        .or_else(|| Some("main".to_owned()))
        .into_iter()
        .chain(list.iter().filter_map(id_of))
        .chain(bound);
    let mut owners: HashMap<PathBuf, String> = HashMap::new();
    for id in ids {
        let dir = match explicit.get(&id).map(|dir| js_trim(dir)) {
            Some(dir) => {
                expand_home(dir, &located.home).unwrap_or_else(|| absolute(&located.cwd, Path::new(dir)))
            }
            None => located.state_dir.join("agents").join(&id).join("agent"),
        };
        let owner = owners.entry(dir).or_insert_with(|| id.clone());
        if *owner != id {
            let message =
                format!("The agents {owner} and {id} share one agent directory; each needs its own.");
            invalid(problems, "/agents/list", message);
        }
    }
}

fn broadcast(config: &Value, list: &[Value], problems: &mut Problems) {
    if list.is_empty() {
        return;
    }
    let known: HashSet<&str> = list.iter().filter_map(|agent| agent.get("id")?.as_str()).collect();
    let groups = config.get("broadcast").and_then(Value::as_object);
    for (key, ids) in groups.into_iter().flatten().filter(|(key, _)| *key != "strategy") {
        for (index, id) in ids.as_array().into_iter().flatten().enumerate() {
            if id.as_str().is_some_and(|id| !known.contains(id)) {
                let pointer = join(&join("/broadcast", key), &index.to_string());
                invalid(
                    problems,
                    pointer,
                    "A broadcast group names an agent that agents.list does not have.",
                );
            }
        }
    }
}

fn avatar_stays_inside(avatar: &str) -> bool {
    let avatar = js_trim(avatar);
    let lower = avatar.to_ascii_lowercase();
    if avatar.is_empty() || ["data:", "http://", "https://"].iter().any(|scheme| lower.starts_with(scheme)) {
        return true;
    }
    let scheme = lower.split_once(':').is_some_and(|(scheme, _)| {
        scheme.len() > 1 && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
    });
    if scheme || avatar.starts_with('~') {
        return false;
    }
    // Any directory does: an absolute path leads out of it unless it is that very workspace, which is rare.
    let base = Path::new("/workspace/of/the/agent");
    is_inside(base, &absolute(base, Path::new(avatar)))
}
