//! The contract, `wit/`, as files of an author.

use std::io;
use std::path::Path;

use super::place;
use crate::target::{ReadError, read_regular};

/// The files of `wit/`, each with its name.
pub const FILES: super::Embedded = super::CONTRACT;

/// The longest file that is compared, in bytes: a longer one is another.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// The files of the contract that stand in a folder with another text.
#[must_use]
pub fn differing(folder: &Path) -> Vec<&'static str> {
    let differs =
        |(name, text): &&(&'static str, &'static str)| match read_regular(&folder.join(name), MAX_FILE_BYTES)
        {
            Ok(found) => found != text.as_bytes(),
            Err(ReadError::NotFound(_)) => false,
            Err(_) => true,
        };
    FILES.iter().filter(differs).map(|(name, _)| *name).collect()
}

/// Writes the files of the contract into a folder, which is made where it is missing. Files of other names stay.
///
/// # Errors
/// What the system says.
pub fn write(folder: &Path) -> io::Result<()> {
    FILES.iter().try_for_each(|(name, text)| place::below(folder, name, text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_differs_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let wit = folder.path().join("a/wit");
        assert!(differing(&wit).is_empty());
        write(&wit).unwrap();
        assert!(differing(&wit).is_empty());
        assert!(fs::read_to_string(wit.join("policy.wit")).unwrap().contains("package chitin:policy@"));
        fs::write(wit.join("types.wit"), "mine").unwrap();
        assert_eq!(differing(&wit), ["types.wit"]);
        write(&wit).unwrap();
        assert!(differing(&wit).is_empty());
    }
}
