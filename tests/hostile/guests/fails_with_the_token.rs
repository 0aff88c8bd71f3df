//! expect: internal error: *** and \u{1b}[2J\u{a}\u{202e}
//!
//! Hides the token and a terminal command in the words of a failure.

use chitin_hostile::{Failure, Input, Verdict, guest};

fn audit(_: Input) -> Verdict {
    let token = ["hostile", "test", "token", "5f0c"].join("-");
    Err(Failure::Internal(format!("{token} and \u{1b}[2J\n\u{202e}")))
}

guest!(audit);
