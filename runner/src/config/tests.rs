//! Unit tests of the loader: JSON5, includes, hostile input. Values, secrets and places are in the modules below.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

mod places;
mod releases;
mod secrets;
mod validation;
mod values;

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::*;
use crate::config::release::Release;
use crate::target::{Request, locate};

/// An installation in a temporary home directory.
pub(super) struct Home {
    _keep: tempfile::TempDir,
    pub path: PathBuf,
    /// The release that is asked for.
    pub release: Option<Release>,
}

impl Home {
    /// Files are named from the state directory.
    pub(super) fn new(files: &[(&str, &str)]) -> Self {
        let keep = tempfile::tempdir().unwrap();
        let path = keep.path().canonicalize().unwrap();
        let home = Self { _keep: keep, path, release: Some(Release::new(2026, 2, 19)) };
        fs::create_dir(home.path.join(".openclaw")).unwrap();
        for (name, text) in files {
            home.write(name, text.as_bytes());
        }
        home
    }

    pub(super) fn write(&self, name: &str, bytes: &[u8]) {
        let file = self.path.join(".openclaw").join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, bytes).unwrap();
    }

    pub(super) fn load(&self, env: &[(&str, &str)]) -> (Config, Environment) {
        let home = self.path.to_str().unwrap().to_owned();
        let own = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let mut env: Environment = [("HOME".to_owned(), home)].into_iter().chain(own).collect();
        let (located, problems) = locate(&Request::default(), &mut env, &self.path).unwrap();
        assert!(problems.is_empty(), "{problems:?}");
        let config = load_preview(
            &located,
            &mut env,
            &Preview::default(),
            Word { asked: self.release, greeted: None },
        );
        (config, env)
    }
}

/// Loads one file as the config.
pub(super) fn load_text(text: &str) -> Config {
    Home::new(&[("openclaw.json", text)]).load(&[]).0
}

/// Loads files without variables.
fn load_files(files: &[(&str, &str)]) -> Config {
    Home::new(files).load(&[]).0
}

pub(super) fn kinds(config: &Config) -> Vec<&str> {
    config.problems.iter().map(|problem| problem.kind.as_str()).collect()
}

fn at<'c>(config: &'c Config, pointer: &str) -> Option<&'c Value> {
    config.effective.pointer(pointer)
}

#[test]
fn missing_config_is_empty_and_has_no_defaults() {
    let config = load_files(&[]);
    assert_eq!((&config.effective, config.present, config.understood), (&json!({}), false, false));
    assert!(config.problems.is_empty() && config.files.is_empty());
    assert_eq!(config.locate("/gateway"), None);
}

#[test]
fn json5_is_read_as_javascript_does() {
    let config = load_text(
        "\u{feff}// c\n{ gateway: { port: +0x4A00, /* x */ auth: { token: 'a\\\nb' }, }, 'logging': \
         {redactSensitive: '\\x6fff'}, agents: {defaults: {maxConcurrent: .2e1, \
         timeoutSeconds: 5., mediaMaxMb: 1.5}}, }",
    );
    assert_eq!(kinds(&config), Vec::<&str>::new(), "{:?}", config.problems);
    assert_eq!(at(&config, "/gateway/port"), Some(&json!(0x4a00)));
    assert_eq!(at(&config, "/gateway/auth/token"), Some(&json!("ab")));
    assert_eq!(at(&config, "/logging/redactSensitive"), Some(&json!("off")));
    assert_eq!(at(&config, "/agents/defaults/maxConcurrent"), Some(&json!(2)));
    assert_eq!(at(&config, "/agents/defaults/mediaMaxMb"), Some(&json!(1.5)));
    assert!(config.files[0].bom && config.files[0].exact);
}

#[test]
fn not_json5_says_where() {
    for (text, line, column) in [
        ("{\n  a: nope\n}", 2, 7),
        ("{", 1, 2),
        ("{\n  a: [1,", 2, 9),
        ("{gateway:{}} // é\u{2028} ok", 2, 2),
    ] {
        let config = load_text(text);
        assert_eq!((kinds(&config), config.understood), (vec!["syntax"], false), "{text}");
        let place = config.problems[0].place.unwrap();
        assert_eq!(
            (place.file, place.line, place.column),
            (0, line, column),
            "{text}: {:?}",
            config.problems
        );
        assert_eq!(config.effective, json!({}));
    }
    for text in ["", "// nothing"] {
        assert_eq!(kinds(&load_text(text)), ["syntax"]);
    }
    // Nothing of the text is repeated: it may be a secret.
    let config = load_text("{a: hunter2}");
    assert!(!config.problems[0].message.contains("hunter2"));
}

#[test]
fn top_level_must_be_an_object() {
    for text in ["null", "[]", "\"hi\"", "42", "Infinity"] {
        assert_eq!(kinds(&load_text(text)), ["not-an-object"], "{text}");
    }
}

#[test]
fn ambiguous_texts() {
    let config = load_text("{logging:{redactSensitive:'off'},\n logging:{level:'info'}}");
    assert_eq!(kinds(&config), ["ambiguous"]);
    assert_eq!(at(&config, "/logging/level"), Some(&json!("info")));
    let place = config.problems[0].place.unwrap();
    assert_eq!((place.line, place.column), (2, 10));
    let config = load_text("{\"__proto__\":{\"gateway\":{}},\"a\\u0062\":1}");
    assert!(kinds(&config).contains(&"ambiguous"));
    assert_eq!(at(&config, "/__proto__"), None);
    // The second reader does not know escapes in bare keys: no places, and no alarm for that.
    let config = load_text("{lo\\u0067ging:{}}");
    assert_eq!(kinds(&config), Vec::<&str>::new());
    assert!(!config.files[0].exact);
    assert_eq!(config.locate("/logging"), None);
}

#[test]
fn not_utf8_is_read_like_the_gateway_does() {
    let home = Home::new(&[]);
    home.write("openclaw.json", b"{ui:{assistant:{name:'\xff'}}}");
    let (config, _) = home.load(&[]);
    assert_eq!((kinds(&config), config.files[0].exact), (vec!["not-utf8"], false));
    assert_eq!(at(&config, "/ui/assistant/name"), Some(&json!("\u{fffd}")));
}

#[test]
fn includes_are_merged() {
    for (name, files, pointer, expected) in [
        (
            "string",
            vec![("{$include:'./a.json5'}", ""), ("a.json5", "{hooks:{path:'/a'}}")],
            "/hooks/path",
            json!("/a"),
        ),
        (
            "last wins",
            vec![("{$include:['a','b']}", ""), ("a", "{hooks:{path:'/a'}}"), ("b", "{hooks:{path:'/b'}}")],
            "/hooks/path",
            json!("/b"),
        ),
        (
            "sibling wins",
            vec![("{$include:'a',hooks:{path:'/s'}}", ""), ("a", "{hooks:{path:'/a',token:'t'}}")],
            "/hooks",
            json!({"path":"/s","token":"t"}),
        ),
        (
            "lists are joined",
            vec![("{gateway:{$include:'a',trustedProxies:['2']}}", ""), ("a", "{trustedProxies:['1']}")],
            "/gateway/trustedProxies",
            json!(["1", "2"]),
        ),
        (
            "nested, beside the including file",
            vec![("{logging:{$include:'s/l'}}", ""), ("s/l", "{$include:'m'}"), ("s/m", "{level:'info'}")],
            "/logging/level",
            json!("info"),
        ),
        (
            "up and inside",
            vec![("{$include:'s/l'}", ""), ("s/l", "{$include:'../m'}"), ("m", "{logging:{level:'info'}}")],
            "/logging/level",
            json!("info"),
        ),
        (
            "in a list",
            vec![("{agents:{list:[{$include:'a'}]}}", ""), ("a", "{id:'x'}")],
            "/agents/list/0/id",
            json!("x"),
        ),
        (
            "a list by itself",
            vec![("{gateway:{trustedProxies:{$include:'a'}}}", ""), ("a", "['1']")],
            "/gateway/trustedProxies",
            json!(["1"]),
        ),
        (
            "lists of lists",
            vec![("{gateway:{trustedProxies:{$include:['a','b']}}}", ""), ("a", "['1']"), ("b", "['2']")],
            "/gateway/trustedProxies",
            json!(["1", "2"]),
        ),
        (
            "twice",
            vec![("{gateway:{trustedProxies:{$include:['a','a']}}}", ""), ("a", "['1']")],
            "/gateway/trustedProxies",
            json!(["1", "1"]),
        ),
        ("none", vec![("{logging:{$include:[],level:'info'}}", "")], "/logging/level", json!("info")),
        (
            "diamond",
            vec![
                ("{$include:['a','b']}", ""),
                ("a", "{$include:'c'}"),
                ("b", "{$include:'c'}"),
                ("c", "{logging:{level:'info'}}"),
            ],
            "/logging/level",
            json!("info"),
        ),
    ] {
        let mut all = vec![("openclaw.json", files[0].0)];
        all.extend(&files[1..]);
        let config = load_files(&all);
        assert_eq!(kinds(&config), Vec::<&str>::new(), "{name}: {:?}", config.problems);
        assert_eq!(at(&config, pointer), Some(&expected), "{name}");
    }
}

#[test]
fn prototype_keys_are_not_merged() {
    let config =
        load_files(&[("openclaw.json", "{$include:['a','b']}"), ("a", "{}"), ("b", "{constructor:{x:1}}")]);
    assert_eq!((at(&config, "/constructor"), kinds(&config)), (None, vec![]));
    // The first file is not filtered, and then refused.
    let config = load_files(&[("openclaw.json", "{$include:'a',gateway:{}}"), ("a", "{constructor:{x:1}}")]);
    assert_eq!(kinds(&config), ["unknown-key"]);
}

#[test]
fn failed_includes_leave_the_rest() {
    for (include, files, kind) in [
        ("'none'", vec![], "include-failed"),
        ("''", vec![], "include-failed"),
        ("5", vec![], "include-failed"),
        ("null", vec![], "include-failed"),
        ("['a',5]", vec![("a", "{}")], "include-failed"),
        ("'a'", vec![("a", "[1]")], "include-failed"),
        ("'a'", vec![("a", "{")], "syntax"),
        ("'../out.json'", vec![("../out.json", "{}")], "include-escape"),
        ("'/etc/passwd'", vec![], "include-escape"),
        ("'openclaw.json'", vec![], "include-cycle"),
        ("'a'", vec![("a", "{$include:'b'}"), ("b", "{$include:'a'}")], "include-cycle"),
    ] {
        let text = format!("{{$include:{include},logging:{{level:'info'}}}}");
        let mut all = vec![("openclaw.json", text.as_str())];
        all.extend(files);
        let config = load_files(&all);
        assert_eq!(kinds(&config), [kind], "{include}: {:?}", config.problems);
        assert_eq!(at(&config, "/logging/level"), Some(&json!("info")), "{include}");
        assert!(config.refused_by_gateway());
    }
}

#[test]
fn no_include_is_read_through_a_link() {
    let home = Home::new(&[
        ("openclaw.json", "{$include:'l'}"),
        ("s/r", "{logging:{level:'info'}}"),
        ("../out", "{}"),
    ]);
    let link = home.path.join(".openclaw/l");
    std::os::unix::fs::symlink("s/r", &link).unwrap();
    let (config, _) = home.load(&[]);
    assert_eq!((kinds(&config), at(&config, "/logging/level")), (vec!["include-escape"], None));
    assert!(config.includes.is_empty());
    home.write("openclaw.json", b"{$include:'s/r'}");
    assert_eq!(at(&home.load(&[]).0, "/logging/level"), Some(&json!("info")));
    home.write("openclaw.json", b"{$include:'l'}");
    fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink("../out", &link).unwrap();
    assert_eq!(kinds(&home.load(&[]).0), ["include-escape"]);
}

#[test]
fn ten_levels_and_not_eleven() {
    for (levels, expected) in [(10, vec![]), (11, vec!["include-too-deep"])] {
        let home = Home::new(&[("openclaw.json", "{$include:'d1'}")]);
        for level in 1..levels {
            home.write(&format!("d{level}"), format!("{{$include:'d{}'}}", level + 1).as_bytes());
        }
        home.write(&format!("d{levels}"), b"{logging:{level:'info'}}");
        let (config, _) = home.load(&[]);
        assert_eq!(kinds(&config), expected);
        assert_eq!(config.includes.len(), 10, "one that is refused is not looked at");
    }
}

#[test]
fn includes_are_those_that_were_opened_and_nothing_outside_is() {
    let files = [
        (
            "openclaw.json",
            "{a:{$include:'x'},$include:['s/b','./s/../s/b',5,'/etc/hosts'],b:[{$include:'c'}]}",
        ),
        ("s/b", "{$include:'d',$include2:1}"),
        ("s/d", "not json5"),
        ("c", "{}"),
    ];
    let home = Home::new(&files);
    let (config, _) = home.load(&[]);
    let state = home.path.join(".openclaw");
    let expected: Vec<PathBuf> = ["c", "s/b", "s/d"].iter().map(|name| state.join(name)).collect();
    assert_eq!(config.includes, expected);
}

#[test]
fn hostile_sizes() {
    let home = Home::new(&[("openclaw.json", "")]);
    let main = home.path.join(".openclaw/openclaw.json");
    fs::File::options().write(true).open(&main).unwrap().set_len(1 << 30).unwrap();
    let (config, _) = home.load(&[]);
    assert_eq!((kinds(&config), config.present, config.understood), (vec!["too-large"], true, false));

    for (open, count) in [("[", 200_000), ("{a:", 200_000), ("{\"[\":[", 100_000), ("[", MAX_DEPTH)] {
        let config = load_text(&format!("{{x:{}", open.repeat(count)));
        assert_eq!(kinds(&config), ["too-deep"], "{open}");
    }
    let brackets = format!("{{ui:{{assistant:{{name:'{}'}}}}}} /* {} */", "[".repeat(1000), "{".repeat(1000));
    assert_eq!(kinds(&load_text(&brackets)), ["invalid-value"]);
    assert_eq!(kinds(&load_text(&format!("{{x:[{}]}}", "0,".repeat(MAX_VALUES)))), ["too-large"]);
    let long = "k".repeat(1 << 20);
    assert_eq!(kinds(&load_text(&format!("{{{long}:[{}]}}", "0,".repeat(100_000)))), ["too-large"]);
    let many = (0..100_000).map(|n| format!("k{n}:1")).collect::<Vec<_>>().join(",") + ",";
    let config = load_text(&format!("{{{many} env:{{vars:{{{many}}}}}}}"));
    assert_eq!((config.problems.len(), kinds(&config).last()), (MAX_PROBLEMS + 1, Some(&"truncated")));
}

#[test]
fn hostile_kinds_of_file() {
    let home = Home::new(&[]);
    let main = home.path.join(".openclaw/openclaw.json");
    fs::create_dir(&main).unwrap();
    assert_eq!(kinds(&home.load(&[]).0), ["not-regular"]);
    fs::remove_dir(&main).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, &main, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    assert_eq!(kinds(&home.load(&[]).0), ["not-regular"]);
    fs::remove_file(&main).unwrap();
    std::os::unix::fs::symlink("/dev/zero", &main).unwrap();
    assert_eq!(kinds(&home.load(&[]).0), ["not-regular"]);
}

#[test]
fn include_bomb() {
    let home = Home::new(&[("openclaw.json", "{$include:['d1','d1','d1','d1']}")]);
    for level in 1..10 {
        let next = level + 1;
        home.write(
            &format!("d{level}"),
            format!("{{$include:['d{next}','d{next}','d{next}','d{next}']}}").as_bytes(),
        );
    }
    home.write("d10", b"{gateway:{trustedProxies:['1']}}");
    let (config, _) = home.load(&[]);
    assert!(kinds(&config).contains(&"too-large"));
    assert!(config.files.len() <= MAX_INCLUDE_FILES + 1);
}
