//! A policy's folder and its component, looked at as an operator will: nothing is run.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::policy::manifest::Manifest;
use crate::sandbox::check::Inspected;
use crate::sandbox::limits::{MAX_COMPONENT_BYTES, bytes};
use crate::sandbox::view::Grants;
use crate::target::{ReadError, read_regular};
use crate::wording::of_toml;

/// The headings of every README, in this order.
pub const HEADINGS: [&str; 6] = [
    "What it does",
    "Why it matters",
    "Remediation",
    "Capabilities",
    "Not assessed where",
    "Differences from the reference",
];

/// The longest `policy.toml`, `build.toml` or `README.md` that is read, in bytes.
const MAX_TEXT_BYTES: u64 = 1 << 20;

/// How a folder's component is built: `build.toml`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Build {
    /// A command for `sh -c`, run in the folder.
    pub command: String,
    /// The component or core module that it leaves, relative to the folder.
    pub output: PathBuf,
}

/// Why a folder of a policy cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// A file cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A file is no text.
    #[error("{} is not UTF-8", .0.display())]
    NoText(PathBuf),
    /// `policy.toml` or `build.toml` is wrong.
    #[error("{}: {}", .0.display(), .1)]
    Wrong(PathBuf, String),
}

/// The text of a file.
///
/// # Errors
/// Where it cannot be read, or is no text.
pub fn text(path: &Path) -> Result<String, FolderError> {
    let bytes = read_regular(path, MAX_TEXT_BYTES)?;
    String::from_utf8(bytes).map_err(|_| FolderError::NoText(path.to_owned()))
}

/// A `policy.toml`, as text and understood.
///
/// # Errors
/// Where it cannot be read, or is refused.
pub fn manifest(path: &Path) -> Result<(String, Manifest), FolderError> {
    let text = text(path)?;
    let manifest = text.parse().map_err(|error: crate::policy::manifest::ManifestError| {
        FolderError::Wrong(path.to_owned(), error.to_string())
    })?;
    Ok((text, manifest))
}

/// The `README.md` beside a manifest; none where there is none.
///
/// # Errors
/// Where it cannot be read.
pub fn readme_beside(manifest: &Path) -> Result<Option<Vec<u8>>, ReadError> {
    match read_regular(&manifest.with_file_name("README.md"), MAX_TEXT_BYTES) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(ReadError::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The `build.toml` of a folder.
///
/// # Errors
/// Where it cannot be read, or is wrong.
pub fn build(folder: &Path) -> Result<Build, FolderError> {
    let path = folder.join("build.toml");
    let text = text(&path)?;
    toml::from_str(&text).map_err(|error| FolderError::Wrong(path, of_toml(&text, &error)))
}

/// The component that a folder's build leaves for its policy.
#[must_use]
pub fn component_of(folder: &Path, manifest: &Manifest) -> PathBuf {
    folder.join(format!("{}.wasm", manifest.policy.id))
}

/// The headings that a README lacks.
#[must_use]
pub fn missing_headings(readme: &str) -> Vec<&'static str> {
    let has = |heading: &str| readme.lines().any(|line| line.strip_prefix("## ") == Some(heading));
    HEADINGS.into_iter().filter(|heading| !has(heading)).collect()
}

/// What is said against a component that an audit would run.
#[must_use]
pub fn complaints(inspected: &Inspected) -> Vec<String> {
    let Inspected { manifest, size, readme, .. } = inspected;
    let mut complaints = Vec::new();
    for file in manifest.capabilities.files.iter().filter(|file| Grants::asks_for_more(file)) {
        complaints.push(format!("{file} asks for more than any policy can read"));
    }
    let half = usize::try_from(MAX_COMPONENT_BYTES / 2).unwrap_or(usize::MAX);
    if *size > half {
        let (size, all) = (bytes(*size), bytes(half.saturating_mul(2)));
        complaints.push(format!("{size} are more than half of the {all} that a component may have"));
    }
    match readme {
        None => complaints.push("it has no README inside; `chitin policy pack` puts one in".to_owned()),
        Some(readme) => {
            for heading in missing_headings(readme) {
                complaints.push(format!("its README has no heading \"## {heading}\""));
            }
            for check in manifest.checks.iter().filter(|check| !readme.contains(&format!("`{}`", check.id))) {
                complaints.push(format!("its README does not name `{}`", check.id));
            }
            for name in manifest.capabilities.names().iter().filter(|name| !readme.contains(name.as_str())) {
                complaints.push(format!("its README does not say why it asks for `{name}`"));
            }
        }
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inspected(readme: Option<&str>) -> Inspected {
        let manifest = "[policy]\nid = \"mine\"\nversion = \"1.0.0\"\nsummary = \"Mine\"\n[[check]]\nid = \"mine.one\"\n\
             severity = \"warn\"\nsummary = \"One\"\n[capabilities]\nfiles = [\"read:config\", \"list:state\"]\n";
        let readme = readme.map(str::to_owned);
        Inspected { manifest: manifest.parse().unwrap(), imports: Vec::new(), size: 9, readme }
    }

    #[test]
    fn what_an_operator_would_miss_is_told() {
        let said = complaints(&inspected(None)).join("\n");
        assert!(said.contains("read:config asks for more") && !said.contains("list:state"), "{said}");
        assert!(said.contains("no README"), "{said}");
        let large = Inspected { size: 40 << 20, ..inspected(None) };
        assert!(complaints(&large).join("\n").contains("40 MiB are more than half of the 64 MiB"));
    }

    #[test]
    fn a_readme_has_its_headings_and_names_the_checks() {
        let whole = HEADINGS.map(|heading| format!("## {heading}\n")).concat();
        let said = complaints(&inspected(Some(&whole))).join("\n");
        assert!(said.contains("does not name `mine.one`") && !said.contains("heading"), "{said}");
        let said = complaints(&inspected(Some("## Remediation\n`mine.one`"))).join("\n");
        assert!(said.contains("no heading \"## What it does\"") && !said.contains("Remediation"), "{said}");
    }

    #[test]
    fn a_build_file_is_read_strictly() {
        let folder = tempfile::tempdir().unwrap();
        let write = |text: &str| std::fs::write(folder.path().join("build.toml"), text).unwrap();
        assert!(build(folder.path()).unwrap_err().to_string().contains("does not exist"));
        write("command = \"true\"\noutput = \"a.wasm\"\n");
        assert_eq!(build(folder.path()).unwrap().output, Path::new("a.wasm"));
        write("command = \"true\"\noutput = \"a.wasm\"\nshell = 1\n");
        assert!(build(folder.path()).unwrap_err().to_string().contains("unknown field `shell`"));
    }
}
