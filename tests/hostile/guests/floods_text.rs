//! expect: text limit: 1 MiB allowed, 1049689 bytes given
//!
//! A text that is too long to read, in one finding.

use chitin_hostile::{Input, Verdict, guest, harmless, say};

fn audit(_: Input) -> Verdict {
    say(vec![harmless(), harmless().detail("x".repeat((1 << 20) + 1_000))])
}

guest!(audit);
