//! expect: trapped: wasm `unreachable` instruction executed
//!
//! Panics, and its words stay in the log.
#![allow(clippy::panic, reason = "this is the attack")]

use chitin_hostile::{Input, Verdict, guest};

fn audit(input: Input) -> Verdict {
    panic!("{} views", input.views.len())
}

guest!(audit);
