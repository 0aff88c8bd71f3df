//! Puts a policy's manifest, its README and the usual metadata into its component.

use super::component::{self, ComponentError};
use super::section::{self, Damaged};
use crate::policy::code_file::Digest;
use crate::policy::manifest::{About, Manifest, ManifestError};
use crate::sandbox::check::{self, Inspected, MANIFEST_SECTION, README_SECTION, Refusal};

/// A component that is ready to be given to others.
#[derive(Clone, Debug)]
pub struct Packed {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// What it says of itself.
    pub inspected: Inspected,
    /// The SHA-256 of its bytes.
    pub digest: Digest,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// The manifest is refused.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The README is refused.
    #[error("the README is not used: {0}")]
    Readme(&'static str),
    /// No component can be made of a core module.
    #[error(transparent)]
    Component(#[from] ComponentError),
    /// Its sections cannot be told apart.
    #[error(transparent)]
    Damaged(#[from] Damaged),
    /// It has a manifest, and that is another one.
    #[error("it has another manifest inside (custom section \"{MANIFEST_SECTION}\")")]
    OtherManifest,
    /// What came out is no policy.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// A component with these texts in it, made of a component or of a core module.
///
/// # Errors
/// Where one of the three is refused, or another manifest is inside.
pub fn pack(input: &[u8], manifest: &str, readme: Option<&[u8]>) -> Result<Packed, PackError> {
    let about = manifest.parse::<Manifest>()?.policy;
    let readme = readme.map(|bytes| check::readme(bytes).map_err(PackError::Readme)).transpose()?;
    let made = if section::is_module(input) { Some(component::of_module(input)?) } else { None };
    let component = made.as_deref().unwrap_or(input);
    let mut sections: Vec<(&str, &[u8])> = Vec::new();
    match check::manifest_text(component) {
        Ok(inside) if inside == manifest => {}
        Ok(_) => return Err(PackError::OtherManifest),
        Err(Refusal::NoManifest) => sections.push((MANIFEST_SECTION, manifest.as_bytes())),
        Err(refusal) => return Err(refusal.into()),
    }
    sections.extend(readme.as_ref().map(|text| (README_SECTION, text.as_bytes())));
    sections.extend(metadata(&about));
    let bytes = section::with(component, &sections)?;
    let inspected = check::inspect(&bytes)?;
    let digest = Digest::of(&bytes);
    Ok(Packed { bytes, inspected, digest })
}

/// The metadata sections that tools of WebAssembly know, as far as a manifest states them.
fn metadata(about: &About) -> Vec<(&'static str, &[u8])> {
    let stated = [
        ("authors", about.authors.as_deref()),
        ("description", Some(about.summary.as_str())),
        ("homepage", about.homepage.as_deref()),
        ("licenses", about.license.as_deref()),
        ("source", about.source.as_deref()),
        ("version", Some(about.version.as_str())),
    ];
    stated.into_iter().filter_map(|(name, text)| Some((name, text?.as_bytes()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = "[policy]\nid = \"mine\"\nversion = \"1.2.3\"\nsummary = \"Mine\"\nauthors = \"Ann\"\n\
                            [[check]]\nid = \"mine.one\"\nseverity = \"warn\"\nsummary = \"One\"\n";

    /// The smallest component that exports `audit`: an instance of nothing.
    fn component() -> Vec<u8> {
        let instance = [5, 3, 1, 0x01, 0];
        let export = [11, 11, 1, 0x00, 5, b'a', b'u', b'd', b'i', b't', 0x05, 0, 0];
        [&b"\0asm\x0d\0\x01\0"[..], &instance, &export].concat()
    }

    #[test]
    fn what_is_packed_says_what_it_is() {
        let packed = pack(&component(), MANIFEST, Some(b"# Mine\n")).unwrap();
        assert_eq!(packed.inspected.manifest.policy.id, "mine");
        assert_eq!(packed.inspected.readme.as_deref(), Some("# Mine\n"));
        assert_eq!(packed.digest, Digest::of(&packed.bytes));
        for (name, text) in [("authors", "Ann"), ("description", "Mine"), ("version", "1.2.3")] {
            assert_eq!(section::find(&packed.bytes, name), Some(text.as_bytes()), "{name}");
        }
        assert_eq!(section::find(&packed.bytes, "homepage"), None);
        let again = pack(&packed.bytes, MANIFEST, Some(b"# Mine\n")).unwrap();
        assert_eq!(again.digest, packed.digest, "packed twice it is the same");
    }

    #[test]
    fn another_manifest_inside_is_not_replaced() {
        let packed = pack(&component(), MANIFEST, None).unwrap();
        let other = MANIFEST.replace("1.2.3", "1.2.4");
        assert!(matches!(pack(&packed.bytes, &other, None), Err(PackError::OtherManifest)));
        let two = [&packed.bytes[..], &packed.bytes[component().len()..]].concat();
        assert!(matches!(pack(&two, MANIFEST, None), Err(PackError::Refused(Refusal::TwoManifests))));
    }

    #[test]
    fn what_is_no_policy_is_refused() {
        let error = |input: &[u8], manifest: &str, readme: Option<&[u8]>| {
            pack(input, manifest, readme).unwrap_err().to_string()
        };
        assert!(error(b"hello", MANIFEST, None).contains("no WebAssembly"));
        assert!(error(b"\0asm\x0d\0\x01\0\0\x09", MANIFEST, None).contains("no WebAssembly"));
        assert!(error(b"\0asm\x0d\0\x01\0", MANIFEST, None).contains("exports no audit function"));
        assert!(error(&component(), "id = 1", None).contains("not understood"));
        let huge = vec![b'x'; check::MAX_README_BYTES + 1];
        assert!(error(&component(), MANIFEST, Some(&huge)).contains("more than 64 KiB"));
        assert!(error(&component(), MANIFEST, Some(b"\xff")).contains("not UTF-8"));
    }

    #[test]
    fn a_readme_is_read_at_the_top_only_and_once() {
        let readme = |sections: &[(&str, &[u8])]| {
            let mut bytes = section::with(&component(), &[(MANIFEST_SECTION, MANIFEST.as_bytes())]).unwrap();
            for section in sections {
                // One after the other: `with` replaces what has the same name.
                let one = section::with(b"\0asm\x0d\0\x01\0", &[*section]).unwrap();
                bytes.extend_from_slice(&one[8..]);
            }
            check::inspect(&bytes).map(|inspected| inspected.readme).map_err(|refusal| refusal.to_string())
        };
        assert_eq!(readme(&[]), Ok(None));
        assert_eq!(readme(&[(README_SECTION, b"one")]), Ok(Some("one".to_owned())));
        let two = readme(&[(README_SECTION, b"one"), (README_SECTION, b"two")]);
        assert!(two.unwrap_err().contains("more than one"));
        assert!(readme(&[(README_SECTION, b"\xff")]).unwrap_err().contains("not UTF-8"));
        let huge = vec![b'x'; check::MAX_README_BYTES + 1];
        assert!(readme(&[(README_SECTION, &huge)]).unwrap_err().contains("64 KiB"));
        // A component around it does not speak for it, nor it for that one.
        let inner = section::with(b"\0asm\x0d\0\x01\0", &[(README_SECTION, b"inner")]).unwrap();
        let mut bytes = section::with(&component(), &[(MANIFEST_SECTION, MANIFEST.as_bytes())]).unwrap();
        bytes.extend_from_slice(&[4, u8::try_from(inner.len()).unwrap()]);
        bytes.extend_from_slice(&inner);
        assert_eq!(check::inspect(&bytes).unwrap().readme, None);
    }

    #[test]
    #[cfg(feature = "authoring")]
    fn a_module_that_does_not_fit_is_refused_by_name() {
        let error = pack(b"\0asm\x01\0\0\0", MANIFEST, None).unwrap_err().to_string();
        assert!(error.starts_with("no component can be made of this core module"), "{error}");
    }
}
