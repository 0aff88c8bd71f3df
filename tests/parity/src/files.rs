//! The files around a config: state directory, includes, credentials, agents, logs, plugins, hooks, links and modes.

use serde_json::{Value, json};

use crate::code;
use crate::installation::{CONFIG, Installation, STATE};
use crate::release::Release;
use crate::rng::Rng;

/// Of a hundred objects, so many have the mode that they should have.
const PRIVATE: usize = 70;

/// Modes of folders and files worth trying; the first of each is the right one.
const FOLDERS: [u32; 9] = [0o700, 0o755, 0o750, 0o770, 0o777, 0o701, 0o720, 0o702, 0o1777];
const FILES: [u32; 9] = [0o600, 0o644, 0o640, 0o660, 0o666, 0o620, 0o602, 0o604, 0o400];

/// Names of plugin folders. `keys.txt` knows the first three.
const PLUGINS: [&str; 5] = ["ext-a", "Ext-B", "ext.c", ".cache", "node_modules"];

/// Puts a config in its place, with all that belongs around it.
pub fn around(config: &Value, release: Release, installation: &mut Installation, rng: &mut Rng) {
    let mode = folder_mode(rng);
    installation.directory(STATE, mode);
    place_config(config.clone(), installation, rng);
    log_file(installation, rng);
    credentials(release, installation, rng);
    agents(config, release, installation, rng);
    approvals(release, installation, rng);
    plugins(config, installation, rng);
    packages(config, installation, rng);
    if release.since(8, 1) {
        installed_index(installation, rng);
    }
    skills(installation, rng);
    dotenv(installation, rng);
    if config.to_string().contains("bot-token") && rng.chance(60) {
        installation.text("bot-token", 0o600, rng.text(&["1:a\n", "", "  \n"]));
    }
    elsewhere(installation, rng);
}

fn folder_mode(rng: &mut Rng) -> u32 {
    if rng.chance(PRIVATE) { FOLDERS[0] } else { *rng.pick(&FOLDERS) }
}

fn file_mode(rng: &mut Rng) -> u32 {
    if rng.chance(PRIVATE) { FILES[0] } else { *rng.pick(&FILES) }
}

/// The config as one file, or with sections in files of their own, or behind a link.
fn place_config(mut config: Value, installation: &mut Installation, rng: &mut Rng) {
    if rng.chance(15) {
        include(&mut config, installation, rng);
    }
    let mode = file_mode(rng);
    if rng.chance(4) {
        // A link's target lies where an include of the same folder is not found.
        let target = rng.text(&["../real.json", "$HOME/real.json"]);
        installation.link(CONFIG, target);
        installation.json("real.json", mode, config);
    } else {
        installation.json(CONFIG, mode, config);
    }
}

/// Moves a section or two into a file, and that into another at times.
fn include(config: &mut Value, installation: &mut Installation, rng: &mut Rng) {
    let Some(sections) = config.as_object_mut() else { return };
    for number in 0..=rng.below(2) {
        let Some(name) = sections.keys().nth(rng.below(sections.len())).cloned() else { return };
        let Some(section) = sections.get_mut(&name).filter(|section| section.get("$include").is_none())
        else {
            continue;
        };
        let file = rng.text(&["inc", "sub/inc", "./inc"]);
        let file = format!("{file}{number}.json5");
        let mut part = std::mem::replace(section, json!({"$include": file}));
        if rng.chance(30) {
            *section = json!({"$include": [file]});
        }
        if rng.chance(20) {
            let deeper = format!("deep{number}.json5");
            let mode = file_mode(rng);
            installation.json(&format!("{STATE}/{deeper}"), mode, part);
            let up = if file.starts_with("sub/") { "../" } else { "" };
            part = json!({"$include": format!("{up}{deeper}")});
        }
        let mode = file_mode(rng);
        let place = format!("{STATE}/{}", file.trim_start_matches("./"));
        if rng.chance(10) {
            installation.json(&format!("{STATE}/target{number}.json5"), mode, part);
            installation.link(&place, &format!("$HOME/{STATE}/target{number}.json5"));
        } else {
            installation.json(&place, mode, part);
        }
    }
}

fn credentials(release: Release, installation: &mut Installation, rng: &mut Rng) {
    if rng.chance(50) {
        return;
    }
    let mut folder = format!("{STATE}/credentials");
    match rng.below(20) {
        0 => {
            "vault".clone_into(&mut folder);
            installation.env.insert("OPENCLAW_OAUTH_DIR".to_owned(), "$HOME/vault".to_owned());
        }
        1 => {
            installation.link(&folder, "$HOME/vault");
            "vault".clone_into(&mut folder);
        }
        2 => return installation.text(&folder, 0o644, "no folder"),
        _ => {}
    }
    let mode = folder_mode(rng);
    installation.directory(&folder, mode);
    for channel in ["telegram", "discord", "slack", "whatsapp", "signal", "irc", "line", "matrix"] {
        if rng.chance(15) && release.since(8, 1) {
            let row = |entry: &str| json!({"channel_key": channel, "account_id": "default", "entry": entry});
            let rows = [json!([row("123456")]), json!([row("123456"), row("tg:123456")]), json!([row("*")])];
            let known = installation.rows.entry("channel_pairing_allow_entries").or_insert_with(|| json!([]));
            if let (Value::Array(known), Value::Array(rows)) = (known, rng.pick(&rows).clone()) {
                known.extend(rows);
            }
        } else if rng.chance(15) {
            let stores = [
                json!({"allowFrom": ["123456"]}),
                json!({"allowFrom": ["123456", "tg:123456", "789"]}),
                json!({"allowFrom": ["*", " ", null, 5, "@someone"]}),
                json!({"allowFrom": "123456"}),
                json!([]),
            ];
            let (mode, store) = (file_mode(rng), rng.pick(&stores).clone());
            installation.json(&format!("{folder}/{channel}-allowFrom.json"), mode, store);
        }
    }
    if rng.chance(20) {
        let session = rng.text(&["{\"me\":1}", "", "{", "{}"]);
        let path = rng.text(&["whatsapp/default/creds.json", "whatsapp/work/creds.json", "creds.json"]);
        installation.text(&format!("{folder}/{path}"), 0o600, session);
    }
}

/// Files of the agents: of those that are listed, and of one that is not.
fn agents(config: &Value, release: Release, installation: &mut Installation, rng: &mut Rng) {
    let listed = config.pointer("/agents/list").and_then(Value::as_array);
    let ids =
        listed.into_iter().flatten().filter_map(|agent| Some(agent["id"].as_str()?.trim().to_lowercase()));
    let entries = config.pointer("/agents/entries").and_then(Value::as_object);
    let ids = ids.chain(entries.into_iter().flat_map(|entries| entries.keys().cloned()));
    let mut ids: Vec<String> = ids.chain(["main".to_owned()]).collect();
    ids.sort();
    ids.dedup();
    for id in ids.iter().filter(|id| !id.is_empty() && !id.contains('/')) {
        let folder = format!("{STATE}/agents/{id}");
        for file in ["agent/auth-profiles.json", "sessions/sessions.json"] {
            let path = format!("{folder}/{file}");
            let mode = file_mode(rng);
            match rng.below(40) {
                0 => installation.directory(&path, mode | 0o100),
                1 => installation.link(&path, "nowhere"),
                2 => {
                    let target = format!("store-{}", id.len());
                    installation.json(&format!("{target}/{file}"), mode, json!({}));
                    installation.link(&path, &format!("$HOME/{target}/{file}"));
                }
                3..=20 => installation.json(&path, mode, json!({})),
                _ => {}
            }
        }
        for file in ["openclaw-agent.sqlite", "openclaw-agent.sqlite-wal"] {
            if release.since(6, 5) && rng.chance(10) {
                let mode = file_mode(rng);
                installation.text(&format!("{folder}/agent/{file}"), mode, "");
            }
        }
    }
}

/// What may be run on the host: in a file of older releases, in the database of later ones.
fn approvals(release: Release, installation: &mut Installation, rng: &mut Rng) {
    if !release.since(3, 22) || !rng.chance(25) {
        return;
    }
    let document = rng
        .pick(&[
            json!({"version": 1, "defaults": {"autoAllowSkills": true}}),
            json!({"version": 1, "agents": {"main": {"autoAllowSkills": true}, "work": {"autoAllowSkills": false}}}),
            json!({"version": 1, "agents": {"main": {"allowlist": [{"pattern": "/usr/bin/python3"}, {"pattern": "~/bin/*"}]}}}),
            json!({"version": 1, "agents": {"*": {"allowlist": [{"pattern": "**/node"}]}, "work": {"allowlist": [{"pattern": "/bin/ls"}]}}}),
            json!({"version": 1, "agents": {"default": {"allowlist": [{"pattern": "/usr/bin/perl5.36"}]}}}),
            json!({"version": 1, "defaults": {"security": "deny", "ask": "always"}}),
            json!({"version": 1, "agents": {"main": {"security": "allowlist", "ask": "on-miss"}}}),
            json!({"version": 2, "defaults": {"autoAllowSkills": true}}),
        ])
        .clone();
    if release.since(8, 1) {
        let row = json!({"config_key": "current", "raw_json": document.to_string()});
        installation.rows.insert("exec_approvals_config".to_owned(), json!([row]));
    } else {
        installation.json(&format!("{STATE}/exec-approvals.json"), 0o600, document);
    }
}

/// Plugins and hooks that the program itself installed, as its database has them.
fn installed_index(installation: &mut Installation, rng: &mut Rng) {
    let records = |path: &str, rng: &mut Rng| {
        let mut record = json!({
            "source": rng.text(&["npm", "npm", "npm", "path"]),
            "spec": rng.text(&["foo", "foo@1.2.3", "@scope/foo@1.2.3", "foo@latest", "foo@^1.2.3"]),
            "installPath": format!("$HOME/.openclaw/{path}/foo"),
        });
        for (key, values) in [
            ("integrity", ["sha512-x", ""]),
            ("version", ["1.2.3", "1.2.4"]),
            ("resolvedVersion", ["1.2.3", "v1.2.3"]),
        ] {
            if rng.chance(60) {
                record[key] = rng.text(&values).into();
            }
        }
        json!({"foo": record})
    };
    let mut rows = Vec::new();
    if rng.chance(12) {
        let index = json!({"revision": 1, "index": {"version": 1, "installRecords": records("extensions", rng), "plugins": []}});
        rows.push(json!({"state_key": "plugins.installedIndex", "value_json": index.to_string()}));
    }
    if rng.chance(12) {
        let installs = records("hooks", rng).to_string();
        rows.push(json!({"state_key": "hooks.internal.installs", "value_json": installs}));
    }
    if !rows.is_empty() {
        installation.rows.insert("config_machine_state".to_owned(), rows.into());
    }
}

/// Plugin folders: those that the config names, and at times others.
fn plugins(config: &Value, installation: &mut Installation, rng: &mut Rng) {
    let named = config.get("plugins").map(Value::to_string).unwrap_or_default();
    let extensions = format!("{STATE}/extensions");
    for name in PLUGINS {
        let quoted = format!("\"{name}\"");
        if !(named.contains(&quoted) && rng.chance(95)
            || named.is_empty() && rng.chance(if installation.deep { 40 } else { 8 }))
        {
            continue;
        }
        if rng.chance(5) {
            installation.directory(&format!("other/{name}"), 0o755);
            installation.link(&format!("{extensions}/{name}"), &format!("$HOME/other/{name}"));
            continue;
        }
        let folder = format!("{extensions}/{name}");
        installation.directory(&folder, 0o755);
        if rng.chance(98) {
            let manifest =
                json!({"id": name, "configSchema": {"type": "object", "additionalProperties": true}});
            installation.json(&format!("{folder}/openclaw.plugin.json"), 0o644, manifest);
        }
        let package =
            json!({"name": name, "version": version(rng), "openclaw": {"extensions": code::entries(rng)}});
        installation.json(&format!("{folder}/package.json"), 0o644, package);
        installation.text(&format!("{folder}/index.js"), 0o644, &code::script(rng));
        code::folder(installation, &folder, rng);
    }
    if named.is_empty() && rng.chance(3) {
        installation.text(&format!("{extensions}/single.js"), 0o644, &code::script(rng));
    }
}

fn version(rng: &mut Rng) -> Value {
    json!(rng.text(&["1.2.3", "1.2.3", "1.2.4", "v1.2.3", ""]))
}

/// Packages where install records look for them.
fn packages(config: &Value, installation: &mut Installation, rng: &mut Rng) {
    let likely = if config.to_string().contains("\"installs\"") { 60 } else { 2 };
    for path in [".openclaw/hooks/foo", ".openclaw/hooks/ext-a", ".openclaw/extensions/foo", "elsewhere"] {
        if rng.chance(likely) {
            let package = json!({"name": "foo", "version": version(rng)});
            installation.json(&format!("{path}/package.json"), 0o644, package);
        }
    }
}

/// Skills of a workspace, with code.
fn skills(installation: &mut Installation, rng: &mut Rng) {
    for folder in [".openclaw/workspace/skills/one", ".openclaw/skills/two", "workspace/skills/three"] {
        if rng.chance(if installation.deep { 40 } else { 2 }) {
            let manifest =
                rng.text(&["---\nname: one\ndescription: x\n---\n", "---\ndescription: x\n---\n", "# no\n"]);
            installation.text(&format!("{folder}/SKILL.md"), 0o644, manifest);
            code::folder(installation, folder, rng);
        }
    }
}

/// A log file that the config names.
fn log_file(installation: &mut Installation, rng: &mut Rng) {
    if !rng.chance(15) {
        return;
    }
    let (name, path) = *rng.pick(&[
        ("$HOME/logs/x.log", "logs/x.log"),
        ("~/logs/x.log", "logs/x.log"),
        ("logs/x.log", "logs/x.log"),
        (" ~/logs/x.log ", "logs/x.log"),
        ("~bob/x.log", "~bob/x.log"),
        ("", "logs/x.log"),
    ]);
    if let Some(Value::Object(config)) = installation.documents().last() {
        let logging = config.entry("logging").or_insert_with(|| json!({}));
        if let Value::Object(logging) = logging {
            logging.insert("file".to_owned(), name.into());
        }
    }
    let mode = file_mode(rng);
    match rng.below(10) {
        0 => installation.directory(path, mode | 0o100),
        1 => installation.link(path, "nowhere"),
        2 => {}
        _ => installation.text(path, mode, ""),
    }
}

fn dotenv(installation: &mut Installation, rng: &mut Rng) {
    for path in [".env", ".openclaw/.env"] {
        if rng.chance(4) {
            let text = rng.text(&[
                "OPENCLAW_GATEWAY_TOKEN=0123456789abcdef0123456789abcdef\n",
                "export OPENCLAW_GATEWAY_TOKEN='short' # a comment\nDISCORD_BOT_TOKEN=\"x\"\n",
                "OPENCLAW_GATEWAY_PASSWORD=\nBRAVE_API_KEY=k\n",
                "# OPENCLAW_GATEWAY_TOKEN=x\nOPENCLAW_GATEWAY_PORT=65533",
            ]);
            installation.text(path, 0o600, text);
        }
    }
}

/// The state directory or the config at another place.
fn elsewhere(installation: &mut Installation, rng: &mut Rng) {
    let target = rng.text(&["st", "Dropbox/st", "my OneDrive/st", "iCloudy"]);
    match rng.below(50) {
        0 => move_state(installation, target, |installation| {
            installation.link(STATE, &format!("$HOME/{target}"));
        }),
        1 => move_state(installation, target, |installation| {
            let path = format!("$HOME/{target}");
            installation.env.insert("OPENCLAW_STATE_DIR".to_owned(), path);
        }),
        2 => {
            let path = format!("$HOME/{CONFIG}");
            installation.env.insert("OPENCLAW_CONFIG_PATH".to_owned(), path);
        }
        _ => {}
    }
}

/// Moves all that lies in the state directory, and then says where it is.
fn move_state(installation: &mut Installation, target: &str, tell: impl FnOnce(&mut Installation)) {
    for object in &mut installation.tree {
        if let Some(rest) = object.path.strip_prefix(STATE) {
            object.path = format!("{target}{rest}");
        }
    }
    tell(installation);
}
