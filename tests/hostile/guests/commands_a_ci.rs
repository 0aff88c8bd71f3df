//! expect: no failure
//!
//! Writes what the log of a CI would take for commands.

use chitin_hostile::{Finding, Input, Verdict, guest, harmless, say};

fn audit(_: Input) -> Verdict {
    say(vec![Finding {
        detail: "::error file=a::all is lost\n##[error]so it is\n##vso[task.complete]x".to_owned(),
        remediation: Some("::stop-commands::x".to_owned()),
        ..harmless()
    }])
}

guest!(audit);
