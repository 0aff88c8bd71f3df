//! What is a secret reaches no policy, no output and no difference.

use std::fmt::Write as _;
use std::path::Path;

use chitin::audit::{Basis, Subject, input};
use chitin::config::{Config, Edit};
use chitin::policy::manifest::{Capabilities, FileCapability};
use chitin::target::{Environment, Request, locate};
use serde_json::{Map, Value, json};

use crate::support::{Answer, Home};

/// A home directory with this config.
fn home(config: &str) -> Home {
    let mut home = Home::new();
    home.directory(".openclaw", 0o700);
    home.file(".openclaw/openclaw.json", 0o600, Some(config.as_bytes()));
    home
}

fn run(home: &Home, arguments: &[&str]) -> Answer {
    home.chitin(arguments.iter().copied(), [])
}

/// The config of a home directory, as the program reads it.
fn config(home: &Path) -> Config {
    let mut environment: Environment = [("HOME", home.to_str().unwrap())].into_iter().collect();
    let (located, _) = locate(&Request::default(), &mut environment, home).unwrap();
    crate::support::load(&located, &mut environment)
}

/// The difference of a fix that sets one value, before and after, as it may be shown.
fn difference(config: &Config) -> String {
    let edit = Edit { pointer: "/logging/redactSensitive".to_owned(), value: json!("tools") };
    let masked = config.edited_masked(&[edit]).unwrap();
    assert_eq!(masked.len(), 1, "the difference is never left out");
    assert_ne!(masked[0].before, masked[0].after);
    format!("{}\n{}", masked[0].before, masked[0].after)
}

/// What the program shows of a config, on all ways.
fn all_outputs(home: &Home) -> Vec<(String, String)> {
    let ways: [&[&str]; 6] = [
        &["audit"],
        &["audit", "--json"],
        &["audit", "--verbose"],
        &["fix", "--dry-run"],
        &["fix", "--dry-run", "--json"],
        &["audit", "--fix", "--dry-run", "--json"],
    ];
    ways.iter()
        .map(|way| {
            let Answer { stdout, stderr, .. } = run(home, way);
            (way.join(" "), format!("{stdout}{stderr}"))
        })
        .collect()
}

fn shows_change(text: &str) -> bool {
    let line =
        |sign: char, value: &str| text.lines().any(|line| line.starts_with(sign) && line.contains(value));
    line('-', "\"off\"") && line('+', "\"tools\"")
}

// ---- reports: b-proxy, b-plain, b-keys-channels, b-mcpenv ----

#[test]
fn a_login_in_an_address_leaves_no_difference_out() {
    let home = home(
        "{ \"logging\": { \"redactSensitive\": \"off\" }, \"channels\": { \"telegram\": { \"proxy\": \"socks5://u:pw1234567@h:1\" } } }\n",
    );
    let text = run(&home, &["fix", "--dry-run"]).stdout;
    assert!(shows_change(&text), "{text}");
    assert!(text.contains("\"proxy\": \"socks5://***@h:1\""), "{text}");
    for (way, text) in all_outputs(&home) {
        assert!(!text.contains("pw1234567"), "{way}: {text}");
    }
}

#[test]
fn a_plain_token_is_masked_in_the_difference_as_before() {
    let home = home(
        "{ \"logging\": { \"redactSensitive\": \"off\" }, \"gateway\": { \"auth\": { \"token\": \"abcdefghijklmnopqrstuvwxyz\" } } }\n",
    );
    let text = run(&home, &["fix", "--dry-run"]).stdout;
    assert!(shows_change(&text) && text.contains("\"token\": \"***\""), "{text}");
    assert!(!text.contains("abcdefghijklmnop"), "{text}");
}

const CHANNEL_KEYS: [&str; 39] = [
    "encodingAESKey",
    "encryptKey",
    "aesKey",
    "privateKey",
    "appKey",
    "accessKey",
    "accessKeyId",
    "accessKeySecret",
    "secretKey",
    "signingKey",
    "clientKey",
    "apikey",
    "api_key",
    "api-key",
    "x-api-key",
    "authorization",
    "cookie",
    "pat",
    "bearer",
    "credential",
    "credentials",
    "jwt",
    "sessionKey",
    "serviceAccount",
    "webhookUrl",
    "passphrase",
    "pwd",
    "passwd",
    "pin",
    "verificationToken",
    "appSecret",
    "masterKey",
    "licenseKey",
    "sshKey",
    "seed",
    "mnemonic",
    "dsn",
    "connectionString",
    "databaseUrl",
];

#[test]
fn keys_of_channels_that_no_schema_knows_are_secrets() {
    let keys = CHANNEL_KEYS
        .iter()
        .chain(&["auth"])
        .map(|key| ((*key).to_owned(), json!(format!("SEKRET-{key}-0123"))));
    let channel: Map<String, Value> = keys.collect();
    let text = json!({
        "logging": {"redactSensitive": "off"}, "meta": {"lastTouchedVersion": "2026.2.19"}, "channels": {"acme": channel},
    });
    let home = home(&text.to_string());
    for (way, text) in all_outputs(&home) {
        assert!(!text.contains("SEKRET"), "{way}: {text}");
    }
    let fix: Value = serde_json::from_str(&run(&home, &["fix", "--dry-run", "--json"]).stdout).unwrap();
    let difference = fix["fix"]["differences"][0]["diff"].as_str().unwrap();
    assert!(difference.contains("\"dsn\":\"***\"") && shows_change(difference), "{difference}");
    let config = config(home.path());
    let shown = config.redact();
    for (key, value) in shown["channels"]["acme"].as_object().unwrap() {
        assert_eq!(*value, json!({"$hidden": "secret"}), "{key}");
    }
}

#[test]
fn arguments_and_variables_of_servers_are_secrets() {
    let home = home(
        "{ \"logging\": { \"redactSensitive\": \"off\" }, \"mcp\": { \"servers\": { \"a\": { \"command\": \"x\", \"args\": \
         [\"--api-key\", \"SEKRETabcdefgh\"], \"env\": { \"FOO_KEY\": \"SEKRETbcdefgh\", \"PLAIN\": \"SEKRETplain12\" }, \
         \"url\": \"https://h/?code=SEKRETcode1\", \"headers\": { \"Authorization\": \"Bearer SEKRETauthz1\" } } } } }\n",
    );
    for (way, text) in all_outputs(&home) {
        assert!(!text.contains("SEKRET"), "{way}: {text}");
    }
    let text = run(&home, &["fix", "--dry-run"]).stdout;
    assert!(shows_change(&text), "{text}");
    assert!(
        text.contains("[\"--api-key\", \"***\"]") && text.contains("\"url\": \"https://h/?code=***\""),
        "{text}"
    );
    let server = config(home.path()).redact()["mcp"]["servers"]["a"].clone();
    let hidden = json!({"$hidden": "secret"});
    assert_eq!(
        server,
        json!({
            "command": "x", "args": ["--api-key", hidden], "env": {"FOO_KEY": hidden, "PLAIN": hidden},
            "url": "https://h/?code=[secret]", "headers": {"Authorization": hidden},
        })
    );
}

#[test]
fn what_policies_need_stays_as_it_is() {
    let text = json!({
        "meta": {"lastTouchedVersion": "2026.2.19"},
        "logging": {"redactSensitive": "off", "file": "/tmp/x.log", "redactPatterns": ["token=(\\S+)"]},
        "gateway": {"port": 18789, "auth": {"mode": "token", "allowTailscale": true,
            "trustedProxy": {"userHeader": "x-user", "requiredHeaders": ["x-forwarded-proto"]}}, "trustedProxies": ["10.0.0.1"]},
        "hooks": {"enabled": true, "defaultSessionKey": "hook:main", "mappings": [{"id": "a", "sessionKey": "hook:a"}]},
        "session": {"mainKey": "main", "dmScope": "main"},
        "agents": {"defaults": {"model": {"primary": "anthropic/claude-opus-4-6"}, "contextTokens": 5,
            "sandbox": {"docker": {"image": "repo:5000/a:b@sha256:0123456789", "network": "none", "binds": ["/a:/b"]}}}},
        "channels": {"whatsapp": {"allowFrom": ["+15551234567", "*"], "groupPolicy": "open"}},
        "plugins": {"entries": {"my-token": {"enabled": true}}, "installs": {"api-key": {"source": "npm", "spec": "npm:a@1.2.3",
            "integrity": "sha512-abcdefghijklmnopqrstuvwxyz0123456789", "version": "1.2.3"}}},
        "browser": {"cdpUrl": "http://127.0.0.1:9222", "profiles": {"pat": {"cdpUrl": "http://h:1"}}},
    });
    let home = home(&text.to_string());
    let loaded = config(home.path());
    assert_eq!(*loaded.redact(), loaded.effective, "nothing of it is a secret");
    let difference = difference(&config(home.path()));
    assert!(!difference.contains("***"), "{difference}");
}

#[test]
fn an_include_and_what_replaces_it_are_masked_alike() {
    let mut home = home(
        "{\"channels\": {\"$include\": \"./channels.json\", \"acme\": {\"appKey\": \"SEKRET-new-1\"}}, \"logging\": {\"$include\": \"./logging.json\"}}",
    );
    home.file(
        ".openclaw/channels.json",
        0o600,
        Some(b"{\"acme\": {\"appKey\": \"SEKRET-old-2\", \"x\": \"y\"}}"),
    );
    let logging = "{\"redactSensitive\": \"off\", // was SEKRET-new-1, password: \"SEKRET-gone-3\"\n \"appKey\": \"SEKRET-four-4\"}";
    home.file(".openclaw/logging.json", 0o600, Some(logging.as_bytes()));
    for (way, text) in all_outputs(&home) {
        assert!(!text.contains("SEKRET"), "{way}: {text}");
    }
    let text = run(&home, &["fix", "--dry-run"]).stdout;
    assert!(shows_change(&text) && text.contains("// was ***, password: \"***\""), "{text}");
}

// ---- random configs ----

/// A small generator of numbers (SplitMix64): the same seed gives the same configs everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }

    fn one<'t>(&mut self, list: &[&'t str]) -> &'t str {
        list[self.below(list.len())]
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

/// Letters that any secret may have, in a URL, too.
const PLAIN: &[u8] = b"abcdefghjkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
/// Others, for places where a secret is the whole text.
const ODD: [char; 12] = ['/', '@', ':', '"', '\'', '\\', '\n', '\t', 'é', '\u{1f600}', '$', ' '];

/// What is planted: the middle is what no output may show.
fn secret(random: &mut Random, odd: bool) -> (String, String) {
    let length = 10 + random.below(8);
    let core: String = (0..length).map(|_| char::from(PLAIN[random.below(PLAIN.len())])).collect();
    // A digit, so that it is no word.
    let core = format!("Zq{}{core}", 2 + random.below(8));
    if !odd {
        return (core.clone(), core);
    }
    let around = |random: &mut Random| {
        if random.chance(50) { ODD[random.below(ODD.len())].to_string() } else { String::new() }
    };
    (format!("{}{core}{}", around(random), around(random)), core)
}

/// Plants one secret into a config; gives what must not be shown, and what a comment may repeat: the secret as it is.
#[expect(clippy::too_many_lines, reason = "a list of places")]
fn plant(random: &mut Random, config: &mut Value) -> (String, Option<String>) {
    const FREE: [&str; 5] = [
        "/channels/acme",
        "/plugins/entries/p/config",
        "/skills/entries/s/config",
        "/plugins/entries/p/config/deep/deeper",
        "/tools/media/audio/providerOptions/deepgram",
    ];
    const SERVERS: [&str; 3] =
        ["/mcp/servers/a", "/plugins/entries/p/config/servers/b", "/channels/acme/runner"];
    let kind = random.below(14);
    let (value, core) = secret(random, matches!(kind, 0..=3));
    let number = random.below(1000);
    let mut repeated = Some(value.clone());
    let free = random.one(&FREE);
    let server = random.one(&SERVERS);
    let (pointer, text): (String, Value) = match kind {
        0 => {
            let known = [
                "/gateway/auth/token",
                "/gateway/auth/password",
                "/gateway/remote/token",
                "/hooks/token",
                "/channels/telegram/botToken",
                "/channels/telegram/accounts/a/botToken",
                "/channels/slack/signingSecret",
                "/skills/entries/s/apiKey",
                "/models/providers/p/apiKey",
                "/talk/apiKey",
            ];
            (random.one(&known).to_owned(), json!(value))
        }
        1 | 2 => {
            let names: Vec<&str> = CHANNEL_KEYS
                .iter()
                .copied()
                .chain(["fooToken", "BarPassword", "my_secret_v2", "DB_URL"])
                .collect();
            (
                format!("{free}/{}", random.one(&names)),
                if random.chance(20) { json!([value]) } else { json!(value) },
            )
        }
        3 => {
            let maps = [
                "/skills/entries/s/env",
                "/agents/defaults/sandbox/docker/env",
                "/env/vars",
                "/mcp/servers/a/env",
                "/mcp/servers/a/headers",
                "/models/providers/p/headers",
                "/channels/acme/environment",
                "/hooks/internal/entries/h/env",
            ];
            (format!("{}/NAME_{number}", random.one(&maps)), json!(value))
        }
        4 => {
            let flag = random.one(&["--token", "--api-key", "-p", "--password", "--client-secret", "--auth"]);
            (format!("{server}/args"), json!(["run", flag, value, "--verbose"]))
        }
        5 => {
            let flag = random.one(&["--token", "--api-key", "--password", "API_TOKEN", "DB_PASSWORD"]);
            (format!("{server}/argv"), json!(["run", format!("{flag}={value}"), "x"]))
        }
        6 => {
            let line = match random.below(5) {
                0 => format!("run --token {value} --port 1"),
                1 => format!("run --password=\"{value}\" x"),
                2 => format!("curl -H 'Authorization: Bearer {value}' http://h"),
                3 => format!("curl -u me:{value} http://h"),
                _ => format!("API_KEY={value} run"),
            };
            (format!("{server}/command"), json!(line))
        }
        7 => (
            format!("{server}/args"),
            json!(["-e", format!("ANY={value}"), "-H", format!("X-Api-Key: {value}")]),
        ),
        8 => {
            let scheme = random.one(&["http", "https", "socks5", "postgres", "redis", "wss"]);
            let login = match random.below(4) {
                0 => format!("u:{value}@"),
                1 => format!("{value}@"),
                2 => {
                    repeated = Some(format!("a/{value}"));
                    format!("u:a/{value}@")
                }
                _ => format!("{value}:x@"),
            };
            let keys = [
                "/channels/telegram/proxy",
                "/channels/discord/proxy",
                "/browser/cdpUrl",
                "/models/providers/p/baseUrl",
            ];
            (random.one(&keys).to_owned(), json!(format!("{scheme}://{login}host.example:1/p")))
        }
        9 => {
            let text = match random.below(4) {
                0 => format!("http:u:{value}@host"),
                1 => format!("u:{value}@host:8080"),
                2 => format!("u:{value}@host"),
                _ => format!("//u:{value}@host/p"),
            };
            (format!("{free}/{}", random.one(&["proxy", "url", "endpoint", "server"])), json!(text))
        }
        10 => {
            let name =
                random.one(&["code", "token", "key", "sig", "access_token", "api_key", "X-Amz-Signature"]);
            let mark = random.one(&["?", "?a=1&", "#", "?b;"]);
            (format!("{free}/link{number}"), json!(format!("https://host.example/p{mark}{name}={value}&z=1")))
        }
        11 => {
            let text = match random.below(3) {
                0 => format!("host=h user=u password={value} dbname=d"),
                1 => format!("Server=h;User Id=u;Password={value};Pooling=true"),
                _ => format!("use password={value}, and go"),
            };
            (format!("{free}/about{number}"), json!(text))
        }
        12 => (
            format!("{free}/list{number}"),
            json!([{"name": "API_KEY", "value": value}, {"key": "x-auth-token", "value": value}]),
        ),
        _ => {
            repeated = None;
            let text = match random.below(3) {
                0 => format!("sk-{value}{value}"),
                1 => format!("see ghp_{value}{value}, please"),
                _ => format!("https://hooks.slack.com/services/T0/B0/{value}"),
            };
            (format!("{free}/note{number}"), json!(text))
        }
    };
    set(config, &pointer, text);
    (core, repeated.filter(|text| !text.contains('\n')))
}

/// Sets a value, making the objects on the way.
fn set(config: &mut Value, pointer: &str, value: Value) {
    let mut here = config;
    for key in pointer.split('/').skip(1) {
        if !here.is_object() {
            *here = json!({});
        }
        here = here.as_object_mut().unwrap().entry(key).or_insert(Value::Null);
    }
    *here = value;
}

/// Writes a config as people and generators do, and as nobody does: quotes, escapes, continued lines, comments.
fn write(random: &mut Random, value: &Value, known: &[String], out: &mut String) {
    match value {
        Value::Object(map) => {
            out.push('{');
            for (key, value) in map {
                space(random, known, out);
                let bare = key.bytes().all(|byte| byte.is_ascii_alphabetic());
                if bare && random.chance(60) {
                    out.push_str(key);
                } else {
                    text(random, key, false, out);
                }
                out.push_str(": ");
                write(random, value, known, out);
                out.push(',');
            }
            space(random, known, out);
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for item in items {
                write(random, item, known, out);
                out.push(',');
                space(random, known, out);
            }
            out.push(']');
        }
        Value::String(said) => text(random, said, true, out),
        other => out.push_str(&other.to_string()),
    }
}

fn text(random: &mut Random, said: &str, odd: bool, out: &mut String) {
    let quote = if random.chance(50) { '"' } else { '\'' };
    out.push(quote);
    let escapes = odd && random.chance(50);
    for c in said.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c == quote => out.extend(['\\', c]),
            c if escapes && c.is_ascii() && random.chance(20) => {
                write!(out, "\\x{:02x}", u32::from(c)).unwrap();
            }
            c if escapes && random.chance(20) => {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    write!(out, "\\u{unit:04X}").unwrap();
                }
            }
            c => out.push(c),
        }
        if escapes && random.chance(5) {
            out.push_str("\\\n");
        }
    }
    out.push(quote);
}

fn space(random: &mut Random, known: &[String], out: &mut String) {
    match random.below(6) {
        0 => out.push_str("\n  "),
        1 if !known.is_empty() => {
            let value = &known[random.below(known.len())];
            let comment = match random.below(4) {
                0 => format!("// it was {value} once\n"),
                1 => format!("/* {value} */"),
                2 => format!("// \"token\": \"{value}\",\n"),
                _ => format!("/* see https://u:{value}@h */\n"),
            };
            out.push_str(&comment);
        }
        2 => out.push_str(" // nothing\n"),
        _ => out.push(' '),
    }
}

/// A random home directory, and what was planted into it.
fn random_home(seed: u64) -> (Home, Vec<String>, String) {
    let mut random = Random(seed);
    let mut value =
        json!({"logging": {"redactSensitive": "off"}, "channels": {"telegram": {"enabled": true}}});
    if random.chance(60) {
        let version = random.one(&["2026.2.19", "2026.9.1", "2027.1.1"]);
        set(&mut value, "/meta/lastTouchedVersion", json!(version));
    }
    let count = 1 + random.below(6);
    let all: Vec<(String, Option<String>)> = (0..count).map(|_| plant(&mut random, &mut value)).collect();
    let mut text = String::new();
    // A later one may have replaced an earlier one: only what is there can be known from a comment.
    let there = value.to_string();
    let known = all.iter().filter(|(core, _)| there.contains(core.as_str()));
    let known: Vec<String> = known.filter_map(|(_, repeated)| repeated.clone()).collect();
    let planted = all.into_iter().map(|(core, _)| core).collect();
    let include = random.chance(30).then(|| {
        value.as_object_mut().unwrap().insert("channels".to_owned(), json!({"$include": "./c.json"}))
    });
    let mut home = Home::new();
    home.directory(".openclaw", 0o700);
    if let Some(Some(channels)) = include {
        let mut part = String::new();
        write(&mut random, &channels, &known, &mut part);
        home.file(".openclaw/c.json", 0o600, Some(part.as_bytes()));
    }
    write(&mut random, &value, &known, &mut text);
    home.file(".openclaw/openclaw.json", 0o600, Some(text.as_bytes()));
    (home, planted, text)
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// `CHITIN_SEED` and `CHITIN_COUNT` choose others.
#[test]
fn nothing_that_is_planted_is_shown() {
    let (first, count) = (number("CHITIN_SEED", 1), number("CHITIN_COUNT", 400));
    for seed in first..first + count {
        let (home, planted, text) = random_home(seed);
        let config = config(home.path());
        let problems =
            config.problems.iter().map(|problem| problem.message.as_str()).collect::<Vec<_>>().join("\n");
        let shown = [
            ("what policies see", config.redact().to_string()),
            ("problems", problems),
            ("the difference", difference(&config)),
            ("debug", format!("{:?}", config.secrets)),
        ];
        for (what, shown) in shown {
            for planted in &planted {
                assert!(
                    !shown.contains(planted.as_str()),
                    "CHITIN_SEED={seed}: {planted} in {what}: {shown}\n{text}"
                );
            }
        }
    }
}

#[test]
fn nothing_that_is_planted_comes_out_of_the_program() {
    for seed in 1..=number("CHITIN_PROGRAMS", 6) {
        let (mut home, planted, text) = random_home(seed * 7919);
        let check = |home: &Home, text: &str| {
            for (way, output) in all_outputs(home) {
                for planted in &planted {
                    assert!(
                        !output.contains(planted.as_str()),
                        "seed {seed}, {way}: {planted} in {output}\n{text}"
                    );
                }
            }
        };
        check(&home, &text);
        // A text that breaks off has errors, and no difference.
        let mut half = text.len() / 2;
        while !text.is_char_boundary(half) {
            half += 1;
        }
        home.file(".openclaw/openclaw.json", 0o600, Some(&text.as_bytes()[..half]));
        check(&home, &text[..half]);
    }
}

// ---- a config and a store that call their own values hidden ----

/// Ids and reasons of an audit: what was found, and what was left open as hidden or withheld.
fn verdicts(home: &Home) -> (Vec<String>, Vec<String>) {
    let report: Value = serde_json::from_str(&run(home, &["audit", "--json"]).stdout).unwrap();
    let findings = report["findings"].as_array().unwrap().iter();
    let found = findings.map(|finding| finding["checkId"].as_str().unwrap().to_owned()).collect();
    let assessed = report["assessment"].as_array().unwrap().iter();
    let reasons = assessed.flat_map(|check| check["unassessed"].as_array().cloned().unwrap_or_default());
    let spoofed = reasons.map(|reason| reason.to_string());
    (found, spoofed.filter(|reason| reason.contains("hidden") || reason.contains("withheld")).collect())
}

#[test]
fn a_config_cannot_call_its_own_values_hidden() {
    for mark in ["$hidden", "$$hidden", "$$$hidden"] {
        for word in ["variable", "secret", "reference", "withheld"] {
            let hidden = format!("{{ \"{mark}\": \"{word}\" }}");
            // A member beside the others, in place of an object, and in place of a text.
            let home = home(&format!(
                "{{ \"{mark}\": \"{word}\", gateway: {{ bind: \"lan\", auth: {{ mode: \"none\", \"{mark}\": \"{word}\" }} }}, \
                 logging: {{ redactSensitive: \"off\", \"{mark}\": \"{word}\" }}, tools: {hidden}, \
                 channels: {{ telegram: {{ botToken: \"x\", dmPolicy: \"open\", allowFrom: [\"*\"], groupPolicy: {hidden}, \
                 accounts: {hidden} }} }} }}\n"
            ));
            let (found, spoofed) = verdicts(&home);
            assert_eq!(spoofed, [""; 0], "{mark} {word}");
            for id in ["gateway.bind_no_auth", "logging.redact_off", "channels.telegram.dm.open"] {
                assert!(found.iter().any(|found| found == id), "{mark} {word}: {found:?}");
            }
        }
    }
}

#[test]
fn a_store_cannot_call_its_own_values_hidden() {
    for list in ["{\"$hidden\": \"variable\"}", "[{\"$hidden\": \"variable\"}, \"1\", \"2\", \"3\"]"] {
        let mut home = home("{ channels: { telegram: { botToken: \"x\" } } }\n");
        home.directory(".openclaw/credentials", 0o700);
        let store = format!("{{\"version\": 1, \"$hidden\": \"withheld\", \"allowFrom\": {list}}}");
        home.file(".openclaw/credentials/telegram-allowFrom.json", 0o600, Some(store.as_bytes()));
        let (found, spoofed) = verdicts(&home);
        assert_eq!(spoofed, [""; 0], "{list}");
        let shared = found.iter().any(|found| found == "channels.telegram.dm.scope_main_multiuser");
        assert_eq!(shared, list.starts_with('['), "{list}: {found:?}");
    }
}

// ---- a secret in a path; JSON that the gateway reads and this program cannot hold ----

#[test]
fn a_secret_in_a_path_reaches_no_policy() {
    const VALUE: &str = "plain-word-of-a-token";
    let made = home(
        "{ logging: { file: \"/tmp/${X_TOKEN}.log\" }, plugins: { load: { paths: [\"/nowhere/${X_TOKEN}/nope\"] } } }\n",
    );
    let path = made.path().to_str().unwrap();
    let mut environment: Environment = [("HOME", path), ("X_TOKEN", VALUE)].into_iter().collect();
    let (located, problems) = locate(&Request::default(), &mut environment, made.path()).unwrap();
    let config = crate::support::load(&located, &mut environment);
    let basis = Basis { deep: true, ..Basis::default() };
    let subject = Subject::new(located, environment, config, problems, &basis);
    let log = FileCapability::try_from("stat:log".to_owned()).unwrap();
    let granted = Capabilities { files: vec![log], problems: true, ..Capabilities::default() };
    let input = input(&subject, &granted);
    let seen: Vec<&str> = input.views.iter().map(|view| view.display.as_str()).collect();
    assert_eq!(seen, ["***"], "the whole text is what a variable gives a part of");
    for problem in &input.problems {
        let words = format!("{} {:?}", problem.message, problem.file);
        assert!(!words.contains(VALUE), "{words}");
    }
}

/// The status of a check.
fn status(report: &Value, id: &str) -> String {
    let checks = report["assessment"].as_array().unwrap();
    checks.iter().find(|check| check["checkId"] == id).unwrap()["status"].as_str().unwrap().to_owned()
}

#[test]
fn json_that_cannot_be_held_is_not_called_empty() {
    for odd in ["\"\\ud800\"", "1e999"] {
        let mut home = home("{ channels: { telegram: { botToken: \"x\" } } }\n");
        home.directory(".openclaw/credentials", 0o700);
        let store = format!("{{\"allowFrom\": [\"*\", {odd}]}}");
        home.file(".openclaw/credentials/telegram-allowFrom.json", 0o600, Some(store.as_bytes()));
        home.directory(".openclaw/extensions", 0o700);
        home.directory(".openclaw/extensions/p", 0o700);
        home.directory(".openclaw/extensions/p/node_modules", 0o700);
        let package =
            format!("{{\"openclaw\": {{\"extensions\": [\"./node_modules/x.js\"]}}, \"x\": {odd}}}");
        home.file(".openclaw/extensions/p/package.json", 0o600, Some(package.as_bytes()));
        home.file(".openclaw/extensions/p/node_modules/x.js", 0o600, Some(b"eval(x)"));
        let answer = run(&home, &["audit", "--deep", "--json"]);
        let report: Value = serde_json::from_str(&answer.stdout).unwrap();
        assert_eq!(answer.code, 3, "{odd}");
        for id in ["channels.*.dm.scope_main_multiuser", "plugins.code_safety"] {
            assert_eq!(status(&report, id), "not-assessed", "{odd}: {id}");
        }
    }
}

#[test]
fn the_line_of_a_finding_shows_its_value_and_nothing_beside_it() {
    // All on one line, with a secret before, behind and in a comment; a value that a variable gives, and one that is secret itself.
    let home = home(
        "{ /* old: hunter2hunter2hunter2 */ \"gateway\": { \"auth\": { \"mode\": \"token\", \"token\": \"hunter3hunter3\" }, \"bind\": \"lan\" }, \
         \"hooks\": { \"enabled\": true, \"token\": \"hunter4\", \"allowRequestSessionKey\": true }, \
         \"logging\": { \"redactSensitive\": \"off\" } /* hunter5hunter5hunter5 */, \
         \"channels\": { \"telegram\": { \"groupPolicy\": \"open\", \"botToken\": \"hunter6hunter6hunter6\" } } }\n",
    );
    snippets_show_nothing(&home);
    // The same text as a secret at a place that is none, written with an escape.
    let home = self::home(
        "{ gateway: { bind: 'lan', auth: { mode: 'token', token: 'hunter3hunter3' } }, logging: { redactSensitive: 'off' }, \
         hooks: { enabled: true, path: '\\u0068unter3hunter3', token: 'hunter4hunter4' } }\n",
    );
    let text = run(&home, &["audit", "--json"]).stdout;
    assert!(!text.contains("unter3hunter3"), "{text}");
}

fn snippets_show_nothing(home: &Home) {
    let report: Value = serde_json::from_str(&run(home, &["audit", "--json"]).stdout).unwrap();
    let mut snippets = Vec::new();
    for finding in report["findings"].as_array().unwrap() {
        let places = finding["locations"].as_array().unwrap();
        snippets
            .extend(places.iter().filter_map(|place| place["snippet"]["text"].as_str().map(str::to_owned)));
    }
    assert!(snippets.contains(&"\"bind\": \"lan\"".to_owned()), "{snippets:?}");
    assert!(snippets.contains(&"\"token\": \"***\",".to_owned()), "{snippets:?}");
    assert!(snippets.iter().all(|text| !text.contains("hunter")), "{snippets:?}");
    // A difference of the whole file shows its comments, to those who read the file.
    for (way, text) in all_outputs(home).into_iter().filter(|(way, _)| !way.contains("dry-run")) {
        assert!((2..7).all(|n| !text.contains(&format!("hunter{n}"))), "{way}: {text}");
    }
}
