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

/// The contract as one file: a WIT package in its binary form, as registries of the wasm world hold them. The same bytes each time.
///
/// # Errors
/// Where this program was built without the feature `authoring`.
#[cfg(feature = "authoring")]
pub fn package() -> Result<Vec<u8>, String> {
    parsed()
        .and_then(|(resolve, package)| wit_component::encode(&resolve, package))
        .map_err(|error| format!("{error:#}"))
}

/// The contract as one file.
///
/// # Errors
/// Always: this program was built without what it takes.
#[cfg(not(feature = "authoring"))]
pub fn package() -> Result<Vec<u8>, String> {
    Err("this chitin was built without what makes WIT packages".to_owned())
}

/// The contract, understood.
#[cfg(feature = "authoring")]
pub(super) fn parsed() -> anyhow::Result<(wit_parser::Resolve, wit_parser::PackageId)> {
    let mut texts = wit_parser::SourceMap::new();
    for (name, text) in FILES {
        texts.push_str(name, *text);
    }
    let group = texts.parse().map_err(|(_, error)| anyhow::anyhow!("{error}"))?;
    let mut resolve = wit_parser::Resolve::default();
    let package = resolve.push_group(group)?;
    Ok((resolve, package))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[cfg(feature = "authoring")]
    #[test]
    fn the_package_has_the_contract_and_its_words() {
        let package = package().unwrap();
        assert_eq!(super::package().unwrap(), package);
        let decoded = wit_component::decode(&package).unwrap();
        let wit_component::DecodedWasm::WitPackage(resolve, id) = &decoded else { panic!() };
        let package = &resolve.packages[*id];
        assert_eq!(
            package.name.to_string(),
            format!("chitin:policy@{}", crate::sandbox::check::CONTRACT_VERSION)
        );
        assert!(package.worlds.contains_key("policy") && package.interfaces.contains_key("state"));
        assert!(package.docs.contents.as_ref().is_some_and(|words| words.contains("contract")));
    }

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
