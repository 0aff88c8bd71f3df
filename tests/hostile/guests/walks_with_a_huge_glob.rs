//! expect: inconclusive: BadPath, BadPath
//!
//! Lets the runner compile patterns that no file name needs.

use chitin_hostile::{Input, Verdict, guest, kept_out, name, path, state};

fn audit(_: Input) -> Verdict {
    let globs = ["{a,b}*".repeat(500_000), "**/*?".repeat(1_000)];
    let answer = |glob: String| {
        let options = state::WalkOptions { max_depth: 9, glob: Some(glob), skip: Vec::new() };
        match state::Walk::start(&path("state", ""), &options) {
            Ok(_) => "a walk".to_owned(),
            Err(error) => name(&error),
        }
    };
    kept_out(globs.map(answer).join(", "))
}

guest!(audit, "files = [\"list:state\"]");
