//! Unit tests of the locator, the `.env` reader and the file reader.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::*;

/// A home directory with files in it, and the environment of somebody who lives there.
struct Home {
    _keep: tempfile::TempDir,
    path: PathBuf,
}

impl Home {
    fn new(files: &[(&str, &str)]) -> Self {
        let keep = tempfile::tempdir().unwrap();
        let path = keep.path().canonicalize().unwrap();
        for (name, text) in files {
            let file = path.join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        Self { _keep: keep, path }
    }

    fn locate(&self, env: &[(&str, &str)], request: &Request) -> (Located, Vec<Problem>, Environment) {
        let home = self.path.to_str().unwrap();
        let own = env.iter().map(|(name, value)| ((*name).to_owned(), value.replace("$HOME", home)));
        let mut env: Environment = [("HOME".to_owned(), home.to_owned())].into_iter().chain(own).collect();
        let (located, problems) = locate(request, &mut env, &self.path).unwrap();
        (located, problems, env)
    }

    fn default(&self, env: &[(&str, &str)]) -> (Located, Vec<Problem>, Environment) {
        self.locate(env, &Request::default())
    }

    fn at(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

fn kinds(problems: &[Problem]) -> Vec<&str> {
    problems.iter().map(|problem| problem.kind.as_str()).collect()
}

#[test]
fn default_places() {
    let home = Home::new(&[(".openclaw/openclaw.json", "{}")]);
    let (located, problems, _) = home.default(&[]);
    assert_eq!(located.state_dir, home.at(".openclaw"));
    assert_eq!(located.config_load, home.at(".openclaw/openclaw.json"));
    assert_eq!(located.config_audit, located.config_load);
    assert_eq!(located.credentials_dir, home.at(".openclaw/credentials"));
    assert!(located.config_exists && located.state_exists);
    assert_eq!((located.origin.as_str(), kinds(&problems)), ("default", vec![]));
}

#[test]
fn old_names_are_found_and_nothing_is_migrated() {
    let home = Home::new(&[(".moltbot/moltbot.json", "{}"), (".clawdbot/clawdbot.json", "{}")]);
    let (located, ..) = home.default(&[]);
    assert_eq!(located.state_dir, home.at(".clawdbot"));
    assert_eq!(located.config_load, home.at(".clawdbot/clawdbot.json"));
    assert!(!home.at(".openclaw").exists());
}

#[test]
fn nothing_at_all() {
    let home = Home::new(&[]);
    let (located, problems, _) = home.default(&[]);
    assert_eq!(located.config_load, home.at(".openclaw/openclaw.json"));
    assert!(!located.config_exists && !located.state_exists && problems.is_empty());
}

#[test]
fn variables_move_the_target() {
    let home = Home::new(&[("st/clawdbot.json", "{}"), (".openclaw/openclaw.json", "{}"), ("c.json", "{}")]);
    for name in ["OPENCLAW_STATE_DIR", "CLAWDBOT_STATE_DIR"] {
        let (located, problems, _) = home.default(&[(name, " ~/st ")]);
        assert_eq!((&located.state_dir, located.origin.as_str()), (&home.at("st"), name));
        assert_eq!(located.config_load, home.at("st/clawdbot.json"));
        assert!(problems.is_empty());
    }
    let (located, ..) =
        home.default(&[("OPENCLAW_CONFIG_PATH", "c.json"), ("CLAWDBOT_CONFIG_PATH", "/other")]);
    assert_eq!((located.config_load, located.config_audit), (home.at("c.json"), home.at("c.json")));
    assert_eq!(located.state_dir, home.at(".openclaw"));
    let (located, ..) = home.default(&[("OPENCLAW_HOME", "~/h2")]);
    assert_eq!((located.home, located.state_dir), (home.at("h2"), home.at("h2/.openclaw")));
    let (located, ..) = home.default(&[("OPENCLAW_OAUTH_DIR", "~/oa")]);
    assert_eq!(located.credentials_dir, home.at("oa"));
    let (located, ..) = home.default(&[("OPENCLAW_STATE_DIR", "  ")]);
    assert_eq!(located.state_dir, home.at(".openclaw"));
}

#[test]
fn two_config_paths_that_disagree() {
    let home = Home::new(&[(".openclaw/openclaw.json", "{}"), ("alt.json", "{}"), ("st/x", "")]);
    let (located, problems, _) = home.default(&[("OPENCLAW_STATE_DIR", "~/st")]);
    assert_eq!(located.config_load, home.at(".openclaw/openclaw.json"));
    assert_eq!(located.config_audit, home.at("st/openclaw.json"));
    assert_eq!(kinds(&problems), ["paths-disagree"]);
    let (located, problems, _) = home.default(&[("CLAWDBOT_CONFIG_PATH", "~/alt.json")]);
    assert_eq!(located.config_load, home.at("alt.json"));
    assert_eq!(located.config_audit, home.at(".openclaw/openclaw.json"));
    assert_eq!(kinds(&problems), ["paths-disagree"]);
}

#[test]
fn flags_win_and_are_closed() {
    let home = Home::new(&[(".openclaw/openclaw.json", "{}"), ("img/x", ""), ("c.json", "{}")]);
    let env = [("OPENCLAW_STATE_DIR", "/a"), ("OPENCLAW_CONFIG_PATH", "/b"), ("OPENCLAW_OAUTH_DIR", "/c")];
    let dir = Request { state_dir: Some("img".into()), ..Request::default() };
    let (located, problems, _) = home.locate(&env, &dir);
    assert_eq!(located.config_load, home.at("img/openclaw.json"));
    assert_eq!(located.config_audit, located.config_load);
    assert_eq!(located.credentials_dir, home.at("img/credentials"));
    assert!(!located.config_exists && located.state_exists && problems.is_empty());
    let file = Request { config: Some("c.json".into()), ..Request::default() };
    let (located, ..) = home.locate(&[], &file);
    assert_eq!(located.config_load, home.at("c.json"));
    assert!(located.is_config_alone() && !located.state_exists, "nothing of this account has a part in it");
    let (located, ..) = home.locate(&[], &Request { scope: Some(Scope::Installation), ..file });
    assert_eq!((located.config_load, located.state_dir), (home.at("c.json"), home.at(".openclaw")));
}

#[test]
fn profiles() {
    let home = Home::new(&[(".openclaw/openclaw.json", "{}")]);
    let with = |name: &str| Request { profile: Some(name.to_owned()), ..Request::default() };
    let (located, _, env) = home.locate(&[], &with("dev"));
    assert_eq!(located.state_dir, home.at(".openclaw-dev"));
    assert_eq!(located.config_load, home.at(".openclaw-dev/openclaw.json"));
    assert_eq!((located.origin.as_str(), located.config_exists), ("--profile", false));
    assert_eq!((env.get("OPENCLAW_GATEWAY_PORT"), env.get("OPENCLAW_PROFILE")), (Some("19001"), Some("dev")));
    let (located, ..) = home.locate(&[], &with("Default"));
    assert_eq!(located.state_dir, home.at(".openclaw"));
    let (located, ..) = home.locate(&[("OPENCLAW_STATE_DIR", "$HOME/x")], &with("p"));
    assert_eq!(located.config_load, home.at("x/openclaw.json"));
    let mut env = Environment::default();
    for bad in ["", "-a", "a/b", "ä", &"a".repeat(65)] {
        let result = locate(&with(bad), &mut env, Path::new("/"));
        assert_eq!(result.unwrap_err(), LocateError::BadProfile(bad.to_owned()));
    }
}

#[test]
fn dotenv_files_add_and_never_move_the_target() {
    let home = Home::new(&[
        (".openclaw/openclaw.json", "{}"),
        (".env", "OPENCLAW_STATE_DIR=/evil\nHOME=/evil\nA=cwd\nOPENCLAW_GATEWAY_TOKEN=t\nE=x\n"),
        (".openclaw/.env", "A=state\nB=state\nOPENCLAW_CONFIG_PATH=/evil\nOPENCLAW_OAUTH_DIR=~/oa\n"),
    ]);
    let (located, problems, env) = home.default(&[("E", "")]);
    assert_eq!(located.state_dir, home.at(".openclaw"));
    assert_eq!(located.credentials_dir, home.at("oa"));
    assert_eq!(kinds(&problems), ["redirect-ignored", "redirect-ignored"]);
    assert_eq!((env.get("A"), env.origin("A")), (Some("cwd"), Some(Origin::CwdDotenv)));
    assert_eq!((env.get("B"), env.origin("B")), (Some("state"), Some(Origin::StateDotenv)));
    assert_eq!(env.get("E"), Some(""), "an existing empty variable stays");
}

#[test]
fn dotenv_that_is_no_file_does_not_block() {
    let home = Home::new(&[(".openclaw/openclaw.json", "{}")]);
    let fifo = home.at(".env");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    fs::create_dir(home.at(".openclaw/.env")).unwrap();
    let (_, problems, _) = home.default(&[]);
    assert_eq!(kinds(&problems), ["dotenv-refused", "dotenv-refused"]);
}

#[test]
fn dotenv_syntax() {
    let text = "\u{feff}# c\nexport GT=\"0123\" # trailing\nX='a#b'\nY=a b # c\r\nexport  Z = `q`\n\
                N=\"l1\\nl2\"\nM=\"l1\nl2\"\nS='a\\nb'\nEMPTY=\nA: yaml\nD.o-t=1\nnonsense\n=x\nW=$GT\nX=last\n\
                Q=\"open\nV=${A} \nU=\"a\"b";
    let found = parse_dotenv(text);
    let get = |name: &str| found.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    for (name, value) in [
        ("GT", "0123"),
        ("X", "last"),
        ("Y", "a b"),
        ("Z", "q"),
        ("N", "l1\nl2"),
        ("M", "l1\nl2"),
        ("S", "a\\nb"),
        ("EMPTY", ""),
        ("A", "yaml"),
        ("D.o-t", "1"),
        ("W", "$GT"),
        ("V", "${A}"),
    ] {
        assert_eq!(get(name), Some(value), "{name}");
    }
    assert_eq!(get("nonsense"), Some("x"), "the sign may stand on a later line");
    assert_eq!(found.iter().filter(|(key, _)| key == "X").count(), 1);
}

#[test]
fn dotenv_takes_white_space_as_the_gateways_reader_does() {
    // Seen with dotenv 16.
    for (text, pairs) in [
        ("DM=pairing\n\u{a0}DM=open", [("DM", "open")].as_slice()),
        ("DM=pairing\nDM:\nopen", &[("DM", "open")]),
        ("A=\n\"x\"", &[("A", "x")]),
        ("A =\n b", &[("A", "")]),
        ("A : b", &[]),
        ("export=5", &[("export", "5")]),
        ("export\nB=1", &[("B", "1")]),
        ("A=\u{a0}x\u{a0}", &[("A", "x")]),
        ("A:\u{a0}x", &[("A", "x")]),
        ("A: \nx", &[("A", "")]),
        ("A='a\\'b' # c", &[("A", "a\\'b")]),
        ("\u{a0}\n\n", &[]),
        ("A=\"x\" y", &[("A", "\"x\" y")]),
        ("A\u{85}=1", &[]),
    ] {
        let found = parse_dotenv(text);
        let found: Vec<(&str, &str)> =
            found.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(found, pairs, "{text:?}");
    }
    parse_dotenv(&"\n".repeat(1 << 20));
    parse_dotenv(&"A\n\n".repeat(1 << 18));
}

#[test]
fn unclosed_quotes_without_end_are_read_to_the_end() {
    let text = (0..100_000).map(|n| format!("A{n}=\"x")).collect::<Vec<_>>().join(
        "
",
    );
    parse_dotenv(&text);
}

#[test]
fn paths() {
    assert_eq!(normalise(Path::new("/a/./b//../c/..")), Path::new("/a"));
    assert_eq!(normalise(Path::new("/../a")), Path::new("/a"));
    assert_eq!(absolute(Path::new("/a/b"), Path::new("../c")), Path::new("/a/c"));
    let home = Path::new("/h");
    assert_eq!(expand_home("~", home), Some("/h".into()));
    assert_eq!(expand_home("~/x", home), Some("/h/x".into()));
    assert_eq!(expand_home("~\\x", home), Some("/h/x".into()));
    assert_eq!(expand_home("~bob/x", home), None);
    assert!(is_inside(Path::new("/a"), Path::new("/a/..b")) && !is_inside(Path::new("/a"), Path::new("/ab")));
    assert_eq!(js_trim("\u{feff}\u{a0} a\u{85}"), "a\u{85}");
}

#[test]
fn reads_regular_files_only() {
    let home = Home::new(&[("f", "12345")]);
    let read = |name: &str, cap| read_regular(&home.at(name), cap);
    assert_eq!(read("f", 5).unwrap(), b"12345");
    assert!(matches!(read("f", 4), Err(ReadError::TooLarge { size: 5, cap: 4, .. })));
    assert!(matches!(read("none", 9), Err(ReadError::NotFound(_))));
    assert!(matches!(read("f/x", 9), Err(ReadError::NotFound(_))));
    assert!(matches!(read("", 9), Err(ReadError::NotRegular { kind: FileKind::Directory, .. })));
    symlink("f", home.at("link")).unwrap();
    assert_eq!(read("link", 9).unwrap(), b"12345");
    symlink("loop", home.at("loop")).unwrap();
    assert!(matches!(read("loop", 9), Err(ReadError::Loop(_))));
    symlink("gone", home.at("dangling")).unwrap();
    assert!(matches!(read("dangling", 9), Err(ReadError::NotFound(_))));
    let device = read_regular(Path::new("/dev/zero"), 9).unwrap_err();
    assert_eq!(device.to_string(), "/dev/zero is a device, not a regular file");
    // Says it has no bytes and has some: the cap holds while reading, too.
    assert!(matches!(
        read_regular(Path::new("/proc/self/status"), 9),
        Err(ReadError::TooLarge { cap: 9, .. })
    ));
}

#[test]
fn a_gigabyte_is_refused_unread() {
    let home = Home::new(&[("big", "")]);
    fs::File::options().write(true).open(home.at("big")).unwrap().set_len(1 << 30).unwrap();
    let error = read_regular(&home.at("big"), 16).unwrap_err();
    assert!(error.to_string().ends_with("has 1073741824 bytes; at most 16 are read"), "{error}");
}

#[test]
fn environment_shows_no_values() {
    let mut env: Environment = [("A", "hidden"), ("B", "")].into_iter().collect();
    assert!(!env.insert_missing("B", "x", Origin::CwdDotenv) && env.insert_blank("B", "x", Origin::Config));
    let shown = format!("{env:?}");
    assert!(shown.contains("\"A\"") && !shown.contains("hidden"), "{shown}");
}

#[test]
fn a_variable_ends_at_a_nul() {
    let mut env = Environment::default();
    assert!(
        env.insert_blank("A", "one\0two", Origin::Config)
            && env.insert_missing("B", "\0", Origin::StateDotenv)
    );
    assert_eq!((env.get("A"), env.get("B")), (Some("one"), Some("")));
}
