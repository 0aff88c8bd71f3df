//! expect: fuel limit: 1000000000 allowed, all used
//!
//! Never ends.

use chitin_hostile::{Input, Verdict, guest};

fn audit(_: Input) -> Verdict {
    loop {
        std::hint::black_box(());
    }
}

guest!(audit);
