//! expect: findings limit: 1000 allowed, 1001 given
//!
//! One finding too many.

use chitin_hostile::{Input, Verdict, guest, harmless, say};

fn audit(_: Input) -> Verdict {
    say(vec![harmless(); 1_001])
}

guest!(audit);
