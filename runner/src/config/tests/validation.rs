//! What the gateway would refuse is reported, and still audited.

use super::*;

fn problems_of(text: &str) -> Vec<String> {
    let config = load_text(text);
    assert!(config.understood, "{text}: {:?}", config.problems);
    config
        .problems
        .iter()
        .map(|problem| format!("{} {}", problem.kind, problem.pointer.as_deref().unwrap_or_default()))
        .collect()
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn refused() {
    for (text, expected) in [
        ("{bogus:1}", "unknown-key /bogus"),
        ("{gateway:null}", "invalid-value /gateway"),
        ("{gateway:{port:Infinity}}", "invalid-value /gateway/port"),
        ("{gateway:{port:1.5}}", "invalid-value /gateway/port"),
        ("{gateway:{bind:'0.0.0.0'}}", "invalid-value /gateway/bind"),
        ("{gateway:{auth:{rateLimit:false}}}", "invalid-value /gateway/auth/rateLimit"),
        ("{gateway:{auth:{trustedProxy:{}}}}", "invalid-value /gateway/auth/trustedProxy/userHeader"),
        (
            "{gateway:{auth:{trustedProxy:{userHeader:''}}}}",
            "invalid-value /gateway/auth/trustedProxy/userHeader",
        ),
        ("{gateway:{token:'x'}}", "legacy-key /gateway/token"),
        ("{telegram:{botToken:'x'}}", "legacy-key /telegram"),
        ("{env:{A:5}}", "invalid-value /env/A"),
        ("{agents:{list:[{}]}}", "invalid-value /agents/list/0/id"),
        ("{agents:{defaults:{model:'x'}}}", "invalid-value /agents/defaults/model"),
        (
            "{agents:{list:[{id:'a',identity:{avatar:'../x'}}]}}",
            "invalid-value /agents/list/0/identity/avatar",
        ),
        ("{agents:{list:[{id:'a',agentDir:'~/x'},{id:'b',agentDir:'~/x'}]}}", "invalid-value /agents/list"),
        (
            "{agents:{defaults:{heartbeat:{target:'nope'}}}}",
            "invalid-value /agents/defaults/heartbeat/target",
        ),
        ("{agents:{defaults:{heartbeat:{every:'soon'}}}}", "invalid-value /agents/defaults/heartbeat/every"),
        ("{agents:{defaults:{heartbeat:{every:'5 m'}}}}", "invalid-value /agents/defaults/heartbeat/every"),
        ("{session:{maintenance:{pruneAfter:'.5h'}}}", "invalid-value /session/maintenance/pruneAfter"),
        (
            "{agents:{defaults:{heartbeat:{every:'5m',activeHours:{end:'25:00'}}}}}",
            "invalid-value /agents/defaults/heartbeat/activeHours/end",
        ),
        ("{agents:{list:[{id:'a'}]},broadcast:{g:['b']}}", "invalid-value /broadcast/g/0"),
        (
            "{agents:{defaults:{sandbox:{docker:{network:' Host '}}}}}",
            "invalid-value /agents/defaults/sandbox/docker/network",
        ),
        (
            "{agents:{defaults:{sandbox:{docker:{binds:['rel:/x']}}}}}",
            "invalid-value /agents/defaults/sandbox/docker/binds/0",
        ),
        ("{tools:{allow:['a'],alsoAllow:['b']}}", "invalid-value /tools/alsoAllow"),
        ("{tools:{elevated:{allowFrom:{w:[true]}}}}", "invalid-value /tools/elevated/allowFrom/w/0"),
        (
            "{tools:{loopDetection:{warningThreshold:5,criticalThreshold:5}}}",
            "invalid-value /tools/loopDetection",
        ),
        ("{channels:{nope:{}}}", "unknown-key /channels/nope"),
        ("{channels:{whatsapp:{enabled:false}}}", "unknown-key /channels/whatsapp/enabled"),
        (
            "{channels:{telegram:{dmPolicy:'open',allowFrom:['1']}}}",
            "invalid-value /channels/telegram/allowFrom",
        ),
        ("{channels:{slack:{dm:{policy:'open'}}}}", "invalid-value /channels/slack/allowFrom"),
        ("{channels:{telegram:{webhookUrl:'https://x'}}}", "invalid-value /channels/telegram/webhookSecret"),
        ("{channels:{slack:{mode:'http'}}}", "invalid-value /channels/slack/signingSecret"),
        ("{channels:{slack:{mode:'http',enabled:false}}}", "invalid-value /channels/slack/signingSecret"),
        (
            "{channels:{slack:{mode:'http',signingSecret:'s',accounts:{a:{signingSecret:''}}}}}",
            "invalid-value /channels/slack/accounts/a/signingSecret",
        ),
        ("{channels:{imessage:{remoteHost:'u@h:22'}}}", "invalid-value /channels/imessage/remoteHost"),
        (
            "{channels:{imessage:{attachmentRoots:['/a*']}}}",
            "invalid-value /channels/imessage/attachmentRoots/0",
        ),
        (
            "{channels:{imessage:{attachmentRoots:['/x/..']}}}",
            "invalid-value /channels/imessage/attachmentRoots/0",
        ),
        ("{channels:{discord:{activityType:1,activity:'a'}}}", "invalid-value /channels/discord/activityUrl"),
        ("{channels:{discord:{allowFrom:[1]}}}", "invalid-value /channels/discord/allowFrom/0"),
        ("{channels:{irc:{nickserv:{register:true}}}}", "invalid-value /channels/irc/nickserv/registerEmail"),
        ("{channels:{signal:{cliPath:'a;b'}}}", "invalid-value /channels/signal/cliPath"),
        ("{browser:{profiles:{P:{cdpPort:9,color:'#000000'}}}}", "invalid-value /browser/profiles/P"),
        ("{browser:{profiles:{p:{cdpPort:9,color:'red'}}}}", "invalid-value /browser/profiles/p/color"),
        ("{browser:{profiles:{p:{cdpUrl:'',color:'000000'}}}}", "invalid-value /browser/profiles/p/cdpPort"),
        ("{cron:{webhook:'ftp://x'}}", "invalid-value /cron/webhook"),
        (
            "{hooks:{mappings:[{transform:{module:'../x'}}]}}",
            "invalid-value /hooks/mappings/0/transform/module",
        ),
        ("{session:{maintenance:{pruneAfter:'often'}}}", "invalid-value /session/maintenance/pruneAfter"),
        ("{plugins:{allow:['nope']}}", "invalid-value /plugins/allow/0"),
        ("{plugins:{entries:{telegram:{config:{x:1}}}}}", "unknown-key /plugins/entries/telegram/config/x"),
        // Also of one that is switched off.
        (
            "{plugins:{entries:{telegram:{enabled:false,config:{x:1}}}}}",
            "unknown-key /plugins/entries/telegram/config/x",
        ),
        (
            "{plugins:{entries:{'voice-call':{config:{maxDurationSeconds:'long'}}}}}",
            "invalid-value /plugins/entries/voice-call/config/maxDurationSeconds",
        ),
        (
            "{plugins:{slots:{memory:'memory-lancedb'}}}",
            "invalid-value /plugins/entries/memory-lancedb/config/embedding",
        ),
        ("{plugins:{load:{paths:['~/nope']}}}", "invalid-value /plugins/load/paths/0"),
    ] {
        let problems = problems_of(text);
        assert!(problems.iter().any(|problem| problem == expected), "{text}: {problems:?}");
        assert!(load_text(text).refused_by_gateway(), "{text}");
    }
}

#[test]
fn accepted() {
    for text in [
        "{$schema:'x'}",
        "{agents:{list:[{id:'',model:'m'}],defaults:{heartbeat:{target:'gchat',every:'5m'}}}}",
        "{agents:{defaults:{heartbeat:{every:'',activeHours:{end:'25:00'}}}}}",
        "{agents:{defaults:{heartbeat:{every:' 1.5D '}}}}",
        "{agents:{list:[{id:'a',identity:{avatar:'pics/a.png'}}]}}",
        "{agents:{defaults:{sandbox:{docker:{binds:['/var/run/docker.sock:/x'],network:'bridge'}}}}}",
        "{tools:{allow:['a'],alsoAllow:[]}}",
        "{tools:{web:{search:{provider:'brave'}},elevated:{allowFrom:{w:['*',1]}}}}",
        "{channels:{matrix:'yes',line:['a']}}",
        "{channels:{telegram:{dmPolicy:'open',allowFrom:[' * ']},slack:{mode:'http',signingSecret:'s',accounts:{a:{}}}}}",
        "{channels:{telegram:{accounts:{a:{botToken:'t',groups:{g:{requireMention:true}}}},capabilities:['x']}}}",
        "{broadcast:{strategy:'parallel',g:['x']}}",
        "{cron:{sessionRetention:false,webhook:'https://x'}}",
        "{plugins:{entries:{telegram:{enabled:false,config:{}}},slots:{memory:'none'}}}",
        "{session:{maintenance:{rotateBytes:'10mb',pruneAfter:7}}}",
        "{channels:{imessage:{remoteHost:'u@[::1]',attachmentRoots:['/a/*/b','C:\\\\x']}}}",
        "{channels:{telegram:{customCommands:[{command:'//a',description:'d'}]}}}",
        "{tools:{loopDetection:{warningThreshold:10,globalCircuitBreakerThreshold:9}}}",
        "{cron:{webhook:' HTTPS:x '}}",
    ] {
        assert_eq!(problems_of(text), Vec::<String>::new(), "{text}");
    }
}

#[test]
fn installed_plugins_are_known() {
    let config = "{channels:{mychan:{}},plugins:{allow:['foo']}}";
    let manifest = "{\"id\":\"foo\",\"channels\":[\"mychan\"],\"configSchema\":{}}";
    let home = Home::new(&[("openclaw.json", config), ("extensions/dir/openclaw.plugin.json", manifest)]);
    assert_eq!(
        kinds(&home.load(&[]).0),
        ["unknown-key", "invalid-value"],
        "a manifest without code is no plugin"
    );
    home.write("extensions/dir/index.js", b"");
    assert_eq!(kinds(&home.load(&[]).0), Vec::<&str>::new());
}

#[test]
fn a_broken_plugin_breaks_a_config_that_looks_at_plugins() {
    let code = ("extensions/dir/index.js", "");
    let package = ("extensions/dir/package.json", "{\"openclaw\":{\"extensions\":[\"a.js\"]}}");
    let cases: [(&[(&str, &str)], &str); 6] = [
        (&[code], "has no openclaw.plugin.json"),
        (&[code, ("extensions/dir/openclaw.plugin.json", "{")], "no JSON"),
        (
            &[code, ("extensions/dir/openclaw.plugin.json", "{\"id\":\" \",\"configSchema\":{}}")],
            "without an id",
        ),
        (&[code, ("extensions/dir/openclaw.plugin.json", "{\"id\":\"x\"}")], "without a configSchema"),
        (&[code, package], "names the entry a.js"),
        (&[("extensions/single.mjs", "")], "The extension folder extensions has no"),
    ];
    for (files, expected) in cases {
        let home = Home::new(&[&[("openclaw.json", "{plugins:{}}")], files].concat());
        let (config, _) = home.load(&[]);
        let messages: Vec<&str> = config.problems.iter().map(|problem| problem.message.as_str()).collect();
        assert!(matches!(messages[..], [message] if message.contains(expected)), "{expected}: {messages:?}");
        home.write("openclaw.json", b"{}");
        assert_eq!(kinds(&home.load(&[]).0), Vec::<&str>::new());
    }
}

#[test]
fn a_broken_plugin_is_refused_as_each_release_does_it() {
    let refused = |release: &str, list: &str, manifest: &str, config: &str| {
        let package = format!("{{\"openclaw\":{{\"extensions\":{list}}}}}");
        let mut home = Home::new(&[
            ("openclaw.json", config),
            ("extensions/a/openclaw.plugin.json", manifest),
            ("extensions/a/package.json", &package),
            ("extensions/a/index.js", ""),
        ]);
        home.release = Some(release.parse().unwrap());
        !home.load(&[]).0.problems.is_empty()
    };
    let good = "{\"id\":\"a\",\"configSchema\":{}}";
    // Whether a config is refused that names the plugin, and one that only names another.
    for (list, manifest, release, expected) in [
        ("[\"index.js\"]", good, "2026.9.6", [false, false]),
        ("[\"index.js\",\"no.js\"]", good, "2026.3.13", [true, true]),
        ("[\"index.js\",\"no.js\"]", good, "2026.4.15", [false, false]),
        ("[\"index.js\",\"no.js\"]", good, "2026.5.28", [true, false]),
        ("[\"index.js\",\"../up.js\"]", good, "2026.4.15", [true, true]),
        ("[\"index.js\",\"../up.js\"]", good, "2026.9.6", [true, false]),
        ("[\"index.js\",\".\"]", good, "2026.2.19", [false, false]),
        ("[\"index.js\",\".\"]", good, "2026.3.13", [true, true]),
        ("[\"index.js\",\" \"]", good, "2026.4.15", [false, false]),
        ("[\"index.js\",\" \"]", good, "2026.7.35", [true, true]),
        ("[\"index.js\",5]", good, "2026.9.6", [true, false]),
        ("[]", good, "2026.5.28", [true, true]),
        ("[\"index.js\"]", "{", "2026.7.35", [true, true]),
        ("[\"index.js\"]", "{", "2026.9.6", [true, false]),
    ] {
        let found = ["{plugins:{deny:['a']}}", "{plugins:{deny:['telegram']}}"]
            .map(|config| refused(release, list, manifest, config));
        assert_eq!(found, expected, "{release} {list} {manifest}");
    }
}

#[test]
fn messages_never_hold_values() {
    let config = load_text(
        "{gateway:{bind:'hunter2',auth:{token:['hunter2'],mode:'hunter2'}},browser:{profiles:{p:{cdpUrl:'hunter2',color:'hunter2'}}},\
         channels:{signal:{cliPath:'hunter2;'},telegram:{dmPolicy:'hunter2'}},cron:{webhook:'hunter2'}}",
    );
    assert!(config.problems.len() >= 6);
    for problem in &config.problems {
        assert!(!problem.message.contains("hunter2"), "{}", problem.message);
        assert!(problem.place.is_some(), "{problem:?}");
    }
    // What was refused stays in the config, so that it is audited.
    assert_eq!(at(&config, "/gateway/bind"), Some(&json!("hunter2")));
}

/// The kinds and pointers of what a release refuses.
fn refused_by(release: &str, text: &str) -> Vec<String> {
    let mut home = Home::new(&[("openclaw.json", text)]);
    home.release = Some(release.parse().unwrap());
    let (config, _) = home.load(&[]);
    let refused = config.problems.iter().filter(|problem| problem.kind.refused_by_gateway());
    refused
        .map(|problem| format!("{} {}", problem.kind, problem.pointer.as_deref().unwrap_or_default()))
        .collect()
}

#[test]
fn each_release_refuses_what_it_does_not_know() {
    let secret = "{gateway:{auth:{token:{source:'env',provider:'default',id:'X'}}}}";
    let store = "{gateway:{auth:{token:{source:'store',provider:'default',id:'X'}}}}";
    for (text, release, expected) in [
        ("{tools:{exec:{mode:'full'}}}", "2026.5.26", Some("unknown-key /tools/exec/mode")),
        ("{tools:{exec:{mode:'full'}}}", "2026.5.28", None),
        (secret, "2026.3.2", Some("invalid-value /gateway/auth/token")),
        (secret, "2026.3.7", None),
        (store, "2026.7.35", Some("invalid-value /gateway/auth/token")),
        (store, "2026.9.6", None),
        ("{logging:{redactSensitive:'off'}}", "2026.7.35", None),
        ("{logging:{redactSensitive:'off'}}", "2026.8.1", Some("legacy-key /logging/redactSensitive")),
        ("{meta:{lastTouchedAt:5}}", "2026.7.35", None),
        ("{plugins:{installs:{a:{source:'npm'}}}}", "2026.5.18", None),
        ("{plugins:{installs:{a:{source:'npm'}}}}", "2026.9.6", Some("legacy-key /plugins/installs")),
        ("{plugins:{allow:['nope']}}", "2026.3.13", Some("invalid-value /plugins/allow/0")),
        ("{plugins:{allow:['nope']}}", "2026.4.15", None),
        ("{plugins:{deny:['nope']}}", "2026.5.7", Some("invalid-value /plugins/deny/0")),
        ("{plugins:{deny:['nope']}}", "2026.9.6", None),
        ("{plugins:{slots:{memory:'nope'}}}", "2026.9.6", Some("invalid-value /plugins/slots/memory")),
        (
            "{channels:{telegram:{dmPolicy:'opne'}}}",
            "2026.9.6",
            Some("invalid-value /channels/telegram/dmPolicy"),
        ),
        (
            "{plugins:{load:{paths:['/no/such']}},channels:{telegram:{dmPolicy:'opne'},zz:{}}}",
            "2026.9.6",
            None,
        ),
        ("{channels:{zz:{}}}", "2026.9.6", Some("unknown-key /channels/zz")),
        ("{channels:{zz:{}},plugins:{entries:{zz:{}}}}", "2026.9.6", None),
        (
            "{agents:{entries:{main:{tools:{exec:{nope:1}}}}}}",
            "2026.9.6",
            Some("unknown-key /agents/entries/main/tools/exec/nope"),
        ),
    ] {
        let refused = refused_by(release, text);
        match expected {
            Some(expected) => {
                assert!(refused.iter().any(|one| one == expected), "{release} {text}: {refused:?}");
            }
            None => assert_eq!(refused, Vec::<String>::new(), "{release} {text}"),
        }
    }
}

#[test]
fn what_other_releases_know_is_said() {
    let mut home = Home::new(&[("openclaw.json", "{tools:{exec:{mode:'full'}}}")]);
    home.release = Some(Release::new(2026, 4, 9));
    let config = home.load(&[]).0;
    let message = &config.problems.iter().find(|problem| problem.pointer.is_some()).unwrap().message;
    assert!(message.contains("known from 2026.5.28 on: this installation is 2026.4.9"), "{message}");
}

#[test]
fn plugins_from_npm_are_known() {
    let home = Home::new(&[
        ("openclaw.json", "{channels:{mychan:{}}}"),
        ("npm/package.json", "{\"dependencies\":{\"@x/foo\":\"1\",\"../y\":\"1\"}}"),
        ("npm/node_modules/@x/foo/package.json", "{\"openclaw\":{\"extensions\":[\"i.js\"]}}"),
        ("npm/node_modules/@x/foo/i.js", ""),
        (
            "npm/node_modules/@x/foo/openclaw.plugin.json",
            "{\"id\":\"foo\",\"channels\":[\"mychan\"],\"configSchema\":{}}",
        ),
    ]);
    assert_eq!(kinds(&home.load(&[]).0), Vec::<&str>::new());
}
