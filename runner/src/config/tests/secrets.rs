//! What policies get to see.

use super::*;
use crate::config::sensitive::{Sensitivity, of_key, redact_url};

fn secret<'c>(config: &'c Config, pointer: &str) -> Vec<(&'c str, SecretSource)> {
    let subject = SecretSubject::Pointer(pointer.to_owned());
    let own = config.secrets.iter().filter(|secret| secret.subject == subject);
    own.map(|secret| (secret.value.expose(), secret.source)).collect()
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
    .redact();
    assert_eq!(shown.pointer("/browser/profiles/token/cdpUrl"), Some(&json!("http://a:1")));
    assert_eq!(shown.pointer("/browser/profiles/headers/cdpUrl"), Some(&json!("http://b:1")));
    assert_eq!(shown.pointer("/browser/profiles/secret"), Some(&json!("[secret]")));
    assert_eq!(shown.pointer("/channels/telegram/accounts/secret/name"), Some(&json!("n")));
    assert_eq!(shown.pointer("/channels/telegram/accounts/secret/botToken"), Some(&json!("[secret]")));
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
        ("/gateway/auth/token", json!("[secret]")),
        ("/gateway/auth/password", json!("[secret]")),
        ("/gateway/trustedProxies", json!(["[secret]", "b"])),
        ("/gateway/tls/keyPath", json!("/k")),
        ("/env", json!({"shellEnv":{"enabled":false},"vars":{"B":"[secret]"},"A":"[secret]"})),
        ("/models/providers/p/baseUrl", json!("https://[secret]@h/p?x=1&api_key=[secret]#f")),
        ("/models/providers/p/headers", json!({"X-Any":"[secret]"})),
        ("/channels/telegram/allowFrom", json!(["*"])),
        ("/channels/telegram/proxy", json!("socks5://[secret]@h:1")),
        ("/channels/matrix/accessToken", json!(1)),
        ("/channels/matrix/secret", json!(0)),
        ("/channels/matrix/tokenFile", json!("/f")),
        ("/channels/matrix/nested/secret", json!({"deep":["[secret]",1,true]})),
        ("/hooks/token", json!("[secret]")),
        ("/hooks/defaultSessionKey", json!("k")),
        ("/agents/defaults/contextTokens", json!(5)),
        ("/agents/defaults/memorySearch/chunking/tokens", json!(7)),
        ("/browser/cdpUrl", json!("https://h:9/[secret]")),
        ("/talk/voiceId", json!("[secret]")),
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
fn references_keep_their_shape() {
    let text = "{gateway:{auth:{token:{source:'env',provider:'default',id:'GW'}}},hooks:{token:'t'}}";
    let config = load_text(text);
    assert_eq!(config.redact().pointer("/gateway/auth/token"), at(&config, "/gateway/auth/token"));
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

#[test]
fn urls() {
    let shown = |url: &str| redact_url(url, "*").map(|(shown, _)| shown);
    for url in ["https://h/p", "text", "https://h/a@b", "https://h?x=1", "mailto:a@b"] {
        assert_eq!(shown(url), None, "{url}");
    }
    for (url, expected) in [
        ("https://u:p@h", "https://*@h"),
        ("https://a@b@h/p", "https://*@h/p"),
        ("wss://h/?token=abc&b=2", "wss://h/?token=*&b=2"),
        ("https://h/p#access_token=x", "https://h/p#access_token=*"),
    ] {
        assert_eq!(shown(url).as_deref(), Some(expected), "{url}");
    }
}
