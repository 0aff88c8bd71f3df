//! expect: memory limit: 64 MiB allowed, 65600 KiB asked for
//!
//! Takes memory and gives none back.

use chitin_hostile::{Input, Verdict, guest};

fn audit(_: Input) -> Verdict {
    loop {
        std::mem::forget(std::hint::black_box(vec![1_u8; 1 << 20]));
    }
}

guest!(audit);
