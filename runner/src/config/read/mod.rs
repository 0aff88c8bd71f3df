//! From files to one value with places: JSON5 by two readers, `$include`, `${VAR}`.

pub(in crate::config) mod comments;
pub(in crate::config) mod include;
pub(in crate::config) mod scan;
pub(in crate::config) mod source;
pub(in crate::config) mod substitute;
pub(in crate::config) mod tree;
