//! Fixes: plan -> guard -> prove -> show -> apply -> journal -> undo. Policies propose, in data; only this module
//! changes a target, and only what the guard allows and a trial in memory has proven.

pub mod apply;
pub mod border;
pub mod guard;
pub mod journal;
mod object;
pub mod plan;
pub mod prove;
mod record;
pub mod show;
pub mod summary;
pub mod territory;
mod undo;
pub mod visited;

pub use apply::{Applied, ApplyError, Failed, Lock, What, apply};
pub use journal::Journal;
pub use object::{ChangeError, Checkpoint};
pub use plan::Plan;
pub use prove::{Judge, Proven, prove};
pub use summary::Summary;
pub use undo::{Undone, clean_up, undo};
pub use visited::Place;
