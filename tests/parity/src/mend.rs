//! Rules of the config that `keys.txt` cannot express. They are kept in nearly every installation, and broken in a few,
//! so that what the two programs say of a broken one is compared as well.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::release::Release;
use crate::rng::Rng;

/// Of a hundred broken rules, so many are mended.
const MENDED: usize = 98;

/// Channels whose direct messages are set in `dm` as well.
const WITH_DM: [&str; 4] = ["discord", "slack", "googlechat", "matrix"];

/// What makes a channel one that is set up. Of a hundred channels without, so many get it.
const SET_UP: [(&str, &str); 14] = [
    ("telegram", r#"{"botToken":"1:a"}"#),
    ("discord", r#"{"token":"x"}"#),
    ("slack", r#"{"botToken":"x","appToken":"y"}"#),
    ("signal", r#"{"account":"+15551234567"}"#),
    ("irc", r#"{"host":"irc.example","nick":"nick"}"#),
    ("googlechat", r#"{"serviceAccount":{"type":"service_account"}}"#),
    ("msteams", r#"{"appId":"a","appPassword":"b","tenantId":"c"}"#),
    ("mattermost", r#"{"botToken":"x","baseUrl":"https://mm.example"}"#),
    ("nextcloud-talk", r#"{"botSecret":"x","baseUrl":"https://nc.example"}"#),
    ("matrix", r#"{"homeserver":"https://m.example","accessToken":"x"}"#),
    ("feishu", r#"{"appId":"a","appSecret":"b"}"#),
    ("bluebubbles", r#"{"serverUrl":"http://127.0.0.1:1234","password":"x"}"#),
    ("line", r#"{"channelAccessToken":"x","channelSecret":"y"}"#),
    ("zalo", r#"{"botToken":"x"}"#),
];
const SET_UP_PERCENT: usize = 70;

/// Makes the config one that the reference takes.
pub fn config(config: &mut Value, release: Release, rng: &mut Rng) {
    pairs(config, release, rng);
    if release.since(8, 1) {
        roster(config, rng);
    }
    for provider in members(config.pointer_mut("/models/providers")) {
        if provider.is_object() && rng.chance(MENDED) {
            provider["baseUrl"] = "https://models.example/v1".into();
        }
    }
    for pointer in ["/tools", "/tools/sandbox/tools"] {
        if let Some(section) = config.pointer_mut(pointer) {
            one_allow_list(section, rng);
        }
    }
    everywhere(config, rng, one_exec_mode);
    known_owners(config, release, rng);
    if release.since(2, 26) {
        everywhere(config, rng, no_joined_network);
    }
    if release.since(3, 22) && rng.chance(90) {
        // A provider of searches is there where its plugin is.
        remove(config, "/tools/web/search", "provider");
    }
    if let Some(Value::Array(agents)) = config.pointer_mut("/agents/list") {
        let mut seen = Vec::new();
        agents.retain(|agent| {
            let id = agent["id"].as_str().unwrap_or_default().trim().to_lowercase();
            let id = if id.is_empty() { "main".to_owned() } else { id };
            let known = seen.contains(&id);
            seen.push(id);
            !known || !rng.chance(MENDED)
        });
        for agent in agents {
            one_allow_list(&mut agent["tools"], rng);
        }
    }
    // Indexing made what was not there.
    prune_nulls(config);
    for profile in members(config.pointer_mut("/browser/profiles")) {
        let has = |key: &str| profile.get(key).is_some_and(|value| value != "");
        if !has("cdpPort") && !has("cdpUrl") && rng.chance(MENDED) {
            profile["cdpPort"] = 9222.into();
        }
    }
    for (name, channel) in
        config.pointer_mut("/channels").and_then(Value::as_object_mut).into_iter().flatten()
    {
        set_up(name, channel, rng);
        let takes_texts = name == "discord" || name == "nextcloud-talk" && release.since(3, 31);
        if takes_texts && rng.chance(MENDED) {
            ids_are_texts(channel);
        }
        open_needs_star(name, channel, rng);
        for account in members(channel.get_mut("accounts")) {
            open_needs_star(name, account, rng);
        }
        if release.since(2, 21) {
            list_needs_sender(channel, rng);
        }
    }
}

/// `mode` stands for what `security` and `ask` say: both may not be there.
fn one_exec_mode(section: &mut Value, rng: &mut Rng) {
    if let Some(Value::Object(exec)) = section.get_mut("exec")
        && exec.contains_key("mode")
        && rng.chance(MENDED)
    {
        if rng.chance(50) {
            exec.shift_remove("mode");
        } else {
            exec.shift_remove("security");
            exec.shift_remove("ask");
        }
    }
}

/// Mends a value and all that lies in it.
fn everywhere(value: &mut Value, rng: &mut Rng, mend: fn(&mut Value, &mut Rng)) {
    mend(value, rng);
    for member in members(Some(value)) {
        everywhere(member, rng, mend);
    }
    value.as_array_mut().into_iter().flatten().for_each(|element| everywhere(element, rng, mend));
}

/// What is bound to an agent that there is not, is not bound.
fn known_owners(config: &mut Value, release: Release, rng: &mut Rng) {
    let list = config.pointer("/agents/list").and_then(Value::as_array);
    let entries = config.pointer("/agents/entries").and_then(Value::as_object);
    let ids = list.into_iter().flatten().filter_map(|agent| agent["id"].as_str()).map(str::to_owned);
    let ids: Vec<String> =
        ids.chain(entries.into_iter().flat_map(|entries| entries.keys().cloned())).collect();
    if !release.since(2, 26) || !rng.chance(MENDED) {
        return;
    }
    for binding in config.get_mut("bindings").and_then(Value::as_array_mut).into_iter().flatten() {
        if let (Some(binding), false) = (binding.as_object_mut(), ids.is_empty()) {
            binding.insert("agentId".to_owned(), rng.pick(&ids).clone().into());
        }
    }
    if ids.is_empty() {
        config.as_object_mut().map(|config| config.shift_remove("bindings"));
    }
}

/// A sandbox may not share the network of another container, unless that is asked for.
fn no_joined_network(section: &mut Value, rng: &mut Rng) {
    if let Some(docker) = section.get_mut("docker")
        && docker["network"].as_str().is_some_and(|network| network.starts_with("container:"))
        && rng.chance(MENDED)
    {
        docker["network"] = "none".into();
    }
}

fn remove(config: &mut Value, section: &str, key: &str) {
    if let Some(section) = config.pointer_mut(section).and_then(Value::as_object_mut) {
        section.shift_remove(key);
    }
}

/// A list of senders that is asked for has one at least.
fn list_needs_sender(channel: &mut Value, rng: &mut Rng) {
    let fill = |section: &mut Value, rng: &mut Rng| {
        let Some(section) = section.as_object_mut() else { return };
        if section.get("dmPolicy").is_some_and(|policy| policy == "allowlist") && rng.chance(MENDED) {
            match section.entry("allowFrom").or_insert_with(|| json!([])) {
                Value::Array(list) if list.is_empty() => list.push("123456".into()),
                _ => {}
            }
        }
    };
    fill(channel, rng);
    for account in members(channel.get_mut("accounts")) {
        fill(account, rng);
    }
}

/// Agents by clean names; at times as the list that the program still takes.
fn roster(config: &mut Value, rng: &mut Rng) {
    let Some(Value::Object(agents)) = config.pointer_mut("/agents") else { return };
    let Some(Value::Object(entries)) = agents.shift_remove("entries") else { return };
    let mut clean = Map::new();
    for (id, mut entry) in entries {
        let id = if rng.chance(MENDED) { clean_id(&id) } else { id };
        one_allow_list(&mut entry["tools"], rng);
        clean.entry(id).or_insert(entry);
    }
    let known = agents.shift_remove("ownership");
    if rng.chance(MENDED) {
        owned(agents, &mut clean, rng);
        if clean.is_empty() {
            return;
        }
    } else if let Some(known) = known {
        agents.insert("ownership".to_owned(), known);
    }
    if !rng.chance(15) {
        agents.insert("entries".to_owned(), Value::Object(clean));
        return;
    }
    let list = clean.into_iter().map(|(id, mut entry)| {
        entry["id"] = id.into();
        entry
    });
    agents.insert("list".to_owned(), list.collect());
}

/// Several agents are owned by what the config says, or by the one that is the default.
fn owned(agents: &mut Map<String, Value>, entries: &mut Map<String, Value>, rng: &mut Rng) {
    for entry in entries.values_mut().filter_map(Value::as_object_mut) {
        entry.shift_remove("default");
    }
    if entries.len() > 1 {
        if rng.chance(30) {
            if let Some(Value::Object(first)) = entries.values_mut().next() {
                first.insert("default".to_owned(), true.into());
            }
        } else {
            agents.insert("ownership".to_owned(), "explicit".into());
        }
    }
}

/// The id that the program makes of a name.
fn clean_id(name: &str) -> String {
    let id: String = name
        .trim()
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .take(40)
        .collect();
    let id = id.trim_matches('-');
    if id.is_empty() { "main".to_owned() } else { id.to_owned() }
}

/// Values that only together say something, and would rarely meet.
fn pairs(config: &mut Value, release: Release, rng: &mut Rng) {
    let text =
        |config: &Value, pointer: &str| config.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    if let Some(token) = text(config, "/hooks/token").filter(|_| rng.chance(30)) {
        let auth = config["gateway"]["auth"].take();
        config["gateway"]["auth"] = if auth.is_object() { auth } else { json!({}) };
        config["gateway"]["auth"]["token"] = token.into();
    }
    if config.pointer("/agents/list/0").is_some() && rng.chance(15) {
        config["tools"]["profile"] = "minimal".into();
        config["agents"]["list"][0]["tools"]["profile"] = rng.text(&["minimal", "full", "coding"]).into();
    }
    if config.get("channels").is_some() && !release.since(8, 1) && rng.chance(15) {
        config["commands"]["useAccessGroups"] = false.into();
    }
}

/// Sets the variables that the config refers to.
pub fn environment(config: &Value, env: &mut BTreeMap<String, String>, rng: &mut Rng) {
    if config.to_string().contains("PARITY_TOKEN") && rng.chance(MENDED) {
        let value = rng.text(&["0123456789abcdef0123456789abcdef", "short", "  ", "${PARITY_TOKEN}"]);
        env.insert("PARITY_TOKEN".to_owned(), value.to_owned());
    }
}

/// `allow` and `alsoAllow` may not both say something.
fn one_allow_list(section: &mut Value, rng: &mut Rng) {
    let full = |key: &str| section.get(key).and_then(Value::as_array).is_some_and(|list| !list.is_empty());
    if full("allow") && full("alsoAllow") && rng.chance(MENDED) {
        let dropped = rng.text(&["allow", "alsoAllow"]);
        section.as_object_mut().map(|section| section.shift_remove(dropped));
    }
}

fn set_up(name: &str, channel: &mut Value, rng: &mut Rng) {
    let Some((_, credentials)) = SET_UP.iter().find(|(known, _)| *known == name) else { return };
    if let (Some(channel), Ok(Value::Object(credentials)), true) =
        (channel.as_object_mut(), serde_json::from_str(credentials), rng.chance(SET_UP_PERCENT))
    {
        for (key, value) in credentials {
            channel.entry(key).or_insert(value);
        }
    }
}

/// Discord takes no numbers for ids.
fn ids_are_texts(value: &mut Value) {
    match value {
        Value::Number(number) => *value = number.to_string().into(),
        Value::Array(list) => list.iter_mut().for_each(ids_are_texts),
        Value::Object(object) => object.values_mut().for_each(ids_are_texts),
        _ => {}
    }
}

/// Direct messages that are open to all say so twice.
fn open_needs_star(channel: &str, section: &mut Value, rng: &mut Rng) {
    let Some(section) = section.as_object_mut() else { return };
    if section.get("dmPolicy").is_some_and(|policy| policy == "open") && rng.chance(MENDED) {
        star(section);
    }
    if WITH_DM.contains(&channel)
        && let Some(dm) = section.get_mut("dm").and_then(Value::as_object_mut)
        && dm.get("policy").is_some_and(|policy| policy == "open")
        && rng.chance(MENDED)
    {
        star(dm);
        // A list beside `dm` hides the one in it.
        if let Some(Value::Array(list)) = section.get_mut("allowFrom") {
            list.push("*".into());
        }
    }
}

fn star(section: &mut Map<String, Value>) {
    match section.entry("allowFrom").or_insert_with(|| json!([])) {
        Value::Array(list) => list.push("*".into()),
        other => *other = json!(["*"]),
    }
}

/// The values of an object.
fn members(section: Option<&mut Value>) -> impl Iterator<Item = &mut Value> {
    section.and_then(Value::as_object_mut).into_iter().flat_map(Map::values_mut)
}

fn prune_nulls(value: &mut Value) {
    match value {
        Value::Object(object) => {
            object.retain(|_, member| !member.is_null());
            object.values_mut().for_each(prune_nulls);
        }
        Value::Array(list) => list.iter_mut().for_each(prune_nulls),
        _ => {}
    }
}
