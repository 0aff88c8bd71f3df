//! expect: refused: the manifest is wrong: policy.id "\u{1b}[2J\u{202e}" is not made of lower-case words joined by dashes
//!
//! Its name commands the terminal.

use chitin_hostile::{Input, Verdict, say};

fn audit(_: Input) -> Verdict {
    say(Vec::new())
}

chitin_hostile::manifest!(
    "[policy]\nid = \"\\u001b[2J\u{202e}\"\nversion = \"1.0.0\"\nsummary = \"s\"\n\
     [[check]]\nid = \"hostile.finding\"\nseverity = \"warn\"\nsummary = \"s\"\n"
);
chitin_hostile::export!(audit);
