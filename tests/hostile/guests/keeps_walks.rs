//! expect: handles limit: 1000 allowed, more asked for
//!
//! Begins walks and ends none.

use chitin_hostile::{Input, Verdict, guest, path, state};

fn audit(_: Input) -> Verdict {
    loop {
        let options = state::WalkOptions { max_depth: 9, glob: None, skip: Vec::new() };
        std::mem::forget(state::Walk::start(&path("state", ""), &options));
    }
}

guest!(audit, "files = [\"list:state\"]");
