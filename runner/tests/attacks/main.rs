//! Attacks on the program that once worked, each with a control beside it: the same target without the attack is audited
//! and fixed as before. One module for each root that was mended.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stderr,
    reason = "a test makes its target, stops where it cannot, and says what it skips"
)]

#[path = "../support/mod.rs"]
mod support;

mod budgets;
mod code;
mod fixes;
mod grants;
mod probe;
mod secrets;
mod set;
mod surroundings;
mod territory;
mod work;
