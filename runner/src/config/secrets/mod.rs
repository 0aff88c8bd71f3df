//! What of a config is secret, what policies and outputs see in its place, and what may be told of it.

pub(in crate::config) mod credentials;
pub(in crate::config) mod lexical;
pub(in crate::config) mod mask;
pub(in crate::config) mod masked;
pub(in crate::config) mod redact;
pub(in crate::config) mod secret;
pub(in crate::config) mod secret_refs;
pub(in crate::config) mod sensitive;
pub(in crate::config) mod shown;
