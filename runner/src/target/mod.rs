//! Where the target is: home, state directory, config file, credentials directory.
//!
//! Everything is decided before any file of the target is interpreted, from the command line and the
//! process environment only. Nothing here writes, migrates or executes; problems are data.

pub mod account;
pub mod attributes;
pub mod broker;
mod clock;
pub mod database;
mod dotenv;
mod environment;
pub mod listing;
mod locate;
mod paths;
mod preview;
pub mod private;
mod problem;
mod read;
mod real;
pub mod records;
mod scope;
mod secrecy;
pub mod snapshot;
pub mod sysroot;
pub mod territory;
#[cfg(test)]
mod tests;

pub use account::name_of as account_name;
pub use clock::processor_time;
pub use dotenv::parse as parse_dotenv;
pub use environment::{Environment, Origin};
pub(crate) use locate::DOTENV;
pub(crate) use locate::is_redirect;
pub use locate::{
    CONFIG_NAMES, INCLUDE_ROOTS, Installation, LocateError, Located, MAX_DOTENV_BYTES, Request, find, locate,
    more_include_roots,
};
pub use paths::{absolute, expand_home, is_inside, js_trim, normalise, user_path};
pub use preview::Preview;
pub use problem::{Place, Problem, ProblemKind};
pub use read::{FileKind, ReadError, read_entries, read_in_target, read_regular};
pub use real::real_path;
pub use scope::Scope;
pub use territory::Territory;
