//! Logins, secrets, transcripts and the folders around them that other accounts can use.

use chitin_policy_sdk::context::unseen;
use chitin_policy_sdk::openclaw::agents;
use chitin_policy_sdk::permissions::Permissions;
use chitin_policy_sdk::{
    Answer, Context, Finding, Fix, Kind, NotAssessed, Path, SetModes, Severity, StateError, Target, Verdict,
    all, finding,
};

const WRITABLE: &str = "fs.private_files.perms_writable";
const READABLE: &str = "fs.private_files.perms_readable";
const CHECKS: [&str; 2] = [WRITABLE, READABLE];

/// Files of the state directory itself that hold secrets, and the folder of the shared database (2026.6.1 and later). A
/// database's log holds what was written last; exec approvals have the token of their socket; the key makes what the journal of the
/// config keeps readable.
const FOLDERS: [&str; 1] = ["state"];
const FILES: [&str; 8] = [
    "state/openclaw.sqlite",
    "state/openclaw.sqlite-wal",
    "state/openclaw.sqlite-shm",
    "state/openclaw.sqlite-journal",
    "exec-approvals.json",
    "exec-approvals.json.doctor-importing",
    "secrets.json",
    "config-journal-fingerprint.key",
];

/// Places that a finding names; the rest is counted.
const NAMED: usize = 20;

/// Looks at what lies directly in the credentials directory and in each agent's folders.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let mut answer = Answer::new();
    let mut seen = Seen::default();
    let folders = agents::folders(cx);
    let mut note = |unseen: Result<(), NotAssessed>| answer.checks(&CHECKS, unseen.map(|()| None));
    for folder in FOLDERS {
        note(seen.folder(cx, &Path::new("state", folder)));
    }
    for file in FILES {
        note(seen.file(cx, &Path::new("state", file)));
    }
    note(seen.files(cx, &Path::new("credentials", ""), ".json", &folders.names));
    for agent in &folders.names {
        let folder = Path::new("state", &format!("agents/{agent}"));
        let sessions = folder.join("sessions");
        for place in [&folder, &folder.join("agent"), &sessions] {
            note(seen.folder(cx, place));
        }
        note(seen.files(cx, &sessions, ".jsonl", &folders.names));
    }
    note(folders.open.map_or(Ok(()), Err));
    answer.check(WRITABLE, writable(cx, seen.writable));
    answer.check(READABLE, readable(cx, seen.readable));
    Ok(answer)
}

fn writable(cx: &Context<'_>, open: Open) -> Result<Option<Finding>, NotAssessed> {
    let harm =
        "whoever can change them can add logins, and put words into an agent's memory of a conversation";
    let start = finding(WRITABLE, Severity::Critical, "Other accounts can change private files");
    told(cx, start, open, harm)
}

fn readable(cx: &Context<'_>, open: Open) -> Result<Option<Finding>, NotAssessed> {
    let harm = "whoever can read them has the channels' logins and what was said in every conversation";
    told(cx, finding(READABLE, Severity::Warn, "Other accounts can read private files"), open, harm)
}

/// The finding about what is open; none where nothing is. How bad it is, the directory above says.
fn told(
    cx: &Context<'_>,
    mut start: Finding,
    open: Open,
    harm: &str,
) -> Result<Option<Finding>, NotAssessed> {
    if open.count == 0 {
        return Ok(None);
    }
    let is_closed = keeps_others_out(cx)?;
    if is_closed {
        start.severity = Severity::Info;
    }
    Ok(Some(complete(start, open, harm, is_closed)))
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
    fn add(&mut self, place: &Permissions, meant: Kind) {
        for (open, who) in [(&mut self.writable, place.writers()), (&mut self.readable, place.readers())] {
            if who.is_some() {
                open.add(|| Some(place.clone()));
                open.cures.extend(place.cure(meant));
            }
        }
    }

    fn folder(&mut self, cx: &Context<'_>, path: &Path) -> Result<(), NotAssessed> {
        if let Some(place) = Permissions::inspect(cx, path)?.filter(Permissions::is_directory) {
            self.add(&place, Kind::Directory);
        }
        Ok(())
    }

    /// A file by its place. One behind a link is judged by what it leads to.
    fn file(&mut self, cx: &Context<'_>, path: &Path) -> Result<(), NotAssessed> {
        let is_file = |place: &Permissions| place.end.is_some_and(|end| end.kind == Kind::File);
        if let Some(place) = Permissions::inspect(cx, path)?.filter(is_file) {
            self.add(&place, Kind::File);
        }
        Ok(())
    }

    /// The regular files directly in a directory whose names have an ending. A directory that is a link is not entered:
    /// what it leads to is not below the state directory by right.
    fn files(
        &mut self,
        cx: &Context<'_>,
        directory: &Path,
        ending: &str,
        agents: &[String],
    ) -> Result<(), NotAssessed> {
        let Self { writable, readable } = self;
        let before = (writable.count, readable.count);
        let listed = cx.host().each_entry(directory, ending, &mut |name, metadata| {
            if metadata.kind != Kind::File {
                return;
            }
            // There can be very many, and a few are named: of the others nothing is made.
            let place = || Permissions::of(cx, &directory.join(name), metadata);
            if Permissions::lets_write(cx, metadata) {
                writable.add(place);
            }
            if Permissions::lets_read(cx, metadata) {
                readable.add(place);
            }
        });
        for (open, before) in [(writable, before.0), (readable, before.1)] {
            // The files of one folder have one cure together.
            if open.count > before {
                let (directory, names) = (directory.clone(), format!("*{ending}"));
                let mode = cx.allowed().file & 0o077;
                open.cures.push(Fix::SetModes(SetModes { directory, names, mode }));
            }
        }
        match listed {
            Ok(()) | Err(StateError::NotFound) => Ok(()),
            Err(StateError::WrongKind | StateError::ThroughLink) => behind_link(cx, directory, agents),
            Err(error) => Err(unseen(cx, "list", directory, &error)),
        }
    }
}

/// Nothing, where what was not entered holds no files, or the sessions of an agent, which are looked at there.
fn behind_link(cx: &Context<'_>, directory: &Path, agents: &[String]) -> Result<(), NotAssessed> {
    let link = match cx.host().resolve(directory) {
        Ok(link) => link,
        Err(StateError::NotFound) => return Ok(()),
        Err(error) => return Err(unseen(cx, "stat", directory, &error)),
    };
    let may_hold_files = match link.metadata {
        Some(end) => end.kind == Kind::Directory,
        None => matches!(link.target, Target::Inside | Target::Outside),
    };
    let is_sessions = |end: &Path| {
        let agent = end.rel.strip_prefix("agents/").and_then(|rest| rest.strip_suffix("/sessions"));
        agent.is_some_and(|agent| agents.iter().any(|known| known == agent))
    };
    if !may_hold_files || link.end.as_ref().is_some_and(is_sessions) {
        return Ok(());
    }
    Err(unseen(cx, "list", directory, &StateError::ThroughLink))
}

impl Open {
    fn add(&mut self, place: impl FnOnce() -> Option<Permissions>) {
        self.count += 1;
        if self.first.len() < NAMED {
            self.first.extend(place());
        }
    }
}

/// The state directory does not let others pass, and the credentials directory lies in it or does not let them pass
/// either. Nobody reaches the files then, as long as that stays so.
fn keeps_others_out(cx: &Context<'_>) -> Result<bool, NotAssessed> {
    let is_closed =
        |seen: Option<Permissions>| seen.is_none_or(|seen| seen.end.is_some_and(|end| end.mode & 0o011 == 0));
    let state = Permissions::inspect(cx, &Path::new("state", "")).map(is_closed);
    let credentials = || {
        let seen = Permissions::inspect(cx, &Path::new("credentials", ""))?;
        // What a link leads to lies elsewhere.
        let is_link = seen.as_ref().is_some_and(|seen| seen.is_symlink);
        Ok(is_closed(seen) || (!is_link && lies_in_state(cx)))
    };
    all([state, credentials()])
}

/// The credentials directory lies in the state directory, by its path.
fn lies_in_state(cx: &Context<'_>) -> bool {
    match (cx.display("state"), cx.display("credentials")) {
        (Some(state), Some(credentials)) => credentials.starts_with(&format!("{state}/")),
        _ => false,
    }
}

fn complete(start: Finding, open: Open, harm: &str, closed: bool) -> Finding {
    let more = match open.count - 1 {
        0 => String::new(),
        1 => " (one more is open to others)".to_owned(),
        more => format!(" ({more} more are open to others)"),
    };
    let now = if closed { " Today only the mode of the state directory keeps them out." } else { "" };
    let seen = open.first.first().map(|place| place.seen().to_string()).unwrap_or_default();
    let detail = format!("{seen}{more}: {harm}.{now}");
    // The first place stays the same when some of the files are cured.
    let start = start.detail(detail).at_object(&Path::new("state", ""));
    let mut finding = open.first.iter().fold(start, |finding, place| finding.at_object(&place.path));
    finding.fixes = open.cures;
    finding.remediation("Run `chitin fix`, which takes these files from others, or chmod go= on each of them")
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
        let findings = host.findings(audit);
        let places: Vec<String> = findings[0].locations.iter().map(|place| format!("{place:?}")).collect();
        let named = |rel: &str| places.iter().any(|place| place.contains(&format!("\"{rel}\"")));
        assert_eq!(places.len(), 5, "{places:?}");
        for rel in ["oauth.json", "agents/a/agent", "agents/a/sessions", "agents/a/sessions/1.jsonl"] {
            assert!(named(rel), "{rel}: {places:?}");
        }
        assert_eq!(findings[0].fixes.len(), 4);
    }

    #[test]
    fn the_shared_database_and_the_files_with_secrets_are_looked_at() {
        for file in FILES {
            let host = |mode| open_state().file("state", file, mode, "");
            assert_eq!(host(0o600).ids(audit), NOTHING, "{file}");
            let finding = host(0o644).findings(audit).remove(0);
            assert_eq!(finding.check_id, READABLE, "{file}");
            assert!(
                matches!(&finding.fixes[..], [Fix::SetMode(mode)] if mode.target.rel == file && mode.mode == 0o600),
                "{file}"
            );
        }
        let folder = open_state().directory("state", "state", 0o750).findings(audit).remove(0);
        assert!(matches!(&folder.fixes[..], [Fix::SetMode(mode)] if mode.mode == 0o700));
        let odd = open_state().file("state", "state", 0o644, "").directory("state", "secrets.json", 0o755);
        assert_eq!(odd.ids(audit), NOTHING, "they hold nothing");
        let linked =
            open_state().file("state", "kept", 0o644, "").symlink("state", "secrets.json", Some("kept"));
        assert_eq!(linked.ids(audit), ["fs.private_files.perms_readable:warn"]);
        assert_eq!(open_state().symlink("state", "secrets.json", None).ids(audit), NOTHING);
    }

    #[test]
    fn a_database_that_cannot_be_looked_at_is_not_called_private() {
        let open = CHECKS.map(|check| format!("{check}:not assessed"));
        for host in [
            open_state().deny("state", "state/openclaw.sqlite"),
            open_state().ungranted("stat:state/secrets.json"),
            open_state().ungranted("stat:state/state"),
        ] {
            assert_eq!(host.ids(audit), open);
        }
    }

    #[test]
    fn any_number_of_files_is_one_finding_with_one_cure_a_folder() {
        let host = |count| {
            (0..count).fold(open_state(), |host, number| {
                host.file("state", &format!("agents/main/sessions/{number}.jsonl"), 0o644, "")
            })
        };
        let finding = |count| host(count).findings(audit).remove(0);
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
        let finding = host.findings(audit).remove(0);
        let files = finding.fixes.iter().filter_map(|fix| match fix {
            Fix::SetModes(modes) => Some(modes.mode),
            _ => None,
        });
        assert_eq!(files.collect::<Vec<_>>(), [0o060]);
    }

    #[test]
    fn what_cannot_be_looked_at_is_not_called_clean() {
        let open = |path: &str| {
            let why = format!("unreadable: cannot look at {path}: permission denied");
            CHECKS.map(|check| format!("{check}: {why}"))
        };
        let denied = MemoryHost::new("{}").deny("credentials", "");
        assert_eq!(denied.unassessed(audit), open("/credentials"));
        let denied = MemoryHost::new("{}").deny("state", "agents/main/sessions");
        assert_eq!(denied.unassessed(audit), open("/state/agents/main/sessions"));
    }

    #[test]
    fn what_is_seen_is_judged_beside_what_is_not() {
        let host = open_state().file("state", TRANSCRIPT, 0o644, "");
        let open = CHECKS.map(|check| format!("{check}:not assessed"));
        for host in [
            host.clone().deny("credentials", ""),
            host.clone().deny("state", "agents/main/agent"),
            host.clone().deny("state", "agents/other/sessions"),
            host.clone().ungranted("list:state/agents"),
            host.clone().ungranted("list:credentials"),
            host.clone().ungranted("stat:state/agents/*"),
            host.clone().ungranted("stat:state/agents/*/agent"),
        ] {
            assert_eq!(host.ids(audit), ["fs.private_files.perms_readable:warn", &open[0], &open[1]]);
        }
        assert_eq!(host.withhold("/agents").ids(audit), ["fs.private_files.perms_readable:warn"]);
    }

    #[test]
    fn how_bad_it_is_is_not_guessed() {
        let open = "fs.private_files.perms_readable:not assessed";
        let host = open_state().file("state", TRANSCRIPT, 0o644, "");
        assert_eq!(host.clone().ungranted("stat:state").ids(audit), ["fs.private_files.perms_readable:warn"]);
        let passable =
            MemoryHost::new("{}").directory("credentials", "", 0o700).file("state", TRANSCRIPT, 0o644, "");
        assert_eq!(passable.clone().directory("state", "", 0o700).ungranted("stat:state").ids(audit), [open]);
        assert_eq!(passable.ungranted("stat:state").file("state", TRANSCRIPT, 0o600, "").ids(audit), NOTHING);
    }

    #[test]
    fn transcripts_behind_a_link_are_not_called_private() {
        let sessions = "agents/main/sessions";
        let host = |end: Option<&str>| open_state().symlink("state", sessions, end);
        let open = CHECKS.map(|check| format!("{check}:not assessed"));
        assert_eq!(host(Some("kept")).directory("state", "kept", 0o700).ids(audit), open);
        assert_eq!(host(Some("kept")).file("state", "kept", 0o600, "").ids(audit), NOTHING, "it holds none");
        assert_eq!(host(None).ids(audit), NOTHING);
        let other = host(Some("agents/work/sessions")).directory("state", "agents/work/sessions", 0o700);
        assert_eq!(other.ids(audit), NOTHING, "they are looked at there");
        assert_eq!(open_state().file("credentials", "", 0o600, "").ids(audit), NOTHING);
    }

    #[test]
    fn a_closed_state_directory_does_not_protect_what_lies_behind_a_link() {
        let host = |mode| {
            MemoryHost::new("{}")
                .view("credentials", "/state/credentials")
                .directory("state", "", 0o700)
                .directory("credentials", "real", mode)
                .symlink("credentials", "", Some("real"))
                .file("state", TRANSCRIPT, 0o644, "")
        };
        assert_eq!(host(0o755).ids(audit)[0], "fs.private_files.perms_readable:warn");
        assert_eq!(host(0o700).ids(audit)[0], "fs.private_files.perms_readable:info");
    }
}
