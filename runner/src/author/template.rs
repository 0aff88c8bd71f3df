//! Folders to begin a policy with, one for each language: rendered from the files of `policies/template/`.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::Path;
use std::str::FromStr;

use super::{GUEST_LIBRARY, TEMPLATES, contract, place};
use crate::policy::catalog;
use crate::policy::manifest::Manifest;

/// Longest id of a new policy, in bytes: it is the name of files, too.
const MAX_ID_BYTES: usize = 64;

/// The folder of `policies/template/` that all languages share.
const COMMON: &str = "common";

/// Where the guest library is laid in a folder of [`Language::Rust`].
const GUEST_FOLDER: &str = "vendor/chitin-policy-sdk/src";

/// Where the contract lies there.
const GUEST_LIBRARY_WIT: &str = "vendor/chitin-policy-sdk/wit";

/// What a policy is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// Rust with the guest library.
    Rust,
    /// Rust with the contract alone.
    RustPlain,
    /// JavaScript, run by `QuickJS`.
    JavaScript,
    /// Python.
    Python,
    /// C.
    C,
    /// Go.
    Go,
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Rust, Self::RustPlain, Self::JavaScript, Self::Python, Self::C, Self::Go];

    /// Its name on the command line, and that of its folder.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::RustPlain => "rust-plain",
            Self::JavaScript => "javascript",
            Self::Python => "python",
            Self::C => "c",
            Self::Go => "go",
        }
    }

    /// The steps of the CI file that install its tools.
    fn setup(self) -> &'static str {
        match self {
            Self::Rust => "      - run: cargo test --locked\n",
            Self::RustPlain | Self::Python => "",
            Self::JavaScript => "      - uses: actions/setup-node@v4\n        with: { node-version: 22 }\n",
            Self::Go => "      - uses: actions/setup-go@v5\n        with: { go-version: '1.27' }\n",
            Self::C => {
                "      - run: sudo apt-get update && sudo apt-get install --yes clang lld wasi-libc libclang-rt-dev-wasm32\n"
            }
        }
    }

    /// The lines of `.gitignore` for what its tools leave.
    fn ignored(self) -> &'static str {
        match self {
            Self::Rust | Self::RustPlain => "/target/",
            Self::JavaScript => "/node_modules/\n/raw.wasm",
            Self::Python => "/.tools/\n/raw.wasm\n__pycache__/",
            Self::C | Self::Go => "/core.wasm",
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Language {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|language| language.name() == name);
        found.ok_or_else(|| format!("there is no template for {name}"))
    }
}

/// Why a folder is not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// The name is no id.
    #[error(
        "\"{0}\" is no id of a policy: it has to be lower-case words of letters and digits, joined by dashes, that begin with a \
         letter, of at most {MAX_ID_BYTES} characters"
    )]
    Id(String),
    /// A built-in policy has the id, or the check's.
    #[error("\"{0}\" takes a name of the built-in policy {1}")]
    Taken(String, String),
    /// This program was built without the feature `authoring`.
    #[error("this chitin was built without the templates")]
    NotBuiltIn,
    /// The manifest of the template is wrong.
    #[error("the template does not fit this name: {0}")]
    Manifest(String),
}

/// A file of a new folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its path below the folder.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// The files of a new policy, in byte order of their paths.
///
/// # Errors
/// Where the name is no id, or belongs to a built-in policy.
pub fn render(language: Language, id: &str) -> Result<Vec<File>, TemplateError> {
    if !is_id(id) {
        return Err(TemplateError::Id(id.to_owned()));
    }
    if TEMPLATES.is_empty() {
        return Err(TemplateError::NotBuiltIn);
    }
    let name = id.replace('-', "_");
    let values = [
        ("{{id}}", id),
        ("{{name}}", &name),
        ("{{chitin}}", env!("CARGO_PKG_VERSION")),
        ("{{setup}}", language.setup()),
        ("{{ignored}}", language.ignored()),
    ];
    let mut files = BTreeMap::new();
    for folder in [COMMON, language.name()] {
        for (path, text) in TEMPLATES {
            let Some(path) = path.strip_prefix(folder).and_then(|rest| rest.strip_prefix('/')) else {
                continue;
            };
            // `.in` stands behind names that would mean something where the template lies.
            let path = path.strip_suffix(".in").unwrap_or(path);
            let text = values.iter().fold((*text).to_owned(), |text, (from, to)| text.replace(from, to));
            files.insert(path.to_owned(), text);
        }
    }
    let more = |folder: &str, (path, text): &(&str, &str)| (format!("{folder}/{path}"), (*text).to_owned());
    // The guest library stands alone: the contract is inside.
    let contract = if language == Language::Rust { GUEST_LIBRARY_WIT } else { "wit" };
    files.extend(contract::FILES.iter().map(|file| more(contract, file)));
    if language == Language::Rust {
        files.extend(GUEST_LIBRARY.iter().map(|file| more(GUEST_FOLDER, file)));
    }
    let manifest = files.get("policy.toml").map(String::as_str).unwrap_or_default();
    let manifest: Manifest = manifest.parse().map_err(|error: crate::policy::manifest::ManifestError| {
        TemplateError::Manifest(error.to_string())
    })?;
    if let Some(owner) = catalog::owner(&manifest) {
        return Err(TemplateError::Taken(id.to_owned(), owner));
    }
    Ok(files.into_iter().map(|(path, text)| File { path, text }).collect())
}

/// Writes the files of a new policy into a folder, which is made where it is missing.
///
/// # Errors
/// What the system says.
pub fn write(folder: &Path, files: &[File]) -> io::Result<()> {
    files.iter().try_for_each(|file| place::below(folder, &file.path, file.text.as_bytes()))
}

/// Names that tools of some language could not take are none, though a manifest could.
fn is_id(id: &str) -> bool {
    let is_word = |word: &str| {
        !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    id.len() <= MAX_ID_BYTES
        && id.starts_with(|first: char| first.is_ascii_lowercase())
        && id.split('-').all(is_word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text<'a>(files: &'a [File], path: &str) -> &'a str {
        &files.iter().find(|file| file.path == path).unwrap_or_else(|| panic!("{path} is missing")).text
    }

    #[test]
    fn each_template_is_whole() {
        for language in Language::ALL {
            let files = render(language, "our-rules").unwrap();
            let manifest: Manifest = text(&files, "policy.toml").parse().unwrap();
            assert_eq!(manifest.policy.id, "our-rules");
            assert_eq!(manifest.checks[0].id, "our_rules.no_profile");
            let build: super::super::review::Build = toml::from_str(text(&files, "build.toml")).unwrap();
            assert!(!build.command.is_empty() && build.output.file_name().is_some(), "{language}");
            let sources = files.iter().filter(|file| file.text.contains("our_rules.no_profile")).count();
            assert!(sources >= 4, "{language}: manifest, README, a case, a source");
            let cases = files.iter().filter(|file| file.path.contains(".json5"));
            assert!(cases.count() >= 2);
            let contract = if language == Language::Rust { GUEST_LIBRARY_WIT } else { "wit" };
            for path in
                [".gitignore", ".github/workflows/policy.yml", "README.md", &format!("{contract}/policy.wit")]
            {
                assert!(!text(&files, path).is_empty());
            }
            for file in &files {
                assert!(!file.path.contains(".in"), "{}", file.path);
                for left in ["{{id}}", "{{name}}", "{{chitin}}", "{{setup}}", "{{ignored}}"] {
                    assert!(!file.text.contains(left), "{language}: {} has {left}", file.path);
                }
            }
            let readme = text(&files, "README.md");
            assert!(super::super::review::missing_headings(readme).is_empty());
        }
    }

    #[test]
    fn the_guest_library_has_the_dependencies_of_the_one_here() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let workspace = std::fs::read_to_string(root.join("Cargo.toml")).unwrap();
        let files = render(Language::Rust, "our-rules").unwrap();
        let own = text(&files, "vendor/chitin-policy-sdk/Cargo.toml");
        for line in own.lines().skip_while(|line| *line != "[dependencies]").skip(1) {
            assert!(workspace.lines().any(|known| known == line), "{line}");
        }
        let here = std::fs::read_to_string(root.join("policies/sdk/Cargo.toml")).unwrap();
        let names = |text: &str| -> Vec<String> {
            let lines = text.lines().skip_while(|line| *line != "[dependencies]").skip(1);
            let lines = lines.take_while(|line| !line.is_empty());
            lines.map(|line| line.split([' ', '.']).next().unwrap().to_owned()).collect()
        };
        assert_eq!(names(own), names(&here));
        assert!(text(&files, "vendor/chitin-policy-sdk/src/lib.rs").contains("macro_rules! policy"));
    }

    #[test]
    fn names_that_are_no_ids_or_are_taken_are_refused() {
        let long = "x".repeat(65);
        for id in ["", "A", "a_b", "-a", "a-", "a--b", "1a", "../a", "a/b", "a b", "é", &long] {
            assert_eq!(render(Language::C, id), Err(TemplateError::Id(id.to_owned())));
        }
        let taken = TemplateError::Taken("telegram".to_owned(), "telegram".to_owned());
        assert_eq!(render(Language::C, "telegram"), Err(taken));
    }
}
