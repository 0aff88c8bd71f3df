//! Reads the config the way the gateway does, without its side effects: JSON5, `$include`, `env` block,
//! `${VAR}`, defaults; with spans for every value, and with the secrets known.
//!
//! An audit always answers: whatever is wrong becomes a [`Problem`], and what could be understood is kept.

pub mod agents;
mod edit;
mod pointer;
mod read;
pub mod release;
mod secrets;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use serde_json::Value;

pub use comments::{Allowance, Said};
pub use edit::{Edit, EditError, value_of};
pub use mask::Mask;
pub use masked::Masked;

pub use crate::target::{Place, Problem, ProblemKind};
pub use pointer::{escape, segments, unescape};
pub use secret::{Secret, SecretSource, SecretString, SecretSubject};
pub use source::SourceFile;

use crate::target::snapshot::Identity;
use crate::target::{Environment, Located, Origin, Preview, more_include_roots};
// The rooms' modules by their own names, for each other.
use read::{comments, include, scan, source, substitute, tree};
use release::{
    Judged, Word, defaults, detect, extensions, legacy, pattern, plugins, roster, rules, schema, schema_type,
    validate, workspace,
};
use secrets::{credentials, lexical, mask, masked, redact, secret, secret_refs, sensitive, shown};

use include::Loader;
use substitute::References;
use tree::Marks;

/// Largest config or include, in bytes. Ordinary configs have a few kilobytes; 16 MiB is over a thousand times
/// that and is still read in a fraction of a second.
pub const MAX_CONFIG_BYTES: u64 = 16 * 1024 * 1024;
/// Deepest nesting of objects and lists, includes counted in. The schema's deepest key lies at level 12; a policy's
/// JSON reader (`serde_json`) stops at 128, so nothing deeper could be audited.
pub const MAX_DEPTH: usize = 120;
/// Most values of the config and its includes together, an include counted as often as it is named. Bounds memory: a
/// value takes up to some 300 bytes while the readers are compared.
pub const MAX_VALUES: usize = 500_000;
/// Most include files read in one load, repetitions counted in. Ten levels of doubling would be 1,024.
pub const MAX_INCLUDE_FILES: usize = 256;
/// Most bytes of all files of one load together.
pub const MAX_TOTAL_BYTES: u64 = 32 * 1024 * 1024;
/// Most bytes of the pointers of all values together. Every step that names a value builds its pointer, and those of
/// secrets are kept, so long keys above many values would cost time and memory in their product; an ordinary config needs a
/// few kilobytes, and the largest number of values 64 bytes for each.
pub const MAX_POINTER_BYTES: usize = 32 * 1024 * 1024;
/// Most bytes that `${VAR}` may add to one config: many references to one long variable multiply it.
pub const MAX_SUBSTITUTED_BYTES: usize = 16 * 1024 * 1024;
/// Most problems kept. Whoever has to read more is not helped by it.
pub const MAX_PROBLEMS: usize = 100;
/// Most bytes of the texts of all problems. Keys can be long.
const MAX_PROBLEM_BYTES: usize = 1024 * 1024;
/// Deepest include level the gateway accepts.
pub const MAX_INCLUDE_LEVEL: usize = 10;

/// The text that stands for a part of a text that is secret in what policies see.
pub const REDACTED: &str = "[secret]";
/// The key of the object that stands for what policies do not see (`wit/input.wit`).
pub const HIDDEN: &str = "$hidden";

/// The config as the gateway would use it, and everything known about it.
#[derive(Debug)]
pub struct Config {
    /// Always an object, `{}` when there is no readable config. Holds the real values of secrets.
    pub effective: Value,
    /// The main file (index 0, if it could be read) and the includes in the order they were read.
    pub files: Arc<[SourceFile]>,
    /// The release that it is judged by, and how that is known.
    pub judged: Judged,
    /// The same config as another release has it that something speaks for; its problems are not said again.
    pub other: Option<Box<Config>>,
    /// Every include that was read as one, in the order in which they were met, absolute and normalised, for permission
    /// checks. One that the loader refused is a problem, and nothing more is said of the file that it names.
    pub includes: Vec<PathBuf>,
    /// The objects that the config was read from: no policy gets their content, whatever name leads there.
    pub objects: Vec<Identity>,
    /// What went wrong or is remarkable, in order of discovery; at most [`MAX_PROBLEMS`] and a note.
    pub problems: Vec<Problem>,
    /// The secrets of the config and of the environment.
    pub secrets: Vec<Secret>,
    /// There is a config file.
    pub present: bool,
    /// The config file was parsed and is an object; when false and `present`, `effective` says nothing.
    pub understood: bool,
    marks: Arc<Marks>,
    roster: roster::Roster,
    redacted: Mutex<Redacted>,
    hidden_variables: HashSet<String>,
    references: References,
}

/// The copy of a config for policies.
#[derive(Debug, Default)]
struct Redacted {
    /// As it was made when the config was read, until somebody asks for it.
    first: Option<Arc<Value>>,
    held: Weak<Value>,
}

impl Config {
    /// Place of the value at an RFC 6901 pointer, or of its nearest ancestor that has one. `None` when there is no
    /// source text at all or the pointer is malformed. A pointer to what a default supplied gives its ancestor.
    pub fn locate(&self, pointer: &str) -> Option<Place> {
        let (spot, exact) = self.marks.find(&segments(&self.of_file(pointer))?)?;
        self.files.get(spot.file as usize)?.place(spot, exact)
    }

    /// A pointer into the effective config as the file has the value: agents are a list for policies, whatever the file
    /// has.
    pub fn of_file<'p>(&self, pointer: &'p str) -> Cow<'p, str> {
        self.roster.of_file(pointer)
    }

    /// A pointer as the file has the value, into the effective config.
    pub fn of_policies<'p>(&self, pointer: &'p str) -> Cow<'p, str> {
        self.roster.of_policies(pointer)
    }

    /// Index into `files` and byte range in that file's text of exactly the value at `pointer`.
    pub fn range(&self, pointer: &str) -> Option<(usize, std::ops::Range<usize>)> {
        let (spot, exact) = self.marks.find(&segments(&self.of_file(pointer))?)?;
        exact.then_some((spot.file as usize, spot.start as usize..spot.end as usize))
    }

    /// Where the variables came from whose values are in the string at this pointer; none where it holds none.
    pub fn variables(&self, pointer: &str) -> impl Iterator<Item = Origin> {
        self.references.substituted.get(pointer).into_iter().flatten().map(|given| given.origin)
    }

    /// The text at this pointer names a variable that gave it no value, and stands there as it is written.
    pub fn is_unset(&self, pointer: &str) -> bool {
        self.references.unset.contains(pointer)
    }

    /// The text at this pointer is hidden because a variable gives it, and it is no secret by its place.
    pub fn is_hidden_variable(&self, pointer: &str) -> bool {
        self.hidden_variables.contains(pointer)
    }

    /// The copy for policies: an object with [`HIDDEN`] stands for each value that they do not see, and [`REDACTED`] for a
    /// secret part of a text. It is there as long as somebody holds it, and made anew where somebody asks later: where two
    /// releases are judged, the policies of one at a time need theirs.
    pub fn redact(&self) -> Arc<Value> {
        let mut redacted = self.redacted.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = redacted.held.upgrade() {
            return held;
        }
        let anew = || Arc::new(redact::redact(self.judged.release, &self.effective, &self.references).copy);
        let copy = redacted.first.take().unwrap_or_else(anew);
        redacted.held = Arc::downgrade(&copy);
        copy
    }

    /// The comments of all files that allow a finding.
    #[must_use]
    pub fn allowances(&self) -> Vec<Allowance> {
        let files = self.files.iter().enumerate();
        files.flat_map(|(number, file)| comments::allowances(number, file)).collect()
    }

    /// True when the gateway itself would refuse this config.
    pub fn refused_by_gateway(&self) -> bool {
        self.problems.iter().any(|problem| problem.kind.refused_by_gateway())
    }
}

/// Loads the config of a located target. Variables of its `env` block are added to `env`, save those that would
/// move the target.
pub fn load(located: &Located, env: &mut Environment) -> Config {
    load_preview(located, env, &Preview::default(), Word::default())
}

/// The same as [`load`], as if files had other texts, and with what is known of the release.
pub fn load_preview(located: &Located, env: &mut Environment, preview: &Preview, word: Word) -> Config {
    Written::read(located, env, preview, word.asked).judge(located, env, word)
}

/// A config as it is written, before it is known by which release it is judged.
#[derive(Debug, Clone)]
pub struct Written {
    /// Its value, in which no variable has been put in yet.
    value: Value,
    signs: detect::Signs,
    source: Source,
    problems: Problems,
}

/// What stays the same whatever the release.
#[derive(Debug, Clone)]
struct Source {
    files: Arc<[SourceFile]>,
    marks: Arc<Marks>,
    includes: Vec<PathBuf>,
    objects: Vec<Identity>,
    understood: bool,
}

impl Written {
    /// Reads the config of a located target, as if files had other texts. The release that the operator `asked` for says
    /// from where files may be included; else the stamp of the config does.
    #[must_use]
    pub fn read(
        located: &Located,
        env: &Environment,
        preview: &Preview,
        asked: Option<release::Release>,
    ) -> Self {
        let mut problems = Problems::default();
        let roots = more_include_roots(env);
        let loader = |main| Loader::new(main, located.territory, roots.clone(), asked, preview);
        let (tree, understood, read) =
            read(&located.config_load, loader(&located.config_load), &mut problems);
        let include::Read { files, mut includes, mut objects } = read;
        if located.config_audit != located.config_load {
            // The permissions of that one are judged, and nothing else of it.
            let main = &located.config_audit;
            let (.., other) = self::read(main, loader(main), &mut Problems::default());
            includes = other.includes;
            objects.extend(other.objects);
        }
        let tree = tree.unwrap_or_else(tree::Tree::empty_object);
        let signs = detect::Signs::gather(&tree, located, env);
        let (value, marks) = tree.into_parts();
        let source = Source { files: files.into(), marks: Arc::new(marks), includes, objects, understood };
        Self { value, signs, source, problems }
    }

    /// The config as its release has it. Variables of its `env` block are added to `env`, save those that would move the
    /// target.
    pub fn judge(self, located: &Located, env: &mut Environment, word: Word) -> Config {
        let Self { value, signs, source, mut problems } = self;
        let judged = detect::judge(signs, word, &mut problems);
        // Both share one environment: it has no variable that one of them lacks.
        let newer = judged.other.map_or(judged.release, |other| other.max(judged.release));
        workspace::apply(newer, located, env, &mut problems);
        let other = judged.other.map(|release| {
            let judged = Judged { release, other: None, ..judged.clone() };
            let other = source.of_release(value.clone(), judged, newer, located, env, Problems::default());
            Box::new(Config { redacted: Mutex::default(), ..other })
        });
        Config { other, ..source.of_release(value, judged, newer, located, env, problems) }
    }
}

impl Source {
    /// The config as a release has it. Its `env` block is read as `env_by` reads one.
    fn of_release(
        &self,
        mut value: Value,
        judged: Judged,
        env_by: release::Release,
        located: &Located,
        env: &mut Environment,
        mut problems: Problems,
    ) -> Config {
        let mut roster = roster::Roster::default();
        // Names first, values after: a reference may name a variable that the block itself sets.
        substitute::apply_env_block(&value, env, env_by, &mut problems);
        let mut references = substitute::substitute(&mut value, located, env, judged.release, &mut problems);
        if self.understood {
            roster = roster::Roster::load(&mut value, judged.release);
            references.rename(|pointer| roster.of_loader(pointer));
            if !references.substituted.contains_key(legacy::BIND) {
                legacy::read(judged.release, &mut value);
            }
            check(judged.release, &value, located, &references.unset, &mut problems);
            value = defaults::schema_order(schema::get(judged.release), value);
            roster.canonical(&mut value);
            references.rename(|pointer| roster.of_policies(pointer));
            rules::check(judged.release, &value, located, &roster, &references.unset, &mut problems);
            defaults::runtime(judged.release, &mut value, env);
            defaults::expand_tilde(&mut value, &located.home);
            substitute::apply_env_block(&value, env, env_by, &mut Problems::default());
        }
        substitute::note_shell_env(&value, env, &mut problems);
        let redact::Redacted { copy, mut secrets, hidden_variables } =
            redact::redact(judged.release, &value, &references);
        secret_refs::check(&value, &secrets, &mut problems);
        secret_refs::look_up(&value, &mut secrets, env);
        secrets.extend(secret::from_environment(env));

        let mut config = Config {
            effective: value,
            files: Arc::clone(&self.files),
            judged,
            other: None,
            includes: self.includes.clone(),
            objects: self.objects.clone(),
            problems: Vec::new(),
            secrets,
            present: located.config_exists,
            understood: self.understood,
            marks: Arc::clone(&self.marks),
            roster,
            redacted: Mutex::new(Redacted { first: Some(Arc::new(copy)), held: Weak::new() }),
            hidden_variables,
            references,
        };
        config.problems = problems.finish();
        for index in 0..config.problems.len() {
            let place =
                config.problems.get(index).and_then(|problem| match (&problem.place, &problem.pointer) {
                    (None, Some(pointer)) => config.locate(pointer),
                    (place, _) => *place,
                });
            if let Some(problem) = config.problems.get_mut(index) {
                problem.place = place;
            }
        }
        config
    }
}

/// Reads a main file and what it includes. The tree is there, and it is understood, where it is an object.
fn read(
    main: &Path,
    mut loader: Loader<'_>,
    problems: &mut Problems,
) -> (Option<tree::Tree>, bool, include::Read) {
    let raw = loader.main(main, problems);
    let present = raw.is_some();
    let tree = raw.filter(tree::Tree::is_object).map(|raw| loader.resolve(raw, main, problems));
    let tree = tree.filter(tree::Tree::is_object);
    if present && tree.is_none() {
        problems.push(not_an_object(main));
    }
    let understood = tree.is_some();
    (tree, understood, loader.into_read())
}

/// What the loader refuses, of a config as it sees it.
fn check(
    release: release::Release,
    value: &Value,
    located: &Located,
    unset: &HashSet<String>,
    problems: &mut Problems,
) {
    legacy::check(release, value, problems);
    let layer = plugins::Layer::of(release, value, located);
    validate::validate(release, value, unset, layer, problems);
    plugins::check(release, value, located, layer, problems);
}

fn not_an_object(main: &Path) -> Problem {
    let message =
        format!("{} holds a value that is not an object, so no setting could be read.", main.display());
    Problem::new(ProblemKind::NotAnObject, message).on(main)
}

/// Collects problems up to [`MAX_PROBLEMS`]; the same kind at the same pointer counts once.
#[derive(Debug, Clone, Default)]
pub(crate) struct Problems {
    list: Vec<Problem>,
    /// The kinds and pointers of those in the list.
    known: HashSet<(ProblemKind, String)>,
    bytes: usize,
    left_out: usize,
}

impl Problems {
    pub(crate) fn push(&mut self, problem: Problem) {
        if let Some(pointer) = &problem.pointer {
            let mut key = (problem.kind, pointer.clone());
            if self.known.contains(&key) {
                return;
            }
            // An old key is not known either; the first word on it is the more helpful one.
            if problem.kind == ProblemKind::UnknownKey {
                key.0 = ProblemKind::LegacyKey;
                if self.known.contains(&key) {
                    return;
                }
            }
        }
        let pointers = problem.pointer.iter().chain(&problem.more).map(String::len);
        let bytes = problem.message.len() + pointers.sum::<usize>();
        if self.list.len() == MAX_PROBLEMS || self.bytes + bytes > MAX_PROBLEM_BYTES {
            self.left_out += 1;
            return;
        }
        self.bytes += bytes;
        self.known.extend(problem.pointer.iter().map(|pointer| (problem.kind, pointer.clone())));
        self.list.push(problem);
    }

    fn finish(mut self) -> Vec<Problem> {
        if self.left_out > 0 {
            let message =
                format!("{} more problems are left out; the first {MAX_PROBLEMS} are listed.", self.left_out);
            self.list.push(Problem::new(ProblemKind::Truncated, message));
        }
        self.list
    }
}
