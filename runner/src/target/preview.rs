//! What the target would be after changes that nobody has made yet: a fix is tried on it in memory.

use std::collections::HashMap;
use std::path::PathBuf;

/// Changes to imagine.
#[derive(Clone, Debug, Default)]
pub struct Preview {
    /// The content that a config file would have, by its absolute path.
    pub texts: HashMap<PathBuf, Vec<u8>>,
    /// The mode that an object would have, by device and inode.
    pub modes: HashMap<(u64, u64), u32>,
}
