//! expect: no failure
//!
//! Proposes a mode for each file of a folder, and objects to every preview of them, so that each proposal would cost an
//! audit of its own: `runner/tests/attacks/fixes.rs` counts them.

use chitin_hostile::{Finding, Fix, Input, SetMode, Verdict, guest, harmless, path, say, state};

fn audit(_: Input) -> Verdict {
    let entries = state::list_entries(&path("state", "many")).unwrap_or_default();
    let mut fixes = Vec::new();
    let mut sees_a_preview = false;
    for entry in &entries {
        let expected = entry.metadata.mode;
        sees_a_preview |= expected & 0o077 == 0;
        let target = path("state", &format!("many/{}", entry.name));
        fixes.push(Fix::SetMode(SetMode { target, expected, mode: expected & 0o700 }));
    }
    let mut findings = vec![Finding { fixes, ..harmless() }];
    if sees_a_preview {
        findings.push(harmless().at_env("NEW"));
    }
    say(findings)
}

guest!(audit, "files = [\"list:state/many\", \"stat:state/many/*\", \"stat:state\"]\nfixes = [\"set-mode\"]");
