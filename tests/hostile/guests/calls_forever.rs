//! expect: host calls limit: 1000000 allowed, more asked for
//!
//! Spends the runner's time and none of its own.

use chitin_hostile::{Input, Verdict, gateway, guest};

fn audit(_: Input) -> Verdict {
    loop {
        std::hint::black_box(gateway::probe()).ok();
    }
}

guest!(audit);
