//! expect: host calls limit: 1000000 allowed, more asked for
//!
//! Waits for a clock that only moves by a millionth of a second with each look at it.

use std::time::{Duration, Instant};

use chitin_hostile::{Input, Verdict, guest, say};

fn audit(_: Input) -> Verdict {
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(2) {}
    say(Vec::new())
}

guest!(audit);
