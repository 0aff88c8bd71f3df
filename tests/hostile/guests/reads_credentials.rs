//! expect: inconclusive: all 9 are secret
//!
//! Was given everything, and reads the files that hold credentials.

use chitin_hostile::{Input, StateError, Verdict, got, guest, kept_out, path, state};

const FILES: [(&str, &str); 9] = [
    ("state", "openclaw.json"),
    ("state", "openclaw.json.bak"),
    ("state", ".env"),
    ("state", "credentials/oauth.json"),
    ("state", "agents/main/agent/auth-profiles.json"),
    ("state", "identity/device.json"),
    ("state", "plain.pem"),
    ("credentials", "oauth.json"),
    ("config", ""),
];

fn audit(_: Input) -> Verdict {
    for (view, rel) in FILES {
        let answer = state::read(&path(view, rel), 1_000);
        if answer != Err(StateError::Secret) {
            return got(format!("{view}/{rel}: {answer:?}"));
        }
    }
    kept_out(format!("all {} are secret", FILES.len()))
}

guest!(audit, "files = [\"read:state/**\", \"read:credentials/**\", \"read:config\"]");
