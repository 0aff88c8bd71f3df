//! expect: call limit: 4 MiB allowed, more passed in one call
//!
//! A path of 5 MiB.

use chitin_hostile::{Input, Verdict, got, guest, path, state};

fn audit(_: Input) -> Verdict {
    got(format!("{:?}", state::stat(&path("state", &"x".repeat(5 << 20)))))
}

guest!(audit);
