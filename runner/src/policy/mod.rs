//! Policies as things that are known and named: manifests and the catalog of what is built in.

pub mod catalog;
pub mod manifest;
pub mod names;
