//! expect: refused: it takes a name of the built-in policy gateway-exposure; a policy of your own needs names of its own
//!
//! Calls itself by the name of a built-in policy.

use chitin_hostile::{Input, Verdict, manifest, say};

fn audit(_: Input) -> Verdict {
    say(Vec::new())
}

manifest!(
    "[policy]\nid = \"gateway-exposure\"\nversion = \"9.0.0\"\nsummary = \"s\"\n[[check]]\nid = \"hostile.finding\"\n\
     severity = \"warn\"\nsummary = \"s\"\n"
);
chitin_hostile::export!(audit);
