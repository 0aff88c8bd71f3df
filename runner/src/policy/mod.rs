//! Policies as things that are known and named: manifests and the catalog of what is built in.

pub mod cache;
pub mod catalog;
pub mod code_file;
pub mod lock;
pub mod manifest;
pub mod names;
#[cfg(feature = "registry")]
pub mod registry;
pub mod set;
pub mod signature;
pub mod sigstore;
pub mod version;
pub mod wants;
