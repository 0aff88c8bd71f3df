//! expect: host calls limit: 1000000 allowed, more asked for
//!
//! Waits for a clock that never moves.

use std::time::{Duration, Instant};

use chitin_hostile::{Input, Verdict, guest};

fn audit(_: Input) -> Verdict {
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(1) {}
    Ok(Vec::new())
}

guest!(audit);
