//! expect: inconclusive: all 6 refused
//!
//! Asks for what its manifest does not declare.

use chitin_hostile::{Input, Verdict, gateway, got, guest, kept_out, path, secrets, state};

fn audit(input: Input) -> Verdict {
    let refused = [
        state::read(&path("state", "plain"), 100) == Err(state::Error::NotGranted),
        state::list_entries(&path("state", "")) == Err(state::Error::NotGranted),
        state::stat(&path("config", "")) == Err(state::Error::NotGranted),
        secrets::inspect(&secrets::Subject::Config("/gateway/auth/token".to_owned())).is_err(),
        secrets::inspect(&secrets::Subject::Env("PATH".to_owned())).is_err(),
        gateway::probe().is_err(),
    ];
    let seen = format!("{} {:?} {:?}", input.config, input.environment, input.problems);
    if refused.contains(&false) || seen != "{} [] []" {
        return got(format!("{refused:?} {seen}"));
    }
    kept_out(format!("all {} refused", refused.len()))
}

guest!(audit, "files = [\"stat:state\"]");
