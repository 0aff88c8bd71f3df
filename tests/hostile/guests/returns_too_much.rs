//! expect: call limit: 4 MiB allowed, more passed in one call
//!
//! More than the runner takes out of a guest at once.

use chitin_hostile::{Input, Verdict, guest, kept_out};

fn audit(_: Input) -> Verdict {
    kept_out("x".repeat(5 << 20))
}

guest!(audit);
