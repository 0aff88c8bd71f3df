//! Scans a folder of code: what is read of it, what the rules of [`crate::code`] meet there, and what could not be
//! looked at. Nothing is passed over in silence that could hold code.

use std::collections::BTreeSet;

use crate::code::{self, Hit};
use crate::context::{is_skipped, reason};
use crate::listing;
use crate::{
    Context, Finding, Kind, Location, Path, Severity, StateError, Target, TextPosition, finding, warn,
};

/// Names that are passed over, as the reference does: what is hidden, and installed dependencies.
const SKIP: [&str; 2] = [".*", "node_modules"];

/// Most scripts of one folder: forty times as many as the reference looks at.
const MAX_FILES: usize = 20_000;

/// Most objects of one folder that are met.
const MAX_OBJECTS: usize = 200_000;

/// Most bytes of all scripts of one folder. The rules take 65 units of fuel for each at worst, 9 on ordinary code; the
/// manifests of the two policies ask for as much.
const MAX_BYTES: u64 = 48 << 20;

/// Most objects that could not be looked at and are remembered; the rest is counted.
const MAX_REMEMBERED: usize = 100;

/// Most hits of one severity that are kept; it takes no more to say what a folder is like. Each severity has its own, so
/// that harmless hits cannot crowd out the others.
const MAX_HITS: usize = 500;

/// What a scan met.
#[derive(Default)]
pub struct Scan {
    /// Scripts that were read.
    pub files: usize,
    /// Where the rules matched.
    pub hits: Vec<(Path, Hit)>,
    /// What was not looked at, and why.
    left_out: Vec<(Path, String)>,
    /// How many more of those there are.
    more: usize,
    bytes: u64,
    objects: usize,
    /// Hits of each severity, kept or not.
    counts: [usize; 3],
}

/// Scans everything in a view, and files of it that may be passed over otherwise, by their paths.
#[must_use]
pub fn folder(cx: &Context<'_>, view: &str, named: &BTreeSet<String>) -> Scan {
    let mut scan = Scan::default();
    let root = Path::new(view, "");
    match cx.host().stat(&root) {
        Ok(metadata) if metadata.kind == Kind::File => scan.file(cx, &root, metadata.size),
        Ok(_) => {
            for rel in named {
                scan.named(cx, &Path::new(view, rel));
            }
            let walked = cx.host().walk(&root, &SKIP, &mut |walked| {
                scan.objects += 1;
                if scan.objects > MAX_OBJECTS {
                    scan.leave_out(&root, format!("it has more than {MAX_OBJECTS} objects"));
                    return false;
                }
                let script = code::is_script(name(&walked.object));
                match walked.metadata.kind {
                    Kind::Directory => {
                        if let Some(error) = &walked.refused {
                            scan.leave_out(&walked.object, reason(error));
                        }
                    }
                    _ if named.contains(&walked.object.rel) => {}
                    Kind::File if script => scan.file(cx, &walked.object, walked.metadata.size),
                    Kind::Symlink => scan.link(cx, &walked.object, script),
                    Kind::Other if script => scan.leave_out(&walked.object, "it is no regular file"),
                    Kind::File | Kind::Other => {}
                }
                true
            });
            if let Err(error) = walked {
                scan.leave_out(&root, reason(&error));
            }
        }
        Err(error) => scan.leave_out(&root, reason(&error)),
    }
    scan
}

/// The last name of a path.
fn name(path: &Path) -> &str {
    path.rel.rsplit('/').next().unwrap_or_default()
}

impl Scan {
    fn file(&mut self, cx: &Context<'_>, path: &Path, size: u64) {
        if self.files == MAX_FILES {
            return self.leave_out(path, format!("{MAX_FILES} scripts were read before it"));
        }
        if self.bytes.saturating_add(size) > MAX_BYTES {
            return self.leave_out(
                path,
                format!("{} MiB were read before it, or it is larger itself", MAX_BYTES >> 20),
            );
        }
        match cx.host().read(path, u32::MAX) {
            Ok(content) => {
                self.files += 1;
                self.bytes += content.bytes.len() as u64;
                for hit in code::scan(&content.bytes) {
                    let Some(count) = self.counts.get_mut(rank(hit.severity)) else { continue };
                    *count += 1;
                    if *count <= MAX_HITS {
                        self.hits.push((path.clone(), hit));
                    }
                }
            }
            Err(StateError::Secret) => self.leave_out(path, "only scripts can be read"),
            Err(error) => self.leave_out(path, reason(&error)),
        }
    }

    /// A file that the plugin itself names. What does not exist cannot be loaded.
    fn named(&mut self, cx: &Context<'_>, path: &Path) {
        let script = code::is_script(name(path));
        match cx.host().stat(path) {
            Ok(metadata) if metadata.kind == Kind::File && script => self.file(cx, path, metadata.size),
            Ok(metadata) if metadata.kind == Kind::Symlink => self.link(cx, path, script),
            Err(StateError::ThroughLink) => self.link(cx, path, script),
            Ok(_) | Err(StateError::NotFound) => {}
            Err(error) => self.leave_out(path, reason(&error)),
        }
    }

    /// What lies behind a link in the same folder is met on the way, unless it lies where nothing is looked at.
    fn link(&mut self, cx: &Context<'_>, path: &Path, script: bool) {
        let link = match cx.host().resolve(path) {
            Ok(link) => link,
            Err(error) => return self.leave_out(path, reason(&error)),
        };
        let is_directory = link.metadata.is_none_or(|metadata| metadata.kind == Kind::Directory);
        match (link.target, &link.end, link.metadata) {
            (Target::Loop, ..) if script => self.leave_out(path, "the link leads to itself"),
            (Target::Outside, ..) if script || is_directory => {
                self.leave_out(path, "the link leads out of the folder");
            }
            (Target::Inside, Some(end), Some(metadata)) => {
                let passed = end.rel.split('/').any(|name| is_skipped(&SKIP, name));
                match metadata.kind {
                    Kind::Directory if passed => {
                        self.leave_out(path, "the link leads to what is not scanned");
                    }
                    Kind::File if script && (passed || !code::is_script(name(end))) => {
                        self.file(cx, end, metadata.size);
                    }
                    _ => {}
                }
            }
            _ => {}
        }
    }

    /// Something was not looked at.
    pub fn leave_out(&mut self, path: &Path, why: impl Into<String>) {
        if self.left_out.len() < MAX_REMEMBERED {
            self.left_out.push((path.clone(), why.into()));
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

/// The findings of a scan.
#[must_use]
pub fn findings(cx: &Context<'_>, scan: &Scan, words: &Words<'_>) -> Vec<Finding> {
    let Words { check, what, name, removal } = words;
    let short: String = name.chars().take(MAX_TITLE_NAME).collect();
    let mut findings = Vec::new();
    if !scan.left_out.is_empty() {
        let lines: Vec<String> =
            scan.left_out.iter().map(|(path, why)| format!("{}: {why}", cx.display_path(path))).collect();
        let more = if scan.more == 0 { String::new() } else { format!("\n- and {} more", scan.more) };
        // A longer path than there can be is no place; the words name it.
        let paths = scan.left_out.iter().map(|(path, _)| path).filter(|path| path.rel.len() <= MAX_PATH);
        findings.push(
            warn(&format!("{check}.scan_failed"), &format!("{what} {short} was not scanned in full"))
                .detail(format!(
                    "{} of its scripts were read. What was not looked at may hold anything:\n{}{more}",
                    scan.files,
                    listing::lines(&lines)
                ))
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
    let lines: Vec<String> = hits.iter().map(|hit| line(hit)).collect();
    let critical = worst == Severity::Critical;
    let title = if critical { "has code that can do harm" } else { "has code that needs a look" };
    let count: usize = scan.counts.iter().sum();
    let places = if count == 1 { "1 place".to_owned() } else { format!("{count} places") };
    let scripts = if scan.files == 1 { "1 script".to_owned() } else { format!("{} scripts", scan.files) };
    let remediation = if critical {
        format!("Read these places before you use it; {removal} if you do not trust it.")
    } else {
        "Make sure that the code is meant to do this.".to_owned()
    };
    let mut finding = finding(check, worst, &format!("{what} {short} {title}"))
        .detail(format!(
            "{places} in {scripts}; the gateway runs such code with all its rights:\n{}",
            listing::lines(&lines)
        ))
        .remediation(remediation);
    for (object, hit) in hits.into_iter().take(MAX_PLACES) {
        let (line, column) = (hit.line, hit.column);
        finding = finding.at_location(&Location::Text(TextPosition { object: object.clone(), line, column }));
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

fn line((path, hit): &(Path, Hit)) -> String {
    let name = if path.rel.is_empty() { "the file" } else { path.rel.as_str() };
    format!("[{}] {} ({name}:{}): {}", hit.rule, hit.message, hit.line, hit.evidence)
}
