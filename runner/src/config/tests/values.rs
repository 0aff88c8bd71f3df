//! Variables, defaults, order of keys, generations.

use super::*;
use crate::target::Origin;

#[test]
fn references() {
    let load = |text: &str, env: &[(&str, &str)]| {
        let quoted = serde_json::to_string(text).unwrap();
        let home = Home::new(&[("openclaw.json", &format!("{{hooks:{{token:{quoted}}}}}"))]);
        let (config, _) = home.load(env);
        (at(&config, "/hooks/token").unwrap().as_str().unwrap().to_owned(), kinds(&config).join(","))
    };
    let env = [("A", "x"), ("B1_", "${A}"), ("EMPTY", ""), ("lower", "no")];
    for (text, value, problems) in [
        ("${A}", "x", ""),
        ("a${A}b${A}", "axbx", ""),
        ("${B1_}", "${A}", ""),
        ("$${A}", "${A}", ""),
        ("$$$${A}", "$$${A}", ""),
        ("$$$A", "$$$A", ""),
        ("${lower}", "${lower}", ""),
        ("${A:-b}", "${A:-b}", ""),
        ("${A", "${A", ""),
        ("${}", "${}", ""),
        ("${1A}", "${1A}", ""),
        ("é${A}é$", "éxé$", ""),
        ("${NONE}", "${NONE}", "unset-variable"),
        ("${A}${EMPTY}", "${A}${EMPTY}", "unset-variable"),
    ] {
        assert_eq!(load(text, &env), (value.to_owned(), problems.to_owned()), "{text}");
    }
}

#[test]
fn unset_variable_names_variable_and_key() {
    let config = load_text("{gateway:{trustedProxies:['a',\n'${NOPE}']}}");
    let problem = &config.problems[0];
    assert_eq!(problem.pointer.as_deref(), Some("/gateway/trustedProxies/1"));
    assert_eq!(problem.place.map(|place| (place.line, place.column)), Some((2, 1)));
    assert!(problem.message.contains("NOPE") && problem.message.contains("gateway.trustedProxies[1]"));
    // What an unresolved reference would have to be is not judged.
    assert_eq!(kinds(&load_text("{gateway:{bind:'${NOPE}'}}")), ["unset-variable"]);
}

#[test]
fn env_block() {
    let text = "{env:{vars:{A:'vars',B:'vars',C:''},A:'own',D:' ',E:'own',shellEnv:{enabled:false}},hooks:{token:'${A}'}}";
    let home = Home::new(&[("openclaw.json", text)]);
    let (config, env) = home.load(&[("E", "process"), ("B", " ")]);
    assert_eq!(at(&config, "/hooks/token"), Some(&json!("own")));
    assert_eq!((env.get("A"), env.origin("A")), (Some("own"), Some(Origin::Config)));
    assert_eq!(
        (env.get("B"), env.get("C"), env.get("D"), env.get("E")),
        (Some("vars"), None, None, Some("process"))
    );
    // Values are copied before references in them are replaced.
    let home = Home::new(&[("openclaw.json", "{env:{A:'${B}'}}")]);
    let (config, env) = home.load(&[("B", "b")]);
    assert_eq!((env.get("A"), at(&config, "/env/A")), (Some("${B}"), Some(&json!("b"))));
}

#[test]
fn a_text_without_its_value_sets_no_variable_in_later_releases() {
    let text = "{env:{A:'${B}',C:'$${B}',vars:{D:'x${B}',OPENCLAW_STATE_DIR:'${B}/x'}}}";
    for (release, given, expected) in [
        ("2026.3.2", None, [Some("${B}"), Some("$${B}"), Some("x${B}")]),
        ("2026.3.7", None, [None, Some("$${B}"), None]),
        ("2026.9.6", Some("b"), [Some("b"), Some("$${B}"), Some("xb")]),
    ] {
        let mut home = Home::new(&[("openclaw.json", text)]);
        home.release = Some(release.parse().unwrap());
        let variables: Vec<(&str, &str)> = given.map(|value| ("B", value)).into_iter().collect();
        let (config, env) = home.load(&variables);
        assert_eq!(["A", "C", "D"].map(|name| env.get(name)), expected, "{release}");
        assert!(
            kinds(&config).contains(&"redirect-ignored"),
            "{release}: it would move the target where B is set"
        );
        assert_eq!(env.get("OPENCLAW_STATE_DIR"), None);
    }
}

#[test]
fn names_of_the_env_block_are_trimmed_in_later_releases() {
    let text =
        "{env:{' A ':'first',' A':'last','B-C':'x','1D':'x',vars:{'E ':'v',' OPENCLAW_STATE_DIR':'/x'}}}";
    for (release, expected, moved) in [
        ("2026.2.19", [None, Some("x"), Some("x"), None], false),
        ("2026.2.26", [Some("last"), None, None, Some("v")], true),
    ] {
        let mut home = Home::new(&[("openclaw.json", text)]);
        home.release = Some(release.parse().unwrap());
        let (config, env) = home.load(&[]);
        assert_eq!(["A", "B-C", "1D", "E"].map(|name| env.get(name)), expected, "{release}");
        assert_eq!(kinds(&config).contains(&"redirect-ignored"), moved, "{release}");
    }
}

#[test]
fn env_block_cannot_move_the_target() {
    let home = Home::new(&[(
        "openclaw.json",
        "{env:{OPENCLAW_STATE_DIR:'~/x',vars:{OPENCLAW_OAUTH_DIR:'/y',HOME:'/z'}}}",
    )]);
    let (config, env) = home.load(&[]);
    assert_eq!(kinds(&config), ["redirect-ignored", "redirect-ignored"]);
    assert_eq!(config.problems[0].pointer.as_deref(), Some("/env/OPENCLAW_STATE_DIR"));
    assert_eq!((env.get("OPENCLAW_STATE_DIR"), env.get("OPENCLAW_OAUTH_DIR")), (None, None));
    assert!(!config.refused_by_gateway());
}

#[test]
fn substitution_bomb() {
    let big = "x".repeat(100_000);
    let text = format!("{{env:{{A:'{big}'}},ui:{{assistant:{{name:'{}'}}}}}}", "${A}".repeat(10_000));
    assert_eq!(kinds(&load_text(&text))[0], "too-large");
}

#[test]
fn two_million_beginnings_of_references_are_read_in_one_pass() {
    let text = format!("{{ui:{{assistant:{{name:'{}'}}}}}}", "${".repeat(2_000_000));
    assert_eq!(kinds(&load_text(&text)), ["invalid-value"]);
}

#[test]
fn no_login_shell() {
    assert_eq!(kinds(&load_text("{env:{shellEnv:{enabled:true}}}")), ["shell-env-skipped"]);
    let home = Home::new(&[]);
    assert_eq!(kinds(&home.load(&[("OPENCLAW_LOAD_SHELL_ENV", "Yes")]).0), ["shell-env-skipped"]);
    for (name, value) in [("OPENCLAW_DEFER_SHELL_ENV_FALLBACK", "1"), ("OPENAI_API_KEY", "k")] {
        let (config, _) = home.load(&[("OPENCLAW_LOAD_SHELL_ENV", "on"), (name, value)]);
        assert_eq!(kinds(&config), Vec::<&str>::new());
    }
}

#[test]
fn schema_defaults() {
    let config = load_text("{channels:{telegram:{botToken:'1:a',accounts:{a:{}}},matrix:{x:1}},logging:{}}");
    assert_eq!(
        at(&config, "/commands"),
        Some(&json!({"native":"auto","nativeSkills":"auto","restart":true}))
    );
    for pointer in ["/channels/telegram/groupPolicy", "/channels/telegram/accounts/a/groupPolicy"] {
        assert_eq!(at(&config, pointer), Some(&json!("allowlist")), "{pointer}");
    }
    assert_eq!(at(&config, "/channels/telegram/dmPolicy"), Some(&json!("pairing")));
    assert_eq!(at(&config, "/channels/matrix"), Some(&json!({"x":1})));
    assert_eq!(at(&config, "/channels/defaults"), None);
    assert_eq!(at(&config, "/channels/whatsapp"), None);
}

#[test]
fn runtime_defaults() {
    let config = load_text(
        "{session:{mainKey:'foo'},logging:{},models:{providers:{p:{baseUrl:'u',models:[{id:'m',name:'m',maxTokens:9,\
         contextWindow:5}]}}},agents:{defaults:{models:{'openai/gpt-5.2':{},'x/y':{}}}}}",
    );
    assert_eq!(kinds(&config), Vec::<&str>::new(), "{:?}", config.problems);
    for (pointer, value) in [
        ("/messages/ackReactionScope", json!("group-mentions")),
        ("/session/mainKey", json!("main")),
        ("/logging/redactSensitive", json!("tools")),
        ("/agents/defaults/maxConcurrent", json!(4)),
        ("/agents/defaults/subagents/maxConcurrent", json!(8)),
        ("/agents/defaults/compaction/mode", json!("safeguard")),
        ("/agents/defaults/models/openai~1gpt-5.2/alias", json!("gpt")),
        ("/agents/defaults/models/x~1y", json!({})),
        ("/models/providers/p/models/0/maxTokens", json!(5)),
        ("/models/providers/p/models/0/cost/input", json!(0)),
        ("/models/providers/p/models/0/input", json!(["text"])),
    ] {
        assert_eq!(at(&config, pointer), Some(&value), "{pointer}");
    }
    assert_eq!(at(&config, "/agents/defaults/contextPruning"), None);
    assert_eq!(at(&load_text("{}"), "/logging"), None);
}

#[test]
fn anthropic_defaults() {
    let load = |text: &str, env: &[(&str, &str)]| Home::new(&[("openclaw.json", text)]).load(env).0;
    let model = "{agents:{defaults:{model:{primary:'anthropic/m'}}}}";
    let config = load(model, &[("ANTHROPIC_API_KEY", "k")]);
    assert_eq!(at(&config, "/agents/defaults/heartbeat/every"), Some(&json!("30m")));
    assert_eq!(at(&config, "/agents/defaults/contextPruning"), Some(&json!({"mode":"cache-ttl","ttl":"1h"})));
    assert_eq!(
        at(&config, "/agents/defaults/models/anthropic~1m/params/cacheRetention"),
        Some(&json!("short"))
    );
    let config = load(model, &[("ANTHROPIC_API_KEY", "k"), ("ANTHROPIC_OAUTH_TOKEN", "t")]);
    assert_eq!(at(&config, "/agents/defaults/heartbeat/every"), Some(&json!("1h")));
    assert_eq!(at(&config, "/agents/defaults/models"), None);
    let profiles = "{auth:{profiles:{a:{provider:'anthropic',mode:'api_key'},b:{provider:'anthropic',mode:'oauth'}}ORDER}}";
    let config = load(&profiles.replace("ORDER", ""), &[]);
    assert_eq!(at(&config, "/agents/defaults/heartbeat"), None);
    let config = load(&profiles.replace("ORDER", ",order:{anthropic:['b']}"), &[]);
    assert_eq!(at(&config, "/agents/defaults/heartbeat/every"), Some(&json!("1h")));
}

#[test]
fn order_of_keys() {
    let config = load_text(
        "{channels:{matrix:{},slack:{},telegram:{}},browser:{profiles:{b:{color:'000000',cdpPort:1},'10':{cdpPort:1,color:'000000'},\
         '2':{cdpPort:1,color:'000000'},a:{cdpPort:1,color:'000000'},'01':{cdpPort:1,color:'000000'}}},logging:{}}",
    );
    let keys = |pointer: &str| {
        at(&config, pointer).unwrap().as_object().unwrap().keys().cloned().collect::<Vec<_>>()
    };
    assert_eq!(keys("/channels"), ["telegram", "slack", "matrix"]);
    assert_eq!(keys("/browser/profiles"), ["2", "10", "b", "a", "01"]);
    assert_eq!(keys("/browser/profiles/b"), ["cdpPort", "color"]);
    assert_eq!(keys("")[..3], ["logging", "browser", "commands"]);
}

#[test]
fn tilde() {
    let home = Home::new(&[(
        "openclaw.json",
        "{logging:{file:'~/l'},hooks:{transformsDir:'~',path:'~x',token:'~/t'},tools:{exec:{pathPrepend:['~/b','c']}},\
         plugins:{load:{paths:['~/.openclaw']}},agents:{defaults:{repoRoot:'~\\\\r',memorySearch:{extraPaths:['~/e']}}}}",
    )]);
    let (config, _) = home.load(&[]);
    let below = |name: &str| json!(home.path.join(name).to_str().unwrap());
    for (pointer, value) in [
        ("/logging/file", below("l")),
        ("/hooks/transformsDir", json!(home.path.to_str().unwrap())),
        ("/hooks/path", json!("~x")),
        ("/hooks/token", json!("~/t")),
        ("/tools/exec/pathPrepend", json!([below("b"), "c"])),
        ("/plugins/load/paths/0", below(".openclaw")),
        ("/agents/defaults/repoRoot", below("r")),
        ("/agents/defaults/memorySearch/extraPaths", json!(["~/e"])),
    ] {
        assert_eq!(at(&config, pointer), Some(&value), "{pointer}");
    }
}
