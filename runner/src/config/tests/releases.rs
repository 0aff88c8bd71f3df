//! Which release a config is judged by.

use super::*;
use crate::config::release::{NEWEST, Source, Sure};

fn detected(files: &[(&str, &str)]) -> Config {
    let mut home = Home::new(files);
    home.release = None;
    home.load(&[]).0
}

fn judged(config: &str) -> Judged {
    detected(&[("openclaw.json", config)]).judged
}

fn told(config: &str) -> (String, Sure, Option<String>) {
    let judged = judged(config);
    (judged.release.to_string(), judged.sure, judged.other.map(|other| other.to_string()))
}

fn likely(release: &str) -> (String, Sure, Option<String>) {
    (release.to_owned(), Sure::Likely, None)
}

#[test]
fn without_anything_it_is_the_newest() {
    for text in ["{}", "{zzz: 1}", "{meta: {lastTouchedVersion: 5}}", "{meta: {lastTouchedVersion: 'x'}}"] {
        assert_eq!(told(text), (NEWEST.to_string(), Sure::Assumed, None), "{text}");
    }
}

#[test]
fn a_stamp_tells_the_release_of_the_last_writer() {
    assert_eq!(told("{meta: {lastTouchedVersion: '2026.2.19-1', lastTouchedAt: 'x'}}"), likely("2026.2.19"));
    assert_eq!(told("{meta: {lastTouchedVersion: '2026.7.35', lastTouchedAt: 'x'}}"), likely("2026.7.35"));
    assert_eq!(
        told("{meta: {lastTouchedVersion: '2026.8.2'}, agents: {entries: {a: {}}}}"),
        likely("2026.8.2")
    );
}

#[test]
fn the_entry_of_a_plugin_has_what_all_entries_have() {
    for plugin in
        ["slack", "whatsapp", "matrix", "msteams", "discord", "signal", "imessage", "browser", "of-mine"]
    {
        for release in ["2026.3.13", "2026.4.22", "2026.9.6"] {
            let stamp = format!("meta: {{lastTouchedVersion: '{release}'}}");
            let text = format!("{{{stamp}, plugins: {{entries: {{'{plugin}': {{enabled: true}}}}}}}}");
            assert_eq!(told(&text), likely(release), "{text}");
        }
    }
}

#[test]
fn a_stamp_of_another_structure_is_doubted_and_both_are_judged() {
    let (release, sure, other) =
        told("{meta: {lastTouchedVersion: '2026.2.19'}, agents: {entries: {a: {}}}}");
    assert_eq!((release.as_str(), sure, other.as_deref()), ("2026.2.19", Sure::Unsure, Some("2026.9.6")));
    let config = detected(&[(
        "openclaw.json",
        "{meta: {lastTouchedVersion: '2026.9.6'}, logging: {redactSensitive: 'off'}}",
    )]);
    assert_eq!(config.judged.other.map(|other| other.to_string()).as_deref(), Some("2026.7.35"));
    assert_eq!(kinds(&config)[0], "release-unsure");
    let other = config.other.unwrap();
    assert_eq!(other.judged.release.to_string(), "2026.7.35");
    assert!(other.problems.iter().all(|problem| problem.kind != ProblemKind::ReleaseUnsure));
}

#[test]
fn one_key_alone_does_not_tell_a_release_and_two_do() {
    let one = judged("{logging: {redactSensitive: 'off'}}");
    assert_eq!((one.source, one.sure), (Source::Newest, Sure::Unsure));
    let two = judged("{logging: {redactSensitive: 'off'}, meta: {lastTouchedAt: 'x'}}");
    assert_eq!(
        (two.source, two.sure, two.release.to_string()),
        (Source::Evidence, Sure::Likely, "2026.7.35".to_owned())
    );
}

#[test]
fn one_reference_beside_an_older_stamp_hides_no_check() {
    let text = "{meta: {lastTouchedVersion: '2026.2.19'}, gateway: {auth: {token: {source: 'env', provider: 'default', id: 'T'}}}}";
    assert_eq!(told(text), ("2026.2.19".to_owned(), Sure::Unsure, Some("2026.7.35".to_owned())));
}

#[test]
fn files_of_the_state_directory_speak_for_the_program_that_makes_them() {
    let config = "{meta: {lastTouchedVersion: '2026.5.18'}}";
    let judged = detected(&[("openclaw.json", config), ("state/openclaw.sqlite", "")]).judged;
    assert_eq!(
        (judged.sure, judged.other.map(|other| other.to_string()).as_deref()),
        (Sure::Unsure, Some("2026.7.35"))
    );
}

#[test]
fn the_operator_settles_it() {
    let mut home = Home::new(&[("openclaw.json", "{agents: {entries: {a: {}}}}")]);
    home.release = Some(Release::new(2026, 2, 19));
    let judged = home.load(&[]).0.judged;
    assert_eq!((judged.source, judged.sure, judged.other), (Source::Asked, Sure::Settled, None));
}

#[test]
fn a_package_beside_the_program_on_the_path_tells_the_release() {
    let mut home = Home::new(&[("openclaw.json", "{meta: {lastTouchedVersion: '2026.2.19'}}")]);
    home.release = None;
    home.write("../opt/bin/openclaw", b"");
    home.write(
        "../opt/lib/node_modules/openclaw/package.json",
        br#"{"name": "openclaw", "version": "2026.4.9"}"#,
    );
    let path = format!("relative:{}", home.path.join("opt/bin").display());
    let own = [("HOME", home.path.to_str().unwrap()), ("PATH", path.as_str())];
    let mut env: Environment =
        own.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let (located, _) = locate(&Request::default(), &mut env, &home.path).unwrap();
    let judged = load(&located, &mut env).judged;
    assert_eq!(
        (judged.release.to_string().as_str(), judged.source, judged.sure),
        ("2026.4.9", Source::Package, Sure::Known)
    );
}

#[test]
fn a_release_that_is_too_new_is_judged_by_the_newest_and_said() {
    let config = detected(&[("openclaw.json", "{meta: {lastTouchedVersion: '2099.1.1'}}")]);
    assert_eq!(kinds(&config), ["newer-version"]);
    assert_eq!(config.judged.release.to_string(), "2099.1.1");
}

#[test]
fn agents_are_a_list_and_their_places_those_of_the_file() {
    let text = "{meta: {lastTouchedVersion: '2026.9.6'}, agents: {entries: {main: {model: 'x', workspace: '${UNSET}'}}}}";
    let config = detected(&[("openclaw.json", text)]);
    assert_eq!(at(&config, "/agents/list/0/model"), Some(&json!("x")));
    assert_eq!(at(&config, "/agents/entries"), None);
    let place = config.locate("/agents/list/0/model").unwrap();
    assert_eq!((place.column as usize, place.exact), (text.find("'x'").unwrap() + 1, true));
    assert_eq!(config.of_file("/agents/list/0/model"), "/agents/entries/main/model");
    assert!(
        config.redact().pointer("/agents/list/0/workspace").unwrap().is_object(),
        "hidden: nobody knows it"
    );
}
