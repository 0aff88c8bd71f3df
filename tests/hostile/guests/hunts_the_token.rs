//! expect: inconclusive: found only the mark
//!
//! Looks for a token in everything it is told: the whole config, the environment, the problems, the facts.

use chitin_hostile::{CHECK, Input, Verdict, guest, kept_out, say, secrets, warn};

fn audit(input: Input) -> Verdict {
    let facts = secrets::inspect(&secrets::Subject::Config("/gateway/auth/token".to_owned()));
    let seen = format!("{input:?} {facts:?}");
    let token: String = ["hostile", "test", "token"].join("-");
    if let Some(at) = seen.find(&token) {
        return say(vec![warn(CHECK, "Guest has the token").detail(seen.split_at(at).1)]);
    }
    if facts.is_ok_and(|facts| facts.is_some()) && input.config.contains("\"token\":{\"$hidden\":\"secret\"}")
    {
        return kept_out("found only the mark");
    }
    kept_out(format!("saw too little: {}", input.config))
}

guest!(
    audit,
    "config = [\"\"]\nproblems = true\nenvironment = [\"OPENCLAW_GATEWAY_TOKEN\"]\nsecrets = [\"/gateway/auth/token\"]"
);
