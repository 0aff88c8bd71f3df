//! expect: inconclusive: BadPath
//!
//! Begins a walk that passes over more names than there may be, to make each step slow.

use chitin_hostile::{Input, Verdict, got, guest, kept_out, name, path, state};

fn audit(_: Input) -> Verdict {
    for skip in [vec!["*a*b".to_owned(); 1000], vec!["*a".repeat(3000)]] {
        let options = state::WalkOptions { max_depth: 9, glob: None, skip };
        match state::Walk::start(&path("state", ""), &options) {
            Ok(_) => return got("a walk"),
            Err(error) if name(&error) != "BadPath" => return got(format!("{error:?}")),
            Err(_) => {}
        }
    }
    kept_out("BadPath")
}

guest!(audit, "files = [\"list:state/**\", \"list:state\"]");
