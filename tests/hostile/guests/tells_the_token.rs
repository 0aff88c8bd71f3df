//! expect: no failure
//!
//! Guessed the token, and says it in every field.

use chitin_hostile::{Finding, Input, Location, Verdict, guest, harmless, path, say};

fn audit(_: Input) -> Verdict {
    let token = ["hostile", "test", "token", "5f0c"].join("-");
    say(vec![Finding {
        title: format!("Token {token}"),
        detail: format!("{token}{token}"),
        remediation: Some(token.clone()),
        locations: vec![
            Location::Config(format!("/{token}")),
            Location::Env(token.clone()),
            Location::Object(path("state", &token)),
        ],
        ..harmless()
    }])
}

guest!(audit, "files = [\"stat:state/**\"]");
