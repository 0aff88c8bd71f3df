//! Rules of the config that `keys.txt` cannot express. They are kept in nearly every installation, and broken in a few,
//! so that what the two programs say of a broken one is compared as well.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

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
pub fn config(config: &mut Value, rng: &mut Rng) {
    pairs(config, rng);
    for pointer in ["/tools", "/tools/sandbox/tools"] {
        if let Some(section) = config.pointer_mut(pointer) {
            one_allow_list(section, rng);
        }
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
        if name == "discord" && rng.chance(MENDED) {
            ids_are_texts(channel);
        }
        open_needs_star(name, channel, rng);
        for account in members(channel.get_mut("accounts")) {
            open_needs_star(name, account, rng);
        }
    }
}

/// Values that only together say something, and would rarely meet.
fn pairs(config: &mut Value, rng: &mut Rng) {
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
    if config.get("channels").is_some() && rng.chance(15) {
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
