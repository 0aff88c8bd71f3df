//! A fix never opens a door, and does what it can.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use chitin_test_support::guest;
use serde_json::Value;

use crate::support::{Answer, Home};

/// An account that is nobody's.
const OTHER: u32 = 65_534;
const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// A state directory that is open to others, with one value to make stricter. Made by hand: the support would give it
/// these modes again before each run, also behind a fix.
fn open_home() -> Home {
    let home = Home::new();
    fs::create_dir(home.path().join(".openclaw")).unwrap();
    chmod(&home, ".openclaw", 0o755);
    let auth = format!("{{ token: '{TOKEN}' }}");
    let text = format!("{{ logging: {{ redactSensitive: 'off' }}, gateway: {{ auth: {auth} }} }}");
    write(&home, ".openclaw/openclaw.json", 0o644, &text);
    home
}

fn run(home: &Home, arguments: &[&str]) -> Answer {
    home.answer(home.command().args(arguments))
}

fn fix(home: &Home) -> Answer {
    run(home, &["fix", "--yes"])
}

fn mode(home: &Home, rel: &str) -> u32 {
    home.path().join(rel).symlink_metadata().unwrap().mode() & 0o7777
}

fn chmod(home: &Home, rel: &str, mode: u32) {
    fs::set_permissions(home.path().join(rel), fs::Permissions::from_mode(mode)).unwrap();
}

fn write(home: &Home, rel: &str, mode: u32, text: &str) {
    fs::create_dir_all(home.path().join(rel).parent().unwrap()).unwrap();
    fs::write(home.path().join(rel), text).unwrap();
    chmod(home, rel, mode);
}

fn config(home: &Home) -> String {
    fs::read_to_string(home.path().join(".openclaw/openclaw.json")).unwrap()
}

fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        eprintln!("skipped: only root can take another account's place");
    }
    root
}

/// Gives everything below the home to an account.
fn give(home: &Home, rel: &str, uid: u32) {
    let given = Command::new("chown")
        .args(["-hR", &format!("{uid}:{uid}")])
        .arg(home.path().join(rel))
        .status()
        .unwrap();
    assert!(given.success());
}

/// The program as another account; none where that may not even start it.
fn run_as(home: &Home, uid: u32, arguments: &[&str]) -> Option<Answer> {
    let mut command = home.command();
    command.args(arguments).uid(uid).gid(uid);
    let output = match command.output() {
        Ok(output) => output,
        Err(error) => {
            eprintln!("skipped: account {uid} cannot start the program: {error}");
            return None;
        }
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace(home.path().to_str().unwrap(), "~");
    let code = output.status.code().unwrap();
    Some(Answer { code, stdout: text(&output.stdout), stderr: text(&output.stderr) })
}

fn journal(home: &Home) -> PathBuf {
    home.path().join(".local/state/chitin/runs")
}

fn the_run(home: &Home) -> PathBuf {
    let runs = fs::read_dir(journal(home)).unwrap().map(|entry| entry.unwrap().path());
    runs.filter(|run| !run.file_name().unwrap().as_bytes().starts_with(b".")).max().unwrap()
}

/// The config with its token is open, and a log file that lies wherever the config says.
fn with_log(log: &Path) -> Home {
    let home = open_home();
    let text = format!("{{ logging: {{ file: {:?} }} }}", log.to_string_lossy());
    write(&home, ".openclaw/openclaw.json", 0o600, &text);
    chmod(&home, ".openclaw", 0o700);
    home
}

/// What the config may name as the log: a file, a program that runs as its owner, a folder, a file behind a linked
/// folder of the state directory.
fn stand_ins() -> (tempfile::TempDir, Vec<(PathBuf, u32)>) {
    let etc = tempfile::tempdir().unwrap();
    let mut all = Vec::new();
    for (name, mode) in [("passwd", 0o644), ("sudo", 0o4755)] {
        let path = etc.path().join(name);
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        all.push((path, mode));
    }
    let folder = etc.path().join("usr");
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
    all.push((folder, 0o755));
    (etc, all)
}

#[test]
fn a_log_that_the_config_names_elsewhere_is_left_alone_even_where_it_is_the_callers_own() {
    let (etc, all) = stand_ins();
    for (path, before) in &all {
        let home = with_log(path);
        let answer = fix(&home);
        let now = path.symlink_metadata().unwrap().mode() & 0o7777;
        // A folder is not even proposed, where a file is meant.
        let code = if path.is_dir() { 0 } else { 3 };
        assert_eq!((answer.code, now), (code, *before), "{}: {}", path.display(), answer.stdout);
        let told = answer.stdout.contains("it lies neither in the state directory");
        assert_eq!(told, path.is_file(), "{}", answer.stdout);
    }
    // Behind a folder that is a link, below the state directory by name only.
    let home = with_log(Path::new("~/.openclaw/logs/passwd"));
    symlink(etc.path(), home.path().join(".openclaw/logs")).unwrap();
    let answer = fix(&home);
    let now = etc.path().join("passwd").metadata().unwrap().mode() & 0o7777;
    assert_eq!((answer.code, now), (3, 0o644), "{}", answer.stdout);
    assert!(answer.stdout.contains("a symbolic link stands on the way to it"), "{}", answer.stdout);
    // A folder of the installation's own where a file is meant, and a program that runs as its owner.
    let home = with_log(Path::new("~/.openclaw/tools"));
    fs::create_dir(home.path().join(".openclaw/tools")).unwrap();
    chmod(&home, ".openclaw/tools", 0o755);
    fix(&home);
    assert_eq!(mode(&home, ".openclaw/tools"), 0o755);
    let home = with_log(Path::new("~/.openclaw/tool"));
    write(&home, ".openclaw/tool", 0o4755, "");
    let answer = fix(&home);
    assert_eq!((answer.code, mode(&home, ".openclaw/tool")), (3, 0o4755), "{}", answer.stdout);
}

#[test]
fn a_log_in_the_state_directory_is_closed() {
    let home = with_log(Path::new("~/.openclaw/logs/gateway.log"));
    write(&home, ".openclaw/logs/gateway.log", 0o644, "");
    let answer = fix(&home);
    assert_eq!((answer.code, mode(&home, ".openclaw/logs/gateway.log")), (0, 0o600), "{}", answer.stdout);
}

#[test]
fn a_state_directory_that_is_a_link_is_fixed_behind_it() {
    let home = open_home();
    fs::rename(home.path().join(".openclaw"), home.path().join("real")).unwrap();
    symlink("real", home.path().join(".openclaw")).unwrap();
    write(&home, ".openclaw/agents/main/sessions/1.jsonl", 0o644, "");
    let answer = fix(&home);
    assert_eq!(answer.code, 3, "{}{}", answer.stdout, answer.stderr);
    assert!(
        answer
            .stdout
            .contains("left as it is: ~/.openclaw (fs.state_dir.perms_readable): it is a symbolic link")
    );
    let modes =
        |home: &Home| ["real/openclaw.json", "real/agents/main/sessions/1.jsonl"].map(|rel| mode(home, rel));
    assert_eq!(modes(&home), [0o600, 0o600]);
    assert!(config(&home).contains("'tools'"));
    assert_eq!(mode(&home, "real"), 0o755, "what a link leads to is left, and told");
    assert_eq!(run(&home, &["undo"]).code, 0);
    assert_eq!(modes(&home), [0o644, 0o644]);
    // Another account's link makes it another account's choice.
    if !is_root() {
        return;
    }
    std::os::unix::fs::lchown(home.path().join(".openclaw"), Some(OTHER), Some(OTHER)).unwrap();
    let answer = fix(&home);
    assert_eq!((answer.code, modes(&home)), (2, [0o644, 0o644]), "{}", answer.stdout);
}

#[test]
fn root_changes_nothing_on_anothers_installation_and_is_told_the_command() {
    if !is_root() {
        return;
    }
    let mut home = open_home();
    home.release = None;
    give(&home, ".openclaw", OTHER);
    let before = (config(&home), mode(&home, ".openclaw"), mode(&home, ".openclaw/openclaw.json"));
    for arguments in [&["fix", "--yes"][..], &["fix"], &["audit", "--fix"], &["undo"]] {
        let answer = run(&home, arguments);
        assert_eq!((answer.code, answer.stdout.as_str()), (2, ""), "{arguments:?}");
        let expected = format!("chitin {} --state-dir ~/.openclaw", arguments.join(" "));
        assert!(
            answer.stderr.contains("help: run: sudo -u ") && answer.stderr.contains(&expected),
            "{arguments:?}: {}",
            answer.stderr
        );
        let now = (config(&home), mode(&home, ".openclaw"), mode(&home, ".openclaw/openclaw.json"));
        assert_eq!(now, before, "{arguments:?}");
    }
    assert!(!home.path().join(".local").exists(), "not even a lock is made");
    // Odd names stay one word of the command, and credentials are not shown.
    let odd = home.path().join(".openclaw/it's\n$(id)");
    fs::create_dir(&odd).unwrap();
    give(&home, ".openclaw", OTHER);
    let answer = run(
        &home,
        &["audit", "--fix", "--deep", "--token", "hunter2hunter2", "--state-dir", odd.to_str().unwrap()],
    );
    assert!(answer.stderr.contains(r"/it\x27s\x0a\x24\x28id\x29'"), "{}", answer.stderr);
    assert!(!answer.stderr.contains("hunter2"), "{}", answer.stderr);
    // The control: the owner himself.
    give(&home, "", OTHER);
    let Some(answer) = run_as(&home, OTHER, &["fix", "--yes"]) else { return };
    assert_eq!(answer.code, 0, "{}{}", answer.stdout, answer.stderr);
    assert_eq!((mode(&home, ".openclaw"), mode(&home, ".openclaw/openclaw.json")), (0o700, 0o600));
}

#[test]
fn whoever_may_not_change_anything_is_told_what_was_left_and_why() {
    if !is_root() {
        return;
    }
    let home = open_home();
    chmod(&home, ".openclaw/openclaw.json", 0o444);
    let Some(answer) = run_as(&home, OTHER, &["fix", "--yes"]) else { return };
    assert_eq!(answer.code, 3, "{}{}", answer.stdout, answer.stderr);
    let why = "the installation belongs to another account (uid 0)";
    assert!(
        answer.stdout.contains("~/.openclaw/openclaw.json") && answer.stdout.contains(why),
        "{}",
        answer.stdout
    );
    let answer = run_as(&home, OTHER, &["audit", "--fix", "--json"]).unwrap();
    let both: Value = serde_json::from_str(&answer.stdout).unwrap();
    assert_eq!(answer.code, 3);
    for action in both["fix"]["actions"].as_array().unwrap() {
        let outcomes = [action["ok"] == true, action["skipped"].is_string(), action["error"].is_string()];
        assert_eq!(outcomes.iter().filter(|outcome| **outcome).count(), 1, "{action}");
        assert!(!action["error"].is_string(), "{action}");
    }
    let skipped = both["fix"]["actions"][0]["skipped"].as_str().unwrap();
    assert!(skipped.contains(why), "{skipped}");
    assert_eq!((mode(&home, ".openclaw"), mode(&home, ".openclaw/openclaw.json")), (0o755, 0o444));
}

/// An access list as the kernel keeps it: tag, permissions and account of each entry.
fn access_list(entries: &[(u16, u16, u32)]) -> Vec<u8> {
    let mut bytes = 2_u32.to_le_bytes().to_vec();
    for (tag, permissions, account) in entries {
        bytes.extend(tag.to_le_bytes());
        bytes.extend(permissions.to_le_bytes());
        bytes.extend(account.to_le_bytes());
    }
    bytes
}

fn attribute(path: &Path, name: &str) -> Option<Vec<u8>> {
    let mut value = [0; 1024];
    let length = rustix::fs::getxattr(path, name, &mut value[..]).ok()?;
    Some(value[..length].to_vec())
}

fn set(path: &Path, name: &str, value: &[u8]) -> bool {
    let done = rustix::fs::setxattr(path, name, value, rustix::fs::XattrFlags::empty());
    if done.is_err() {
        eprintln!("skipped: {} keeps no {name}", path.display());
    }
    done.is_ok()
}

#[test]
fn a_folders_default_access_list_lets_nobody_into_a_config_that_is_written_anew() {
    const NOBODY: u32 = u32::MAX;
    let home = open_home();
    let (folder, file) = (home.path().join(".openclaw"), home.path().join(".openclaw/openclaw.json"));
    chmod(&home, ".openclaw/openclaw.json", 0o640);
    let list =
        access_list(&[(1, 7, NOBODY), (2, 4, OTHER), (4, 4, NOBODY), (0x10, 7, NOBODY), (0x20, 0, NOBODY)]);
    if !set(&folder, "system.posix_acl_default", &list) || !set(&file, "user.note", b"keep me") {
        return;
    }
    let answer = run(&home, &["fix", "--yes", "--only", "logging.redact_off"]);
    assert_eq!(answer.code, 0, "{}{}", answer.stdout, answer.stderr);
    assert!(config(&home).contains("redactSensitive: 'tools'"));
    assert_eq!(mode(&home, ".openclaw/openclaw.json"), 0o640);
    assert_eq!(attribute(&file, "system.posix_acl_access"), None);
    assert_eq!(attribute(&file, "user.note").as_deref(), Some(&b"keep me"[..]));
    assert_eq!(attribute(&folder, "system.posix_acl_default"), Some(list), "the folder's own stays");
    assert_eq!(run(&home, &["undo"]).code, 0);
    assert!(config(&home).contains("redactSensitive: 'off'"));
    assert_eq!(attribute(&file, "system.posix_acl_access"), None);
    assert_eq!(attribute(&file, "user.note").as_deref(), Some(&b"keep me"[..]));
}

/// Runs a script as root with mounts of its own; none where that is not possible.
fn with_mounts(home: &Home, script: &str) -> Option<String> {
    if !is_root() {
        return None;
    }
    let mut command = home.command();
    let program = command.get_program().to_owned();
    command = Command::new("unshare");
    command
        .args(["-m", "sh", "-ec", script])
        .env("C", program)
        .env("D", home.path())
        .env("HOME", home.path());
    command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").current_dir(home.path());
    let answer = home.answer(&mut command);
    if answer.stderr.contains("ermission denied") && answer.stdout.is_empty() || answer.code == 127 {
        eprintln!("skipped: nothing can be mounted here: {}", answer.stderr);
        return None;
    }
    assert!(answer.stdout.contains("done"), "{}{}", answer.stdout, answer.stderr);
    Some(answer.stdout)
}

#[test]
fn a_mode_is_set_where_the_text_cannot_be_written() {
    let home = open_home();
    let script = "mkdir m; mount -t tmpfs -o size=64k tmpfs m; cp -a .openclaw m/oc; \
        dd if=/dev/zero of=m/fill bs=1k count=100 2>/dev/null || true; \
        $C fix --yes --state-dir m/oc || echo code $?; stat -c '%a %n' m/oc m/oc/openclaw.json; cat m/oc/openclaw.json; \
        rm m/fill; $C undo --state-dir m/oc; stat -c 'undone %a %n' m/oc m/oc/openclaw.json; ls -A m/oc; echo done";
    let Some(out) = with_mounts(&home, script) else { return };
    assert!(out.contains("code 3") && out.contains("text not changed:"), "{out}");
    assert!(out.contains("2 changes made"), "the modes, and not the value: {out}");
    assert!(out.contains("700 m/oc\n600 m/oc/openclaw.json\n"), "{out}");
    assert!(out.contains("redactSensitive: 'off'"), "{out}");
    assert!(out.contains("undone 755 m/oc\nundone 644 m/oc/openclaw.json\nopenclaw.json\ndone"), "{out}");
}

#[test]
fn what_was_not_changed_is_not_counted() {
    let home = open_home();
    let script = "cp -a .openclaw ro; mount --bind ro ro; mount -o remount,ro,bind ro; \
        $C fix --yes --state-dir ro || echo code $?; $C fix history; echo done";
    let Some(out) = with_mounts(&home, script) else { return };
    assert!(out.contains("code 3") && out.contains("0 changes made\n"), "{out}");
    assert!(out.contains("no fix was made yet"), "{out}");
    let control = fix(&home);
    assert!(control.code == 0 && control.stdout.contains("3 changes made"), "{}", control.stdout);
}

#[test]
fn a_group_policy_is_closed_although_another_channel_stays_open() {
    let home = open_home();
    let text = "{ tools: { elevated: { enabled: true } }, channels: { whatsapp: { groupPolicy: 'open' }, \
                irc: { host: 'irc.example.org', nick: 'bot', groupPolicy: 'open' } } }";
    write(&home, ".openclaw/openclaw.json", 0o600, text);
    let answer = fix(&home);
    assert_eq!(answer.code, 0, "{}{}", answer.stdout, answer.stderr);
    assert_eq!(config(&home), text.replacen("'open'", "'allowlist'", 1));
}

fn add_strangers(home: &Home, arguments: &[&str], guests: &[&str]) -> Answer {
    let mut all = arguments.to_vec();
    for name in guests {
        all.extend(["--policy", guest(name).component, "--grant", "all"]);
    }
    run(home, &all)
}

#[test]
fn a_strangers_objection_drops_nobody_elses_fix() {
    let shown = |guests: &[&str]| {
        let home = open_home();
        let arguments = ["fix", "--yes", "--policy", "logging-redaction", "--policy", "state-permissions"];
        let answer =
            if guests.is_empty() { run(&home, &arguments) } else { add_strangers(&home, &arguments, guests) };
        assert!(answer.stdout.contains("3 changes made"), "{guests:?}: {}{}", answer.stdout, answer.stderr);
        (answer.code, config(&home), mode(&home, ".openclaw"), mode(&home, ".openclaw/openclaw.json"))
    };
    let control = shown(&[]);
    assert_eq!((control.0, control.2, control.3), (0, 0o700, 0o600));
    assert_eq!(shown(&["vetoes_fixes"]), control);
    assert_eq!(shown(&["panics"]), control, "nor does one that fails");
}

#[test]
fn what_a_stranger_was_not_granted_drops_no_fix_that_it_was() {
    let closed = |config: &str, grants: &[&str]| {
        let home = open_home();
        write(&home, ".openclaw/openclaw.json", 0o600, config);
        write(&home, ".openclaw/old.bak", 0o644, "");
        let mut arguments = vec!["fix", "--yes", "--policy", guest("closes_one_file").component];
        arguments.extend(grants.iter().flat_map(|grant| ["--grant", grant]));
        let Answer { stdout, stderr, code } = run(&home, &arguments);
        (mode(&home, ".openclaw/old.bak"), code, format!("{stdout}{stderr}"))
    };
    let (all, files) = (["all"].as_slice(), ["stat:state/*", "fix:set-mode"].as_slice());
    for (config, grants) in [("{}", all), ("{}", files), ("{ gateway: ", all), ("{ gateway: ", files)] {
        let (mode, _, text) = closed(config, grants);
        assert_eq!(mode, 0o600, "{config} {grants:?}: {text}");
    }
    // The finding stays, and what it lacks is named.
    let (mode, code, text) = closed("{}", &["stat:state/*"]);
    assert_eq!((mode, code), (0o644, 3), "{text}");
    assert!(text.contains("old.bak") && text.contains("--grant 'fix:set-mode'"), "{text}");
}

#[test]
fn a_stranger_who_objects_to_himself_harms_only_himself() {
    let home = open_home();
    for number in 0..200 {
        write(&home, &format!(".openclaw/many/{number}"), 0o644, "");
    }
    let answer = add_strangers(&home, &["fix", "--yes", "--policy", "state-permissions"], &["fixes_slowly"]);
    assert_eq!(answer.code, 3, "{}{}", answer.stdout, answer.stderr);
    assert!(answer.stdout.contains("2 changes made"), "{}", answer.stdout);
    assert_eq!((mode(&home, ".openclaw"), mode(&home, ".openclaw/many/7")), (0o700, 0o644));
    assert!(answer.stdout.contains("there are more objections than trials"), "{}", answer.stdout);
}

#[test]
fn patterns_are_guarded_like_everything_else() {
    let home = open_home();
    for (name, mode) in [("a.txt", 0o664), ("b", 0o664), ("c", 0o4755), ("d", 0o600), ("line\nend", 0o604)] {
        write(&home, &format!(".openclaw/many/{name}"), mode, "");
    }
    write(&home, "outside", 0o644, "");
    symlink("../../outside", home.path().join(".openclaw/many/link")).unwrap();
    fs::hard_link(home.path().join("outside"), home.path().join(".openclaw/many/twin")).unwrap();
    symlink("many", home.path().join(".openclaw/way")).unwrap();
    write(&home, ".openclaw/plain", 0o644, "");
    chmod(&home, ".openclaw/many", 0o755);
    let odd = home.path().join(".openclaw/many").join(OsStr::from_bytes(b"\xff"));
    fs::write(&odd, "").unwrap();
    fs::set_permissions(&odd, fs::Permissions::from_mode(0o666)).unwrap();
    let answer = add_strangers(&home, &["fix", "--yes", "--json"], &["proposes_patterns"]);
    assert_eq!(answer.code, 3, "{}", answer.stderr);
    let both: Value = serde_json::from_str(&answer.stdout).unwrap();
    let mut refused: Vec<String> = both["fix"]["refused"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| format!("{}: {}", one["what"].as_str().unwrap(), one["why"].as_str().unwrap()))
        .map(|line| line.split_inclusive(": ").take(2).collect::<String>().trim_end_matches(": ").to_owned())
        .collect();
    refused.sort();
    let expected = [
        "~/.openclaw/many/**: \"**\" is no pattern for names",
        "~/.openclaw/many/../*: \"../*\" is no pattern for names",
        "~/.openclaw/many/: \"\" is no pattern for names",
        "~/.openclaw/many/c: it is a set-id file (mode 4755); those are left alone",
        "~/.openclaw/many/twin: it has 2 names (hard links), so that a change would show elsewhere too",
        "~/.openclaw/none/*: it cannot be looked at",
        "~/.openclaw/plain/*: it cannot be looked at",
        "~/.openclaw/way/*: a symbolic link stands on the way to it",
    ];
    assert_eq!(refused, expected);
    let modes = ["many/a.txt", "many/b", "many/c", "many/d", "many/line\nend", "many", "plain", "../outside"]
        .map(|rel| mode(&home, &format!(".openclaw/{rel}")));
    assert_eq!(modes, [0o640, 0o640, 0o4755, 0o600, 0o600, 0o755, 0o644, 0o644]);
    assert_eq!(odd.metadata().unwrap().mode() & 0o7777, 0o640);
    assert_eq!(run(&home, &["undo"]).code, 0);
    assert_eq!(odd.metadata().unwrap().mode() & 0o7777, 0o666);
    assert_eq!(
        (mode(&home, ".openclaw/many/line\nend"), mode(&home, ".openclaw/many/a.txt")),
        (0o604, 0o664)
    );
}

#[test]
fn any_number_of_transcripts_is_closed_and_opened_again() {
    /// More than were once too many.
    const MANY: usize = 5_000;
    let home = open_home();
    let name = |number: usize| format!(".openclaw/agents/main/sessions/{number}.jsonl");
    for number in 0..MANY {
        write(&home, &name(number), 0o644, "{}\n");
    }
    let modes = |home: &Home| (0..MANY).map(|number| mode(home, &name(number))).collect::<Vec<_>>();
    let answer = fix(&home);
    assert_eq!(answer.code, 0, "{}{}", answer.stdout, answer.stderr);
    assert_eq!(modes(&home), vec![0o600; MANY]);
    assert!(answer.stdout.lines().count() < 100, "no line for each: {}", answer.stdout);
    assert_eq!(fs::read_dir(journal(&home)).unwrap().count(), 1);
    let undone = run(&home, &["undo"]);
    assert_eq!(undone.code, 0, "{}", undone.stderr);
    assert!(undone.stdout.lines().count() < 100, "{}", undone.stdout);
    assert_eq!(modes(&home), vec![0o644; MANY]);
}

#[test]
fn nobody_who_can_open_the_state_directory_can_hold_the_lock() {
    let home = open_home();
    let folders = [".openclaw", ".openclaw/openclaw.json", ""].map(|rel| {
        #[expect(clippy::disallowed_types, reason = "another program that locks what it can open")]
        let file = fs::File::open(home.path().join(rel)).unwrap();
        rustix::fs::flock(&file, rustix::fs::FlockOperation::LockShared).unwrap();
        file
    });
    let answer = fix(&home);
    assert_eq!((answer.code, mode(&home, ".openclaw")), (0, 0o700), "{}", answer.stderr);
    drop(folders);
    let left: Vec<_> = fs::read_dir(home.path().join(".openclaw"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left, ["openclaw.json"], "no file is left in the target");
    let locks = home.path().join(".local/state/chitin/locks");
    let found = home.path().join(".openclaw").metadata().unwrap();
    let lock = locks.join(format!("{}-{}", found.dev(), found.ino()));
    assert_eq!(
        (lock.metadata().unwrap().mode() & 0o777, locks.metadata().unwrap().mode() & 0o777),
        (0o600, 0o700)
    );
    // The control: another fix of the same account does hold it off.
    #[expect(clippy::disallowed_types, reason = "another run of the program")]
    let held = fs::File::open(&lock).unwrap();
    rustix::fs::flock(&held, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let answer = fix(&home);
    assert_eq!(answer.code, 2);
    assert!(answer.stderr.contains("another fix is at work"), "{}", answer.stderr);
}

#[test]
fn a_journal_that_others_can_write_to_is_not_used() {
    for open in
        [".local/state/chitin/runs", ".local/state/chitin", ".local/state", ".local", "run", "run/run.json"]
    {
        for bits in [0o002, 0o020] {
            let home = open_home();
            assert_eq!(fix(&home).code, 0);
            let path = match open {
                "run" => the_run(&home),
                "run/run.json" => the_run(&home).join("run.json"),
                rel => home.path().join(rel),
            };
            let before = path.metadata().unwrap().mode() & 0o7777;
            fs::set_permissions(&path, fs::Permissions::from_mode(before | bits)).unwrap();
            let is_private_group =
                bits == 0o020 && !rustix::process::geteuid().is_root() && open.starts_with(".local");
            if is_private_group {
                continue; // the group may be the account's own
            }
            let answer = run(&home, &["undo"]);
            assert_eq!(answer.code, 2, "{open} {bits:o}: {}", answer.stdout);
            assert!(!answer.stderr.contains("there is no fix"), "{open} {bits:o}: {}", answer.stderr);
            assert!(
                answer.stderr.contains("cannot be used") || answer.stderr.contains("is not used"),
                "{}",
                answer.stderr
            );
            assert_eq!(mode(&home, ".openclaw"), 0o700);
            // The control: closed again, it is used.
            fs::set_permissions(&path, fs::Permissions::from_mode(before)).unwrap();
            assert_eq!(run(&home, &["undo"]).code, 0, "{open}");
            assert_eq!(mode(&home, ".openclaw"), 0o755);
        }
    }
}

#[test]
fn a_journal_that_was_swapped_or_tampered_with_is_said_and_refused() {
    type Damage = fn(&Home);
    let tampers: [(&str, Damage); 9] = [
        ("a wider mode", |home| edit(home, "run.json", "493", "511")),
        ("a set-id bit", |home| edit(home, "run.json", "493", "2541")),
        ("another place", |home| edit(home, "run.json", "openclaw.json", "openclaw.jsox")),
        ("another text", |home| edit(home, "0.before", "'off'", "'oft'")),
        ("cut", |home| {
            let path = the_run(home).join("run.json");
            let text = fs::read(&path).unwrap();
            fs::write(&path, &text[..text.len() / 2]).unwrap();
        }),
        ("without a record", |home| fs::remove_file(the_run(home).join("run.json")).unwrap()),
        ("without a text", |home| fs::remove_file(the_run(home).join("0.before")).unwrap()),
        ("a link in place of the run", |home| {
            let run = the_run(home);
            let elsewhere = home.path().join("elsewhere");
            fs::rename(&run, &elsewhere).unwrap();
            symlink(&elsewhere, &run).unwrap();
        }),
        ("a link in place of the journal", |home| {
            let elsewhere = home.path().join("elsewhere");
            fs::rename(journal(home), &elsewhere).unwrap();
            symlink(&elsewhere, journal(home)).unwrap();
        }),
    ];
    for (what, damage) in tampers {
        let home = open_home();
        assert_eq!(fix(&home).code, 0);
        let name = the_run(&home).file_name().unwrap().to_str().unwrap().to_owned();
        damage(&home);
        let fixed = config(&home);
        for arguments in [&["undo"][..], &["undo", &name]] {
            let answer = run(&home, arguments);
            assert_eq!(answer.code, 2, "{what}: {}", answer.stdout);
            assert!(!answer.stderr.contains("there is no fix"), "{what}: {}", answer.stderr);
            assert!(!answer.stderr.contains("there is no run"), "{what}: {}", answer.stderr);
            assert!(answer.stderr.contains("nothing was changed"), "{what}: {}", answer.stderr);
            assert_eq!((mode(&home, ".openclaw"), config(&home)), (0o700, fixed.clone()), "{what}");
        }
        let history = run(&home, &["fix", "history"]);
        let said = format!("{}{}", history.stdout, history.stderr);
        assert!(
            said.contains("cannot be used") || said.contains("is not used") || what.contains("text"),
            "{what}: {said}"
        );
    }
}

fn edit(home: &Home, name: &str, from: &str, to: &str) {
    let path = the_run(home).join(name);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{name}: {text}");
    fs::write(&path, text.replacen(from, to, 1)).unwrap();
}

#[test]
fn a_journal_in_the_target_is_not_made() {
    let home = open_home();
    let inside = home.path().join(".openclaw/journal");
    let answer = home.answer(home.command().args(["fix", "--yes"]).env("XDG_STATE_HOME", &inside));
    assert_eq!(answer.code, 2, "{}", answer.stdout);
    assert!(answer.stderr.contains("would lie in the target"), "{}", answer.stderr);
    assert!(!inside.exists());
    assert_eq!(mode(&home, ".openclaw"), 0o755);
    // By another name it is the same place.
    symlink(home.path().join(".openclaw"), home.path().join("alias")).unwrap();
    let answer =
        home.answer(home.command().args(["fix", "--yes"]).env("XDG_STATE_HOME", home.path().join("alias/x")));
    assert_eq!((answer.code, mode(&home, ".openclaw")), (2, 0o755), "{}", answer.stdout);
    let elsewhere = home.path().join("elsewhere");
    let answer = home.answer(home.command().args(["fix", "--yes"]).env("XDG_STATE_HOME", &elsewhere));
    assert_eq!((answer.code, mode(&home, ".openclaw")), (0, 0o700), "{}", answer.stderr);
}

#[test]
fn a_run_of_the_first_form_can_be_taken_back() {
    let home = open_home();
    let runs = journal(&home).join("20231114T221320000Z-00000000");
    fs::create_dir_all(&runs).unwrap();
    for folder in runs.ancestors().take(4) {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).unwrap();
    }
    let state = home.path().join(".openclaw");
    chmod(&home, ".openclaw", 0o700);
    let passwd = home.path().join("passwd");
    write(&home, "passwd", 0o600, "");
    let entry = |path: &Path, before: u32, after: u32| {
        let found = path.metadata().unwrap();
        serde_json::json!({"kind": "mode", "root": path, "rel": "", "device": found.dev(), "inode": found.ino(),
                           "before": before, "after": after})
    };
    let record = |started: &str, entries: Vec<Value>| {
        let text = serde_json::json!({"version": 1, "run": "20231114T221320000Z-00000000", "started": started,
                                      "stateDir": state, "entries": entries, "outcome": "complete"});
        write(
            &home,
            ".local/state/chitin/runs/20231114T221320000Z-00000000/run.json",
            0o600,
            &text.to_string(),
        );
    };
    let later = "2200-01-01T00:00:00.000Z";
    // A folder that was made after the run began is not the one that it changed.
    record("2023-11-14T22:13:20.000Z", vec![entry(&state, 0o755, 0o700)]);
    assert_eq!((run(&home, &["undo"]).code, mode(&home, ".openclaw")), (3, 0o700));
    // What the guard would not have taken does not come back, nor what lies elsewhere.
    record(later, vec![entry(&state, 0o2755, 0o700), entry(&passwd, 0o644, 0o600)]);
    assert_eq!(
        (run(&home, &["undo"]).code, mode(&home, ".openclaw"), mode(&home, "passwd")),
        (3, 0o700, 0o600)
    );
    record(later, vec![entry(&state, 0o755, 0o700)]);
    let answer = run(&home, &["undo"]);
    assert_eq!((answer.code, mode(&home, ".openclaw")), (0, 0o755), "{}{}", answer.stdout, answer.stderr);
}

#[test]
fn a_file_that_may_not_be_replaced_is_left_and_the_rest_is_done() {
    let home = open_home();
    let file = home.path().join(".openclaw/openclaw.json");
    let immutable = Command::new("chattr").arg("+i").arg(&file).output();
    if !immutable.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: no file can be made immutable here");
        return;
    }
    let answer = fix(&home);
    let (text, now) = (config(&home), mode(&home, ".openclaw/openclaw.json"));
    assert!(Command::new("chattr").arg("-i").arg(&file).status().unwrap().success());
    assert_eq!((answer.code, now, mode(&home, ".openclaw")), (3, 0o644, 0o700), "{}", answer.stdout);
    assert!(text.contains("'off'") && answer.stdout.contains("1 change made"), "{}", answer.stdout);
    let names = fs::read_dir(home.path().join(".openclaw")).unwrap().count();
    assert_eq!(names, 1, "nothing is left beside it");
}
