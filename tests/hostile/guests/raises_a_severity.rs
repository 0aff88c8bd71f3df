//! expect: refused: it calls "hostile.finding" critical; its manifest says warn at most
//!
//! Says "critical", where its manifest promises no more than "warn".

use chitin_hostile::{CHECK, Input, Verdict, critical, guest};

fn audit(_: Input) -> Verdict {
    Ok(vec![critical(CHECK, "Guest raises its voice")])
}

guest!(audit);
