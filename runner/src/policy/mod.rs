//! Policies as things that are known and named: manifests and the catalog of what is built in.

pub mod cache;
pub mod catalog;
pub mod code_file;
pub mod manifest;
pub mod names;
