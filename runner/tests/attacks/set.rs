//! Policies that an operator has added: each runs exactly as it was pinned and with what it was granted, or fails by name. Who
//! changes a file, a lock, a source or a signature gets nothing run.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use chitin_test_support::with_manifest;
use minisign::{KeyPair, PublicKey, SecretKey};
use serde_json::Value;

use crate::support::{Answer, Home};

/// A policy of this id and version, whose check is `hostile.finding` and one more, with these lines under `[capabilities]`.
fn policy(id: &str, version: &str, severity: &str, capabilities: &str) -> Vec<u8> {
    with_manifest(&format!(
        "[policy]\nid = \"{id}\"\nversion = \"{version}\"\nsummary = \"Something\"\n\
         [[check]]\nid = \"hostile.finding\"\nseverity = \"{severity}\"\nsummary = \"It says so\"\n\
         [[check]]\nid = \"{id}.silent\"\nseverity = \"info\"\nsummary = \"It never says so\"\n\
         [capabilities]\n{capabilities}\n"
    ))
}

const TOOLS: &str = "config = [\"/tools\"]";
const MORE: &str = "config = [\"/tools\", \"\"]";

/// A home directory with an installation, and the policy `mine` in a file.
fn home() -> Home {
    let mut home = Home::new();
    home.directory(".openclaw", 0o700);
    home.file(".openclaw/openclaw.json", 0o600, Some(b"{logging: {redactSensitive: \"off\"}}"));
    home.directory("files", 0o755);
    write(&home, "files/mine.wasm", &policy("mine", "1.0.0", "warn", TOOLS));
    home.settle();
    home
}

fn write(home: &Home, rel: &str, bytes: &[u8]) {
    fs::write(home.path().join(rel), bytes).unwrap();
}

fn run(home: &Home, arguments: &[&str]) -> Answer {
    home.answer(home.command().args(arguments))
}

/// Runs a command that must go well.
fn done(home: &Home, arguments: &[&str]) -> String {
    let answer = run(home, arguments);
    assert_eq!(answer.code, 0, "{arguments:?}: {answer:?}");
    answer.stdout
}

/// Runs a command that must be refused with these words, and changes nothing of the set.
fn refused(home: &Home, arguments: &[&str], words: &str) {
    let before = home.set();
    let answer = run(home, arguments);
    assert_eq!(answer.code, 2, "{arguments:?}: {answer:?}");
    assert!(answer.stderr.contains(words), "{words}: {}", answer.stderr);
    assert_eq!(home.set(), before, "{arguments:?} changed something");
}

fn place(home: &Home, name: &str) -> PathBuf {
    home.path().join(".config/chitin").join(name)
}

/// The files of the policies that were added.
fn kept(home: &Home) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(place(home, "policies")) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|ending| ending == "policy")).collect()
}

fn edit(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "{from}: {text}");
    fs::write(path, text.replace(from, to)).unwrap();
}

/// How an audit of the set and one built-in policy ended.
struct Said {
    code: i32,
    /// The origin of the finding of the policy that was added, where it has one.
    origin: Option<String>,
    /// Why something was not assessed, with its policy.
    reasons: Vec<(String, String)>,
}

fn audit(home: &Home, more: &[&str]) -> Said {
    let answer = run(home, &[&["audit", "--json"], more].concat());
    let report: Value =
        serde_json::from_str(&answer.stdout).unwrap_or_else(|_| panic!("{more:?}: {answer:?}"));
    let findings = report["findings"].as_array().unwrap();
    assert!(
        findings.iter().any(|finding| finding["checkId"] == "logging.redact_off"),
        "the control: {answer:?}"
    );
    let own = findings.iter().find(|finding| finding["checkId"] == "hostile.finding");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let one = |part: &Value| (text(&part["policy"]), text(&part["reason"]));
    Said {
        code: answer.code,
        origin: own.map(|own| text(&own["origin"])),
        reasons: report["incomplete"].as_array().unwrap().iter().map(one).collect(),
    }
}

/// The audit is incomplete, by this policy, for this reason; the policy has said nothing.
fn fails(home: &Home, more: &[&str], policy: &str, words: &str) {
    let said = audit(home, more);
    assert_eq!((said.code, &said.origin), (3, &None), "{:?}", said.reasons);
    let told = said.reasons.iter().any(|(by, reason)| by == policy && reason.contains(words));
    assert!(told, "{words}: {:?}", said.reasons);
}

#[test]
fn a_policy_is_added_run_and_removed() {
    let home = home();
    assert_eq!(audit(&home, &[]).origin, None);
    refused(&home, &["policy", "add", "files/mine.wasm"], "there is no terminal to ask on");
    let shown = done(&home, &["policy", "add", "files/mine.wasm", "--yes"]);
    for words in [
        "reads tools of the config",
        "signed  by nobody",
        "digest  sha256:",
        "mine.silent (info)",
        "granted 1 of 1",
    ] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    let said = audit(&home, &[]);
    assert_eq!((said.code, said.origin.as_deref()), (1, Some("installed")), "{:?}", said.reasons);
    let said = audit(&home, &["--locked", "--policy", "logging-redaction", "--policy", "mine"]);
    assert_eq!(said.origin.as_deref(), Some("installed"));
    let text = run(&home, &["audit"]).stdout;
    assert!(text.contains("said by the policy mine, which you have added"), "{text}");
    assert!(done(&home, &["policy", "list"]).contains("granted 1 of 1 capabilities"));
    assert!(done(&home, &["policy", "inspect", "mine"]).contains("added from ~/files/mine.wasm"));
    refused(&home, &["policy", "add", "files/mine.wasm", "--yes"], "mine was added before");
    // The source is needed no more.
    fs::remove_file(home.path().join("files/mine.wasm")).unwrap();
    assert_eq!(audit(&home, &[]).origin.as_deref(), Some("installed"));
    done(&home, &["policy", "remove", "mine"]);
    assert_eq!((audit(&home, &[]).origin, kept(&home)), (None, Vec::new()));
    refused(&home, &["policy", "remove", "mine"], "has not been added");
}

#[test]
fn comments_in_the_settings_stay() {
    let home = home();
    fs::create_dir_all(place(&home, "")).unwrap();
    let own = "# Ours.\nconfine = \"best-effort\"   # for now\n\n[permissions]\nfile = \"660\"\n";
    fs::write(place(&home, "chitin.toml"), own).unwrap();
    done(&home, &["policy", "add", "files/mine.wasm", "--grant", "all"]);
    let text = fs::read_to_string(place(&home, "chitin.toml")).unwrap();
    assert!(text.starts_with(own) && text.contains("\"config:/tools\""), "{text}");
    done(&home, &["policy", "remove", "mine"]);
    assert_eq!(fs::read_to_string(place(&home, "chitin.toml")).unwrap().trim_end(), own.trim_end());
}

#[test]
fn what_was_changed_does_not_run() {
    let home = home();
    done(&home, &["policy", "add", "files/mine.wasm", "--yes"]);
    assert_eq!(run(&home, &["policy", "verify"]).code, 0);
    let [file] = &kept(&home)[..] else { panic!("{:?}", kept(&home)) };
    let good = fs::read(file).unwrap();
    let other = policy("mine", "1.0.0", "warn", MORE);
    for (bytes, words) in [
        (Some(&other[..]), "not the one that chitin.lock pins"),
        (Some(&good[..good.len() - 1]), "not the one that chitin.lock pins"),
        (Some(&b""[..]), "not the one that chitin.lock pins"),
        (None, "is missing"),
    ] {
        match bytes {
            Some(bytes) => fs::write(file, bytes).unwrap(),
            None => fs::remove_file(file).unwrap(),
        }
        fails(&home, &[], "mine", words);
        let answer = run(&home, &["policy", "verify"]);
        assert!(answer.code == 3 && answer.stdout.contains("FAILED  mine"), "{answer:?}");
        assert!(done(&home, &["policy", "update", "mine"]).contains("taken again"));
        assert_eq!(audit(&home, &[]).origin.as_deref(), Some("installed"));
    }
    std::os::unix::fs::symlink("/dev/zero", place(&home, "link")).unwrap();
    fs::rename(place(&home, "link"), file).unwrap();
    fails(&home, &[], "mine", "");
    fs::remove_file(file).unwrap();
    fs::write(file, &good).unwrap();
    // The lock names another file, or none.
    let lock = place(&home, "chitin.lock");
    let text = fs::read_to_string(&lock).unwrap();
    edit(&lock, "digest = \"sha256:", "digest = \"sha256:00");
    assert_eq!(run(&home, &["audit"]).code, 2, "it is no digest");
    fs::write(&lock, "version = 1\n").unwrap();
    fails(&home, &[], "mine", "chitin.lock does not pin it");
    fs::remove_file(&lock).unwrap();
    fails(&home, &[], "mine", "chitin.lock does not pin it");
    refused(&home, &["audit", "--locked"], "there is no chitin.lock");
    for bad in ["version = 7\n", "", "version = 1\n[[policy]]\n", "\0", "version = 1\nmore = 2\n"] {
        fs::write(&lock, bad).unwrap();
        let answer = run(&home, &["audit"]);
        assert!(answer.code == 2 && answer.stderr.contains("chitin.lock"), "{bad}: {answer:?}");
    }
    fs::write(&lock, &text).unwrap();
    assert_eq!(audit(&home, &["--locked"]).origin.as_deref(), Some("installed"));
    // Its id in the settings is another one than that of the file that is pinned for it.
    edit(&lock, "id = \"mine\"", "id = \"yours\"");
    edit(&place(&home, "chitin.toml"), "id = \"mine\"", "id = \"yours\"");
    fails(&home, &[], "yours", "a policy with another id");
}

#[test]
fn less_is_granted_than_is_asked_for() {
    let home = home();
    write(
        &home,
        "files/mine.wasm",
        &policy("mine", "1.0.0", "warn", "config = [\"/tools\", \"/agents\"]\nproblems = true"),
    );
    refused(&home, &["policy", "add", "files/mine.wasm", "--grant", "config:/gateway"], "does not declare");
    done(&home, &["policy", "add", "files/mine.wasm", "--grant", "config:/tools"]);
    let report: Value = serde_json::from_str(&run(&home, &["audit", "--json"]).stdout).unwrap();
    let checks = report["assessment"].as_array().unwrap();
    let silent = checks.iter().find(|check| check["checkId"] == "mine.silent").unwrap();
    assert_eq!((&silent["status"], &silent["class"]), (&"not-assessed".into(), &"out-of-reach".into()));
    assert!(done(&home, &["policy", "inspect", "mine"]).contains("config:/agents (not granted)"));
    assert!(done(&home, &["policy", "update", "mine"]).contains("up to date"));
    refused(&home, &["policy", "update", "mine", "--grant", "gateway"], "does not declare");
    assert!(
        done(&home, &["policy", "update", "mine", "--grant", "problems"])
            .contains("granted more: mine 1.0.0, granted 2 of 3")
    );
    // What the settings grant and nobody asks for is nothing, and "all" would be more with each update.
    let settings = place(&home, "chitin.toml");
    edit(&settings, "\"config:/tools\"", "\"config:/tools\", \"gateway\"");
    assert_eq!(audit(&home, &[]).origin.as_deref(), Some("installed"));
    edit(&settings, "\"gateway\"", "\"all\"");
    refused(&home, &["audit"], "name its capabilities one by one");
}

#[test]
fn a_name_that_was_added_keeps_running() {
    let home = home();
    done(&home, &["policy", "add", "files/mine.wasm", "--yes"]);
    let claims = |id: &str, check: &str| {
        with_manifest(&format!(
            "[policy]\nid = \"{id}\"\nversion = \"1.0.0\"\nsummary = \"s\"\n[[check]]\nid = \"{check}\"\n\
             severity = \"warn\"\nsummary = \"s\"\n"
        ))
    };
    for (id, check) in
        [("mine", "x.y"), ("other", "hostile.finding"), ("other", "host*"), ("other", "Mine.Silent")]
    {
        write(&home, "files/thief.wasm", &claims(id, check));
        let said = audit(&home, &["--with", "files/thief.wasm", "--grant", "all"]);
        assert_eq!(
            (said.code, said.origin.as_deref()),
            (3, Some("installed")),
            "{id} {check}: {:?}",
            said.reasons
        );
        let told = said
            .reasons
            .iter()
            .any(|(by, reason)| by == "files/thief.wasm" && reason.contains("a name of mine"));
        assert!(told, "{:?}", said.reasons);
        if id == "other" {
            refused(
                &home,
                &["policy", "add", "files/thief.wasm", "--yes"],
                "of the policy mine, which you have added",
            );
        }
        // Neither does a broken file give its names away.
        let [file] = &kept(&home)[..] else { panic!() };
        let good = fs::read(file).unwrap();
        fs::write(file, b"broken").unwrap();
        fails(&home, &["--with", "files/thief.wasm"], "files/thief.wasm", "a name of mine");
        fs::write(file, good).unwrap();
    }
    for (id, check) in [("logging-redaction", "x.y"), ("other", "logging.redact_off"), ("other", "*")] {
        write(&home, "files/thief.wasm", &claims(id, check));
        refused(&home, &["policy", "add", "files/thief.wasm", "--yes"], "of the built-in policy");
        fails(
            &home,
            &["--policy", "logging-redaction", "--policy", "files/thief.wasm"],
            "files/thief.wasm",
            "built-in",
        );
    }
    write(&home, "files/a.wasm", &claims("same", "x.y"));
    write(&home, "files/b.wasm", &claims("same", "x.z"));
    refused(
        &home,
        &["audit", "--with", "files/a.wasm", "--with", "files/b.wasm"],
        "both claim the policy id",
    );
}

#[test]
fn one_file_beside_all_others_has_grants_of_its_own() {
    let home = home();
    write(&home, "files/one.wasm", &policy("one", "1.0.0", "warn", TOOLS));
    let said = audit(&home, &["--with", "files/one.wasm", "--grant", "config:/tools"]);
    assert_eq!((said.code, said.origin.as_deref()), (1, Some("file")), "{:?}", said.reasons);
    let answer = run(&home, &["audit", "--with", "files/one.wasm", "--grant", "all"]);
    assert!(answer.stderr.contains("is granted all that it asks for: it reads tools"), "{answer:?}");
    for (arguments, words) in [
        (&["audit", "--grant", "all", "--with", "files/one.wasm"][..], "stands before the policy"),
        (&["audit", "--with", "files/one.wasm", "--policy", "logging-redaction"], "cannot be used with"),
        (&["audit", "--locked", "--with", "files/one.wasm"], "--locked does not run files/one.wasm"),
        (&["audit", "--locked", "--policy", "files/one.wasm"], "--locked does not run files/one.wasm"),
        (&["audit", "--policy", "logging-redaction", "--grant", "all"], "has all that it declares"),
        (&["audit", "--with", "files/one.wasm", "--with", "files/one.wasm"], "asked for twice"),
        (&["policy", "add", "https://example.org/one.wasm"], "cannot take a policy from https"),
        (&["policy", "add", "files/none.wasm"], "cannot read the policy"),
    ] {
        refused(&home, arguments, words);
    }
    // A grant is for the file before it alone.
    write(
        &home,
        "files/mine.wasm",
        &with_manifest(
            "[policy]\nid = \"two\"\nversion = \"1.0.0\"\nsummary = \"s\"\n[[check]]\nid = \"two.x\"\nseverity = \"warn\"\n\
         summary = \"s\"\n[capabilities]\nconfig = [\"/tools\"]\n",
        ),
    );
    let answer = run(
        &home,
        &[
            "audit",
            "--json",
            "--with",
            "files/mine.wasm",
            "--with",
            "files/one.wasm",
            "--grant",
            "config:/tools",
        ],
    );
    let report: Value = serde_json::from_str(&answer.stdout).unwrap();
    let status = |check: &str| {
        let checks = report["assessment"].as_array().unwrap();
        checks.iter().find(|found| found["checkId"] == check).unwrap()["status"].clone()
    };
    assert_eq!(status("one.silent"), "clean");
    // It says a check that is not its own, for which its whole answer is dropped.
    assert_eq!(status("two.x"), "not-assessed");
}

#[test]
fn an_update_that_asks_for_more_stops() {
    let home = home();
    done(&home, &["policy", "add", "files/mine.wasm", "--yes"]);
    let source = "files/mine.wasm";
    assert!(done(&home, &["policy", "update"]).contains("mine 1.0.0: up to date"));
    assert_eq!(run(&home, &["policy", "outdated"]).code, 0);
    write(&home, source, &policy("mine", "1.1.0", "critical", MORE));
    let answer = run(&home, &["policy", "outdated"]);
    assert!(answer.code == 1 && answer.stdout.contains("mine 1.0.0 -> 1.1.0"), "{answer:?}");
    let answer = run(&home, &["policy", "update"]);
    for words in ["asks for more   config:: reads the whole config", "hostile.finding: warn -> critical"] {
        assert!(answer.stdout.contains(words), "{words}: {}", answer.stdout);
    }
    refused(&home, &["policy", "update", "mine"], "it asks for more: config:");
    assert_eq!(audit(&home, &[]).origin.as_deref(), Some("installed"), "the version that was added runs on");
    assert!(done(&home, &["policy", "update", "mine", "--grant", "config:"]).contains("granted 2 of 2"));
    // Less, or the same, needs no decision.
    write(&home, source, &policy("mine", "1.2.0", "warn", TOOLS));
    let shown = done(&home, &["policy", "update"]);
    assert!(shown.contains("asks no more    config:") && shown.contains("granted 1 of 1"), "{shown}");
    // Once more it is more.
    write(&home, source, &policy("mine", "1.3.0", "warn", MORE));
    refused(&home, &["policy", "update", "mine"], "it asks for more");
    write(&home, source, &policy("mine", "1.0.0", "warn", TOOLS));
    refused(&home, &["policy", "update", "mine"], "is older than 1.2.0");
    write(&home, source, &policy("another", "2.0.0", "warn", TOOLS));
    refused(&home, &["policy", "update", "mine"], "is the policy another");
    refused(&home, &["policy", "update", "nobody"], "has not been added");
    write(&home, source, b"broken");
    refused(&home, &["policy", "update", "mine"], "no WebAssembly component");
    assert_eq!(audit(&home, &[]).origin.as_deref(), Some("installed"));
    write(&home, "files/next.wasm", &policy("mine", "2.0.0", "warn", TOOLS));
    done(&home, &["policy", "update", "mine", "--from", "files/next.wasm"]);
    assert!(
        done(&home, &["policy", "list"])
            .contains("2.0.0, granted 1 of 1 capabilities, from ~/files/next.wasm")
    );
    assert_eq!(kept(&home).len(), 4, "each version that was taken");
    assert!(done(&home, &["policy", "prune"]).contains("removed 3 files"));
    assert_eq!(audit(&home, &[]).origin.as_deref(), Some("installed"));
}

/// A key of the author's, whose `.pub` file lies in the home directory.
struct Key {
    public: PublicKey,
    secret: SecretKey,
}

impl Key {
    fn new(home: &Home, name: &str) -> Self {
        let KeyPair { pk: public, sk: secret } = KeyPair::generate_unencrypted_keypair().unwrap();
        write(home, &format!("files/{name}.pub"), public.to_box().unwrap().to_string().as_bytes());
        Self { public, secret }
    }

    fn sign(&self, home: &Home, rel: &str) {
        let bytes = fs::read(home.path().join(rel)).unwrap();
        let signature = minisign::sign(None, &self.secret, &bytes[..], Some("a comment"), None).unwrap();
        write(home, &format!("{rel}.minisig"), signature.to_string().as_bytes());
    }

    fn id(&self) -> String {
        let mut number = self.public.keynum().to_vec();
        number.reverse();
        data_encoding::HEXUPPER.encode(&number)
    }
}

#[test]
fn a_signature_counts_by_a_key_that_the_operator_trusts() {
    let home = home();
    let (ann, bob) = (Key::new(&home, "ann"), Key::new(&home, "bob"));
    let add = ["policy", "add", "files/mine.wasm", "--yes"];
    ann.sign(&home, "files/mine.wasm");
    refused(&home, &add, &format!("the key {}, which is not among the trusted ones", ann.id()));
    refused(&home, &[&add[..], &["--key", "files/bob.pub"]].concat(), "not among the trusted ones");
    refused(&home, &[&add[..], &["--key", "files/mine.wasm"]].concat(), "cannot read a key");
    write(&home, "files/odd.txt", b"a text\n");
    refused(&home, &[&add[..], &["--key", "files/odd.txt"]].concat(), "no minisign public key");
    // A secret one is not shown.
    write(&home, "files/own.key", b"untrusted comment: minisign encrypted secret key\nRWRTY0IyKept\n");
    let mistake = [&add[..], &["--key", "files/own.key"]].concat();
    refused(&home, &mistake, "holds a secret key");
    assert!(!run(&home, &mistake).stderr.contains("RWRTY0IyKept"));
    let good = fs::read(home.path().join("files/mine.wasm")).unwrap();
    write(&home, "files/mine.wasm", &policy("mine", "1.0.1", "warn", TOOLS));
    refused(&home, &[&add[..], &["--key", "files/ann.pub"]].concat(), "is not that of these bytes");
    // It is checked before anything else is understood.
    write(&home, "files/mine.wasm", b"broken");
    refused(&home, &[&add[..], &["--key", "files/ann.pub"]].concat(), "is not that of these bytes");
    write(&home, "files/mine.wasm", &good);
    let shown = done(&home, &[&add[..], &["--key", "files/ann.pub"]].concat());
    assert!(shown.contains(&format!("trusted the key {}", ann.id())), "{shown}");
    assert!(done(&home, &["policy", "verify"]).contains(&format!("signed by {}", ann.id())));
    let settings = place(&home, "chitin.toml");
    let text = fs::read_to_string(&settings).unwrap();
    fs::write(&settings, format!("require-signatures = true\n{text}")).unwrap();
    assert_eq!(audit(&home, &[]).origin.as_deref(), Some("installed"));
    // An update must be signed, too, by a key that is trusted.
    write(&home, "files/mine.wasm", &policy("mine", "1.1.0", "warn", TOOLS));
    fs::remove_file(home.path().join("files/mine.wasm.minisig")).unwrap();
    refused(&home, &["policy", "update", "mine"], "it is not signed");
    fs::write(&settings, &text).unwrap();
    refused(
        &home,
        &["policy", "update", "mine"],
        "signed the version that you have, and nobody signed this one",
    );
    bob.sign(&home, "files/mine.wasm");
    refused(&home, &["policy", "update", "mine"], "not among the trusted ones");
    // Rotation: the next key is trusted, and the policy is signed by it.
    let next = fs::read_to_string(home.path().join("files/bob.pub")).unwrap();
    let next = next.lines().nth(1).unwrap();
    fs::write(
        &settings,
        format!("{text}\n[[trusted-key]]\nkey = \"{next}\"\nname = \"Bob\"\npolicies = [\"bob-*\"]\n"),
    )
    .unwrap();
    refused(&home, &["policy", "update", "mine"], "may sign bob-* only");
    edit(&settings, "bob-*", "*");
    let shown = done(&home, &["policy", "update", "mine"]);
    assert!(shown.contains(&format!("signed by       {} -> {}", ann.id(), bob.id())), "{shown}");
    // Revoked, or gone: it does not run any more.
    edit(&settings, "name = \"Bob\"", "revoked = \"his laptop was stolen\"");
    fails(&home, &[], "mine", "revoked: his laptop was stolen");
    edit(&settings, "revoked = \"his laptop was stolen\"", "");
    assert_eq!(audit(&home, &[]).origin.as_deref(), Some("installed"));
    let signature = kept(&home)
        .into_iter()
        .map(|file| PathBuf::from(format!("{}.minisig", file.display())))
        .find(|path| path.exists() && fs::read_to_string(path).unwrap().contains(&first_of(&bob)))
        .unwrap();
    let signed = fs::read(&signature).unwrap();
    fs::remove_file(&signature).unwrap();
    fails(&home, &[], "mine", "its signature cannot be read");
    fs::write(&signature, signed).unwrap();
    edit(&place(&home, "chitin.lock"), &bob.id(), &ann.id());
    fails(&home, &[], "mine", "chitin.lock says that the key");
    // Nor is a revoked key forgotten with its line in the lock.
    let lock = fs::read_to_string(place(&home, "chitin.lock")).unwrap();
    let kept: String =
        lock.lines().filter(|line| !line.starts_with("signer")).flat_map(|line| [line, "\n"]).collect();
    fs::write(place(&home, "chitin.lock"), kept).unwrap();
    let revoked = format!("[[trusted-key]]\nkey = \"{}\"\nrevoked = \"stolen\"\n", bob.public.to_base64());
    fs::write(&settings, format!("{revoked}[[policy]]\nid = \"mine\"\nsource = \"x\"\n")).unwrap();
    fails(&home, &[], "mine", "which is revoked: stolen");
    fs::write(&settings, "require-signatures = true\n").unwrap();
    fs::remove_file(place(&home, "chitin.lock")).unwrap();
    write(&home, "files/own.wasm", &policy("own", "1.0.0", "warn", TOOLS));
    refused(&home, &["policy", "add", "files/own.wasm", "--yes"], "it is not signed");
    // The same holds for a file that is named for once, and for one whose signature is wrong.
    fails(&home, &["--with", "files/own.wasm"], "files/own.wasm", "it is not signed");
    ann.sign(&home, "files/own.wasm");
    fails(&home, &["--with", "files/own.wasm"], "files/own.wasm", "not among the trusted ones");
    fs::write(&settings, format!("[[trusted-key]]\nkey = \"{}\"\n", ann.public.to_base64())).unwrap();
    assert_eq!(audit(&home, &["--with", "files/own.wasm"]).origin.as_deref(), Some("file"));
    write(&home, "files/own.wasm", &policy("own", "1.0.1", "warn", TOOLS));
    fails(&home, &["--with", "files/own.wasm"], "files/own.wasm", "is not that of these bytes");
    fs::remove_file(home.path().join("files/own.wasm.minisig")).unwrap();
    // A key that is given for what is not signed.
    fs::write(&settings, "").unwrap();
    refused(
        &home,
        &["policy", "add", "files/own.wasm", "--yes", "--key", "files/ann.pub"],
        "it is not signed",
    );
}

/// How the signatures of a key begin: all hold its number.
fn first_of(key: &Key) -> String {
    let number = data_encoding::BASE64.encode(&[b"ED", key.public.keynum()].concat());
    number.chars().take(12).collect()
}

/// Debian's minisign, where it is there.
#[test]
fn signatures_of_minisign_itself_count() {
    let home = home();
    let minisign = |arguments: &[&str]| {
        let mut command = Command::new("minisign");
        command.args(arguments).current_dir(home.path().join("files")).output()
    };
    if minisign(&["-v"]).is_err() {
        eprintln!("skipped: there is no minisign");
        return;
    }
    minisign(&["-G", "-W", "-p", "m.pub", "-s", "m.key"]).unwrap();
    for (number, more) in [&[][..], &["-l"]].iter().enumerate() {
        minisign(&[&["-S", "-W", "-s", "m.key", "-m", "mine.wasm"], *more].concat()).unwrap();
        done(&home, &["policy", "add", "files/mine.wasm", "--yes", "--key", "files/m.pub"]);
        assert_eq!(run(&home, &["policy", "verify"]).code, 0, "{number}");
        done(&home, &["policy", "remove", "mine"]);
    }
    // And the other way: it takes those that the tests make.
    let key = Key::new(&home, "t");
    key.sign(&home, "files/mine.wasm");
    let seen = minisign(&["-V", "-p", "t.pub", "-m", "mine.wasm"]).unwrap();
    assert!(seen.status.success(), "{seen:?}");
}

#[test]
fn what_others_could_have_written_decides_nothing() {
    let home = home();
    done(&home, &["policy", "add", "files/mine.wasm", "--yes"]);
    let settings = place(&home, "chitin.toml");
    for rel in ["chitin.toml", "chitin.lock", "policies", ""] {
        let path = place(&home, rel);
        let mode = |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let good = fs::metadata(&path).unwrap().permissions().mode();
        for open in [good | 0o002, good | 0o020] {
            mode(open);
            let answer = run(&home, &["audit"]);
            assert!(
                answer.code == 2 && answer.stderr.contains("others can change"),
                "{rel} {open:o}: {answer:?}"
            );
            // Who names it answers for it.
            assert_eq!(
                audit(&home, &["--settings", settings.to_str().unwrap()]).origin.as_deref(),
                Some("installed")
            );
        }
        mode(good);
    }
    assert_eq!(audit(&home, &[]).origin.as_deref(), Some("installed"));
}

#[test]
fn a_set_goes_to_another_machine() {
    let home = home();
    done(&home, &["policy", "add", "files/mine.wasm", "--yes"]);
    assert!(done(&home, &["policy", "vendor", "copy"]).contains("policies copied: 1;"));
    refused(&home, &["policy", "vendor", "copy"], "cannot copy");
    let other = self::home();
    fs::rename(home.path().join("copy"), other.path().join("copy")).unwrap();
    let said = audit(&other, &["--locked", "--settings", "copy/chitin.toml"]);
    assert_eq!((said.code, said.origin.as_deref()), (1, Some("installed")), "{:?}", said.reasons);
    assert_eq!(audit(&other, &[]).origin, None);
    let refreshed = done(&other, &["policy", "refresh", "--settings", "copy/chitin.toml"]);
    assert!(refreshed.contains("mine is compiled"), "{refreshed}");
}

/// Native code can be added where nothing can be compiled.
#[test]
fn a_code_file_is_added() {
    let home = home();
    done(&home, &["policy", "compile", "files/mine.wasm", "-o", "files/mine.cwasm"]);
    let shown = done(&home, &["policy", "add", "files/mine.cwasm", "--yes", "--native"]);
    assert!(shown.contains("native code for") && shown.contains("take it from yourself only"), "{shown}");
    assert_eq!(audit(&home, &[]).origin.as_deref(), Some("installed"));
    let [file] = &kept(&home)[..] else { panic!() };
    let mut bytes = fs::read(file).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(file, bytes).unwrap();
    fails(&home, &[], "mine", "not the one that chitin.lock pins");
}

#[test]
fn a_check_of_a_policy_that_was_added_is_explained() {
    let home = home();
    done(&home, &["policy", "add", "files/mine.wasm", "--yes"]);
    for arguments in [
        &["explain", "mine.silent"][..],
        &["explain", "mine.silent", "--policy", "files/mine.wasm"],
        &["explain", "mine"],
    ] {
        let shown = done(&home, arguments);
        assert!(shown.contains("mine") && shown.contains("It brings no page of its own"), "{shown}");
    }
    refused(&home, &["explain", "mine.silly"], "did you mean `chitin explain mine.silent`");
    refused(&home, &["explain", "logging.redact_off", "--policy", "files/mine.wasm"], "there is no check");
}

/// Also where nothing is added: what is accepted or counts as safe stands in it, too.
#[test]
fn settings_of_others_decide_nothing_though_no_policy_is_added() {
    let home = home();
    let folder = place(&home, "");
    fs::create_dir_all(&folder).unwrap();
    let settings = place(&home, "chitin.toml");
    fs::write(&settings, "[permissions]\nfile = \"0600\"\n").unwrap();
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    for path in [&settings, &folder] {
        let good = fs::metadata(path).unwrap().permissions().mode();
        mode(path, good | 0o002);
        assert!(
            run(&home, &["audit"]).stderr.contains("which decides what an audit says"),
            "{}",
            path.display()
        );
        mode(path, good);
    }
    // A link: the folder of what it names counts, too, and one that leads nowhere is no absence.
    let shared = home.path().join("shared");
    fs::create_dir(&shared).unwrap();
    fs::rename(&settings, shared.join("chitin.toml")).unwrap();
    std::os::unix::fs::symlink(shared.join("chitin.toml"), &settings).unwrap();
    assert_ne!(run(&home, &["audit"]).code, 2);
    mode(&shared, 0o777);
    assert!(run(&home, &["audit"]).stderr.contains("others can change"));
    fs::remove_file(shared.join("chitin.toml")).unwrap();
    assert_eq!(run(&home, &["audit"]).code, 2);
}

/// Nor those that lie in what is audited.
#[test]
fn the_installation_brings_no_settings() {
    let home = home();
    for name in ["XDG_CONFIG_HOME", "HOME"] {
        let base = if name == "HOME" { ".openclaw/.config/chitin" } else { ".openclaw/chitin" };
        fs::create_dir_all(home.path().join(base)).unwrap();
        write(&home, &format!("{base}/chitin.toml"), b"confine = \"off\"\n");
        let mut command = home.command();
        command.args(["audit", "--state-dir"]).arg(home.path().join(".openclaw"));
        let answer = home.answer(command.env(name, home.path().join(".openclaw")));
        assert!(answer.code == 2 && answer.stderr.contains("lie in the installation"), "{name}: {answer:?}");
    }
}

/// A change of the set waits for nobody, and no other account can hold its lock.
#[test]
fn one_change_at_a_time() {
    let home = home();
    done(&home, &["policy", "add", "files/mine.wasm", "--yes"]);
    let path = place(&home, ".lock");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let held = fs::File::open(&path).unwrap();
    rustix::fs::flock(&held, rustix::fs::FlockOperation::LockExclusive).unwrap();
    refused(&home, &["policy", "remove", "mine"], "another chitin is changing it");
    drop(held);
    done(&home, &["policy", "remove", "mine"]);
}

/// What somebody took out of chitin.toml does not vanish without a word.
#[test]
fn what_is_pinned_and_not_wanted_is_told() {
    let home = home();
    done(&home, &["policy", "add", "files/mine.wasm", "--yes"]);
    fs::write(place(&home, "chitin.toml"), "").unwrap();
    assert!(
        run(&home, &["audit"]).stderr.contains("chitin.lock pins mine, and chitin.toml does not want it")
    );
    refused(&home, &["audit", "--locked"], "chitin.lock pins mine");
    done(&home, &["policy", "remove", "mine"]);
    assert_eq!(run(&home, &["audit"]).stderr, "");
}

/// A fix goes on without a policy that does not run, and says so.
#[test]
fn a_fix_tells_which_policy_did_not_run() {
    let home = home();
    done(&home, &["policy", "add", "files/mine.wasm", "--yes"]);
    let [file] = &kept(&home)[..] else { panic!() };
    fs::write(file, "another").unwrap();
    let answer = run(&home, &["fix", "--dry-run"]);
    assert!(answer.code == 0 && answer.stdout.contains("1 change would be made"), "{answer:?}");
    assert!(answer.stderr.contains("warning: mine proposes nothing: refused: its file"), "{answer:?}");
}

#[test]
fn a_lock_that_somebody_edited_is_told() {
    let home = home();
    done(&home, &["policy", "add", "files/mine.wasm", "--yes"]);
    let lock = place(&home, "chitin.lock");
    let good = fs::read(&lock).unwrap();
    for (from, to) in [
        ("\"1.0.0\"\ncontract", "\"9.0.0\"\ncontract"),
        ("config:/tools", "config:/t"),
        ("severity = \"warn\"", "severity = \"info\""),
    ] {
        edit(&lock, from, to);
        let answer = run(&home, &["policy", "verify"]);
        assert!(
            answer.code == 3 && answer.stdout.contains("chitin.lock tells another id or version"),
            "{answer:?}"
        );
        fs::write(&lock, &good).unwrap();
    }
    assert_eq!(run(&home, &["policy", "verify"]).code, 0);
}

/// Grants that are misspelt are told, and an update edits no more than it must.
#[test]
fn settings_keep_their_comments_and_stray_grants_are_told() {
    let home = home();
    done(&home, &["policy", "add", "files/mine.wasm", "--grant", "none"]);
    let settings = place(&home, "chitin.toml");
    let text = fs::read_to_string(&settings).unwrap();
    let text =
        text.replace("grants = []", "# why\ngrants = [\n  # ours\n  \"config:/tols\",\n]") + "# the end\n";
    fs::write(&settings, &text).unwrap();
    assert!(
        run(&home, &["audit"])
            .stderr
            .contains("chitin.toml grants it config:/tols, which it does not ask for")
    );
    assert!(run(&home, &["policy", "verify"]).stdout.contains("config:/tols"));
    done(&home, &["policy", "update", "mine", "--grant", "config:/tools"]);
    let now = fs::read_to_string(&settings).unwrap();
    for part in ["# why", "# the end", "\"config:/tools\""] {
        assert!(now.contains(part), "{part}: {now}");
    }
    refused(&home, &["policy", "update", "--grant", "all"], "--grant is about one policy");
}

/// An update that makes a policy run less often says so.
#[test]
fn an_update_tells_what_runs_no_more() {
    let home = home();
    done(&home, &["policy", "add", "files/mine.wasm", "--yes"]);
    let text = |more: &str, of_check: &str| {
        with_manifest(&format!(
            "[policy]\nid = \"mine\"\nversion = \"1.0.0\"\nsummary = \"Something\"\n{more}\n\
             [[check]]\nid = \"hostile.finding\"\nseverity = \"warn\"\nsummary = \"It says so\"\n{of_check}\n\
             [[check]]\nid = \"mine.silent\"\nseverity = \"info\"\nsummary = \"It never says so\"\n[capabilities]\n{TOOLS}\n"
        ))
    };
    write(&home, "files/mine.wasm", &text("deep = true", ""));
    let told = done(&home, &["policy", "update", "mine"]);
    assert!(told.contains("runs            in each audit -> in deep audits only"), "{told}");
    assert!(told.contains("other file      sha256:"), "{told}");
    write(&home, "files/mine.wasm", &text("", "releases = [\"..2026.3.1\"]"));
    let told = done(&home, &["policy", "update", "mine"]);
    assert!(told.contains("releases        hostile.finding: all -> ..2026.3.1"), "{told}");
}
