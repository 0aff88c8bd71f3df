//! Backups that other accounts can read, and agents whose tools no profile takes away. Without the guest library: only the
//! contract in `wit/`.

use serde_json::Value;

wit_bindgen::generate!({ path: "../../../wit", world: "policy" });

use chitin::policy::state::{self, Kind};
use chitin::policy::types::{Finding, Hidden, Location, Path, Reason, Severity, Unassessed};

// The linker makes it a custom section; the runner reads policy.toml from there.
#[unsafe(link_section = "chitin-manifest")]
#[used]
static MANIFEST: [u8; include_bytes!("../policy.toml").len()] = *include_bytes!("../policy.toml");

const BACKUP: &str = "mine.backup_readable";
const PROFILE: &str = "mine.no_profile";

struct Mine;

impl Guest for Mine {
    fn audit(input: Input) -> Result<Answer, Failure> {
        let config = serde_json::from_str(&input.config)
            .map_err(|error| Failure::Inconclusive(format!("the config is not JSON: {error}")))?;
        let mut answer = Answer { findings: Vec::new(), unassessed: Vec::new() };
        readable_backups(&input, &mut answer);
        no_profile(&config, &mut answer);
        Ok(answer)
    }
}

fn in_state(rel: &str) -> Path {
    Path { view: "state".to_owned(), rel: rel.to_owned() }
}

fn readable_backups(input: &Input, answer: &mut Answer) {
    let root = input.views.iter().find(|view| view.name == "state").map_or("state", |view| &view.display);
    let entries = match state::list_entries(&in_state("")) {
        Ok(entries) => entries,
        // No state directory: no backups.
        Err(state::Error::NotFound) => return,
        Err(state::Error::NotGranted) => {
            let reason = Reason::Withheld("list:state".to_owned());
            return answer.unassessed.push(Unassessed {
                check_id: BACKUP.to_owned(),
                reason,
                location: None,
            });
        }
        Err(error) => {
            let why = match error {
                state::Error::Denied => "permission denied".to_owned(),
                state::Error::Io(words) => words,
                other => format!("{other:?}"),
            };
            let reason = Reason::Unreadable(format!("cannot look at {root}: {why}"));
            let location = Some(Location::Object(in_state("")));
            return answer.unassessed.push(Unassessed { check_id: BACKUP.to_owned(), reason, location });
        }
    };
    let allowed = input.permissions.file;
    for entry in entries {
        let mode = entry.metadata.mode;
        if entry.metadata.kind != Kind::File || !entry.name.contains(".bak") || mode & 0o044 & !allowed == 0 {
            continue;
        }
        let path = format!("{}/{}", root.trim_end_matches('/'), entry.name);
        // Any other path would have to be quoted for a shell, or stands encoded here ("%").
        let is_plain = path.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c));
        let remediation = if is_plain {
            format!("Run: chmod {allowed:03o} {path}")
        } else {
            "Take from group and others the permission to read it".to_owned()
        };
        answer.findings.push(Finding {
            check_id: BACKUP.to_owned(),
            severity: Severity::Warn,
            title: "Other accounts can read a backup".to_owned(),
            detail: format!(
                "The file has mode {:03o}: others can read the tokens that were in the config when it was saved.",
                mode & 0o777
            ),
            remediation: Some(remediation),
            locations: vec![Location::Object(in_state(&entry.name))],
            fixes: Vec::new(),
        });
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

export!(Mine);
