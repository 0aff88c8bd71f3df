//! expect: trapped: wasm `unreachable` instruction executed
//!
//! Aborts.

use chitin_hostile::{Input, Verdict, guest};

fn audit(_: Input) -> Verdict {
    std::process::abort()
}

guest!(audit);
