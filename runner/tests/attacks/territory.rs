//! Who named a place decides what is read of it.

use std::fs;
use std::os::unix::fs::{chown, symlink};
use std::path::Path;

use chitin_test_support::guest;
use serde_json::Value;

use super::support::Home;

/// An account that owns nothing else on the machine, and another one.
const ANN: u32 = 54_321;
const BOB: u32 = 54_322;

/// What no policy may get.
const SECRET: &str = "canary-4711";

/// An installation with a config.
fn installation(config: &str) -> Home {
    let mut home = Home::new();
    home.directory(".openclaw", 0o700);
    home.file(".openclaw/openclaw.json", 0o600, Some(config.as_bytes()));
    home
}

/// Root can give files away; another account cannot set these cases up.
fn is_root(test: &str) -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        eprintln!("{test}: skipped, only root can give files to another account");
    }
    root
}

/// Gives everything below a folder to an account; links themselves, not what they lead to.
fn give(path: &Path, uid: u32) {
    std::os::unix::fs::lchown(path, Some(uid), Some(uid)).unwrap();
    if path.symlink_metadata().unwrap().is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            give(&entry.unwrap().path(), uid);
        }
    }
}

fn report(home: &Home, arguments: &[&str]) -> Value {
    home.settle();
    let mut command = home.command();
    command.args(["audit", "--json"]).args(arguments);
    let answer = home.answer(&mut command);
    serde_json::from_str(&answer.stdout).unwrap_or_else(|error| panic!("{error}: {answer:?}"))
}

/// What a guest that was given everything read, as `view/path=content`; the content without the signs that hide it from masks.
fn read_by_guest(home: &Home, arguments: &[&str]) -> Vec<String> {
    let component = guest("reads_everything").component;
    let report = report(home, &[&["--policy", component, "--grant", "all"], arguments].concat());
    let reason = report["incomplete"][0]["reason"].as_str().unwrap_or_else(|| panic!("{report}"));
    let read = reason.strip_prefix("inconclusive: read ").unwrap_or_else(|| panic!("{reason}"));
    let mut read: Vec<String> =
        read.split(' ').filter(|part| !part.is_empty()).map(|part| part.replace('|', "")).collect();
    read.sort();
    read
}

fn ids(report: &Value) -> Vec<String> {
    let findings = report["findings"].as_array().unwrap();
    findings.iter().map(|finding| finding["checkId"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_dotenv_that_is_a_link_feeds_nothing() {
    let mut home = installation("{gateway: {auth: {mode: 'token', token: '${BACKUP_TOKEN}'}}}");
    home.file("backup.env", 0o600, Some(b"BACKUP_TOKEN=0123456789abcdef0123456789abcdef\n"));
    home.symlink(".openclaw/.env", "../backup.env");
    let attacked = report(&home, &[]);
    assert!(ids(&attacked).iter().any(|id| id == "config.dotenv_refused"), "{:?}", ids(&attacked));
    assert!(ids(&attacked).iter().any(|id| id == "config.unset_variable"), "its words were used");

    let mut control = installation("{gateway: {auth: {mode: 'token', token: '${BACKUP_TOKEN}'}}}");
    control.file(".openclaw/.env", 0o600, Some(b"BACKUP_TOKEN=0123456789abcdef0123456789abcdef\n"));
    assert!(!ids(&report(&control, &[])).iter().any(|id| id.starts_with("config.")));
}

#[test]
fn a_dotenv_of_another_account_feeds_nothing() {
    if !is_root("a_dotenv_of_another_account_feeds_nothing") {
        return;
    }
    for (owner, refused) in [(BOB, true), (ANN, false), (0, false)] {
        let mut home = installation("{gateway: {auth: {mode: 'token', token: '${SHARED}'}}}");
        home.file(".openclaw/.env", 0o644, Some(b"SHARED=0123456789abcdef0123456789abcdef\n"));
        give(&home.path().join(".openclaw"), ANN);
        chown(home.path().join(".openclaw/.env"), Some(owner), None).unwrap();
        let report = report(&home, &[]);
        assert_eq!(ids(&report).iter().any(|id| id == "config.dotenv_refused"), refused, "{owner}");
    }
}

#[test]
fn a_log_gives_neither_secrets_nor_folders_nor_what_lies_behind_links() {
    let log = |place: &str| {
        let mut home = installation(&format!("{{logging: {{file: '{place}'}}}}"));
        home.file("priv/secret.txt", 0o600, Some(SECRET.as_bytes()));
        home.file("priv/auth.log", 0o600, Some(SECRET.as_bytes()));
        home.file(".openclaw/gateway.log", 0o600, Some(b"line"));
        fs::hard_link(home.path().join(".openclaw/openclaw.json"), home.path().join("twin.log")).unwrap();
        symlink("priv", home.path().join("way")).unwrap();
        symlink("priv/secret.txt", home.path().join("link.log")).unwrap();
        read_by_guest(&home, &[])
    };
    for place in [
        "~/priv",
        "~/.openclaw/openclaw.json",
        "~/priv/secret.txt",
        "~/twin.log",
        "~/link.log",
        "~/way/auth.log",
        "/etc/passwd",
        "/",
    ] {
        assert_eq!(log(place), [""; 0], "{place}");
    }
    assert_eq!(log("~/.openclaw/gateway.log"), ["log/=line"]);
}

#[test]
fn nothing_but_what_has_a_purpose_is_read_whatever_its_name() {
    let mut home = installation("{channels: {$include: './channels.js'}}");
    for (rel, content) in [
        ("channels.js", "{telegram: {botToken: 'canary-4711'}}"),
        (".openclaw.json.chitin-20261126T1-abc", SECRET),
        (".openclaw.json.swp", SECRET),
        ("#openclaw.json#", SECRET),
        (".env.local", SECRET),
        (".env.production", SECRET),
        ("id.PEM", SECRET),
        ("id_rsa", SECRET),
        (".netrc", SECRET),
        ("notes.js", SECRET),
        ("extensions/x/.env.js", SECRET),
        ("extensions/x/data.json", SECRET),
        ("agents/main/agent/auth-profiles.json", SECRET),
        ("agents/main/agent/index.js", SECRET),
        ("credentials/whatsapp/default/creds.json", SECRET),
        ("credentials/oauth.json", SECRET),
        ("extensions/x/index.js", "code"),
        ("extensions/x/package.json", "{}"),
        ("credentials/telegram-allowFrom.json", "[]"),
        ("skills/s/SKILL.md", "skill"),
    ] {
        home.file(&format!(".openclaw/{rel}"), 0o600, Some(content.as_bytes()));
    }
    let state = home.path().join(".openclaw");
    // The same objects by names that could be read.
    fs::hard_link(state.join("channels.js"), state.join("extensions/x/include.js")).unwrap();
    fs::hard_link(state.join("openclaw.json"), state.join("extensions/x/config.js")).unwrap();
    fs::hard_link(state.join("credentials/oauth.json"), state.join("skills/s/oauth.js")).unwrap();
    symlink("../../openclaw.json", state.join("extensions/x/link.js")).unwrap();
    let expected = [
        "credentials/telegram-allowFrom.json=[]",
        "state/credentials/telegram-allowFrom.json=[]",
        "state/extensions/x/index.js=code",
        "state/extensions/x/package.json={}",
        "state/skills/s/SKILL.md=skill",
    ];
    assert_eq!(read_by_guest(&home, &[]), expected);
    // A config by another name is one, too.
    fs::copy(state.join("openclaw.json"), state.join("extensions/x/mine.js")).unwrap();
    let config = state.join("extensions/x/mine.js");
    let read = read_by_guest(&home, &["--scope", "installation", "--config", config.to_str().unwrap()]);
    assert!(!read.iter().any(|part| part.contains("mine.js")), "{read:?}");
}

#[test]
fn credentials_are_read_by_no_other_name_where_package_managers_link_code() {
    let config =
        "{plugins: {load: {paths: ['~/code']}, installs: {p: {source: 'npm', installPath: '~/pkg'}}}}";
    let mut home = installation(&config.replace("~/pkg", "pkg"));
    home.file(".openclaw/agents/main/agent/auth-profiles.json", 0o600, Some(SECRET.as_bytes()));
    home.file("store/index.js", 0o644, Some(b"code"));
    home.file("store/package.json", 0o644, Some(b"{}"));
    home.directory("code", 0o755);
    home.directory("pkg", 0o755);
    let path = |rel: &str| home.path().join(rel);
    fs::hard_link(path("store/index.js"), path("code/index.js")).unwrap();
    fs::hard_link(path("store/package.json"), path("pkg/package.json")).unwrap();
    let profiles = path(".openclaw/agents/main/agent/auth-profiles.json");
    fs::hard_link(&profiles, path("code/profiles.js")).unwrap();
    let read = read_by_guest(&home, &["--deep"]);
    assert_eq!(read, ["plugin-package/0/={}", "plugin/0/index.js=code"]);
    fs::remove_file(path("pkg/package.json")).unwrap();
    fs::hard_link(&profiles, path("pkg/package.json")).unwrap();
    assert_eq!(read_by_guest(&home, &["--deep"]), ["plugin/0/index.js=code"]);
}

/// The findings of an include, and whether a fix would touch it.
fn include(home: &Home) -> (Vec<String>, bool) {
    let mut found = ids(&report(home, &[]));
    found.retain(|id| id.contains("include"));
    home.settle();
    let mut command = home.command();
    command.args(["fix", "--dry-run"]);
    let plan = home.answer(&mut command);
    (found, plan.stdout.lines().any(|line| line.contains(" -> ") && line.contains("site.json")))
}

#[test]
fn a_refused_include_is_one_finding_and_nothing_else() {
    let escape = (vec!["config.include_escape".to_owned()], false);
    let outside = |name: &str| {
        let mut home = installation(&format!("{{agents: {{$include: '{name}'}}}}"));
        home.file("public/site.json", 0o644, Some(b"{}"));
        home.symlink(".openclaw/site.json", "../public/site.json");
        home.file(".openclaw/own/site.json", 0o600, Some(b"{}"));
        home.symlink(".openclaw/way", "own");
        home.symlink(".openclaw/near.json", "own/site.json");
        home
    };
    for name in ["../public/site.json", "./site.json", "./way/site.json", "./near.json"] {
        assert_eq!(include(&outside(name)), escape, "{name}");
    }
    assert_eq!(include(&outside("./gone/site.json")), (vec!["config.include_failed".to_owned()], false));

    let mut control = installation("{agents: {$include: './site.json'}}");
    control.file(".openclaw/site.json", 0o644, Some(b"{}"));
    assert_eq!(include(&control), (vec!["fs.config_include.perms_world_readable".to_owned()], true));
    // Judged, because it is included; not changed, because that would change the other name's file.
    fs::hard_link(control.path().join(".openclaw/site.json"), control.path().join("other")).unwrap();
    assert_eq!(include(&control), (vec!["fs.config_include.perms_world_readable".to_owned()], false));
}

#[test]
fn includes_from_elsewhere_are_the_operators_to_allow() {
    let found_by = |asked: Option<&str>, version: &str, environment: Option<&str>, dotenv: &str| {
        let home = Home::new();
        let shared = home.path().join("shared");
        let config = format!(
            "{{meta: {{lastTouchedVersion: '{version}'}}, agents: {{$include: '{}/site.json'}}}}",
            shared.display()
        );
        let mut home = home;
        home.directory(".openclaw", 0o700);
        home.file(".openclaw/openclaw.json", 0o600, Some(config.as_bytes()));
        home.file(
            ".openclaw/.env",
            0o600,
            Some(dotenv.replace("$SHARED", shared.to_str().unwrap()).as_bytes()),
        );
        home.file("shared/site.json", 0o600, Some(b"{defaults: {model: 'anthropic/claude-opus-4-6'}}"));
        home.settle();
        // Nothing but `asked` and the stamp says which release it is.
        home.release = None;
        let mut command = home.command();
        command.args(["audit", "--json"]);
        if let Some(asked) = asked {
            command.args(["--openclaw-version", asked]);
        }
        if let Some(roots) = environment {
            command.env("OPENCLAW_INCLUDE_ROOTS", roots.replace("$SHARED", shared.to_str().unwrap()));
        }
        let answer = home.answer(&mut command);
        let report: Value = serde_json::from_str(&answer.stdout).unwrap();
        let mut found = ids(&report);
        found.retain(|id| id.starts_with("config.include") || id == "config.redirect_ignored");
        (found, answer.stdout.contains("from OpenClaw 2026.5 on"))
    };
    let found = |version: &str, environment, dotenv: &str| found_by(None, version, environment, dotenv);
    let refused = vec!["config.include_escape".to_owned()];
    // What the operator says settles it.
    assert_eq!(found_by(Some("2026.9.6"), "2026.2.19", Some("$SHARED"), ""), (Vec::new(), false));
    assert_eq!(found_by(Some("2026.2.19"), "2026.7.1", Some("$SHARED"), ""), (refused.clone(), true));
    assert_eq!(found("2026.7.1", Some("/nowhere:$SHARED"), ""), (Vec::new(), false));
    assert_eq!(found("2026.7.1", None, ""), (refused.clone(), false));
    assert_eq!(found("2026.7.1", Some("/nowhere:shared"), ""), (refused.clone(), false));
    assert_eq!(found("2026.2.19", Some("$SHARED"), ""), (refused.clone(), true));
    let told = vec!["config.include_escape".to_owned(), "config.redirect_ignored".to_owned()];
    assert_eq!(found("2026.7.1", None, "OPENCLAW_INCLUDE_ROOTS=$SHARED\n"), (told, false));
}

#[test]
fn root_reads_of_anothers_installation_what_its_owner_could_read() {
    if !is_root("root_reads_of_anothers_installation_what_its_owner_could_read") {
        return;
    }
    let target = |owner: u32| {
        let home = Home::new();
        let root = home.path().join("root");
        let config = format!(
            "{{logging: {{file: '{0}/roots.log'}}, plugins: {{load: {{paths: ['{0}/code']}}, installs: {{p: {{source: \
             'npm', installPath: '{0}/pkg'}}}}}}}}",
            root.display()
        );
        let mut home = home;
        for (rel, content) in [("roots.log", SECRET), ("pkg/package.json", SECRET), ("code/index.js", SECRET)]
        {
            home.file(&format!("root/{rel}"), 0o644, Some(content.as_bytes()));
        }
        home.directory("root", 0o700);
        home.file("user/.openclaw/openclaw.json", 0o600, Some(config.as_bytes()));
        home.file("user/.openclaw/extensions/own/index.js", 0o600, Some(b"own"));
        give(&home.path().join("user"), owner);
        let state = home.path().join("user/.openclaw");
        read_by_guest(&home, &["--deep", "--state-dir", state.to_str().unwrap()])
    };
    assert_eq!(target(ANN), ["plugin/0/index.js=own", "state/extensions/own/index.js=own"]);
    // Root's own installation may name root's own files.
    let own = target(0);
    assert!(
        own.contains(&format!("log/={SECRET}")) && own.contains(&format!("plugin-package/0/={SECRET}")),
        "{own:?}"
    );
}

#[test]
fn a_link_of_another_account_leads_root_to_nothing_of_roots() {
    if !is_root("a_link_of_another_account_leads_root_to_nothing_of_roots") {
        return;
    }
    let home = Home::new();
    let mut home = home;
    home.file("root/.openclaw/openclaw.json", 0o600, Some(b"{}"));
    home.file("root/.openclaw/extensions/x/index.js", 0o600, Some(SECRET.as_bytes()));
    home.directory("root", 0o700);
    home.directory("user", 0o755);
    home.symlink("user/.openclaw", "../root/.openclaw");
    let state = home.path().join("user/.openclaw");
    std::os::unix::fs::lchown(&state, Some(ANN), Some(ANN)).unwrap();
    home.settle();
    let mut command = home.command();
    command.args(["audit", "--json", "--policy", guest("reads_everything").component, "--grant", "all"]);
    command.arg("--state-dir").arg(&state);
    let answer = home.answer(&mut command);
    assert!(!answer.stdout.replace('|', "").contains(SECRET), "{}", answer.stdout);
    assert_ne!(answer.code, 0);
    // The same link made by root is root's own choice.
    std::os::unix::fs::lchown(&state, Some(0), Some(0)).unwrap();
    let read = read_by_guest(&home, &["--state-dir", state.to_str().unwrap()]);
    assert_eq!(read, [format!("state/extensions/x/index.js={SECRET}")]);
}

#[test]
fn a_target_that_is_named_gets_nothing_of_this_process() {
    let config = "{gateway: {auth: {mode: 'token', token: '${OWN}'}, remote: {token: '${MINE}'}}}";
    let mut home = installation(config);
    home.file(".openclaw/.env", 0o600, Some(b"OWN=0123456789abcdef0123456789abcdef\n"));
    home.file(".env", 0o600, Some(b"MINE=0123456789abcdef\n"));
    let unset = |arguments: &[&str]| {
        home.settle();
        let mut command = home.command();
        command.args(["audit", "--json"]).args(arguments).env("OWN", "x").env("MINE", "y-0123456789");
        let report: Value = serde_json::from_str(&home.answer(&mut command).stdout).unwrap();
        let findings = report["findings"].as_array().unwrap();
        let unset = findings.iter().filter(|finding| finding["checkId"] == "config.unset_variable");
        unset.map(|finding| finding["detail"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(unset(&[]), [""; 0]);
    let named = unset(&["--state-dir", home.path().join(".openclaw").to_str().unwrap()]);
    assert_eq!(named.len(), 1, "its own .env goes before this process's variable: {named:?}");
    assert!(
        named[0].contains("MINE") && named[0].contains("the environment of this audit only"),
        "{named:?}"
    );
}

/// How a place looks in a made installation.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Variant {
    /// As the table's first columns have it.
    Plain,
    /// A link leads to it from its place.
    Link,
    /// It has a second name.
    Twin,
    /// It belongs to an account that lets nobody else read it.
    Foreign,
    /// It is mounted over its place.
    Mount,
}

/// The rows of the table of places in `docs/sandbox.md`, by their first cell.
fn table() -> Vec<Vec<String>> {
    let page = fs::read_to_string(super::support::root().join("docs/sandbox.md")).unwrap();
    let rows = page
        .lines()
        .skip_while(|line| !line.starts_with("| place |"))
        .skip(2)
        .take_while(|line| line.starts_with('|'));
    rows.map(|row| row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()).collect()
}

/// What the table says of the content of a place: what is given, and it is given to policies.
fn expected(row: &[String], variant: Variant) -> bool {
    let given = row[2] != "nobody";
    let cell = match variant {
        Variant::Plain | Variant::Mount => return given,
        Variant::Link => &row[3],
        Variant::Twin => &row[4],
        Variant::Foreign => return false,
    };
    given && cell.starts_with("read")
}

/// Where the object of a row lies in the home folder, and by which name the guest meets its content.
fn place(row: &str) -> Option<(&'static str, &'static str)> {
    Some(match row {
        "`config`" => (".openclaw/openclaw.json", ""),
        "`include`" => (".openclaw/inc.json", ""),
        "`.env` of the state directory" => (".openclaw/.env", ""),
        "pairing and allow lists" => {
            (".openclaw/credentials/telegram-allowFrom.json", "state/credentials/telegram-allowFrom.json")
        }
        "logins, keys, other databases" => (
            ".openclaw/credentials/whatsapp/default/creds.json",
            "state/credentials/whatsapp/default/creds.json",
        ),
        "script or description of a plugin, skill or hook in the state directory" => {
            (".openclaw/hooks/h/index.js", "state/hooks/h/index.js")
        }
        "anything else in the state directory" => (".openclaw/notes/index.js", "state/notes/index.js"),
        "folder of a plugin or skill elsewhere" => ("code/plug", "plugin/0/index.js"),
        "`package.json` of a recorded install" => ("pkg/package.json", "plugin-package/0/"),
        "log" => ("logs/gateway.log", "log/"),
        // The probe's tests have it: no policy is involved.
        "gateway certificate" | "database and its log" => return None,
        other => panic!("the table has a row that no test knows: {other}"),
    })
}

/// A sequence of numbers that looks random (SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % end as u64).unwrap()
    }
}

/// The content that a place has where it is what it seems to be.
fn content(rel: &str) -> String {
    match rel {
        ".openclaw/openclaw.json" => concat!(
            "{$include: './inc.json', browser: {enabled: false}, logging: {file: '~/logs/gateway.log'}, ",
            "gateway: {auth: {mode: 'token', token: '${FED}'}}, ",
            "plugins: {load: {paths: ['~/code/plug']}, installs: {p: {source: 'npm', installPath: 'pkg'}}}}"
        )
        .to_owned(),
        ".openclaw/inc.json" => "{logging: {redactSensitive: 'off'}}".to_owned(),
        ".openclaw/.env" => "FED=0123456789abcdef0123456789abcdef\n".to_owned(),
        _ => SECRET.to_owned(),
    }
}

/// Puts a place there in one variant. Gives the commands that mount it, where it is mounted.
fn put(home: &Path, rel: &str, variant: Variant) -> Option<String> {
    let at = home.join(rel);
    let elsewhere = home.join("elsewhere").join(rel);
    let is_folder = rel == "code/plug";
    let make = |path: &Path| {
        let file = if is_folder { path.join("index.js") } else { path.to_owned() };
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, content(rel)).unwrap();
    };
    fs::create_dir_all(at.parent().unwrap()).unwrap();
    match variant {
        Variant::Plain | Variant::Foreign => make(&at),
        Variant::Link => {
            make(&elsewhere);
            symlink(&elsewhere, &at).unwrap();
        }
        Variant::Twin => {
            make(&at);
            let file = if is_folder { at.join("index.js") } else { at };
            fs::create_dir_all(elsewhere.parent().unwrap()).unwrap();
            fs::hard_link(file, elsewhere).unwrap();
        }
        Variant::Mount => {
            make(&elsewhere);
            if is_folder {
                fs::create_dir(&at).unwrap();
            } else {
                fs::write(&at, "").unwrap();
            }
            return Some(format!("mount --bind '{}' '{}'", elsewhere.display(), at.display()));
        }
    }
    None
}

/// A process of root may have mounts of its own here.
fn may_mount() -> bool {
    let tried = std::process::Command::new("unshare").args(["-m", "true"]).output();
    rustix::process::geteuid().is_root() && tried.is_ok_and(|tried| tried.status.success())
}

#[test]
fn the_table_of_places_holds_for_made_installations() {
    let root = rustix::process::geteuid().is_root();
    let mount = may_mount();
    let variants: Vec<Variant> = [
        (Variant::Plain, true),
        (Variant::Link, true),
        (Variant::Twin, true),
        (Variant::Foreign, root),
        (Variant::Mount, mount),
    ]
    .into_iter()
    .filter_map(|(variant, possible)| possible.then_some(variant))
    .collect();
    if variants.len() < 5 {
        eprintln!("the_table_of_places: some variants are skipped, they need root: {variants:?} are tried");
    }
    let rows: Vec<_> = table().into_iter().filter_map(|row| Some((place(&row[0])?, row))).collect();
    assert!(rows.len() >= 10, "the table was not found");
    for seed in 0..16 {
        let mut numbers = Numbers(seed);
        let home = Home::new();
        let (mut made, mut mounts) = (Vec::new(), Vec::new());
        fs::create_dir_all(home.path().join(".openclaw")).unwrap();
        for ((rel, seen), row) in &rows {
            let mut variant = variants[numbers.below(variants.len())];
            // One thing at a time: without the config nothing that it names is known.
            if *rel == ".openclaw/openclaw.json" && variant == Variant::Foreign {
                variant = Variant::Plain;
            }
            mounts.extend(put(home.path(), rel, variant));
            made.push((*rel, *seen, row, variant));
        }
        if root {
            give(home.path(), ANN);
            for (rel, .., variant) in &made {
                if *variant == Variant::Foreign {
                    let path = home.path().join(rel);
                    let file = if path.is_dir() { path.join("index.js") } else { path };
                    fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
                    chown(&file, Some(BOB), Some(BOB)).unwrap();
                }
            }
        }
        home.settle();
        let mut command = home.command();
        let program = command.get_program().to_owned();
        if !mounts.is_empty() {
            let mut inside = std::process::Command::new("unshare");
            inside
                .args(["-m", "sh", "-c", &format!("{}; exec \"$0\" \"$@\"", mounts.join("; "))])
                .arg(program);
            inside.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
            inside.current_dir(home.path());
            command = inside;
        }
        let component = guest("reads_everything").component;
        let policies = ["config-problems", "logging-redaction", component];
        command.args(["audit", "--json", "--deep"]);
        command.args(policies.iter().flat_map(|policy| ["--policy", policy])).args(["--grant", "all"]);
        let answer = home.answer(&mut command);
        let report: Value =
            serde_json::from_str(&answer.stdout).unwrap_or_else(|_| panic!("{seed}: {answer:?}"));
        let ids = ids(&report);
        let read = report["incomplete"].to_string().replace('|', "");
        for (rel, seen, row, variant) in made {
            let got = match rel {
                ".openclaw/openclaw.json" => !ids.iter().any(|id| id == "config.unreadable"),
                ".openclaw/inc.json" => ids.iter().any(|id| id == "logging.redact_off"),
                ".openclaw/.env" => !ids.iter().any(|id| id == "config.unset_variable"),
                _ => read.contains(&format!("{seen}={SECRET}")),
            };
            assert_eq!(got, expected(row, variant), "seed {seed}: {rel} {variant:?}\n{ids:?}\n{read}");
        }
    }
}
