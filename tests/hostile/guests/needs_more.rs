//! expect: refused: it has no manifest (custom section "chitin-manifest")
//!
//! Needs more memory and more fuel than every policy has, and ends. The tests give it manifests.

use chitin_hostile::{Input, Verdict, harmless, say};

fn audit(_: Input) -> Verdict {
    let held: Vec<Vec<u8>> = (0..70).map(|_| std::hint::black_box(vec![1_u8; 1 << 20])).collect();
    let mut sum = 0_u64;
    for round in 0..400_000_000_u64 {
        sum = std::hint::black_box(sum ^ round);
    }
    drop(std::hint::black_box((held, sum)));
    say(vec![harmless()])
}

chitin_hostile::export!(audit);
