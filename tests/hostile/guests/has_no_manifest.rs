//! expect: refused: it has no manifest (custom section "chitin-manifest")
//!
//! Says nothing of itself.

use chitin_hostile::{Input, Verdict, say};

fn audit(_: Input) -> Verdict {
    say(Vec::new())
}

chitin_hostile::export!(audit);
