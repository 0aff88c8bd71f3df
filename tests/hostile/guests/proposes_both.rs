//! expect: refused: it has no manifest (custom section "chitin-manifest")
//!
//! Proposes a mode and a value that are harmless. The tests give it manifests.

use chitin_hostile::{Finding, Fix, Input, SetMode, SetValue, Verdict, harmless, path, say};

fn audit(_: Input) -> Verdict {
    let mode = SetMode { target: path("state", ""), expected: 0o755, mode: 0o700 };
    let pointer = "/logging/redactSensitive".to_owned();
    let value = SetValue { pointer, expected: Some("\"off\"".to_owned()), value: "\"tools\"".to_owned() };
    say(vec![Finding { fixes: vec![Fix::SetMode(mode), Fix::SetValue(value)], ..harmless() }])
}

chitin_hostile::export!(audit);
