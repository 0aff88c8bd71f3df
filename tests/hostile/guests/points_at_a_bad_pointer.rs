//! expect: refused: it names the malformed pointer "gateway\u{a}bind"
//!
//! Names a config value by what is no pointer.

use chitin_hostile::{Finding, Input, Location, Verdict, guest, harmless, say};

fn audit(_: Input) -> Verdict {
    say(vec![Finding { locations: vec![Location::Config("gateway\nbind".to_owned())], ..harmless() }])
}

guest!(audit);
