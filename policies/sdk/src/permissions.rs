//! Looks at an object's permissions the way the reference does (state-checks 2): the object itself, and
//! where it is a symbolic link, what it leads to.

use std::fmt;

use crate::context::{Root, unseen};
use crate::{Context, Finding, Fix, Kind, Metadata, NotAssessed, Path, SetMode, StateError, Target, listing};

/// What is known of an object's permissions.
#[derive(Clone, Debug)]
pub struct Permissions {
    /// Where it is.
    pub path: Path,
    /// The path itself is a symbolic link.
    pub is_symlink: bool,
    /// The object, or what a link on the path leads to; none where a link leads nowhere.
    pub end: Option<Metadata>,
    root: Root,
    /// The most permission bits that the site allows it.
    allowed: u32,
}

impl Permissions {
    /// Looks at an object. None where there is none.
    ///
    /// # Errors
    /// Where it cannot be looked at.
    pub fn inspect(cx: &Context<'_>, path: &Path) -> Result<Option<Self>, NotAssessed> {
        let own = match cx.host().stat(path) {
            Ok(metadata) => Some(metadata),
            Err(StateError::NotFound) => return Ok(None),
            Err(StateError::ThroughLink) => None,
            Err(error) => return Err(unseen(cx, "stat", path, &error)),
        };
        let is_symlink = own.as_ref().is_some_and(|metadata| metadata.kind == Kind::Symlink);
        if let Some(metadata) = own.filter(|_| !is_symlink) {
            return Ok(Some(Self::new(cx, path, is_symlink, Some(metadata))));
        }
        let link = match cx.host().resolve(path) {
            Ok(link) => link,
            Err(StateError::NotFound) => return Ok(None),
            Err(error) => return Err(unseen(cx, "stat", path, &error)),
        };
        if !is_symlink && matches!(link.target, Target::Dangling | Target::Loop) {
            return Ok(None);
        }
        if link.metadata.is_none() && matches!(link.target, Target::Inside | Target::Outside) {
            return Err(unseen(cx, "stat", path, &StateError::Denied));
        }
        Ok(Some(Self::new(cx, path, is_symlink, link.metadata)))
    }

    /// An object that a listing gave lets somebody read or write whom the site does not let. It is not looked at again for
    /// that, so that a million files that are closed cost next to nothing. Says nothing of a symbolic link.
    #[must_use]
    pub fn lets_in(cx: &Context<'_>, metadata: &Metadata) -> bool {
        Self::lets(cx, metadata, 0o066)
    }

    /// The same of reading alone.
    #[must_use]
    pub fn lets_read(cx: &Context<'_>, metadata: &Metadata) -> bool {
        Self::lets(cx, metadata, 0o044)
    }

    /// The same of writing alone.
    #[must_use]
    pub fn lets_write(cx: &Context<'_>, metadata: &Metadata) -> bool {
        Self::lets(cx, metadata, 0o022)
    }

    fn lets(cx: &Context<'_>, metadata: &Metadata, bits: u32) -> bool {
        let allowed =
            if metadata.kind == Kind::Directory { cx.allowed().directory } else { cx.allowed().file };
        metadata.mode & bits & !allowed != 0
    }

    /// What a listing says of an object; none of a symbolic link, which has to be looked at.
    #[must_use]
    pub fn of(cx: &Context<'_>, path: &Path, metadata: &Metadata) -> Option<Self> {
        let is_link = metadata.kind == Kind::Symlink;
        (!is_link).then(|| Self::new(cx, path, false, Some(*metadata)))
    }

    fn new(cx: &Context<'_>, path: &Path, is_symlink: bool, end: Option<Metadata>) -> Self {
        let is_directory = end.as_ref().is_some_and(|end| end.kind == Kind::Directory);
        let allowed = if is_directory { cx.allowed().directory } else { cx.allowed().file };
        Self { path: path.clone(), root: cx.root(path), is_symlink, end, allowed }
    }

    fn has(&self, bits: u32) -> bool {
        self.end.as_ref().is_some_and(|end| end.mode & bits & !self.allowed != 0)
    }

    /// Everyone may write.
    #[must_use]
    pub fn world_writable(&self) -> bool {
        self.has(0o002)
    }

    /// The group may write.
    #[must_use]
    pub fn group_writable(&self) -> bool {
        self.has(0o020)
    }

    /// Everyone may read.
    #[must_use]
    pub fn world_readable(&self) -> bool {
        self.has(0o004)
    }

    /// The group may read.
    #[must_use]
    pub fn group_readable(&self) -> bool {
        self.has(0o040)
    }

    /// The end is a directory.
    #[must_use]
    pub fn is_directory(&self) -> bool {
        self.end.as_ref().is_some_and(|end| end.kind == Kind::Directory)
    }

    /// The object cannot be written by anybody, and its mode cannot be changed where it is named: it lies behind a link, or is
    /// somebody else's, as in a read-only store of packages.
    #[must_use]
    pub fn is_in_store(&self) -> bool {
        self.end.as_ref().is_some_and(|end| end.mode & 0o222 == 0 && (self.is_symlink || !end.owned))
    }

    /// Path and mode, for messages: `/home/ann/.openclaw has mode 755`.
    pub fn seen(&self) -> impl fmt::Display {
        fmt::from_fn(|f| {
            let mode = self.end.as_ref().map_or(0, |end| end.mode & 0o7777);
            let link = if self.is_symlink { " is a link, and what it leads to" } else { "" };
            write!(f, "{}{link} has mode {mode:03o}", self.root.display_path(&self.path))
        })
    }

    /// Who but the owner may write; none where nobody may.
    #[must_use]
    pub fn writers(&self) -> Option<&'static str> {
        accounts(self.world_writable(), self.group_writable())
    }

    /// Who but the owner may read; none where nobody may.
    #[must_use]
    pub fn readers(&self) -> Option<&'static str> {
        accounts(self.world_readable(), self.group_readable())
    }

    /// Completes a finding about these permissions: where it is, the command that leaves it to whom the site allows it,
    /// and the proposal to do so. Nothing is proposed for what is not of the kind that is meant to be there.
    #[must_use]
    pub fn complete(&self, meant: Kind, finding: Finding) -> Finding {
        let mut finding = finding.remediation(self.remedy(meant)).at_object(&self.path);
        finding.fixes.extend(self.cure(meant));
        finding
    }

    /// The remediation. An account that can write here decides what lies at the place, so a command is given as it is only
    /// where it can hit nothing but the object that is meant: neither what a link leads to, nor what a config calls its log.
    fn remedy(&self, meant: Kind) -> String {
        if self.is_in_store() {
            return "Keep secrets out of it, or put a file of your own in its place: nobody can change its mode where it lies"
                .to_owned();
        }
        if self.end.as_ref().is_some_and(|end| end.kind != meant) {
            let is = if meant == Kind::Directory { "a directory" } else { "a file" };
            return format!(
                "Find out what lies there, where {is} is meant, and take it away or put {is} in its place"
            );
        }
        // As a word of a command; none where it cannot be written as one.
        match self.root.exact_path(&self.path).and_then(|path| listing::shell_word(&path)) {
            Some(word) if self.is_symlink => {
                format!(
                    "If what the link leads to is this installation's alone, run: chmod {:03o} {word}",
                    self.allowed
                )
            }
            Some(word) if self.path.view == "log" => {
                format!(
                    "If it is the gateway's own log and nothing else, run: chmod {:03o} {word}",
                    self.allowed
                )
            }
            Some(word) => format!("Run: chmod {:03o} {word}", self.allowed),
            None => format!(
                "Set its mode to {:03o} with `chitin fix`, or by hand: its name has characters that no command which can be \
                 shown here would hit",
                self.allowed
            ),
        }
    }

    /// The proposal to leave it to whom the site allows it; none for another kind of object than is meant to be there. Where
    /// a link leads to it, the runner says why it leaves it.
    #[must_use]
    pub fn cure(&self, meant: Kind) -> Option<Fix> {
        let own = self.end.as_ref().filter(|end| end.kind == meant);
        let proposal = own.map(|end| SetMode {
            target: self.path.clone(),
            expected: end.mode,
            // Set-user-id, set-group-id and sticky bits are not what the finding is about.
            mode: end.mode & (self.allowed | 0o7000),
        });
        proposal.map(Fix::SetMode)
    }
}

fn accounts(world: bool, group: bool) -> Option<&'static str> {
    match (world, group) {
        (true, _) => Some("every account on this machine"),
        (false, true) => Some("every member of its group"),
        (false, false) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::MemoryHost;

    fn inspect(host: &MemoryHost) -> Permissions {
        let seen = host.with(|cx| Permissions::inspect(cx, &Path::new("state", "")));
        seen.expect("the host looks").expect("the object exists")
    }

    #[test]
    fn a_listing_says_as_much_as_a_look() {
        for mode in [0o600, 0o700, 0o711, 0o640, 0o604, 0o622, 0o666] {
            let host = MemoryHost::new("{}").file("state", "x", mode, "");
            let path = Path::new("state", "x");
            host.with(|cx| {
                let looked = Permissions::inspect(cx, &path).expect("it looks").expect("it is there");
                let is_open = looked.writers().is_some() || looked.readers().is_some();
                let metadata = looked.end.expect("it is no link");
                assert_eq!(Permissions::lets_in(cx, &metadata), is_open, "{mode:o}");
                assert_eq!(Permissions::lets_read(cx, &metadata), looked.readers().is_some(), "{mode:o}");
                assert_eq!(Permissions::lets_write(cx, &metadata), looked.writers().is_some(), "{mode:o}");
                let listed = Permissions::of(cx, &path, &metadata).map(|listed| format!("{listed:?}"));
                assert_eq!(listed, Some(format!("{looked:?}")), "{mode:o}");
            });
        }
    }

    #[test]
    fn everyone_is_named_before_the_group() {
        let folder = |mode| inspect(&MemoryHost::new("{}").directory("state", "", mode));
        assert_eq!(folder(0o711).readers(), None);
        assert_eq!(folder(0o750).readers(), Some("every member of its group"));
        assert_eq!(folder(0o754).readers(), Some("every account on this machine"));
        assert_eq!(folder(0o755).writers(), None);
        assert_eq!(folder(0o772).writers(), Some("every account on this machine"));
    }

    fn cure_as(meant: Kind, host: &MemoryHost) -> (Option<String>, Vec<(u32, u32)>) {
        let finding = inspect(host).complete(meant, crate::warn("x", "x"));
        let modes = finding.fixes.iter().map(|fix| match fix {
            Fix::SetMode(change) => (change.expected, change.mode),
            other => panic!("a mode was wanted, not {other:?}"),
        });
        (finding.remediation.clone(), modes.collect())
    }

    fn cure(host: &MemoryHost) -> (Option<String>, Vec<(u32, u32)>) {
        let kind = inspect(host).end.map_or(Kind::File, |end| end.kind);
        cure_as(kind, host)
    }

    #[test]
    fn a_folder_where_a_file_is_meant_is_left_alone() {
        let folder = MemoryHost::new("{}").directory("state", "", 0o755);
        assert_eq!(cure_as(Kind::File, &folder).1, vec![]);
        let file = MemoryHost::new("{}").file("state", "", 0o644, "");
        assert_eq!(cure_as(Kind::Directory, &file).1, vec![]);
        let said = cure_as(Kind::Directory, &file).0.unwrap_or_default();
        assert!(!said.contains("chmod"), "{said}");
    }

    #[test]
    fn a_log_is_what_the_config_says_and_gets_no_command_as_it_is() {
        let host = MemoryHost::new("{}").file("log", "", 0o644, "");
        let seen = host.with(|cx| Permissions::inspect(cx, &Path::new("log", "")));
        let finding =
            seen.expect("the host looks").expect("it exists").complete(Kind::File, crate::warn("x", "x"));
        assert!(finding.remediation.is_some_and(|said| said.starts_with("If ")));
    }

    #[test]
    fn the_cure_takes_bits_away_and_leaves_its_owner_what_the_owner_had() {
        let run = |command: &str| Some(format!("Run: {command} /state"));
        let folder = |mode| cure(&MemoryHost::new("{}").directory("state", "", mode));
        let file = |mode| cure(&MemoryHost::new("{}").file("state", "", mode, ""));
        assert_eq!(folder(0o777), (run("chmod 700"), vec![(0o777, 0o700)]));
        assert_eq!(folder(0o2755), (run("chmod 700"), vec![(0o2755, 0o2700)]));
        assert_eq!(file(0o777), (run("chmod 600"), vec![(0o777, 0o600)]));
        assert_eq!(file(0o444), (run("chmod 600"), vec![(0o444, 0o400)]));
        let link = MemoryHost::new("{}").file("state", "x", 0o644, "").symlink("state", "", Some("x"));
        let (said, modes) = cure(&link);
        assert_eq!(modes, vec![(0o644, 0o600)], "the runner says why it leaves it");
        assert!(said.is_some_and(|said| said.starts_with("If ") && said.ends_with("run: chmod 600 /state")));
    }

    #[test]
    fn what_the_site_allows_is_no_finding_and_stays() {
        let host = |mode| MemoryHost::new("{}").allowing(0o2770, 0o660).directory("state", "", mode);
        assert_eq!(inspect(&host(0o2770)).writers(), None);
        assert_eq!(inspect(&host(0o2775)).readers(), Some("every account on this machine"));
        assert_eq!(cure(&host(0o2775)), (Some("Run: chmod 2770 /state".to_owned()), vec![(0o2775, 0o2770)]));
    }

    #[test]
    fn a_dangling_link_has_no_permissions_of_its_own() {
        let link = inspect(&MemoryHost::new("{}").symlink("state", "", None));
        assert!(link.is_symlink);
        assert_eq!((link.writers(), link.readers()), (None, None));
    }

    #[test]
    fn a_command_is_exactly_about_the_object_or_there_is_none() {
        for (rel, command) in [
            ("100%25 $(id).json", Some("Run: chmod 600 '/state/100% $(id).json'")),
            ("it's", Some(r"Run: chmod 600 '/state/it'\''s'")),
            ("a\nb", None),
            ("caf%E9", None),
        ] {
            let host = MemoryHost::new("{}").file("state", rel, 0o644, "");
            let seen = host.with(|cx| Permissions::inspect(cx, &Path::new("state", rel)));
            let finding =
                seen.expect("the host looks").expect("it exists").complete(Kind::File, crate::warn("x", "x"));
            let said = finding.remediation.unwrap_or_default();
            assert_eq!(said.starts_with("Run: ").then_some(said.as_str()), command, "{rel:?}");
        }
    }
}
