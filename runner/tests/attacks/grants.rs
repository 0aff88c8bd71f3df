//! Each capability is needed twice, in the manifest and from the operator; and without one for secrets nothing of an audit depends on
//! a secret.

use std::fs;

use chitin_test_support::{guest, manifested};
use serde_json::Value;

use crate::support::Home;

/// A kind of capability: its name, and the line of a manifest that asks for it and nothing else.
struct Row {
    name: &'static str,
    key: &'static str,
    value: &'static str,
}

const fn row(name: &'static str, key: &'static str, value: &'static str) -> Row {
    Row { name, key, value }
}

/// What a policy may look at.
const LOOKS: [Row; 13] = [
    row("config:/tools", "config", "/tools"),
    row("config:/logging/redactSensitive", "config", "/logging/redactSensitive"),
    row("stat:state", "files", "stat:state"),
    row("list:state", "files", "list:state"),
    row("stat:credentials/*", "files", "stat:credentials/*"),
    row("read:log", "files", "read:log"),
    row("secret:/gateway/auth/token", "secrets", "/gateway/auth/token"),
    row("secret:env:MINE_TOKEN", "secrets", "env:MINE_TOKEN"),
    row("secret:file:config", "secrets", "file:config"),
    row("environment:MINE_PLACE", "environment", "MINE_PLACE"),
    row("records:config_machine_state.state_key", "records", "config_machine_state.state_key"),
    row("problems", "problems", ""),
    row("gateway", "gateway", ""),
];

/// What it may propose.
const FIXES: [Row; 2] = [
    row("fix:set-mode", "fixes", "set-mode"),
    row("fix:set-value:/logging/redactSensitive", "fixes", "set-value:/logging/redactSensitive"),
];

/// What it may use.
const LIMITS: [Row; 2] = [row("fuel:8000000000", "fuel", "8000000000"), row("memory:100", "memory", "100")];

/// A manifest that asks for these.
fn manifest<'r>(rows: impl Iterator<Item = &'r Row>) -> String {
    let mut lists: std::collections::BTreeMap<&str, Vec<String>> = std::collections::BTreeMap::new();
    for row in rows {
        lists.entry(row.key).or_default().push(format!("\"{}\"", row.value));
    }
    let lines = lists.iter().map(|(key, values)| match *key {
        "problems" | "gateway" => format!("{key} = true\n"),
        "fuel" | "memory" => format!("{key} = {}\n", values.concat().trim_matches('"')),
        _ => format!("{key} = [{}]\n", values.join(", ")),
    });
    let lines: String = lines.collect();
    format!(
        "[policy]\nid = \"hostile\"\nversion = \"1.0.0\"\nsummary = \"Something\"\n\
         [[check]]\nid = \"hostile.finding\"\nseverity = \"warn\"\nsummary = \"It says so\"\n\
         [[check]]\nid = \"hostile.silent\"\nseverity = \"info\"\nsummary = \"It never says so\"\n[capabilities]\n{lines}"
    )
}

/// An installation with something behind each capability.
fn home(token: &str, redaction: &str) -> Home {
    let mut home = Home::new();
    home.directory(".openclaw", 0o755);
    home.directory(".openclaw/credentials", 0o700);
    home.directory(".openclaw/logs", 0o700);
    home.file(
        ".openclaw/credentials/oauth.json",
        0o600,
        Some(format!("{{\"token\": \"{token}\"}}").as_bytes()),
    );
    home.file(".openclaw/logs/a.log", 0o600, Some(b"a line\n"));
    home.file(".openclaw/.env", 0o600, Some(format!("MINE_TOKEN={token}x\nMINE_PLACE=here\n").as_bytes()));
    let config = format!(
        "{{gateway: {{bind: \"lan\", auth: {{mode: \"token\", token: \"{token}\"}}}}, tools: {{profile: \"messaging\"}}, \
         logging: {{redactSensitive: \"{redaction}\", file: \"~/.openclaw/logs/a.log\"}}, ui: {{seamColor: \"${{NOT_SET}}\"}}, \
         hooks: {{enabled: true, token: \"{token}-hooks\"}}}}"
    );
    home.file(".openclaw/openclaw.json", 0o600, Some(config.as_bytes()));
    home.settle();
    home
}

/// The report of an audit of this component alone.
fn audit(home: &Home, component: &[u8], grants: &[&str]) -> Value {
    run(home, &["audit"], component, grants)
}

fn run(home: &Home, words: &[&str], component: &[u8], grants: &[&str]) -> Value {
    let file = home.path().join("policy.wasm");
    fs::write(&file, component).unwrap();
    let mut command = home.command();
    command.args(words).args(["--json", "--openclaw-version", "2026.2.19", "--policy"]).arg(&file);
    for grant in grants {
        command.args(["--grant", grant]);
    }
    let answer = home.answer(&mut command);
    serde_json::from_str(&answer.stdout).unwrap_or_else(|_| panic!("{answer:?}"))
}

/// What the guest says that it had, and what was kept from it.
fn said(report: &Value) -> Vec<(String, bool)> {
    let detail = report["findings"][0]["detail"].as_str().unwrap_or_else(|| panic!("{report}"));
    let one = |word: &str| {
        let (name, state) = word.split_once(' ').unwrap();
        (name.to_owned(), state == "had")
    };
    detail.split('|').map(one).collect()
}

fn reason(report: &Value) -> &str {
    report["incomplete"][0]["reason"].as_str().unwrap_or_else(|| panic!("{report}"))
}

/// All of these, and each of them left out once.
fn names<'r>(rows: &'r [Row], without: Option<&Row>) -> Vec<&'r str> {
    rows.iter().map(|row| row.name).filter(|name| without.is_none_or(|row| row.name != *name)).collect()
}

#[test]
fn each_look_needs_to_be_declared_and_granted() {
    let home = home("a-token-of-some-length-5f0c", "all-of-it");
    let guest = guest("asks_for_everything");
    let whole = manifested(guest, &manifest(LOOKS.iter()));
    for (name, had) in said(&audit(&home, &whole, &names(&LOOKS, None))) {
        assert!(had, "{name} is declared and granted, and was kept from it");
    }
    for (name, had) in said(&audit(&home, &whole, &[])) {
        assert!(!had, "{name} was not granted");
    }
    for row in &LOOKS {
        let others = names(&LOOKS, Some(row));
        // Declared, and not granted: what it is silent about is not clean, and the report says what it lacks.
        let withheld = audit(&home, &whole, &others);
        // Not declared, though the operator grants all that is.
        let undeclared = manifested(guest, &manifest(LOOKS.iter().filter(|other| other.name != row.name)));
        for report in [&withheld, &audit(&home, &undeclared, &["all"])] {
            for (name, had) in said(report) {
                assert_eq!(had, name != row.name, "without {}: {name}", row.name);
            }
        }
        let silent = withheld["assessment"].as_array().unwrap();
        let silent = silent.iter().find(|check| check["checkId"] == "hostile.silent").unwrap();
        let (kind, text) =
            (&silent["unassessed"][0]["kind"], silent["unassessed"][0]["text"].as_str().unwrap());
        assert_eq!((&silent["status"], kind), (&Value::from("not-assessed"), &Value::from("withheld")));
        let words =
            format!("it was not granted {}, so its silence says nothing; --grant grants it", row.name);
        assert!(text.starts_with(&words), "{text}");
    }
}

#[test]
fn each_proposal_needs_to_be_declared_and_granted() {
    let home = home("a-token-of-some-length-5f0c", "off");
    let guest = guest("proposes_both");
    let look = row("config:/logging", "config", "/logging");
    let (see, state) = (row("stat:state", "files", "stat:state"), "stat:state");
    let all = || FIXES.iter().chain([&look, &see]);
    let whole = manifested(guest, &manifest(all()));
    // What it proposes and is not granted is left out; its finding counts.
    let proposed = |grants: &[&str]| {
        let report =
            run(&home, &["fix", "--dry-run"], &whole, &[grants, &[state, look.name]].concat())["fix"].clone();
        let actions = report["actions"].as_array().unwrap();
        let of_state = actions.iter().find(|action| action["path"] == report["stateDir"]).unwrap();
        let value = report["changes"] == Value::from(["logging.redactSensitive=off -> tools"].as_slice());
        [of_state["ok"] == true, value]
    };
    assert_eq!(proposed(&names(&FIXES, None)), [true, true]);
    for (number, row) in FIXES.iter().enumerate() {
        let fix = row.name.trim_start_matches("fix:");
        assert_eq!(proposed(&names(&FIXES, Some(row))), [number == 1, number == 0]);
        let undeclared = manifested(guest, &manifest(all().filter(|other| other.name != row.name)));
        let report = audit(&home, &undeclared, &["all"]);
        assert!(
            reason(&report)
                .contains(&format!("it proposes the fix {fix}, which its manifest does not declare"))
        );
    }
}

#[test]
fn each_limit_needs_to_be_declared_and_granted() {
    let home = home("a-token-of-some-length-5f0c", "off");
    let guest = guest("needs_more");
    let whole = manifested(guest, &manifest(LIMITS.iter()));
    let report = audit(&home, &whole, &names(&LIMITS, None));
    assert_eq!(report["findings"][0]["checkId"], "hostile.finding", "{report}");
    for row in &LIMITS {
        let undeclared = manifested(guest, &manifest(LIMITS.iter().filter(|other| other.name != row.name)));
        for report in [audit(&home, &whole, &names(&LIMITS, Some(row))), audit(&home, &undeclared, &["all"])]
        {
            assert!(reason(&report).contains(&format!("{} limit: ", row.key)), "{report}");
        }
    }
}

/// The words of an audit of everything, and the fuel, memory and calls of each policy.
fn traces(home: &Home) -> (String, Vec<String>) {
    let file = home.path().join("policy.wasm");
    let looks: Vec<&Row> = LOOKS.iter().filter(|row| row.key != "secrets").collect();
    fs::write(&file, manifested(guest("asks_for_everything"), &manifest(looks.iter().copied()))).unwrap();
    let mut command = home.command();
    command.args(["audit", "--json", "--timings", "--openclaw-version", "2026.2.19", "--with"]).arg(&file);
    let answer = home.answer(command.args(["--grant", "all"]));
    let path = home.path().display().to_string();
    let used = answer.stderr.lines().filter_map(|line| {
        let (name, used) = (line.split_whitespace().nth(2)?, line.split_once("; fuel ")?.1);
        Some(format!("{name} {used}"))
    });
    let mut used: Vec<String> = used.collect();
    used.sort();
    let mut report: Value = serde_json::from_str(&answer.stdout).unwrap_or_else(|_| panic!("{answer:?}"));
    report.as_object_mut().unwrap().remove("ts");
    (report.to_string().replace(&path, "~"), used)
}

#[test]
fn two_audits_that_differ_only_in_a_secret_are_the_same() {
    let (token, other) = ("kT4-vN8-qR2-wZ6-xB9-mL3-pD7", "hJ5-cF1-yG4-sK8-tV2-nQ6-zW9");
    let home = home(token, "off");
    let (words, used) = traces(&home);
    for name in ["openclaw.json", ".env", "credentials/oauth.json"] {
        let path = home.path().join(".openclaw").join(name);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(token));
        fs::write(&path, text.replace(token, other)).unwrap();
    }
    let (other_words, other_used) = traces(&home);
    assert_eq!(words, other_words);
    assert!(used.len() > 30 && used.iter().any(|line| line.starts_with("hostile ")), "{used:?}");
    assert_eq!(used, other_used);
}
