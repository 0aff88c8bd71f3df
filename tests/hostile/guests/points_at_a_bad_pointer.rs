//! expect: refused: it names the malformed pointer "gateway\u{a}bind"
//!
//! Names a config value by what is no pointer.

use chitin_hostile::{Finding, Input, Location, Verdict, guest, harmless};

fn audit(_: Input) -> Verdict {
    Ok(vec![Finding { locations: vec![Location::Config("gateway\nbind".to_owned())], ..harmless() }])
}

guest!(audit);
