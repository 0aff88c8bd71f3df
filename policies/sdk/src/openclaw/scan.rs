//! Scans a folder of code: what is read of it, what the rules of [`crate::openclaw::code`] meet there, and what could not be
//! looked at. Nothing is passed over in silence that could hold code.

use std::collections::BTreeSet;

use crate::context::{is_skipped, reason};
use crate::openclaw::code::{self, Hit, Place, Rules, skill};
use crate::{
    Answer, Context, Finding, Kind, Location, NotAssessed, Path, Severity, StateError, Target, TextPosition,
    finding, warn,
};

/// Names that are passed over, as the reference does: what is hidden, and installed dependencies.
const SKIP: [&str; 2] = [".*", "node_modules"];

/// Most scripts of one folder: forty times as many as the reference looks at.
const MAX_FILES: usize = 20_000;

/// Most objects of one folder that are met.
const MAX_OBJECTS: usize = 200_000;

/// Most bytes of all scripts of one folder, each counted as often as it is gone through. The rules take 65 units of fuel for
/// each at worst, 9 on ordinary code; the manifests of the two policies ask for as much, and for one long file beyond it.
const MAX_BYTES: u64 = 48 << 20;

/// Most objects that could not be looked at and are remembered; the rest is counted.
const MAX_REMEMBERED: usize = 100;

/// Most hits of one severity that are kept; it takes no more to say what a folder is like. Each severity has its own, so
/// that harmless hits cannot crowd out the others.
const MAX_HITS: usize = 500;

/// Why something was not looked at, in words.
#[derive(PartialEq)]
pub enum Why {
    /// It could not be.
    Unreadable(String),
    /// It is more than is taken.
    Limit(String),
}

impl Why {
    fn words(&self) -> &str {
        match self {
            Self::Unreadable(words) | Self::Limit(words) => words,
        }
    }
}

fn unreadable(why: impl Into<String>) -> Why {
    Why::Unreadable(why.into())
}

/// What a scan met.
#[derive(Default)]
pub struct Scan {
    /// Scripts that were read.
    pub files: usize,
    /// Where the rules matched.
    pub hits: Vec<(Path, Hit)>,
    /// What was not looked at, and why.
    left_out: Vec<(Path, Why)>,
    /// How many more of those there are.
    more: usize,
    /// What was met by way of the starts, several of which may lead to one file; none once they are done.
    met: Option<BTreeSet<String>>,
    bytes: u64,
    objects: usize,
    /// Hits of each severity, kept or not.
    counts: [usize; 3],
}

/// Why a file that a plugin starts in was not read.
const NO_SCRIPT: &str = "the plugin starts in it, and by its name it is no script";

/// Endings that a loader adds to a name where there is no such file: scripts are met on the way, but for hidden ones.
const NATIVE: &str = "node";

/// Scans everything in a view. `starts` are the paths of what a plugin says that it starts in: they are looked at wherever
/// they lie and whatever they are called.
#[must_use]
pub fn folder(cx: &Context<'_>, view: &str, starts: &BTreeSet<String>) -> Scan {
    let mut scan = Scan { met: Some(BTreeSet::new()), ..Scan::default() };
    let root = Path::new(view, "");
    match cx.host().stat(&root) {
        Ok(metadata) if metadata.kind == Kind::File => scan.file(cx, &root, metadata.size),
        Ok(_) => {
            for rel in starts {
                scan.start(cx, &Path::new(view, rel));
            }
            scan.met = None;
            scan.below(cx, &root, starts);
        }
        Err(error) => scan.leave_out(&root, unreadable(reason(&error))),
    }
    scan
}

/// A walk of the whole folder does not come by here.
fn is_passed(path: &Path) -> bool {
    path.rel.split('/').any(|name| is_skipped(&SKIP, name))
}

/// The last name of a path.
fn name(path: &Path) -> &str {
    path.rel.rsplit('/').next().unwrap_or_default()
}

impl Scan {
    /// Meets an object for the first time.
    fn is_new(&mut self, path: &Path) -> bool {
        self.met.as_mut().is_none_or(|met| met.insert(path.rel.clone()))
    }

    fn file(&mut self, cx: &Context<'_>, path: &Path, size: u64) {
        if !self.is_new(path) {
            return;
        }
        if self.files == MAX_FILES {
            return self.leave_out(path, Why::Limit(format!("{MAX_FILES} scripts were read before it")));
        }
        if self.bytes.saturating_add(size) > MAX_BYTES {
            return self.leave_out(
                path,
                Why::Limit(format!("{} MiB were read before it, or it is larger itself", MAX_BYTES >> 20)),
            );
        }
        match cx.host().read(path, u32::MAX) {
            Ok(content) => {
                self.files += 1;
                let length = content.bytes.len() as u64;
                let scanned = code::scan_by(Rules::of(cx.release()), content.bytes);
                // A text that is gone through twice counts twice: it is as much work.
                self.bytes = self.bytes.saturating_add(length.saturating_mul(scanned.passes));
                self.add(path, scanned.hits);
            }
            Err(StateError::Secret) => self.leave_out(path, unreadable("only scripts can be read")),
            Err(error) => self.leave_out(path, unreadable(reason(&error))),
        }
    }

    fn add(&mut self, path: &Path, hits: Vec<Hit>) {
        for hit in hits {
            let Some(count) = self.counts.get_mut(rank(hit.severity)) else { continue };
            *count += 1;
            if *count <= MAX_HITS {
                self.hits.push((path.clone(), hit));
            }
        }
    }

    /// Reads the text of a skill: what it asks of an agent, and as the code that a careless reader may take it for. Earlier
    /// releases do not look at it.
    pub fn skill_text(&mut self, cx: &Context<'_>, path: &Path) {
        if !skill::is_read(cx.release()) {
            return;
        }
        match cx.host().read(path, u32::try_from(skill::MAX_BYTES).unwrap_or(u32::MAX)) {
            Ok(content) if content.truncated => {
                self.leave_out(path, Why::Limit(format!("it has more than {} bytes", skill::MAX_BYTES)));
            }
            Ok(content) => {
                self.add(path, skill::scan(&content.bytes, cx.release()));
                self.add(path, code::scan_by(Rules::of(cx.release()), content.bytes).hits);
            }
            Err(StateError::NotFound) => {}
            Err(StateError::WrongKind | StateError::ThroughLink) => {
                self.leave_out(path, unreadable("it is no regular file, or a link"));
            }
            Err(error) => self.leave_out(path, unreadable(reason(&error))),
        }
    }

    /// Scans what lies below a folder.
    fn below(&mut self, cx: &Context<'_>, root: &Path, starts: &BTreeSet<String>) {
        let walked = cx.host().walk(root, &SKIP, &mut |walked| {
            self.objects += 1;
            if self.objects > MAX_OBJECTS {
                self.leave_out(root, Why::Limit(format!("it has more than {MAX_OBJECTS} objects")));
                return false;
            }
            let script = code::is_script(name(&walked.object));
            match walked.metadata.kind {
                Kind::Directory => {
                    if let Some(error) = &walked.refused {
                        self.leave_out(&walked.object, unreadable(reason(error)));
                    }
                }
                _ if starts.contains(&walked.object.rel) => {}
                Kind::File if script => self.file(cx, &walked.object, walked.metadata.size),
                Kind::Symlink => self.link(cx, &walked.object, script),
                Kind::Other if script => self.leave_out(&walked.object, unreadable("it is no regular file")),
                Kind::File | Kind::Other => {}
            }
            true
        });
        if let Err(error) = walked {
            self.leave_out(root, unreadable(reason(&error)));
        }
    }

    /// What the plugin itself starts in, as a loader finds it: a file, a name without its ending, or a folder. What does
    /// not exist cannot be loaded.
    fn start(&mut self, cx: &Context<'_>, path: &Path) {
        match cx.host().stat(path) {
            Ok(metadata) => match metadata.kind {
                Kind::File if code::is_script(name(path)) => self.file(cx, path, metadata.size),
                Kind::File => self.not_a_script(path),
                Kind::Directory => self.start_folder(cx, path),
                Kind::Symlink => drop(self.start_link(cx, path)),
                Kind::Other => self.leave_out(path, unreadable("it is no regular file")),
            },
            Err(StateError::ThroughLink) if self.start_link(cx, path) => {}
            Err(StateError::ThroughLink | StateError::NotFound) => self.start_without_ending(cx, path),
            Err(error) => self.leave_out(path, unreadable(reason(&error))),
        }
    }

    fn not_a_script(&mut self, path: &Path) {
        if self.is_new(path) {
            self.leave_out(path, unreadable(NO_SCRIPT));
        }
    }

    fn start_without_ending(&mut self, cx: &Context<'_>, path: &Path) {
        let hidden = is_passed(path);
        let scripts = code::SCRIPTS.iter().filter(|_| hidden);
        for ending in scripts.copied().chain([NATIVE]) {
            let path = Path::new(&path.view, &format!("{}.{ending}", path.rel));
            match cx.host().stat(&path) {
                Ok(metadata) if metadata.kind == Kind::Directory => {}
                Ok(_) => self.start(cx, &path),
                Err(StateError::ThroughLink) => drop(self.start_link(cx, &path)),
                Err(StateError::NotFound) => {}
                Err(error) => self.leave_out(&path, unreadable(reason(&error))),
            }
        }
    }

    fn start_folder(&mut self, cx: &Context<'_>, path: &Path) {
        // The folder of the plugin itself, and what is neither hidden nor installed, is met on the way.
        if is_passed(path) {
            self.below(cx, path, &BTreeSet::new());
        }
        let native = path.join(&format!("index.{NATIVE}"));
        match cx.host().stat(&native) {
            Ok(_) => self.not_a_script(&native),
            Err(StateError::NotFound) => {}
            Err(error) => self.leave_out(&native, unreadable(reason(&error))),
        }
    }

    /// The same through a link. False where nothing of this name is at its end.
    fn start_link(&mut self, cx: &Context<'_>, path: &Path) -> bool {
        let link = match cx.host().resolve(path) {
            Ok(link) => link,
            Err(StateError::NotFound) => return false,
            Err(error) => {
                self.leave_out(path, unreadable(reason(&error)));
                return true;
            }
        };
        match (link.target, &link.end, link.metadata) {
            (Target::Loop, ..) => self.leave_out(path, unreadable("the link leads to itself")),
            (Target::Outside, ..) => self.leave_out(path, unreadable("the link leads out of the folder")),
            (Target::Inside, Some(end), Some(metadata)) => match metadata.kind {
                Kind::Directory => self.start_folder(cx, end),
                Kind::File if !code::is_script(name(end)) => self.not_a_script(path),
                // Everything else is found by the walk.
                Kind::File if is_passed(end) => self.file(cx, end, metadata.size),
                Kind::File | Kind::Symlink => {}
                Kind::Other => self.leave_out(path, unreadable("it is no regular file")),
            },
            (Target::Inside, ..) => self.leave_out(path, unreadable(reason(&StateError::Denied))),
            (Target::Dangling, ..) => {}
        }
        true
    }

    /// What lies behind a link in the same folder is met on the way, unless it lies where nothing is looked at.
    fn link(&mut self, cx: &Context<'_>, path: &Path, script: bool) {
        let link = match cx.host().resolve(path) {
            Ok(link) => link,
            Err(error) => return self.leave_out(path, unreadable(reason(&error))),
        };
        let is_directory = link.metadata.is_none_or(|metadata| metadata.kind == Kind::Directory);
        match (link.target, &link.end, link.metadata) {
            (Target::Loop, ..) if script => self.leave_out(path, unreadable("the link leads to itself")),
            (Target::Outside, ..) if script || is_directory => {
                self.leave_out(path, unreadable("the link leads out of the folder"));
            }
            (Target::Inside, Some(end), Some(metadata)) => {
                let passed = is_passed(end);
                match metadata.kind {
                    Kind::Directory if passed => {
                        self.leave_out(path, unreadable("the link leads to what is not scanned"));
                    }
                    Kind::File if script && (passed || !code::is_script(name(end))) => {
                        self.file(cx, end, metadata.size);
                    }
                    _ => {}
                }
            }
            (Target::Inside, ..) => self.leave_out(path, unreadable(reason(&StateError::Denied))),
            _ => {}
        }
    }

    /// Something was not looked at.
    pub fn leave_out(&mut self, path: &Path, why: Why) {
        if self.left_out.len() < MAX_REMEMBERED {
            self.left_out.push((path.clone(), why));
        } else {
            self.more += 1;
        }
    }
}

/// How the findings of a scan read.
pub struct Words<'a> {
    /// The check of what the rules met; its `.scan_failed` says what was not looked at.
    pub check: &'a str,
    /// What it is, with a capital: "Plugin" or "Skill".
    pub what: &'a str,
    /// The name of its folder.
    pub name: &'a str,
    /// What to do where it cannot be trusted.
    pub removal: &'a str,
}

/// Adds what a scan met to an answer. Where something was not looked at, the check is left open too.
pub fn tell(cx: &Context<'_>, scan: &Scan, words: &Words<'_>, answer: &mut Answer) {
    answer.findings.extend(findings(cx, scan, words));
    for (number, (path, why)) in scan.left_out.iter().enumerate() {
        // One for each reason is enough: the finding of what was not scanned names them all.
        if scan.left_out.iter().take(number).any(|(_, known)| known == why) {
            continue;
        }
        let open = match why {
            Why::Unreadable(why) => NotAssessed::unreadable(why),
            Why::Limit(name) => NotAssessed::limit(name),
        };
        let is_place = path.rel.len() <= MAX_PATH;
        answer.leave_open(words.check, if is_place { open.at(Location::Object(path.clone())) } else { open });
    }
}

/// The findings of a scan.
fn findings(cx: &Context<'_>, scan: &Scan, words: &Words<'_>) -> Vec<Finding> {
    let Words { check, what, name, removal } = words;
    let short: String = name.chars().take(MAX_TITLE_NAME).collect();
    let mut findings = Vec::new();
    if !scan.left_out.is_empty() {
        let lines: Vec<String> = scan
            .left_out
            .iter()
            .map(|(path, why)| format!("{}: {}", cx.display_path(path), why.words()))
            .collect();
        // A longer path than there can be is no place; the words name it.
        let paths = scan.left_out.iter().map(|(path, _)| path).filter(|path| path.rel.len() <= MAX_PATH);
        findings.push(
            warn(&format!("{check}.scan_failed"), &format!("{what} {short} was not scanned in full"))
                .detail(format!(
                    "{} of its scripts were read. What was not looked at may hold anything:",
                    scan.files,
                ))
                .list(&lines, scan.more)
                .remediation(
                    "Look at these yourself, or replace links by what they lead to, mend permissions and split what is \
                     too large; then audit again with --deep.",
                )
                .at_objects(paths),
        );
    }
    let Some(worst) = scan.hits.iter().map(|(_, hit)| hit.severity).min_by_key(|severity| rank(*severity))
    else {
        return findings;
    };
    let mut hits: Vec<&(Path, Hit)> = scan.hits.iter().collect();
    hits.sort_by_key(|(_, hit)| rank(hit.severity));
    let lines: Vec<String> = hits.iter().flat_map(|hit| lines(hit)).collect();
    let critical = worst == Severity::Critical;
    let title = if critical { "has code that can do harm" } else { "has code that needs a look" };
    let count: usize = scan.counts.iter().sum();
    let places = if count == 1 { "1 place".to_owned() } else { format!("{count} places") };
    let scripts = match scan.files {
        0 => "its description".to_owned(),
        1 => "1 script".to_owned(),
        files => format!("{files} scripts"),
    };
    let remediation = if critical {
        format!("Read these places before you use it; {removal} if you do not trust it.")
    } else {
        "Make sure that the code is meant to do this.".to_owned()
    };
    let mut finding = finding(check, worst, &format!("{what} {short} {title}"))
        .detail(format!("{places} in {scripts}; the gateway runs such code with all its rights:"))
        .list(&lines, 0)
        .remediation(remediation);
    let places = hits.into_iter().flat_map(|(object, hit)| {
        let places = std::iter::once(&hit.place).chain(&hit.other);
        places.map(move |place| (object, place))
    });
    for (object, Place { line, column, .. }) in places.take(MAX_PLACES) {
        let (object, line, column) = (object.clone(), *line, *column);
        finding = finding.at_location(&Location::Text(TextPosition { object, line, column }));
    }
    findings.push(finding);
    findings
}

/// Longest path below a view (`PATH_MAX` of Linux).
const MAX_PATH: usize = 4096;

/// Longest name in a title, which has 80 characters at most.
const MAX_TITLE_NAME: usize = 40;

/// Most places of one finding; the runner refuses more than 100.
const MAX_PLACES: usize = 100;

/// The worst first.
fn rank(severity: Severity) -> usize {
    match severity {
        Severity::Critical => 0,
        Severity::Warn => 1,
        Severity::Info => 2,
    }
}

/// What a rule met, in a line for each of its parts.
fn lines((path, hit): &(Path, Hit)) -> impl Iterator<Item = String> {
    let name = if path.rel.is_empty() { "the file" } else { path.rel.as_str() };
    let line = |words: &str, place: &Place| {
        format!("[{}] {words} ({name}:{}): {}", hit.rule, place.line, place.evidence)
    };
    let other = hit.other.as_ref().filter(|other| other.line != hit.place.line);
    [Some(line(hit.message, &hit.place)), other.map(|other| line("together with", other))]
        .into_iter()
        .flatten()
}
