//! expect: refused: it has no manifest (custom section "chitin-manifest")
//!
//! Says of each kind of capability whether it has it. The tests give it manifests.

use chitin_hostile::{CHECK, Input, Verdict, gateway, path, records, say, secrets, state, warn};

fn audit(input: Input) -> Verdict {
    let config = |word: &str| input.config.contains(word);
    let variable = |name: &str| input.environment.iter().any(|variable| variable.name == name);
    let secret = |subject| secrets::inspect(&subject).is_ok();
    let columns = ["state_key".to_owned()];
    let rows = records::read("config_machine_state", &columns, 0, 1);
    let refused = Err(state::Error::NotGranted);
    let looks = [
        ("config:/tools", config("messaging")),
        ("config:/logging/redactSensitive", config("all-of-it")),
        ("stat:state", state::stat(&path("state", "")).is_ok()),
        ("list:state", state::list_entries(&path("state", "")).is_ok()),
        ("stat:credentials/*", state::stat(&path("credentials", "oauth.json")).is_ok()),
        ("read:log", state::read(&path("log", ""), 10).map(|_| ()) != refused),
        ("secret:/gateway/auth/token", secret(secrets::Subject::Config("/gateway/auth/token".to_owned()))),
        ("secret:env:MINE_TOKEN", secret(secrets::Subject::Env("MINE_TOKEN".to_owned()))),
        ("secret:file:config", secrets::has_literals("config").is_ok()),
        ("environment:MINE_PLACE", variable("MINE_PLACE")),
        ("records:config_machine_state.state_key", !matches!(rows, Err(records::Error::NotGranted))),
        ("problems", !input.problems.is_empty()),
        ("gateway", gateway::probe().is_ok()),
    ];
    let words = looks.map(|(name, had)| format!("{name} {}", if had { "had" } else { "kept" }));
    say(vec![warn(CHECK, "Guest says what it has").detail(words.join("|"))])
}

chitin_hostile::export!(audit);
