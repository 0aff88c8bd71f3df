//! expect: looks limit: 100000 allowed, more asked for
//!
//! Asks for one absent object after the other, each with the longest name there is: what the runner remembers of
//! them must not fill its memory.

use chitin_hostile::{Input, Verdict, guest, path, say, state};

fn audit(_: Input) -> Verdict {
    let mut object = path("state", &format!("{}/", "x".repeat(250)).repeat(15));
    let stem = object.rel.len();
    for number in 0_u64.. {
        object.rel.truncate(stem);
        object.rel.push_str(&number.to_string());
        state::stat(&object).ok();
    }
    say(Vec::new())
}

guest!(audit, "files = [\"stat:state/**\"]");
