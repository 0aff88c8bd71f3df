//! expect: refused: the manifest is not understood: line 10: unknown field `network`, expected one of `config`, `files`, `secrets`, `environment`, `records`, `problems`, `gateway`, `fuel`, `memory`, `fixes`
//!
//! Asks for a capability that does not exist.

use chitin_hostile::{Input, Verdict, guest, say};

fn audit(_: Input) -> Verdict {
    say(Vec::new())
}

guest!(audit, "network = true");
