//! What authors of policies need: the contract as files, a folder to begin with, a component with its manifest in it, golden
//! cases. It writes where the author says, and nothing of an audit passes through it.

pub mod cases;
pub mod component;
pub mod contract;
pub mod pack;
pub mod place;
pub mod review;
pub mod section;
pub mod template;

/// Files that the build script put into the program, each with its path.
type Embedded = &'static [(&'static str, &'static str)];

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));
