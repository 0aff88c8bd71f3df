//! What a target names never chooses where a credential goes.
