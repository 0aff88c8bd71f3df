//! expect: no failure
//!
//! Tells what could be different in two runs: the clock, before and after work, and random numbers.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::time::{SystemTime, UNIX_EPOCH};

use chitin_hostile::{Input, Verdict, guest, harmless, say};

fn audit(input: Input) -> Verdict {
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).map(|time| time.as_nanos()).ok();
    let before = now();
    std::hint::black_box((0..1_000_000_u64).map(std::hint::black_box).sum::<u64>());
    let random = RandomState::new().hash_one(0);
    say(vec![harmless().detail(format!("{before:?} {:?} {} {random}", now(), input.now))])
}

guest!(audit);
