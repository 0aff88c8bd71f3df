//! expect: refused: it proposes the fix set-value:/gateway/auth/mode, which its manifest does not declare in fixes
//!
//! Has a capability for one config value, and proposes another.

use chitin_hostile::{Finding, Fix, Input, SetValue, Verdict, guest, harmless, say};

fn audit(_: Input) -> Verdict {
    let pointer = "/gateway/auth/mode".to_owned();
    let fix = SetValue { pointer, expected: None, value: "\"none\"".to_owned() };
    say(vec![Finding { fixes: vec![Fix::SetValue(fix)], ..harmless() }])
}

guest!(audit, "fixes = [\"set-value:/gateway/bind\"]");
