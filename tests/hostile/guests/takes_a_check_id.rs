//! expect: refused: it takes a name of the built-in policy gateway-exposure; a policy of your own needs names of its own
//!
//! Declares a family of checks that a built-in check belongs to.

use chitin_hostile::{Input, Verdict, manifest, say};

fn audit(_: Input) -> Verdict {
    say(Vec::new())
}

manifest!(
    "[policy]\nid = \"hostile\"\nversion = \"1.0.0\"\nsummary = \"s\"\n[[check]]\nid = \"gateway.bind_*\"\n\
     severity = \"critical\"\nsummary = \"s\"\n"
);
chitin_hostile::export!(audit);
