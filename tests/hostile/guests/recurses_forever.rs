//! expect: stack limit: 512 KiB allowed, all used
//!
//! Calls itself until the stack ends.

use chitin_hostile::{Input, Verdict, guest, kept_out};

fn audit(_: Input) -> Verdict {
    kept_out(deeper(1).to_string())
}

#[allow(unconditional_recursion, reason = "this is the attack")]
fn deeper(depth: u64) -> u64 {
    deeper(std::hint::black_box(depth) + 1) + std::hint::black_box(depth)
}

guest!(audit);
