//! expect: inconclusive: slept for a year in 0 s
//!
//! Sleeps for a year: nobody waits, and the sleep is over at once.

use std::time::{Duration, Instant};

use chitin_hostile::{Input, Verdict, guest, kept_out};

fn audit(_: Input) -> Verdict {
    let begin = Instant::now();
    std::thread::sleep(Duration::from_secs(365 * 24 * 3600));
    kept_out(format!("slept for a year in {} s", begin.elapsed().as_secs()))
}

guest!(audit);
