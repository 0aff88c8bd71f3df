//! expect: inconclusive: all 26 refused: BadPath
//!
//! Names places outside its view in every way that some program has understood.

#![allow(clippy::doc_markdown, reason = "the first line is what the runner must say, to the letter")]

use chitin_hostile::{Input, StateError, Verdict, got, guest, kept_out, name, path, state};

const WAYS: [&str; 26] = [
    "..",
    "../outside/secret",
    "agents/../../outside/secret",
    "/etc/passwd",
    "//etc/passwd",
    ".",
    "./plain",
    "agents/./main",
    "agents//main",
    "plain/",
    "/",
    "%2e%2e/outside/secret",
    "%2E%2E/outside/secret",
    "..%2foutside%2fsecret",
    "%2e%2e%2foutside",
    ".%2e/outside/secret",
    "agents/%2e%2e/plain",
    "%70lain",
    "plain%00",
    "plain\0",
    "pla%69n",
    "%zz",
    "%",
    "%2",
    "%c3%a4/%2e%2e",
    "openclaw%2Ejson",
];

fn audit(_: Input) -> Verdict {
    for way in WAYS {
        let place = path("state", way);
        let options = state::WalkOptions { max_depth: 1, glob: None, skip: Vec::new() };
        let answers = [
            state::stat(&place).map(drop),
            state::resolve(&place).map(drop),
            state::list_entries(&place).map(drop),
            state::read(&place, 100).map(drop),
            state::Walk::start(&place, &options).map(drop),
        ];
        if answers != [const { Err(StateError::BadPath) }; 5] {
            return got(format!("{way:?}: {answers:?}"));
        }
    }
    kept_out(format!("all {} refused: {}", WAYS.len(), name(&StateError::BadPath)))
}

guest!(audit, "files = [\"stat:state/**\", \"list:state/**\", \"read:state/**\"]");
