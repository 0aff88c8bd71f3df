//! expect: refused: it gives 101 places in one finding; 100 are allowed
//!
//! One place too many.

use chitin_hostile::{Finding, Input, Location, Verdict, guest, harmless, say};

fn audit(_: Input) -> Verdict {
    say(vec![Finding { locations: vec![Location::Config(String::new()); 101], ..harmless() }])
}

guest!(audit);
