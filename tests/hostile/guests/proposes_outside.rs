//! expect: refused: it names the malformed path "state/../outside/secret"
//!
//! Proposes a mode for what does not lie in the view.

use chitin_hostile::{Finding, Fix, Input, SetMode, Verdict, guest, harmless, path, say};

fn audit(_: Input) -> Verdict {
    let fix = SetMode { target: path("state", "../outside/secret"), expected: 0o644, mode: 0o600 };
    say(vec![Finding { fixes: vec![Fix::SetMode(fix)], ..harmless() }])
}

guest!(audit, "files = [\"stat:state\"]\nfixes = [\"set-mode\"]");
