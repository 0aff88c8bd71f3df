//! The built-in policies in one component: what all of them need (the reader of JSON, the contract's bindings, the allocator) is
//! there once, in the program and in memory. Each answers in an instance of its own, with its own grants, and is an ordinary policy:
//! its own crate makes a component of it that says the same.

use chitin_policy_sdk::{Context, Verdict};

#[cfg(target_arch = "wasm32")]
mod component;

/// The function of a policy, over the context that it is given.
pub type Audit = fn(&Context<'_>) -> Verdict;

/// All built-in policies by their ids, in byte order. Each folder of `policies/` is one, and a dependency of this crate.
pub const POLICIES: &[(&str, Audit)] = include!(concat!(env!("OUT_DIR"), "/policies.rs"));
