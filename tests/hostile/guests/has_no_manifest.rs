//! expect: refused: it has no manifest (custom section "chitin-manifest")
//!
//! Says nothing of itself. With a manifest put in, it has a finding.

use chitin_hostile::{Input, Verdict, harmless, say};

fn audit(_: Input) -> Verdict {
    say(vec![harmless()])
}

chitin_hostile::export!(audit);
