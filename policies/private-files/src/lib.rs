//! Logins, transcripts and the folders around them that other accounts can use.

use chitin_policy_sdk::permissions::Permissions;
use chitin_policy_sdk::{
    Context, Failure, Finding, Fix, Kind, Path, SetModes, Severity, StateError, Verdict, agents, context,
    finding,
};

/// Places that a finding names; the rest is counted.
const NAMED: usize = 20;

/// Looks at what lies directly in the credentials directory and in each agent's folders.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let mut seen = Seen::default();
    seen.files(cx, &Path::new("credentials", ""), ".json")?;
    for agent in agents::folders(cx)? {
        let folder = format!("agents/{agent}");
        let sessions = Path::new("state", &format!("{folder}/sessions"));
        for place in
            [Path::new("state", &folder), Path::new("state", &format!("{folder}/agent")), sessions.clone()]
        {
            if let Some(place) = Permissions::inspect(cx, &place)?.filter(Permissions::is_directory) {
                let cure = place.cure(Kind::Directory);
                seen.add(&place, || cure.clone());
            }
        }
        seen.files(cx, &sessions, ".jsonl")?;
    }
    let closed = keeps_others_out(cx)?;
    let mut findings = Vec::new();
    let severity = |open| if closed { Severity::Info } else { open };
    if seen.writable.count > 0 {
        let start = finding(
            "fs.private_files.perms_writable",
            severity(Severity::Critical),
            "Other accounts can change private files",
        );
        let harm =
            "whoever can change them can add logins, and put words into an agent's memory of a conversation";
        findings.push(complete(start, seen.writable, harm, closed));
    }
    if seen.readable.count > 0 {
        let start = finding(
            "fs.private_files.perms_readable",
            severity(Severity::Warn),
            "Other accounts can read private files",
        );
        let harm = "whoever can read them has the channels' logins and what was said in every conversation";
        findings.push(complete(start, seen.readable, harm, closed));
    }
    Ok(findings)
}

/// What is open to others. Of a hundred thousand files the first are kept, and the others counted.
#[derive(Default)]
struct Seen {
    writable: Open,
    readable: Open,
}

#[derive(Default)]
struct Open {
    count: usize,
    first: Vec<Permissions>,
    /// One for each folder whose files are open, and one for each open folder.
    cures: Vec<Fix>,
}

impl Seen {
    fn add(&mut self, place: &Permissions, cure: impl Fn() -> Option<Fix>) {
        if place.writers().is_some() {
            self.writable.add(place, &cure);
        }
        if place.readers().is_some() {
            self.readable.add(place, &cure);
        }
    }

    /// The regular files directly in a directory whose names have an ending. A directory that is a link is not entered:
    /// what it leads to is not below the state directory by right.
    fn files(&mut self, cx: &Context<'_>, directory: &Path, ending: &str) -> Result<(), Failure> {
        let cure = || {
            let (directory, names) = (directory.clone(), format!("*{ending}"));
            Some(Fix::SetModes(SetModes { directory, names, mode: cx.allowed().file & 0o077 }))
        };
        let listed = cx.host().each_entry(directory, ending, &mut |name, metadata| {
            // Most are private: nothing is kept of them.
            if metadata.kind == Kind::File
                && Permissions::lets_in(cx, metadata)
                && let Some(place) = Permissions::of(cx, &directory.join(name), metadata)
            {
                self.add(&place, cure);
            }
        });
        match listed {
            Ok(()) | Err(StateError::NotFound | StateError::WrongKind | StateError::ThroughLink) => Ok(()),
            Err(error) => Err(context::unseen(&cx.display_path(directory), &error)),
        }
    }
}

impl Open {
    fn add(&mut self, place: &Permissions, cure: impl Fn() -> Option<Fix>) {
        self.count += 1;
        if self.first.len() < NAMED {
            self.first.push(place.clone());
        }
        // Files of one folder come one after another, and have one cure together.
        if let Some(cure) = cure()
            && self.cures.last().is_none_or(|last| !is_same(last, &cure))
        {
            self.cures.push(cure);
        }
    }
}

/// Two proposals for the files of one folder.
fn is_same(one: &Fix, other: &Fix) -> bool {
    match (one, other) {
        (Fix::SetModes(one), Fix::SetModes(other)) => {
            (&one.directory.view, &one.directory.rel, &one.names)
                == (&other.directory.view, &other.directory.rel, &other.names)
        }
        _ => false,
    }
}

/// The state directory does not let others pass, and the credentials directory lies in it or does not let them pass
/// either. Nobody reaches the files then, as long as that stays so.
fn keeps_others_out(cx: &Context<'_>) -> Result<bool, Failure> {
    let is_closed = |view: &str| {
        let seen = Permissions::inspect(cx, &Path::new(view, ""))?;
        Ok(seen.is_none_or(|seen| seen.end.is_some_and(|end| end.mode & 0o011 == 0)))
    };
    let below = match (cx.display("state"), cx.display("credentials")) {
        (Some(state), Some(credentials)) => credentials.starts_with(&format!("{state}/")),
        _ => false,
    };
    Ok(is_closed("state")? && (below || is_closed("credentials")?))
}

fn complete(start: Finding, open: Open, harm: &str, closed: bool) -> Finding {
    let more = match open.count - 1 {
        0 => String::new(),
        1 => " (one more is open to others)".to_owned(),
        more => format!(" ({more} more are open to others)"),
    };
    let now = if closed {
        " Today the directory above keeps others out; it is the only thing that does."
    } else {
        ""
    };
    let seen = open.first.first().map(Permissions::seen).unwrap_or_default();
    let detail = format!("{seen}{more}: {harm}.{now}");
    // The first place stays the same when some of the files are cured.
    let start = start.detail(detail).at_object(&Path::new("state", ""));
    let mut finding = open.first.iter().fold(start, |finding, place| finding.at_object(&place.path));
    finding.fixes = open.cures;
    finding.remediation("Run `chitin fix`, or chmod go= on each of them")
}

chitin_policy_sdk::policy!(audit);

#[cfg(test)]
mod tests {
    use chitin_policy_sdk::testing::MemoryHost;

    use super::*;

    const TRANSCRIPT: &str = "agents/main/sessions/1.jsonl";
    const NOTHING: [&str; 0] = [];

    fn open_state() -> MemoryHost {
        MemoryHost::new("{}").directory("state", "", 0o755).directory("credentials", "", 0o755)
    }

    #[test]
    fn reading_and_writing_are_told_apart() {
        let ids = |mode| open_state().file("state", TRANSCRIPT, mode, "").ids(audit);
        assert_eq!(ids(0o600), NOTHING);
        assert_eq!(ids(0o640), ["fs.private_files.perms_readable:warn"]);
        assert_eq!(ids(0o620), ["fs.private_files.perms_writable:critical"]);
        assert_eq!(
            ids(0o666),
            ["fs.private_files.perms_writable:critical", "fs.private_files.perms_readable:warn"]
        );
    }

    #[test]
    fn what_a_closed_directory_protects_is_told_without_alarm() {
        let host = MemoryHost::new("{}").directory("state", "", 0o700).file("state", TRANSCRIPT, 0o666, "");
        assert_eq!(
            host.ids(audit),
            ["fs.private_files.perms_writable:info", "fs.private_files.perms_readable:info"]
        );
        let elsewhere = MemoryHost::new("{}")
            .directory("state", "", 0o700)
            .directory("credentials", "", 0o711)
            .file("credentials", "oauth.json", 0o644, "");
        assert_eq!(elsewhere.ids(audit), ["fs.private_files.perms_readable:warn"]);
    }

    #[test]
    fn folders_logins_and_transcripts_are_looked_at_and_nothing_else() {
        let host = open_state()
            .file("credentials", "oauth.json", 0o644, "")
            .file("credentials", "notes.txt", 0o644, "")
            .file("credentials", "whatsapp/default/creds.json", 0o644, "")
            .directory("state", "agents/a/agent", 0o755)
            .directory("state", "agents/a/sessions", 0o750)
            .file("state", "agents/a/sessions/1.jsonl", 0o644, "")
            .file("state", "agents/a/sessions/sessions.json", 0o644, "")
            .symlink("state", "agents/a/sessions/2.jsonl", Some("agents/a/sessions/1.jsonl"));
        let findings = host.run(audit).expect("a verdict");
        let places: Vec<String> = findings[0].locations.iter().map(|place| format!("{place:?}")).collect();
        let named = |rel: &str| places.iter().any(|place| place.contains(&format!("\"{rel}\"")));
        assert_eq!(places.len(), 5, "{places:?}");
        for rel in ["oauth.json", "agents/a/agent", "agents/a/sessions", "agents/a/sessions/1.jsonl"] {
            assert!(named(rel), "{rel}: {places:?}");
        }
        assert_eq!(findings[0].fixes.len(), 4);
    }

    #[test]
    fn any_number_of_files_is_one_finding_with_one_cure_a_folder() {
        let host = |count| {
            (0..count).fold(open_state(), |host, number| {
                host.file("state", &format!("agents/main/sessions/{number}.jsonl"), 0o644, "")
            })
        };
        let finding = |count| host(count).run(audit).expect("a verdict").remove(0);
        assert!(finding(30).detail.contains("29 more are open"));
        for count in [1, 30, 3_000] {
            let finding = finding(count);
            assert_eq!(finding.locations.len(), count.min(NAMED) + 1);
            assert!(
                matches!(&finding.fixes[..], [Fix::SetModes(modes)]
                    if modes.directory.rel == "agents/main/sessions" && modes.names == "*.jsonl" && modes.mode == 0),
                "{:?}",
                finding.fixes
            );
        }
    }

    #[test]
    fn the_cure_leaves_what_the_site_allows() {
        let host = open_state().allowing(0o2770, 0o660).file("state", TRANSCRIPT, 0o664, "");
        let finding = host.run(audit).expect("a verdict").remove(0);
        let files = finding.fixes.iter().filter_map(|fix| match fix {
            Fix::SetModes(modes) => Some(modes.mode),
            _ => None,
        });
        assert_eq!(files.collect::<Vec<_>>(), [0o060]);
    }

    #[test]
    fn what_cannot_be_looked_at_is_not_called_clean() {
        assert!(MemoryHost::new("{}").deny("credentials", "").inconclusive(audit).contains("/credentials"));
        let sessions = "agents/main/sessions";
        assert!(MemoryHost::new("{}").deny("state", sessions).inconclusive(audit).contains(sessions));
    }
}
