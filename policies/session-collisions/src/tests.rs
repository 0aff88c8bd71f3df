use chitin_policy_sdk::testing::MemoryHost;
use chitin_policy_sdk::{Cell, Hidden};

use super::*;

const NOTHING: [&str; 0] = [];

fn host(config: &str) -> MemoryHost {
    MemoryHost::new(config).release(2026, 9, 6)
}

/// What is found with one agent.
fn ids(channels: &str, session: &str) -> Vec<String> {
    short(&host(&format!(
        r#"{{channels: {channels}, session: {session}, agents: {{list: [{{id: "main"}}]}}}}"#
    )))
}

/// Ids without what those of shared sessions begin with.
fn short(host: &MemoryHost) -> Vec<String> {
    let ids = host.ids(audit);
    let start = "channels.dm.session_collision.";
    ids.iter().map(|id| id.strip_prefix(start).unwrap_or(id).to_owned()).collect()
}

const TELEGRAM: [&str; 1] = ["telegram-default.1:warn"];
const OPEN: [&str; 1] = ["*.*:not assessed"];

#[test]
fn two_people_in_the_main_session_share_it() {
    let two = r#"{telegram: {dmPolicy: "allowlist", allowFrom: ["5", "6"]}}"#;
    for session in ["{}", r#"{dmScope: "main"}"#, r#"{dmScope: "else"}"#, r#"{scope: "global"}"#] {
        assert_eq!(ids(two, session), TELEGRAM, "{session}");
    }
    for session in [
        r#"{dmScope: "per-peer"}"#,
        r#"{dmScope: "per-channel-peer"}"#,
        r#"{dmScope: "per-account-channel-peer"}"#,
        r#"{identityLinks: {me: ["telegram:5", "6"]}}"#,
    ] {
        assert_eq!(ids(two, session), NOTHING, "{session}");
    }
    for one in [
        "{telegram: {}}",
        r#"{telegram: {allowFrom: ["5", "tg:5", " ", null]}}"#,
        r#"{telegram: {dmPolicy: "disabled", allowFrom: ["5", "6"]}}"#,
        r#"{telegram: {enabled: false, allowFrom: ["5", "6"]}}"#,
        r#"{cliq: {allowFrom: ["5", "6"]}}"#,
    ] {
        assert_eq!(ids(one, "{}"), NOTHING, "{one}");
    }
    let before = host(&format!("{{channels: {two}}}")).release(2026, 7, 35);
    assert_eq!(before.ids(audit), NOTHING);
}

#[test]
fn everyone_shares_the_main_session() {
    let all = r#"{telegram: {dmPolicy: "open", allowFrom: ["*"]}}"#;
    assert_eq!(ids(all, "{}"), TELEGRAM);
    for scope in ["per-peer", "per-channel-peer", "per-account-channel-peer"] {
        assert_eq!(ids(all, &format!(r#"{{dmScope: "{scope}"}}"#)), NOTHING, "{scope}");
    }
    let with_one = r#"{telegram: {dmPolicy: "open", allowFrom: ["*", "5"]}}"#;
    assert_eq!(ids(with_one, r#"{dmScope: "per-channel-peer"}"#), TELEGRAM, "one of them may be the one");
    assert_eq!(ids(with_one, r#"{dmScope: "per-account-channel-peer"}"#), NOTHING);
}

#[test]
fn accounts_and_channels_meet_in_a_session() {
    let two = r#"{discord: {accounts: {a: {allowFrom: ["5"]}, B: {allowFrom: ["5"]}}}}"#;
    assert_eq!(ids(two, r#"{dmScope: "per-channel-peer"}"#), ["discord-a_discord-b.1:warn"]);
    assert_eq!(ids(two, r#"{dmScope: "per-account-channel-peer"}"#), NOTHING);
    let both = r#"{discord: {allowFrom: ["5"]}, slack: {allowFrom: ["5"]}}"#;
    assert_eq!(ids(both, r#"{dmScope: "per-peer"}"#), ["discord-default_slack-default.1:warn"]);
    assert_eq!(ids(both, r#"{dmScope: "per-channel-peer"}"#), NOTHING);
    let open = r#"{discord: {allowFrom: ["*"]}, slack: {allowFrom: ["7"]}}"#;
    assert_eq!(ids(open, r#"{dmScope: "per-peer"}"#), ["discord-default_slack-default.1:warn"]);
    assert_eq!(ids(open, r#"{dmScope: "per-channel-peer"}"#), NOTHING);
    let linked = r#"{dmScope: "per-peer", identityLinks: {me: ["discord:5", "slack:5"]}}"#;
    assert_eq!(ids(both, linked), NOTHING);
}

#[test]
fn other_accounts_of_telegram_keep_people_apart_by_themselves() {
    let two = r#"{telegram: {accounts: {a: {allowFrom: ["5", "6"]}, b: {allowFrom: ["5", "6"]}}}}"#;
    assert_eq!(ids(two, "{}"), ["telegram-a.1:warn"]);
    let named = two.replacen("accounts", r#"defaultAccount: "b", accounts"#, 1);
    assert_eq!(ids(&named, "{}"), ["telegram-b.1:warn"]);
    let open = r#"{telegram: {accounts: {a: {allowFrom: ["*"]}, b: {allowFrom: ["5"]}}}}"#;
    assert_eq!(ids(open, r#"{dmScope: "per-channel-peer"}"#), ["telegram-a_telegram-b.1:warn"]);
    assert_eq!(ids(&open.replace("telegram", "signal"), "{}"), ["signal-a_signal-b.1:warn"]);
    let other = r#"{telegram: {accounts: {a: {}, b: {allowFrom: ["*"]}}}}"#;
    assert_eq!(ids(other, "{}"), NOTHING);
    let personal = r#"{zalouser: {allowFrom: ["5", "6"]}}"#;
    assert_eq!(ids(personal, "{}"), NOTHING, "Zalo Personal does so, too");
}

#[test]
fn a_binding_chooses_the_agent_and_the_scope() {
    let with = |bindings: &str, list: &str| {
        let agents = r#"{ownership: "explicit", list: [{id: "a"}, {id: "b"}]}"#;
        let channels = format!("{{signal: {{allowFrom: {list}}}}}");
        short(&host(&format!("{{channels: {channels}, agents: {agents}, bindings: {bindings}}}")))
    };
    let missing = ["channels.signal.routing.owner_missing.default:warn"];
    let (two, shared) = (r#"["+5", "+6"]"#, ["signal-default.1:warn"]);
    assert_eq!(with("[]", two), missing);
    assert_eq!(with("[]", r#"["*"]"#), missing);
    assert_eq!(with("[]", "[]"), NOTHING, "nobody is let in");
    assert_eq!(with(r#"[{agentId: "a", match: {channel: "Signal"}}]"#, two), shared);
    assert_eq!(with(r#"[{agentId: "a", match: {channel: "signal", accountId: "*"}}]"#, two), shared);
    assert_eq!(with(r#"[{agentId: "a", match: {channel: "signal", accountId: "other"}}]"#, two), missing);
    assert_eq!(with(r#"[{agentId: "a", match: {channel: "slack"}}]"#, two), missing);
    assert_eq!(with(r#"[{agentId: "none", match: {channel: "signal"}}]"#, two), missing);
    assert_eq!(with(r#"[{agentId: "a", type: "acp", match: {channel: "signal"}}]"#, two), missing);
    assert_eq!(with(r#"[{agentId: "a", match: {channel: "signal", guildId: "1"}}]"#, two), missing);
    assert_eq!(
        with(r#"[{agentId: "a", match: {channel: "signal", peer: {kind: "group", id: "1"}}}]"#, two),
        missing
    );
    let scope = r#"[{agentId: "a", match: {channel: "signal"}, session: {dmScope: "per-channel-peer"}}]"#;
    assert_eq!(with(scope, two), NOTHING);
    let one_each = r#"[
        {agentId: "b", match: {channel: "signal", peer: {kind: "dm", id: "+5"}}},
        {agentId: "a", match: {channel: "signal", peer: {kind: "direct", id: "*"}}}
    ]"#;
    assert_eq!(with(one_each, two), NOTHING);
    assert_eq!(with(one_each, r#"["+6", "+7"]"#), shared);
    let bound = r#"[
        {agentId: "b", match: {channel: "signal"}, session: {dmScope: "per-account-channel-peer"}},
        {agentId: "b", match: {channel: "signal", peer: {kind: "dm", id: "+5"}}, session: {dmScope: "main"}},
        {agentId: "b", match: {channel: "signal", peer: {kind: "dm", id: "+6"}}, session: {dmScope: "main"}}
    ]"#;
    assert_eq!(with(bound, r#"["*"]"#), shared, "bindings name people whom the wildcard lets in");
}

#[test]
fn the_agent_for_the_system_answers_where_no_other_is_chosen() {
    let config = r#"{
        channels: {signal: {allowFrom: ["+5", "+6"]}},
        agents: {ownership: "explicit", defaults: {systemAgent: {agentId: "b"}}, list: [{id: "a"}, {id: "b"}]}
    }"#;
    let found = host(config).findings(audit);
    assert_eq!(found.len(), 1);
    assert!(found[0].detail.contains("with the agent \"b\""), "{}", found[0].detail);
    assert_eq!(short(&host(&config.replace("systemAgent: {agentId: \"b\"}", ""))).len(), 1);
}

#[test]
fn whom_pairing_let_in_counts() {
    let stored = |section: &str, session: &str| {
        let columns = ["channel_key", "account_id", "entry"];
        let row =
            |entry: &str| ["telegram", "default", entry].map(|text| Cell::Text(text.to_owned())).to_vec();
        let config = format!(
            r#"{{channels: {{telegram: {section}}}, session: {session}, agents: {{list: [{{id: "main"}}]}}}}"#
        );
        short(&host(&config).table(
            "channel_pairing_allow_entries",
            &columns,
            vec![row("111"), row("tg:222")],
        ))
    };
    assert_eq!(stored("{}", "{}"), TELEGRAM);
    assert_eq!(stored("{}", r#"{dmScope: "per-peer"}"#), NOTHING);
    assert_eq!(stored(r#"{dmPolicy: "allowlist", allowFrom: ["1"]}"#, "{}"), NOTHING);
    let refused = host(r#"{channels: {telegram: {}}, agents: {list: [{id: "main"}]}}"#)
        .ungranted("records:channel_pairing_allow_entries.entry");
    assert_eq!(short(&refused), OPEN);
}

#[test]
fn a_finding_tells_who_and_where() {
    let config = r#"{
        channels: {telegram: {allowFrom: ["5", "6"]}, slack: {allowFrom: ["U77"]}},
        session: {scope: "global"}, agents: {list: [{id: "main"}]}
    }"#;
    let found = host(config).findings(audit).remove(0);
    assert!(found.detail.starts_with(
        "3 people who may write to slack-default and telegram-default talk in the same session"
    ));
    assert!(found.detail.contains("session.scope is \"global\""));
    let at = |pointer: &str| Location::Config(pointer.to_owned());
    assert_eq!(
        found.locations,
        [at("/session/dmScope"), at("/channels/telegram/allowFrom"), at("/channels/slack/allowFrom")]
    );
}

#[test]
fn who_is_not_shown_is_counted_where_that_is_sure() {
    let hidden = |list: &str, session: &str, places: &[usize]| {
        let config = format!(
            r#"{{channels: {{telegram: {{allowFrom: {list}}}}}, session: {session}, agents: {{list: [{{id: "main"}}]}}}}"#
        );
        let hide = |host: MemoryHost, index: &usize| {
            host.hide(&format!("/channels/telegram/allowFrom/{index}"), Hidden::Variable)
        };
        short(&places.iter().fold(host(&config), hide))
    };
    assert_eq!(hidden(r#"["55", "66"]"#, "{}", &[0, 1]), TELEGRAM);
    assert_eq!(hidden(r#"["55", "55"]"#, "{}", &[0, 1]), NOTHING);
    assert_eq!(hidden(r#"["55", "66"]"#, "{}", &[0]), OPEN, "the one may be the other");
    assert_eq!(hidden(r#"["55", "66", "77"]"#, "{}", &[0]), TELEGRAM);
    assert_eq!(hidden(r#"["55", "66"]"#, r#"{identityLinks: {me: ["1"]}}"#, &[0]), OPEN);
    assert_eq!(hidden(r#"["55", "66"]"#, r#"{dmScope: "per-peer"}"#, &[0]), NOTHING);
}

#[test]
fn what_is_not_shown_leaves_open_what_it_decides() {
    let config = r#"{
        channels: {telegram: {allowFrom: ["5", "6"]}}, session: {identityLinks: {a: []}, dmScope: "main"},
        bindings: [{}], agents: {ownership: "explicit", list: [{id: "main"}, {id: "b"}]}
    }"#;
    let both = ["channels.*.routing.owner_missing.*:not assessed", "*.*:not assessed"];
    for pointer in ["/session", "/bindings", "/agents/ownership", "/agents/list/0/id"] {
        assert_eq!(short(&host(config).withhold(pointer)), both, "{pointer}");
    }
    let of_account = ["channels.telegram.routing.owner_missing.default:not assessed", "*.*:not assessed"];
    let policy =
        r#"{channels: {telegram: {dmPolicy: {"$hidden": "withheld"}}}, agents: {list: [{id: "main"}]}}"#;
    assert_eq!(short(&host(policy)), of_account);
    let of_channel = ["channels.telegram.routing.owner_missing.*:not assessed", "*.*:not assessed"];
    let channel = host(r#"{channels: {telegram: {}}, agents: {list: [{id: "main"}]}}"#);
    assert_eq!(short(&channel.withhold("/channels/telegram")), of_channel);
    assert_eq!(short(&host("{channels: {}}").withhold("/session")), NOTHING, "nobody is let in");
}
