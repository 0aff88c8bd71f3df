//! expect: memory limit: 100 MiB allowed, 102464 KiB asked for
//!
//! Takes memory and gives none back, and was granted more of it than others have.

use chitin_hostile::{Input, Verdict, guest};

fn audit(_: Input) -> Verdict {
    loop {
        std::mem::forget(std::hint::black_box(vec![1_u8; 1 << 20]));
    }
}

guest!(audit, "memory = 100");
