//! expect: no failure
//!
//! Has an id of its own, and declares the check of all other guests.

use chitin_hostile::{Input, Verdict, export, harmless, manifest, say};

manifest!(
    "[policy]\nid = \"hostile-too\"\nversion = \"1.0.0\"\nsummary = \"A guest that takes another one's check\"\n[[check]]\nid = \"hostile.*\"\nseverity = \"warn\"\nsummary = \"Whatever they say\"\n"
);

fn audit(_: Input) -> Verdict {
    say(vec![harmless()])
}

export!(audit);
