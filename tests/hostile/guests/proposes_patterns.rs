//! expect: no failure
//!
//! Proposes modes by patterns that lead out of a folder, to everything, or to what is none of its business:
//! `runner/tests/attacks/fixes.rs` makes the target and has them refused.

use chitin_hostile::{Finding, Fix, Input, SetModes, Verdict, guest, harmless, path, say};

fn modes(rel: &str, names: &str, mode: u32) -> Fix {
    Fix::SetModes(SetModes { directory: path("state", rel), names: names.to_owned(), mode })
}

fn audit(_: Input) -> Verdict {
    let fixes = vec![
        modes("many", "../*", 0),
        modes("many", "**", 0),
        modes("many", "", 0),
        modes("way", "*", 0),
        modes("none", "*", 0),
        modes("plain", "*", 0),
        modes("many", "*.txt", 0o7777),
        modes("many", "*", 0o040),
    ];
    say(vec![Finding { fixes, ..harmless() }])
}

guest!(audit, "files = [\"stat:state\"]\nfixes = [\"set-mode\"]");
