//! expect: no failure
//!
//! Writes 1 MiB to standard output and error: 64 KiB are kept, and its verdict still counts.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "this is the attack")]

use chitin_hostile::{Input, Verdict, guest, harmless, say};

fn audit(_: Input) -> Verdict {
    for _ in 0..512 {
        println!("{}", "o".repeat(1023));
        eprintln!("{}", "e".repeat(1023));
    }
    say(vec![harmless()])
}

guest!(audit);
