//! expect: text limit: 1 MiB allowed, 1048658 bytes given
//!
//! Hides the long text in a fix.

use chitin_hostile::{Finding, Fix, Input, SetValue, Verdict, guest, harmless, say};

fn audit(_: Input) -> Verdict {
    let value = SetValue { pointer: "/gateway/bind".to_owned(), expected: None, value: "1".repeat(1 << 20) };
    say(vec![Finding { fixes: vec![Fix::SetValue(value)], ..harmless() }])
}

guest!(audit, "fixes = [\"set-value:/gateway/bind\"]");
