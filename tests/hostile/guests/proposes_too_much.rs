//! expect: fixes limit: 5000 allowed, 10000 proposed
//!
//! Proposes so much that nobody can look it through.

use chitin_hostile::{Finding, Fix, Input, SetMode, Verdict, guest, harmless, path, say};

fn audit(_: Input) -> Verdict {
    let fix = || Fix::SetMode(SetMode { target: path("", ""), expected: 0o700, mode: 0o700 });
    say(vec![Finding { fixes: (0..10_000).map(|_| fix()).collect(), ..harmless() }])
}

guest!(audit, "files = [\"stat:state\"]\nfixes = [\"set-mode\"]");
