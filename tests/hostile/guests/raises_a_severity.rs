//! expect: refused: it calls "hostile.finding" critical; its manifest says warn at most
//!
//! Says "critical", where its manifest promises no more than "warn".

use chitin_hostile::{CHECK, Input, Verdict, critical, guest, say};

fn audit(_: Input) -> Verdict {
    say(vec![critical(CHECK, "Guest raises its voice")])
}

guest!(audit);
