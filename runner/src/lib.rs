//! Chitin audits an OpenClaw installation. Every check is a WebAssembly component that can only look; this program
//! runs the checks and is the only code that ever changes anything.
//!
//! Data flows one way: `target` -> `config` -> `policy` -> `sandbox` -> `audit` -> `fix` -> `output`.
//! `probe` stands beside `policy` and `sandbox`: it knows `target` and `config`, and `audit` knows it. `worker` has audit and fix done
//! in a process that `confine` confines, above both. `author` is for those who write policies; no audit passes through it. `budget` lies below them all: it says how long each may take.

#![cfg_attr(
    test,
    allow(
        clippy::disallowed_methods,
        clippy::disallowed_types,
        reason = "tests make the targets that they look at"
    )
)]

pub mod audit;
pub mod author;
pub mod budget;
#[cfg(feature = "registry")]
pub mod collector;
pub mod config;
pub mod confine;
pub mod fix;
pub mod output;
pub mod policy;
pub mod probe;
pub mod program;
pub mod random;
pub mod sandbox;
pub mod settings;
pub mod target;
#[cfg(feature = "registry")]
mod web;
pub mod wire;
pub mod wording;
pub mod worker;
