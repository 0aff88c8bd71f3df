//! Plan -> run in parallel -> outcomes -> report. Everything after the sandbox is data; suppressions, overrides and
//! the verdict are applied here and nowhere else, so that text, JSON and exit code cannot disagree.

mod code;
mod evaluate;
pub mod finding;
mod outlet;
mod plan;
mod report;
mod subtree;
pub mod visible;

pub use evaluate::{Evaluation, Outcome, evaluate, input};
pub use plan::{Basis, Planned, Subject};
pub use report::{Assessment, Deep, Exit, Report, Status};
pub use visible::visible;
