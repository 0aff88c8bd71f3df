//! `$include`: reads the main file and what it includes, confined to the directory of the main file, and lays
//! the pieces over each other. A piece that fails counts as an empty object.

use std::path::{Path, PathBuf};

use crate::config::pointer::{join, readable};
use crate::config::release::{Release, detect};
use crate::config::scan::{Excess, scan};
use crate::config::source::{SourceFile, Spot};
use crate::config::tree::{Doubt, DoubtKind, Node, ParseError, Tree, merge, parse};
use crate::config::{
    MAX_CONFIG_BYTES, MAX_DEPTH, MAX_INCLUDE_FILES, MAX_INCLUDE_LEVEL, MAX_POINTER_BYTES, MAX_TOTAL_BYTES,
    MAX_VALUES,
};
use crate::config::{Problem, ProblemKind, Problems};
use crate::target::snapshot::Identity;
use crate::target::{INCLUDE_ROOTS, Place, Preview, ReadError, Territory, absolute, is_inside, normalise};

/// The key that names files.
pub(in crate::config) const INCLUDE: &str = "$include";

/// The oldest release that takes includes from [`INCLUDE_ROOTS`].
const ROOTS_SINCE: Release = Release::new(2026, 5, 0);

/// Reads files and remembers them.
pub(in crate::config) struct Loader<'p> {
    preview: &'p Preview,
    territory: Territory,
    /// Directory of the main file, textually: includes lie in it.
    root: PathBuf,
    /// Other directories in which includes may lie, as the operator says.
    more_roots: Vec<PathBuf>,
    /// The same, where the config's release does not know them yet.
    roots_too_new: Vec<PathBuf>,
    /// The release that the operator asked for.
    asked: Option<Release>,
    files: Vec<SourceFile>,
    /// Every include that was opened as one, each once, in the order in which they were met.
    includes: Vec<PathBuf>,
    /// The objects that were read.
    objects: Vec<Identity>,
    reads: usize,
    bytes: u64,
    /// Values that the config and its includes may still hold.
    values: usize,
    pointer_budget: usize,
}

/// Where an include statement stands.
struct Site<'a> {
    /// Pointer of the object that holds it.
    pointer: &'a str,
    /// Place of the file name.
    spot: Option<Spot>,
    /// Files from the main one to the one that includes.
    chain: &'a [PathBuf],
    /// Nesting at this point.
    depth: usize,
}

/// What was read.
pub(in crate::config) struct Read {
    /// The main file, if it could be read, and the includes in the order in which they were read.
    pub files: Vec<SourceFile>,
    /// Every include that was opened as one, each once.
    pub includes: Vec<PathBuf>,
    /// The objects that were read.
    pub objects: Vec<Identity>,
}

impl<'p> Loader<'p> {
    /// `include_roots` is what the operator says of other directories with includes, `asked` of the release.
    pub(in crate::config) fn new(
        main: &Path,
        territory: Territory,
        include_roots: Vec<PathBuf>,
        asked: Option<Release>,
        preview: &'p Preview,
    ) -> Self {
        Self {
            preview,
            territory,
            root: main.parent().unwrap_or(Path::new("/")).to_owned(),
            more_roots: include_roots,
            roots_too_new: Vec::new(),
            asked,
            files: Vec::new(),
            includes: Vec::new(),
            objects: Vec::new(),
            reads: 0,
            bytes: 0,
            values: MAX_VALUES,
            pointer_budget: MAX_POINTER_BYTES,
        }
    }

    pub(in crate::config) fn into_read(self) -> Read {
        Read { files: self.files, includes: self.includes, objects: self.objects }
    }

    /// The main file as it stands, includes not resolved. `None` when it is missing (no problem) or was not
    /// understood (a problem).
    pub(in crate::config) fn main(&mut self, path: &Path, problems: &mut Problems) -> Option<Tree> {
        let read = match self.preview.texts.get(path) {
            Some(bytes) => Ok(bytes.clone()),
            None => self.territory.read_linked(path, MAX_CONFIG_BYTES).map(|content| {
                self.objects.push(content.object.identity);
                content.bytes
            }),
        };
        match read {
            Ok(bytes) => self.parse(path, bytes, MAX_DEPTH, "", problems),
            Err(ReadError::NotFound(_)) => None,
            Err(error) => {
                problems.push(unreadable(&error, path));
                None
            }
        }
    }

    /// The bytes of an include, which lies below a root and behind no link.
    fn read(&mut self, root: &Path, path: &Path, cap: u64) -> Result<Vec<u8>, ReadError> {
        if let Some(bytes) = self.preview.texts.get(path) {
            return Ok(bytes.clone());
        }
        let rel = path.strip_prefix(root).unwrap_or(path);
        let content = self.territory.read_beneath(root, rel, cap)?;
        self.objects.push(content.object.identity);
        Ok(content.bytes)
    }

    /// The same tree with every include in place.
    pub(in crate::config) fn resolve(&mut self, tree: Tree, path: &Path, problems: &mut Problems) -> Tree {
        let version = self.asked.or_else(|| detect::stamp(&tree).and_then(Release::of_stamp));
        if !self.more_roots.is_empty() && version.is_some_and(|version| version < ROOTS_SINCE) {
            self.roots_too_new = std::mem::take(&mut self.more_roots);
        }
        self.process(tree, "", &[normalise(path)], 0, problems)
    }

    fn parse(
        &mut self,
        path: &Path,
        bytes: Vec<u8>,
        max_depth: usize,
        pointer: &str,
        problems: &mut Problems,
    ) -> Option<Tree> {
        self.bytes += bytes.len() as u64;
        let (mut text, utf8) = match String::from_utf8(bytes) {
            Ok(text) => (text, true),
            Err(error) => (String::from_utf8_lossy(error.as_bytes()).into_owned(), false),
        };
        if !utf8 {
            let message = format!(
                "{} has bytes that are not UTF-8. Where the gateway reads the file, it puts U+FFFD in their place: a password \
                 or a path with such bytes is another one there.",
                path.display()
            );
            problems.push(Problem::new(ProblemKind::NotUtf8, message).on(path));
        }
        let bom = text.starts_with('\u{feff}');
        let text = if bom { text.split_off('\u{feff}'.len_utf8()) } else { text };
        match scan(&text, max_depth, self.values) {
            Ok(values) => self.values -= values,
            Err(excess) => {
                let problem = too_much(excess, path, max_depth);
                problems.push(if pointer.is_empty() { problem } else { problem.at(pointer) });
                return None;
            }
        }
        let number = self.files.len();
        match parse(&text, u32::try_from(number).ok()?, pointer.len(), &mut self.pointer_budget) {
            Ok(parsed) => {
                let file = SourceFile::new(path.to_owned(), text, bom, utf8 && parsed.placed);
                for doubt in parsed.doubts {
                    problems.push(doubtful(&doubt, pointer, &file));
                }
                self.files.push(file);
                Some(parsed.tree)
            }
            Err(ParseError::Pointers) => {
                let message = format!(
                    "{} has keys so long that the paths of its values exceed {MAX_POINTER_BYTES} bytes; it was not read.",
                    path.display()
                );
                problems.push(Problem::new(ProblemKind::TooLarge, message).on(path));
                None
            }
            Err(ParseError::Syntax(error)) => {
                // Kept, so that the place of the error has a text to point into.
                self.files.push(SourceFile::new(path.to_owned(), text, bom, false));
                let at = error
                    .position
                    .map_or(String::new(), |(line, column)| format!(" at line {line}, column {column}"));
                let message = format!("{} is not valid JSON5{at}: {}.", path.display(), error.reason);
                let mut problem = Problem::new(ProblemKind::Syntax, message).on(path);
                problem.place =
                    error.position.map(|(line, column)| Place { file: number, line, column, exact: true });
                problems.push(problem);
                None
            }
        }
    }

    fn process(
        &mut self,
        tree: Tree,
        pointer: &str,
        chain: &[PathBuf],
        depth: usize,
        problems: &mut Problems,
    ) -> Tree {
        let spot = tree.spot;
        match tree.node {
            Node::Leaf(_) => tree,
            Node::Array(items) => {
                let mut done = Vec::with_capacity(items.len());
                for (index, item) in items.into_iter().enumerate() {
                    let below = join(pointer, &index.to_string());
                    done.push(self.process(item, &below, chain, depth + 1, problems));
                }
                Tree { spot, node: Node::Array(done) }
            }
            Node::Object(entries) => {
                let mut statement = None;
                let mut siblings = Vec::with_capacity(entries.len());
                for (key, item) in entries {
                    if key == INCLUDE {
                        statement = Some(item);
                        continue;
                    }
                    let item = self.process(item, &join(pointer, &key), chain, depth + 1, problems);
                    siblings.push((key, item));
                }
                let own = Tree { spot, node: Node::Object(siblings) };
                match statement {
                    Some(statement) => self.include(statement, own, pointer, chain, depth, problems),
                    None => own,
                }
            }
        }
    }

    /// What an object with `$include` becomes; `own` are its other keys.
    fn include(
        &mut self,
        statement: Tree,
        own: Tree,
        pointer: &str,
        chain: &[PathBuf],
        depth: usize,
        problems: &mut Problems,
    ) -> Tree {
        let site = |spot| Site { pointer, spot, chain, depth };
        let content = match statement.node {
            Node::Leaf(serde_json::Value::String(name)) => self.file(&name, &site(statement.spot), problems),
            Node::Array(names) => {
                let mut all = Tree::empty_object();
                for name in names {
                    match name.node {
                        Node::Leaf(serde_json::Value::String(text)) => {
                            if let Some(content) = self.file(&text, &site(name.spot), problems) {
                                all = merge(all, content);
                            }
                        }
                        _ => self.malformed(pointer, name.spot, problems),
                    }
                }
                Some(all)
            }
            _ => {
                self.malformed(pointer, statement.spot, problems);
                None
            }
        };
        let has_own_keys = matches!(&own.node, Node::Object(entries) if !entries.is_empty());
        match content {
            None => own,
            Some(content) if !has_own_keys => content,
            Some(content) if content.is_object() => merge(content, own),
            Some(_) => {
                let message = format!(
                    "The include at {} gives something other than an object, so it cannot be combined with the \
                     keys beside it. The gateway refuses this; only the keys are audited.",
                    readable(pointer)
                );
                self.failed(ProblemKind::IncludeFailed, message, pointer, statement.spot, problems);
                own
            }
        }
    }

    fn file(&mut self, name: &str, site: &Site<'_>, problems: &mut Problems) -> Option<Tree> {
        let including = site.chain.last()?;
        let path = absolute(including.parent().unwrap_or(&self.root), Path::new(name));
        let refuse = |loader: &Self, kind, message: String, problems: &mut Problems| {
            loader.failed(kind, message, site.pointer, site.spot, problems);
            None
        };
        if site.chain.len() > MAX_INCLUDE_LEVEL {
            let message =
                format!("Includes are nested deeper than {MAX_INCLUDE_LEVEL} levels at {}.", path.display());
            return refuse(self, ProblemKind::IncludeTooDeep, message, problems);
        }
        let roots = || std::iter::once(&self.root).chain(&self.more_roots);
        let Some(root) = roots().find(|root| is_inside(root, &path)).cloned() else {
            let ignored = if self.roots_too_new.iter().any(|root| is_inside(root, &path)) {
                format!(
                    " {INCLUDE_ROOTS} would allow it from OpenClaw 2026.5 on; this installation is older."
                )
            } else {
                String::new()
            };
            let message = format!(
                "The include {} lies outside {}: the gateway does not start with it, and this audit does not read it.{ignored}",
                path.display(),
                self.root.display()
            );
            return refuse(self, ProblemKind::IncludeEscape, message, problems);
        };
        if site.chain.contains(&path) {
            let message = format!("{} includes itself, directly or through other files.", path.display());
            return refuse(self, ProblemKind::IncludeCycle, message, problems);
        }
        self.reads += 1;
        if self.reads > MAX_INCLUDE_FILES {
            let message = format!(
                "More than {MAX_INCLUDE_FILES} includes are read by one config; the rest is left out."
            );
            return refuse(self, ProblemKind::TooLarge, message, problems);
        }
        let cap = MAX_CONFIG_BYTES.min(MAX_TOTAL_BYTES.saturating_sub(self.bytes));
        let bytes = match self.read(&root, &path, cap) {
            Ok(bytes) => bytes,
            Err(error) => {
                let kind = match error {
                    ReadError::Link(_) | ReadError::Foreign { .. } => ProblemKind::IncludeEscape,
                    _ => ProblemKind::IncludeFailed,
                };
                let message = format!("The include could not be read: {error}.");
                return refuse(self, kind, message, problems);
            }
        };
        if !self.includes.contains(&path) {
            self.includes.push(path.clone());
        }
        let left = MAX_DEPTH.saturating_sub(site.depth);
        let tree = self.parse(&path, bytes, left, site.pointer, problems)?;
        let mut chain = site.chain.to_vec();
        chain.push(path);
        Some(self.process(tree, site.pointer, &chain, site.depth, problems))
    }

    fn malformed(&self, pointer: &str, spot: Option<Spot>, problems: &mut Problems) {
        let message =
            format!("$include at {} must be a file name or a list of file names.", readable(pointer));
        self.failed(ProblemKind::IncludeFailed, message, pointer, spot, problems);
    }

    /// Several includes of one object may fail, so the place tells them apart, not the pointer.
    fn failed(
        &self,
        kind: ProblemKind,
        message: String,
        pointer: &str,
        spot: Option<Spot>,
        problems: &mut Problems,
    ) {
        let mut problem = Problem::new(kind, message).at(pointer);
        problem.place = spot.and_then(|spot| self.files.get(spot.file as usize)?.place(spot, true));
        problem.path = spot.and_then(|spot| Some(self.files.get(spot.file as usize)?.path.clone()));
        problems.push(problem);
    }
}

fn unreadable(error: &ReadError, path: &Path) -> Problem {
    let kind = match error {
        ReadError::NotRegular { .. } => ProblemKind::NotRegular,
        ReadError::TooLarge { .. } => ProblemKind::TooLarge,
        _ => ProblemKind::Unreadable,
    };
    let message = format!("The config was not read: {error}.");
    Problem::new(kind, message).on(path)
}

fn too_much(excess: Excess, path: &Path, max_depth: usize) -> Problem {
    let (kind, message) = match excess {
        Excess::Depth => (
            ProblemKind::TooDeep,
            format!("{} is nested deeper than {max_depth} levels and was not read.", path.display()),
        ),
        Excess::Values => (
            ProblemKind::TooLarge,
            format!(
                "{} was not read: a config may hold {MAX_VALUES} values, each include counted as often as it is named.",
                path.display()
            ),
        ),
    };
    Problem::new(kind, message).on(path)
}

fn doubtful(doubt: &Doubt, base: &str, file: &SourceFile) -> Problem {
    let pointer = format!("{base}{}", doubt.pointer);
    let key = readable(&pointer);
    let message = match doubt.what {
        DoubtKind::DuplicateKey => {
            format!("{key} is given more than once; the gateway uses the last one. Remove the others.")
        }
        DoubtKind::ReadersDiffer => {
            format!("Two JSON5 readers understand the text at {key} differently. Write it in plain JSON.")
        }
        DoubtKind::Prototype => format!(
            "{key} has a special meaning in JavaScript: the gateway may read what is in it as settings, and other \
             readers do not. It is left out of this audit; remove it."
        ),
    };
    let mut problem = Problem::new(ProblemKind::Ambiguous, message).at(pointer).on(file.path.clone());
    problem.place = doubt.spot.and_then(|spot| file.place(spot, true));
    problem
}
