//! expect: hostile.finding: cannot look at *** \u{1b}[2J\u{a}
//!
//! Hides the token and a terminal command in the words of what it left open, and in its place.

use chitin_hostile::{CHECK, Input, Location, NotAssessed, Verdict, guest, leave_open};

fn audit(_: Input) -> Verdict {
    let token = ["hostile", "test", "token", "5f0c"].join("-");
    let reason = NotAssessed::unreadable(format!("cannot look at {token} \u{1b}[2J\n"));
    leave_open(CHECK, reason.at(Location::Env(token)))
}

guest!(audit);
