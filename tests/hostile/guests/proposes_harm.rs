//! expect: no failure
//!
//! Has every capability for fixes that it needs, and proposes what would open the installation. Each proposal is refused
//! by the guard, with words of its own: `runner/tests/fix.rs` makes the target.

use chitin_hostile::{Finding, Fix, Input, SetMode, SetValue, Verdict, guest, harmless, path, say};

fn mode(rel: &str, expected: u32, mode: u32) -> Fix {
    Fix::SetMode(SetMode { target: path("state", rel), expected, mode })
}

fn value(pointer: &str, expected: Option<&str>, value: &str) -> Fix {
    let (pointer, expected) = (pointer.to_owned(), expected.map(str::to_owned));
    Fix::SetValue(SetValue { pointer, expected, value: value.to_owned() })
}

fn audit(_: Input) -> Verdict {
    let fixes = vec![
        mode("", 0o755, 0o777),
        mode("plain", 0o644, 0o4600),
        mode("plain", 0o644, 0o200),
        mode("plain", 0o600, 0o400),
        mode("out", 0o777, 0o600),
        mode("way/plain", 0o644, 0o600),
        mode("twin", 0o644, 0o600),
        mode("socket", 0o755, 0o700),
        mode("none", 0o644, 0o600),
        value("/gateway/auth/mode", Some("\"token\""), "\"none\""),
        value("/gateway/auth/token", Some("\"[secret]\""), "\"known\""),
        value("/gateway~1bind", None, "\"lan\""),
        value("/channels/telegram/groupPolicy", Some("\"allowlist\""), "\"open\""),
        value("/channels/telegram/groupPolicy", Some("\"allowlist\""), "{\"$include\": \"/etc/passwd\"}"),
        value("/channels/telegram/groupPolicy", Some("\"open\""), "\"disabled\""),
        value("/channels/telegram/groupAllowFrom", None, "[\"*\"]"),
        value("/channels/whatsapp/groupPolicy", Some("\"open\""), "\"allowlist\""),
        value("/channels/whatsapp/groupAllowFrom", None, "[\"*\"]"),
        value("/logging/redactSensitive", None, "\"tools\""),
    ];
    say(vec![Finding { fixes, ..harmless() }])
}

guest!(
    audit,
    "files = [\"stat:state\"]\nfixes = [\"set-mode\", \"set-value:/gateway/auth/mode\", \
     \"set-value:/gateway/auth/token\", \"set-value:/gateway~1bind\", \"set-value:/channels/*/groupPolicy\", \
     \"set-value:/channels/*/groupAllowFrom\", \"set-value:/logging/redactSensitive\"]"
);
