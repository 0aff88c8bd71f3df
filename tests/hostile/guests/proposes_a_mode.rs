//! expect: refused: it proposes the fix set-mode, which its manifest does not declare in fixes
//!
//! Proposes to open the state directory to everyone, without a capability for it.

use chitin_hostile::{Finding, Fix, Input, SetMode, Verdict, guest, harmless, path, say};

fn audit(_: Input) -> Verdict {
    let fix = SetMode { target: path("state", ""), expected: 0o700, mode: 0o777 };
    say(vec![Finding { fixes: vec![Fix::SetMode(fix)], ..harmless() }])
}

guest!(audit, "files = [\"stat:state\"]");
