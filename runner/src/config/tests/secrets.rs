//! What policies get to see.

use super::*;
use crate::config::sensitive::{Sensitivity, is_public, of_key, wide_key};

fn secret<'c>(config: &'c Config, pointer: &str) -> Vec<(&'c str, SecretSource)> {
    let subject = SecretSubject::Pointer(pointer.to_owned());
    let own = config.secrets.iter().filter(|secret| secret.subject == subject);
    own.map(|secret| (secret.value.expose(), secret.source)).collect()
}

/// What stands in place of a value that is not shown.
fn hidden(kind: &str) -> Value {
    json!({HIDDEN: kind})
}

#[test]
fn secret_strings_do_not_print() {
    let value = SecretString::new("hunter2");
    assert_eq!(
        (format!("{value}"), format!("{value:?}"), value.expose()),
        ("***".into(), "***".into(), "hunter2")
    );
    let config = load_text("{hooks:{token:'hunter2'}}");
    assert!(!format!("{:?}", config.secrets).contains("hunter2"));
}

#[test]
fn names_of_keys() {
    for key in [
        "token",
        "botToken",
        "webhookSecret",
        "apiKey",
        "api_key",
        "APIKey",
        "OPENAI_API_KEY",
        "privateKey",
        "appPassword",
        "Authorization",
        "x-api-key",
        "encryptKey",
        "channelAccessToken",
        "apikey",
        "credential",
        "passphrase",
        "serviceAccount",
        "BRAVE_API_KEY",
        "signingSecret",
        "authToken",
        "secret_key",
    ] {
        assert_eq!(of_key(key), Sensitivity::All, "{key}");
    }
    for key in ["tokens", "maxTokens", "contextTokens", "credentials", "apiKeys"] {
        assert_eq!(of_key(key), Sensitivity::Texts, "{key}");
    }
    for key in [
        "sessionKey",
        "mainKey",
        "tokenFile",
        "passwordFile",
        "keyPrefix",
        "rawKeyPrefix",
        "resetTriggers",
        "maxTokensField",
        "userTokenReadOnly",
        "mode",
        "keyPath",
        "key",
        "keys",
        "monkey",
        "defaultSessionKey",
        "",
    ] {
        assert_eq!(of_key(key), Sensitivity::None, "{key}");
    }
}

#[test]
fn the_name_of_a_section_makes_no_secrets() {
    let shown = load_text(
        "{browser:{profiles:{token:{cdpUrl:'http://a:1'},headers:{cdpUrl:'http://b:1'},secret:'no section'}},
          channels:{telegram:{accounts:{secret:{name:'n',botToken:'b'}}}}}",
    )
    .redact()
    .clone();
    assert_eq!(shown.pointer("/browser/profiles/token/cdpUrl"), Some(&json!("http://a:1")));
    assert_eq!(shown.pointer("/browser/profiles/headers/cdpUrl"), Some(&json!("http://b:1")));
    assert_eq!(shown.pointer("/browser/profiles/secret"), Some(&json!({"$hidden": "secret"})));
    assert_eq!(shown.pointer("/channels/telegram/accounts/secret/name"), Some(&json!("n")));
    assert_eq!(
        shown.pointer("/channels/telegram/accounts/secret/botToken"),
        Some(&json!({"$hidden": "secret"}))
    );
}

#[test]
fn mounts_are_paths_wherever_they_come_from() {
    let home =
        Home::new(&[("openclaw.json", "{agents:{defaults:{sandbox:{docker:{binds:['${DATA}:/data']}}}}}")]);
    let (config, _) = home.load(&[("DATA", "/etc")]);
    let shown = config.redact();
    assert_eq!(shown.pointer("/agents/defaults/sandbox/docker/binds/0"), Some(&json!("/etc:/data")));
}

#[test]
fn redaction() {
    let home = Home::new(&[(
        "openclaw.json",
        "{gateway:{bind:'${BIND}',port:8080,auth:{mode:'password',token:'t',password:''},trustedProxies:['${PROXY}','b'],tls:{keyPath:'${KEYFILE}'}},
          env:{A:'v',vars:{B:'w'},shellEnv:{enabled:false}},
          models:{providers:{p:{baseUrl:'https://u:pw@h/p?x=1&api_key=k#f',headers:{'X-Any':'h'},models:[]}}},
          channels:{telegram:{allowFrom:['${OWNER}'],proxy:'socks5://me@h:1'},matrix:{accessToken:12,pin:0,secret:0,tokenFile:'/f',nested:{secret:{deep:['x',1,true]}}}},
          hooks:{token:'${HT}',defaultSessionKey:'k'},
          agents:{defaults:{contextTokens:5,memorySearch:{chunking:{tokens:7}}}},
          browser:{cdpUrl:'${CDP}'},talk:{voiceId:'sk-abcdefghijklmnopqrstuvwxyz'}}",
    )]);
    let env = [
        ("BIND", "lan"),
        ("PROXY", "10.0.0.1"),
        ("OWNER", "*"),
        ("HT", "hook"),
        ("KEYFILE", "/k"),
        ("CDP", "https://h:9/secretpath"),
    ];
    let (config, _) = home.load(&env);
    assert_eq!(kinds(&config), Vec::<&str>::new(), "{:?}", config.problems);
    let shown = config.redact();
    for (pointer, value) in [
        ("/gateway/bind", json!("lan")),
        ("/gateway/port", json!(8080)),
        ("/gateway/auth/mode", json!("password")),
        ("/gateway/auth/token", hidden("secret")),
        ("/gateway/auth/password", json!("")),
        ("/gateway/trustedProxies", json!(["10.0.0.1", "b"])),
        ("/gateway/tls/keyPath", json!("/k")),
        ("/env", json!({"shellEnv":{"enabled":false},"vars":{"B":hidden("secret")},"A":hidden("secret")})),
        ("/models/providers/p/baseUrl", json!("https://[secret]@h/p?x=1&api_key=[secret]#f")),
        ("/models/providers/p/headers", json!({"X-Any":hidden("secret")})),
        ("/channels/telegram/allowFrom", json!(["*"])),
        ("/channels/telegram/proxy", json!("socks5://[secret]@h:1")),
        ("/channels/matrix/accessToken", hidden("secret")),
        ("/channels/matrix/secret", json!(0)),
        ("/channels/matrix/tokenFile", json!("/f")),
        ("/channels/matrix/nested/secret", json!({"deep":[hidden("secret"),hidden("secret"),true]})),
        ("/hooks/token", hidden("variable")),
        ("/hooks/defaultSessionKey", json!("k")),
        ("/agents/defaults/contextTokens", json!(5)),
        ("/agents/defaults/memorySearch/chunking/tokens", json!(7)),
        ("/browser/cdpUrl", json!("https://h:9/[secret]")),
        ("/talk/voiceId", hidden("secret")),
    ] {
        assert_eq!(shown.pointer(pointer), Some(&value), "{pointer}");
    }
    assert_eq!(at(&config, "/gateway/auth/token"), Some(&json!("t")), "the effective value stays");
    assert_eq!(secret(&config, "/gateway/auth/password"), [("", SecretSource::Literal)]);
    assert_eq!(secret(&config, "/hooks/token"), [("hook", SecretSource::Environment)]);
    assert_eq!(secret(&config, "/channels/matrix/accessToken"), [("12", SecretSource::Literal)]);
    let parts: Vec<&str> = secret(&config, "/models/providers/p/baseUrl").iter().map(|part| part.0).collect();
    assert_eq!(parts, ["pw", "u", "k"]);
}

#[test]
fn a_reference_is_hidden_as_one() {
    let text = "{gateway:{auth:{token:{source:'env',provider:'default',id:'GW'}}},hooks:{token:'t'}}";
    let config = load_text(text);
    assert_eq!(config.redact().pointer("/gateway/auth/token"), Some(&hidden("reference")));
    assert_eq!(secret(&config, "/gateway/auth/token"), [("", SecretSource::Reference)]);
    assert_eq!(secret(&config, "/hooks/token"), [("t", SecretSource::Literal)]);
}

#[test]
fn environment_secrets_are_those_known_by_name() {
    let home = Home::new(&[("openclaw.json", "{env:{OPENAI_API_KEY:'o'}}")]);
    let (config, _) =
        home.load(&[("OPENCLAW_GATEWAY_TOKEN", " t "), ("MY_TOKEN", "x"), ("BRAVE_API_KEY", "")]);
    let names: Vec<_> = config
        .secrets
        .iter()
        .filter_map(|secret| match &secret.subject {
            SecretSubject::Env(name) => Some((name.as_str(), secret.value.expose())),
            SecretSubject::Pointer(_) => None,
        })
        .collect();
    assert_eq!(names, [("OPENAI_API_KEY", "o"), ("OPENCLAW_GATEWAY_TOKEN", " t "), ("BRAVE_API_KEY", "")]);
}

/// Keys of the schema whose names look like secrets only to the wider rule, and which are none of its exceptions.
const SECRET_IN_SCHEMA: [(&str, &str); 14] = [
    ("secrets.providers.*.passEnv", NAMES),
    ("nodeHost.mcp.servers.*.clientKey", "a path or the key itself"),
    ("agents.defaults.cliBackends.*.systemPromptFileConfigKey", "no check reads it"),
    ("security.installPolicy.exec.passEnv", NAMES),
    ("cron.webhook", "an address that is called; services make the address itself the secret"),
    ("channels.reef.guard.apiKeyEnv", NAMES),
    ("channels.sms.publicWebhookUrl", "no check reads it"),
    ("channels.zalo.webhookUrl", "no check reads it"),
    ("mcp.servers.*.clientKey", "a path or the key itself"),
    ("mcp.servers.*.client_key", "a path or the key itself"),
    ("plugins.entries.codex-supervisor.config.endpoints.[].authTokenEnv", NAMES),
    ("plugins.entries.geolocation.config.databaseUrl", "an address may hold a login"),
    ("plugins.entries.google-meet.config.twilio.defaultPin", "opens a meeting"),
    ("plugins.entries.webhooks.config.routes.*.sessionKey", "no check reads it"),
];
const NAMES: &str = "names of variables, which people confuse with what they hold";

#[test]
fn every_key_of_the_schema_is_decided_by_a_list() {
    let mut secret = Vec::new();
    let mut above: Vec<&str> = Vec::new();
    for line in include_str!("../release/keys.tsv").lines().skip(1) {
        let text = line.trim_start_matches(' ');
        let (key, types) = text.split_once('\t').unwrap();
        above.truncate(line.len() - text.len());
        let pointer = above.iter().fold(String::new(), |all, step| all + "/" + step);
        above.push(key);
        let looks_secret = of_key(key) == Sensitivity::None && wide_key(key) != Sensitivity::None;
        // What is a section, a switch or one of a few words holds no text that could be one.
        let is_text = types.starts_with("string") || types.starts_with("array<string");
        if looks_secret && is_text && !is_public(Some(&pointer), key) {
            secret.push(above.join("."));
        }
    }
    secret.dedup();
    assert_eq!(secret, SECRET_IN_SCHEMA.map(|(path, _)| path));
}

#[test]
fn a_name_that_is_none_in_the_schema_is_one_elsewhere() {
    let config = load_text(
        "{hooks:{defaultSessionKey:'a1',mappings:[{sessionKey:'b1'}]},session:{mainKey:'main'},
          channels:{telegram:{webhookUrl:'https://h/d1'},acme:{sessionKey:'e1',webhookUrl:'https://h/f1',mainKey:'g1'}}}",
    );
    let shown = config.redact();
    for (pointer, value) in [
        ("/hooks/defaultSessionKey", json!("a1")),
        ("/hooks/mappings/0/sessionKey", json!("b1")),
        ("/session/mainKey", json!("main")),
        ("/channels/telegram/webhookUrl", json!("https://h/d1")),
        ("/channels/acme/sessionKey", hidden("secret")),
        ("/channels/acme/webhookUrl", hidden("secret")),
        ("/channels/acme/mainKey", hidden("secret")),
    ] {
        assert_eq!(shown.pointer(pointer), Some(&value), "{pointer}");
    }
}

#[test]
fn arguments_variables_and_pairs() {
    let config = load_text(
        "{mcp:{servers:{a:{command:'x',args:['--api-key','s1','--token=s2','-p','80','-H','X-Key: s3','--verbose'],
            env:{FOO:'s4'},headers:{A:'s5'},environment:['B=s6'],url:'https://h/?code=s7'}}},
          plugins:{entries:{p:{config:{run:'go --password s8 now',list:[{name:'API_KEY',value:'s9'},{name:'n',value:'v'}],
            auth:{mode:'m'},dbs:{pat:{host:'h'}}}}}}}",
    );
    let shown = config.redact();
    let server = shown.pointer("/mcp/servers/a").unwrap();
    let args = json!([
        "--api-key",
        hidden("secret"),
        "--token=[secret]",
        "-p",
        "80",
        "-H",
        "X-Key: [secret]",
        "--verbose"
    ]);
    assert_eq!(server["args"], args);
    assert_eq!(server["env"], json!({"FOO": hidden("secret")}));
    assert_eq!(server["headers"], json!({"A": hidden("secret")}));
    assert_eq!(server["environment"], json!([hidden("secret")]));
    assert_eq!(server["url"], "https://h/?code=[secret]");
    let plugin = shown.pointer("/plugins/entries/p/config").unwrap();
    assert_eq!(plugin["run"], "go --password [secret] now");
    assert_eq!(
        plugin["list"],
        json!([{"name": "API_KEY", "value": hidden("secret")}, {"name": "n", "value": "v"}])
    );
    assert_eq!((&plugin["auth"]["mode"], &plugin["dbs"]["pat"]["host"]), (&json!("m"), &json!("h")));
    for number in 1..=9 {
        let value = format!("s{number}");
        assert!(config.secrets.iter().any(|secret| secret.value.expose() == value), "{value}");
    }
}

#[test]
fn what_a_variable_gives_is_shown_by_its_shape_and_hidden_by_a_secret_name() {
    let home = Home::new(&[(
        "openclaw.json",
        "{gateway:{bind:'${A}',tools:{allow:['${TOOL}']},auth:{token:'${UNSET_ONE}'}},channels:{matrix:{dm:{policy:'${P}'}},
          telegram:{allowFrom:['${ME}','${MY_TOKEN}','${LONG}']}},logging:{redactSensitive:'${MY_TOKEN}'},tools:{profile:'${LONG}'}}",
    )]);
    let env = [
        ("A", "lan"),
        ("TOOL", "gateway"),
        ("P", "open"),
        ("ME", "999"),
        ("MY_TOKEN", "off"),
        ("LONG", "8f14e45fceea167a5a36dedd4bea2543"),
    ];
    let (config, _) = home.load(&env);
    for (pointer, value) in [
        ("/gateway/bind", json!("lan")),
        ("/gateway/tools/allow/0", json!("gateway")),
        ("/channels/matrix/dm/policy", json!("open")),
        ("/channels/telegram/allowFrom", json!(["999", hidden("variable"), hidden("variable")])),
        ("/logging/redactSensitive", hidden("variable")),
        ("/tools/profile", hidden("variable")),
        // A variable would give it, where it were set.
        ("/gateway/auth/token", hidden("variable")),
    ] {
        assert_eq!(config.redact().pointer(pointer), Some(&value), "{pointer}");
    }
    assert!(config.is_hidden_variable("/channels/telegram/allowFrom/2"));
    assert!(!config.is_hidden_variable("/gateway/auth/token"), "its place makes it a secret");
}

#[test]
fn a_key_of_the_config_cannot_pass_for_the_mark() {
    let config = load_text("{gateway:{bind:{$hidden:'secret'},'$$hidden':1}}");
    let expected = json!({"bind": {"$$hidden": "secret"}, "$$$hidden": 1});
    assert_eq!(config.redact().pointer("/gateway"), Some(&expected));
}

#[test]
fn a_secret_that_is_spelled_out_in_a_file_is_met() {
    const TOKEN: &str = "0123456789abcdef0123456789abcdef";
    let has_literals = |text: &str| {
        let (config, _) = Home::new(&[("openclaw.json", text)]).load(&[("T", TOKEN)]);
        config.has_literals(&config.files[0].path)
    };
    for text in [
        "{gateway:{auth:{token:'${T}'}}}",
        "{gateway:{auth:{token:'${UNSET}'}},channels:{telegram:{}}}",
        "{channels:{x:{token:{source:'env',provider:'default',id:'T'}}}} // none",
        "{models:{providers:{p:{baseUrl:'https://h/v1'}}}}",
    ] {
        assert_eq!(has_literals(text), Some(false), "{text}");
    }
    for text in [
        "{gateway:{auth:{token:'${T}',password:'a-literal-password'}}}",
        "{gateway:{auth:{token:'${T}'}}} // old: sk-0123456789abcdefghijklmn",
        &format!("{{gateway:{{auth:{{token:'${{T}}'}}}}}} // {TOKEN}"),
        &format!("{{gateway:{{auth:{{token:'${{T}}'}}}},logging:{{file:'/{TOKEN}'}}}}"),
        "{models:{providers:{p:{baseUrl:'https://u:p@h/v1'}}}}",
        "{gateway:{auth:{token:'x${T}'}}}",
        "{gateway:{auth:{token:'${T}'}}} // token = 9f86d081884c7d659a2feaa0c55ad015",
        "{gateway:{auth:{token:'${T}'}}} /* was 9f86d081884c7d659a2feaa0c55ad015 */",
    ] {
        assert_eq!(has_literals(text), Some(true), "{text}");
    }
    assert_eq!(has_literals("{gateway:{"), None, "it is not understood");
    let twice = "{gateway:{auth:{token:'literal-token'}},gateway:{bind:'loopback'}}";
    assert_eq!(has_literals(twice), None, "it can be understood in two ways");
    assert_eq!(has_literals(&format!("{{}} // {}", "x".repeat(2 << 20))), None, "it is too long");
    let home =
        Home::new(&[("openclaw.json", "{$include:'b.json5'}"), ("b.json5", "{hooks:{token:'literal'}}")]);
    let (config, _) = home.load(&[]);
    let of = |name: &str| config.has_literals(&home.path.join(".openclaw").join(name));
    assert_eq!([of("openclaw.json"), of("b.json5"), of("c.json5")], [Some(false), Some(true), None]);
}

#[test]
fn a_variable_that_gives_a_secret_gives_it_everywhere() {
    let home = Home::new(&[(
        "openclaw.json",
        "{agents:{list:[{id:'${A}'},{id:'${B}'}]},gateway:{auth:{token:'${A}'}},channels:{telegram:{dmPolicy:'${B}'}}}",
    )]);
    let (config, _) = home.load(&[("A", "plain-word"), ("B", "open")]);
    let shown = |pointer: &str| config.redact().pointer(pointer).cloned();
    assert_eq!(shown("/agents/list/0/id"), Some(hidden("variable")));
    assert_eq!(shown("/agents/list/1/id"), Some(json!("open")));
}

#[test]
fn a_name_without_boundaries_is_told_by_its_end() {
    let keys = ["accesstoken", "clientsecret", "dbpassword", "AUTHTOKEN", "openaiapikey", "db_pw"];
    let members = keys.map(|key| format!("{key}:'some-word'")).join(",");
    let home = Home::new(&[(
        "openclaw.json",
        &format!(
            "{{plugins:{{entries:{{x:{{config:{{{members},maxtokens:'some-word',tokenizer:'some-word'}}}}}}}}}}"
        ),
    )]);
    let (config, _) = home.load(&[]);
    let shown = |key: &str| config.redact().pointer(&format!("/plugins/entries/x/config/{key}")).cloned();
    for key in keys {
        assert_eq!(shown(key), Some(hidden("secret")), "{key}");
    }
    for key in ["maxtokens", "tokenizer"] {
        assert_eq!(shown(key), Some(json!("some-word")), "{key}");
    }
}
