//! expect: refused: it emits "gateway.bind_no_auth", which its manifest does not declare
//!
//! Speaks with the voice of a built-in check.

use chitin_hostile::{Input, Verdict, critical, guest, say};

fn audit(_: Input) -> Verdict {
    say(vec![critical("gateway.bind_no_auth", "Gateway is open to everyone")])
}

guest!(audit);
