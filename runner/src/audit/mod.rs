//! Plan -> run in parallel -> outcomes -> report. Everything after the sandbox is data; suppressions, overrides and
//! the verdict are applied here and nowhere else, so that text, JSON and exit code cannot disagree.

pub mod baseline;
mod code;
mod decide;
mod evaluate;
pub mod finding;
mod fingerprint;
mod inline;
pub mod open;
mod outlet;
mod own;
mod plan;
mod relative;
mod report;
mod site;
mod snippet;
mod subject;
mod subtree;
mod suppress;
pub mod visible;
mod worse;

pub use decide::Gate;
pub use evaluate::{Evaluation, Outcome, evaluate, input};
pub use open::Open;
pub use plan::{Origin, Planned};
pub use report::{
    Assessment, Counts, Deep, Exit, Gone, Incomplete, JudgedBy, Report, Rule, SCHEMA_VERSION, Scope, Status,
    Summary, Tally, Terms, worst,
};
pub use snippet::Snippet;
pub use subject::{Basis, Subject};
pub use suppress::{Suppressed, SuppressedBy, Suppression};
pub use visible::visible;
