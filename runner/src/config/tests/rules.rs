//! Rules beside the key table, against verdicts of the real program (`tests/corpus/reference/`).

use super::*;
use crate::config::release::Release;

/// The lines of a file of recorded verdicts.
fn recorded(file: &str) -> Vec<Value> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/corpus/reference").join(file);
    let text = fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What the gateway of a release would refuse.
fn refused(config: &Value, release: Release) -> Vec<String> {
    let mut home = Home::new(&[("openclaw.json", &config.to_string())]);
    home.release = Some(release);
    let (config, _) = home.load(&[]);
    let problems = config.problems.iter().filter(|problem| problem.kind.refused_by_gateway());
    problems
        .map(|problem| {
            format!(
                "{} {}: {}",
                problem.kind,
                problem.pointer.as_deref().unwrap_or_default(),
                problem.message
            )
        })
        .collect()
}

#[test]
fn examples_of_rules_are_judged_as_the_program_does() {
    let release = Release::new(2026, 9, 6);
    let wrong = recorded("rule-examples-2026.9.6.jsonl").into_iter().filter_map(|example| {
        let name = example["name"].as_str().unwrap().to_owned();
        let refused = refused(&example["config"], release);
        (refused.is_empty() != name.ends_with("/ok")).then(|| format!("{name} {refused:?}"))
    });
    assert_eq!(wrong.collect::<Vec<_>>(), Vec::<String>::new());
}

/// Cases that are judged otherwise on purpose, or because nobody can know: name, and the reason.
const OTHERWISE: [(&str, &str); 8] = [
    (
        "mcp-__proto__",
        "the reader leaves the key out, and says that the config can be understood in two ways",
    ),
    ("unset", "the gateway may have the variable that this audit lacks"),
    ("web-search-provider/bad", NO_SEARCH),
    ("web-nope", NO_SEARCH),
    ("web-brave", NO_SEARCH),
    ("web-perp", NO_SEARCH),
    ("web-legacy-obj", NO_SEARCH),
    ("web-constructor", NO_SEARCH),
];

/// Releases before 2026.8.1.
const NO_SEARCH: &str =
    "which plugins offer a web search, and what they take, is not known here before 2026.8.1";

#[test]
fn every_release_has_its_own_rules() {
    let mut wrong = Vec::new();
    for case in recorded("rule-cases.jsonl") {
        let name = case["name"].as_str().unwrap();
        for (key, is_accepted) in [("accepted", true), ("refused", false)] {
            for release in case[key].as_array().unwrap() {
                let release: Release = release.as_str().unwrap().parse().unwrap();
                let refused = refused(&case["config"], release);
                if refused.is_empty() != is_accepted {
                    wrong.push(format!("{name} {release} {refused:?}"));
                }
            }
        }
    }
    let is_known = |line: &&String| OTHERWISE.iter().any(|(name, _)| line.starts_with(&format!("{name} ")));
    for (name, reason) in OTHERWISE {
        assert!(
            wrong.iter().any(|line| line.starts_with(&format!("{name} "))),
            "{name} is right now: {reason}"
        );
    }
    wrong.retain(|line| !is_known(&line));
    assert_eq!(wrong, Vec::<String>::new());
}
