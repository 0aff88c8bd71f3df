//! expect: no failure
//!
//! Says nothing, whatever it is given: without its grants that must not pass for a clean installation.

use chitin_hostile::{Input, Verdict, guest};

fn audit(_: Input) -> Verdict {
    Ok(Vec::new())
}

guest!(audit, "config = [\"/gateway\"]");
