//! The real host: the imports of the component.

use crate::bindings::chitin::policy::{gateway, records, secrets, state};
use crate::{
    Content, Context, Entry, Facts, Host, Input, Link, Metadata, NotAssessed, Page, Path, ProbeResult,
    RecordsError, StateError, Subject, Verdict, View, Walked,
};

/// Objects of a walk that are asked for at once: enough that the call itself costs nothing, little to hold.
const BATCH: u32 = 1024;

struct Imports;

impl Host for Imports {
    fn stat(&self, object: &Path) -> Result<Metadata, StateError> {
        state::stat(object)
    }

    fn resolve(&self, object: &Path) -> Result<Link, StateError> {
        state::resolve(object)
    }

    fn list(&self, directory: &Path) -> Result<Vec<Entry>, StateError> {
        state::list_entries(directory)
    }

    fn read(&self, object: &Path, limit: u32) -> Result<Content, StateError> {
        state::read(object, limit)
    }

    fn each_entry(
        &self,
        directory: &Path,
        ending: &str,
        each: &mut dyn FnMut(&str, &Metadata),
    ) -> Result<(), StateError> {
        let options = state::WalkOptions { max_depth: 0, glob: Some(format!("*{ending}")), skip: Vec::new() };
        let walk = state::Walk::start(directory, &options)?;
        loop {
            let batch = walk.next(BATCH)?;
            if batch.is_empty() {
                return Ok(());
            }
            for walked in &batch {
                each(&walked.below, &walked.metadata);
            }
        }
    }

    fn walk(
        &self,
        root: &Path,
        skip: &[&str],
        each: &mut dyn FnMut(Walked) -> bool,
    ) -> Result<(), StateError> {
        let skip = skip.iter().map(|pattern| (*pattern).to_owned()).collect();
        let options = state::WalkOptions { max_depth: u32::MAX, glob: None, skip };
        let walk = state::Walk::start(root, &options)?;
        loop {
            let batch = walk.next(BATCH)?;
            let met = |walked: state::Walked| {
                let state::Walked { below, metadata, refused } = walked;
                each(Walked { object: root.join(&below), metadata, refused })
            };
            if batch.is_empty() || !batch.into_iter().all(met) {
                return Ok(());
            }
        }
    }

    fn rows(&self, table: &str, columns: &[&str], start: u32, max: u32) -> Result<Page, RecordsError> {
        let columns: Vec<String> = columns.iter().map(|&column| column.to_owned()).collect();
        records::read(table, &columns, start, max)
    }

    fn secret(&self, subject: &Subject) -> Result<Option<Facts>, NotAssessed> {
        secrets::inspect(subject).map_err(|secrets::Error::NotGranted| not_granted(subject))
    }

    fn has_literals(&self, view: &str) -> Result<Option<bool>, NotAssessed> {
        secrets::has_literals(view).map_err(|secrets::Error::NotGranted| literals_not_granted(view))
    }

    fn probe(&self) -> Result<Option<ProbeResult>, NotAssessed> {
        gateway::probe().map_err(|gateway::Error::NotGranted| NotAssessed::withheld("gateway"))
    }
}

/// What is said of a secret that the operator did not grant, or the manifest does not declare.
pub(crate) fn not_granted(subject: &Subject) -> NotAssessed {
    NotAssessed::withheld(match subject {
        Subject::Config(pointer) => format!("secret:{pointer}"),
        Subject::Env(name) => format!("secret:env:{name}"),
    })
}

/// The reason `withheld`, with the capability that [`Host::has_literals`] needs for a view.
pub(crate) fn literals_not_granted(view: &str) -> NotAssessed {
    let number = view.strip_prefix("include/");
    NotAssessed::withheld(format!("secret:file:{}", number.map_or(view, |_| "include/*")))
}

/// Runs a policy's function over the real host; what [`crate::policy!`] exports.
///
/// # Errors
/// What the policy answers, or `inconclusive` where the input cannot be read.
pub fn run(input: Input, audit: fn(&Context<'_>) -> Verdict) -> Verdict {
    audit(&Context::new(input, &Imports)?)
}

/// The same, where the input has no paths of views, and an import tells them.
///
/// # Errors
/// As [`run`].
pub fn run_with_display(
    input: Input,
    display: fn(&View) -> String,
    audit: fn(&Context<'_>) -> Verdict,
) -> Verdict {
    audit(&Context::with_display(input, &Imports, display)?)
}
