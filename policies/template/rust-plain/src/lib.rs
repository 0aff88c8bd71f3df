//! Agents whose tools no profile takes away. Without the guest library: only the contract in `wit/`.

use serde_json::Value;

wit_bindgen::generate!({ path: "wit", world: "policy" });

use chitin::policy::types::{Finding, Hidden, Location, Reason, Severity, Unassessed};

// The linker makes it a custom section; the runner reads policy.toml from there.
#[unsafe(link_section = "chitin-manifest")]
#[used]
static MANIFEST: [u8; include_bytes!("../policy.toml").len()] = *include_bytes!("../policy.toml");

const PROFILE: &str = "{{name}}.no_profile";

struct Policy;

impl Guest for Policy {
    fn audit(input: Input) -> Result<Answer, Failure> {
        let config = serde_json::from_str(&input.config)
            .map_err(|error| Failure::Inconclusive(format!("the config is not JSON: {error}")))?;
        let mut answer = Answer { findings: Vec::new(), unassessed: Vec::new() };
        no_profile(&config, &mut answer);
        Ok(answer)
    }
}

fn no_profile(config: &Value, answer: &mut Answer) {
    let place = || Location::Config("/tools/profile".to_owned());
    match find(config, &["tools", "profile"]) {
        Err(reason) => {
            // No place where it is withheld: it would tell that something is there.
            let location = matches!(reason, Reason::Hidden(_)).then(place);
            answer.unassessed.push(Unassessed { check_id: PROFILE.to_owned(), reason, location });
        }
        Ok(None | Some(Value::Null)) => answer.findings.push(unset(place())),
        Ok(Some(value)) if value == "full" => answer.findings.push(unset(place())),
        Ok(Some(_)) => {}
    }
}

fn unset(place: Location) -> Finding {
    Finding {
        check_id: PROFILE.to_owned(),
        severity: Severity::Info,
        title: "No tool profile is set".to_owned(),
        detail: "tools.profile is not set, or \"full\": agents have every tool that nothing else takes away."
            .to_owned(),
        remediation: Some("Set tools.profile, for example to \"messaging\"".to_owned()),
        locations: vec![place],
        fixes: Vec::new(),
    }
}

/// The value at a path of keys, none where it is absent, or why it is not shown (`wit/input.wit`, `config`).
fn find<'v>(config: &'v Value, keys: &[&str]) -> Result<Option<&'v Value>, Reason> {
    let withheld = || Reason::Withheld(format!("config:/{}", keys.join("/")));
    let mut value = config;
    for key in keys {
        let Value::Object(members) = value else { return Ok(None) };
        value = match (members.get(*key), members.get("$hidden")) {
            (Some(member), _) => member,
            // The object may have more members than are shown.
            (None, Some(mark)) if mark == "withheld" => return Err(withheld()),
            (None, _) => return Ok(None),
        };
    }
    match value.get("$hidden").map(Value::as_str) {
        None => Ok(Some(value)),
        Some(Some("secret")) => Err(Reason::Hidden(Hidden::Secret)),
        Some(Some("variable")) => Err(Reason::Hidden(Hidden::Variable)),
        Some(Some("reference")) => Err(Reason::Hidden(Hidden::Reference)),
        Some(_) => Err(withheld()),
    }
}

export!(Policy);
