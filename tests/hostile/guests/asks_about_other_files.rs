//! expect: inconclusive: 6 refused, 2 unknown
//!
//! Asks whether secrets are spelled out in files that it was not granted, by names that are nearly granted.

use chitin_hostile::{Input, Verdict, guest, kept_out, secrets};

fn audit(_: Input) -> Verdict {
    let names =
        ["config", "", "state", "include/0/x", "include/../config", "file:config", "include/99", "include/"];
    let answers = names.map(secrets::has_literals);
    let refused = answers.iter().filter(|answer| answer.is_err()).count();
    let unknown = answers.iter().filter(|answer| matches!(answer, Ok(None))).count();
    kept_out(format!("{refused} refused, {unknown} unknown"))
}

guest!(audit, "secrets = [\"file:include/*\", \"/gateway/auth/token\"]");
