//! expect: refused: it proposes a value for /gateway/bind that is not JSON: trailing characters at line 1 column 4
//!
//! Hopes that its text is put into the config as it stands.

use chitin_hostile::{Finding, Fix, Input, SetValue, Verdict, guest, harmless, say};

fn audit(_: Input) -> Verdict {
    let value = "\"a\", \"auth\": {\"mode\": \"none\"}".to_owned();
    let fix = SetValue { pointer: "/gateway/bind".to_owned(), expected: None, value };
    say(vec![Finding { fixes: vec![Fix::SetValue(fix)], ..harmless() }])
}

guest!(audit, "fixes = [\"set-value:/gateway/bind\"]");
