//! expect: no failure
//!
//! Says nothing, whatever it is given: without its grants that must not pass for a clean installation.

use chitin_hostile::{Input, Verdict, guest, say};

fn audit(_: Input) -> Verdict {
    say(Vec::new())
}

guest!(audit, "config = [\"/gateway\"]");
