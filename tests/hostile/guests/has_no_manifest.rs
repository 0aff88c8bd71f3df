//! expect: refused: it has no manifest (custom section "chitin-manifest")
//!
//! Says nothing of itself.

use chitin_hostile::{Input, Verdict};

fn audit(_: Input) -> Verdict {
    Ok(Vec::new())
}

chitin_hostile::export!(audit);
