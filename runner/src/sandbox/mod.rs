//! Runs policies. The only place that names the engine: everything that a policy can do, see or use up is decided
//! below this folder, and what leaves it is plain data.

#![allow(clippy::disallowed_types, reason = "this is the place for the engine")]

mod answers;
mod bindings;
pub mod check;
pub mod compile;
mod database;
pub mod engine;
mod host;
pub mod limits;
mod load;
pub(crate) mod pattern;
mod run;
pub mod view;
mod wasi;

pub use bindings::policy::chitin::policy::input::{
    Input, Permissions, Platform, Problem, Release, Variable, View,
};
pub use bindings::policy::chitin::policy::types;
pub use host::{AwaitProbe, Close, Facts, Known, Literals, Measures, ProbeResult, Progress, Shared, Source};
pub use run::{Answer, Code, Failure, Sandbox, Stages};
