//! `policy.toml`: what a policy is, which check ids it may emit, what it needs. Parsed strictly: what is not
//! understood is an error, because a manifest is what the operator agrees to.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::config::release::{Release, ReleaseRange};
use crate::policy::version::Version;
use crate::wording::{is_invisible, of_toml};

/// The largest manifest that is parsed.
pub const MAX_MANIFEST_BYTES: usize = 64 << 10;

/// The longest text that says what a policy or a check is, or where it comes from, in bytes.
const MAX_LINE_BYTES: usize = 256;

/// The verbs of a file capability.
pub const VERBS: [&str; 3] = ["stat", "list", "read"];

/// The families of views of which a policy may see one at a time.
pub const EACH: [&str; 2] = ["plugin", "skill"];

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// A weakness that needs another mistake to be harmful.
    Warn,
    /// Harmful as it stands.
    Critical,
}

impl Severity {
    /// All, the worst first.
    pub const ALL: [Self; 3] = [Self::Critical, Self::Warn, Self::Info];

    /// Its name in manifests, output and options.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a policy says of itself.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Its name.
    pub policy: About,
    /// The checks that it may emit.
    #[serde(rename = "check")]
    pub checks: Vec<Check>,
    /// What it needs; nothing where absent.
    #[serde(default)]
    pub capabilities: Capabilities,
}

/// A policy's name and purpose.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// The folder's name: lower-case words joined by dashes.
    pub id: String,
    /// Three numbers.
    pub version: String,
    /// Reads well after "this installation has".
    pub summary: String,
    /// It is slow, or asks the live gateway: it runs in deep audits only.
    #[serde(default, skip_serializing_if = "is_false")]
    pub deep: bool,
    /// It runs once for each view of this family, for example "plugin", and sees no other one of the family.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub each: Option<String>,
    /// Who wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authors: Option<String>,
    /// Its licence, as an SPDX expression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub license: Option<String>,
    /// The address of its source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The address of its page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub homepage: Option<String>,
}

impl About {
    /// The fields that say where it comes from, by their names in the manifest.
    fn origin(&self) -> [(&'static str, Option<&str>); 4] {
        [
            ("authors", self.authors.as_deref()),
            ("license", self.license.as_deref()),
            ("source", self.source.as_deref()),
            ("homepage", self.homepage.as_deref()),
        ]
    }
}

/// A check that a policy may emit.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Check {
    /// The check id; each `*`, of which there are two at most, stands for a name inside it.
    pub id: String,
    /// The highest severity that the policy may give it.
    pub severity: Severity,
    /// One line.
    pub summary: String,
    /// The releases of OpenClaw that it exists in; all where absent. A check can go and come back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub releases: Vec<ReleaseRange>,
}

impl Check {
    /// The id is this one, or of this family.
    #[must_use]
    pub fn matches(&self, id: &str) -> bool {
        fits(&self.id, id)
    }

    /// It exists in this release.
    #[must_use]
    pub fn applies_to(&self, release: Release) -> bool {
        self.releases.is_empty() || self.releases.iter().any(|range| range.contains(release))
    }
}

/// An id fits a pattern in which each `*` stands for at least one character.
pub(crate) fn fits(pattern: &str, id: &str) -> bool {
    let Some((head, tail)) = pattern.split_once('*') else { return pattern == id };
    let Some(rest) = id.strip_prefix(head) else { return false };
    let ends = rest.char_indices().map(|(at, c)| at + c.len_utf8());
    ends.filter_map(|end| rest.get(end..)).any(|rest| fits(tail, rest))
}

/// Most names inside a check id that a `*` stands for.
const MAX_NAMES: usize = 2;

/// The most memory that a manifest may ask for, in MiB: two policies that run at once have as much each, of the 512 MiB that
/// an audit may use.
pub const MAX_MEMORY: u64 = 192;

/// Units of fuel that a policy may ask for at most: a hundred times what each has. Processor time ends it long before.
pub const MAX_FUEL: u64 = 100_000_000_000;

/// What a policy needs. Nothing is given that is not named here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Capabilities {
    /// RFC 6901 pointers of config subtrees; a `*` segment stands for every key or item.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub config: Vec<String>,
    /// `verb:pattern` on views and what is below them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<FileCapability>,
    /// Secrets whose facts may be asked: config pointers, or `env:NAME`. `file:config` and `file:include/*` stand for
    /// whether one is spelled out in a file.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
    /// Environment variables whose presence, and where they are no secrets value, may be seen.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub environment: Vec<String>,
    /// Columns of tables whose rows may be read: `TABLE.COLUMN`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub records: Vec<String>,
    /// What the runner met while it read the config.
    pub problems: bool,
    /// The result of the live gateway probe.
    pub gateway: bool,
    /// Units of fuel of one run, where it needs more than all have ([`crate::sandbox::limits::Limits::fuel`]); at most [`MAX_FUEL`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fuel: Option<u64>,
    /// MiB of memory of one run, where it needs more than all have ([`crate::sandbox::limits::Limits::memory`]); at most
    /// [`MAX_MEMORY`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    /// The kinds of fix that may be proposed: `set-mode`, or `set-value:` and a pointer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fixes: Vec<String>,
}

impl Capabilities {
    /// Every capability by its name, as `--grant` takes it.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let mut names = Vec::new();
        names.extend(self.config.iter().map(|pointer| format!("config:{pointer}")));
        names.extend(self.files.iter().map(ToString::to_string));
        names.extend(self.secrets.iter().map(|subject| format!("secret:{subject}")));
        names.extend(self.environment.iter().map(|name| format!("environment:{name}")));
        names.extend(self.records.iter().map(|column| format!("records:{column}")));
        names.extend(self.problems.then(|| "problems".to_owned()));
        names.extend(self.gateway.then(|| "gateway".to_owned()));
        names.extend(self.fuel.map(|fuel| format!("fuel:{fuel}")));
        names.extend(self.memory.map(|memory| format!("memory:{memory}")));
        names.extend(self.fixes.iter().map(|fix| format!("fix:{fix}")));
        names
    }

    /// Some capability is about files of views of this family.
    #[must_use]
    pub fn sees_family(&self, family: &str) -> bool {
        let mut names = self.files.iter().filter_map(|file| file.pattern.split('/').next());
        names.any(|name| name == family || name.contains('*'))
    }

    /// Those that the operator granted, too.
    #[must_use]
    pub fn granted(&self, given: impl Fn(&str) -> bool) -> Self {
        let keep = |kind: &str, list: &[String]| -> Vec<String> {
            list.iter().filter(|name| given(&format!("{kind}:{name}"))).cloned().collect()
        };
        Self {
            config: keep("config", &self.config),
            files: self.files.iter().filter(|file| given(&file.to_string())).cloned().collect(),
            secrets: keep("secret", &self.secrets),
            environment: keep("environment", &self.environment),
            records: keep("records", &self.records),
            problems: self.problems && given("problems"),
            gateway: self.gateway && given("gateway"),
            fuel: self.fuel.filter(|fuel| given(&format!("fuel:{fuel}"))),
            memory: self.memory.filter(|memory| given(&format!("memory:{memory}"))),
            fixes: keep("fix", &self.fixes),
        }
    }
}

/// One file capability: `stat:state/agents/*/sessions`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct FileCapability {
    /// `stat`, `list` or `read`.
    pub verb: String,
    /// A view's name, and a path below it; `*` does not cross `/`, `**` does.
    pub pattern: String,
}

impl TryFrom<String> for FileCapability {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let (verb, pattern) = text
            .split_once(':')
            .ok_or_else(|| format!("the file capability \"{text}\" is not of the form verb:pattern"))?;
        if !VERBS.contains(&verb) {
            return Err(format!("unknown verb \"{verb}\" in \"{text}\"; known are {}", VERBS.join(", ")));
        }
        let bad = |part: &str| part.is_empty() || part == "." || part == ".." || part.contains('\0');
        if pattern.split('/').any(bad) {
            return Err(format!("\"{pattern}\" is no path pattern: it has an empty, \".\" or \"..\" part"));
        }
        Ok(Self { verb: verb.to_owned(), pattern: pattern.to_owned() })
    }
}

impl From<FileCapability> for String {
    fn from(capability: FileCapability) -> Self {
        capability.to_string()
    }
}

impl fmt::Display for FileCapability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.verb, self.pattern)
    }
}

/// Why a manifest is refused.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// More bytes than a manifest needs.
    #[error("the manifest has {0} bytes; {MAX_MANIFEST_BYTES} are read at most")]
    TooLarge(usize),
    /// Not TOML of the manifest's form.
    #[error("the manifest is not understood: {0}")]
    Syntax(String),
    /// Understood, and wrong.
    #[error("the manifest is wrong: {0}")]
    Wrong(String),
}

impl FromStr for Manifest {
    type Err = ManifestError;

    fn from_str(text: &str) -> Result<Self, ManifestError> {
        if text.len() > MAX_MANIFEST_BYTES {
            return Err(ManifestError::TooLarge(text.len()));
        }
        let manifest: Self =
            toml::from_str(text).map_err(|error| ManifestError::Syntax(of_toml(text, &error)))?;
        manifest.check().map_err(ManifestError::Wrong)?;
        Ok(manifest)
    }
}

impl Manifest {
    /// The check that an id belongs to.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<&Check> {
        self.checks.iter().find(|check| check.matches(id))
    }

    fn check(&self) -> Result<(), String> {
        if !is_policy_id(&self.policy.id) {
            return Err(format!(
                "policy.id \"{}\" is not made of lower-case words joined by dashes",
                self.policy.id
            ));
        }
        if self.policy.version.parse::<Version>().is_err() {
            return Err(format!("policy.version \"{}\" is not three numbers", self.policy.version));
        }
        let no_line = |what: &str| {
            format!(
                "{what} is not one line of 1 to {MAX_LINE_BYTES} bytes without control characters and runs of blanks"
            )
        };
        for (name, text) in [("summary", Some(&*self.policy.summary))].into_iter().chain(self.policy.origin())
        {
            if text.is_some_and(|text| !is_short_line(text)) {
                return Err(no_line(&format!("policy.{name}")));
            }
        }
        if self.checks.is_empty() {
            return Err("it has no [[check]]".to_owned());
        }
        let mut known = BTreeSet::new();
        for check in &self.checks {
            let letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.*";
            if !is_name(&check.id, letters) || check.id.matches('*').count() > MAX_NAMES {
                return Err(format!("\"{}\" is no check id", check.id));
            }
            if !is_short_line(&check.summary) {
                return Err(no_line(&format!("the summary of {}", check.id)));
            }
            if !known.insert(&check.id) {
                return Err(format!("the check \"{}\" is declared twice", check.id));
            }
        }
        if let Some(each) = &self.policy.each
            && !EACH.contains(&each.as_str())
        {
            return Err(format!("unknown family \"{each}\" in policy.each; known are {}", EACH.join(", ")));
        }
        if self.policy.each.is_some() && !self.policy.deep {
            return Err("policy.each needs policy.deep: only a deep audit looks for such views".to_owned());
        }
        let capabilities = &self.capabilities;
        if let Some(name) = capabilities.names().iter().find(|name| !is_short_line(name)) {
            return Err(no_line(&format!(
                "the capability \"{}\"",
                name.chars().take(80).collect::<String>()
            )));
        }
        let pointers = capabilities
            .config
            .iter()
            .chain(capabilities.secrets.iter().filter(|text| !text.starts_with("env:") && !is_file(text)));
        for pointer in pointers {
            if !is_pointer(pointer) {
                return Err(format!("\"{pointer}\" is no JSON pointer"));
            }
        }
        let variables = capabilities.secrets.iter().filter_map(|text| text.strip_prefix("env:"));
        for name in variables.chain(capabilities.environment.iter().map(String::as_str)) {
            if !is_name(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") {
                return Err(format!("\"{name}\" is no name of an environment variable"));
            }
        }
        for column in &capabilities.records {
            let is_column = column.split_once('.').is_some_and(|(table, column)| {
                let letters = "abcdefghijklmnopqrstuvwxyz0123456789_-";
                is_name(table, letters) && is_name(column, letters)
            });
            if !is_column {
                return Err(format!("\"{column}\" is no column of a table, such as \"paired-devices.role\""));
            }
        }
        if let Some(fuel) = capabilities.fuel.filter(|fuel| !(1..=MAX_FUEL).contains(fuel)) {
            return Err(format!("fuel = {fuel} is nothing that a policy may ask for: 1 to {MAX_FUEL} units"));
        }
        if capabilities.memory == Some(0) {
            return Err("memory = 0 asks for nothing; leave it out".to_owned());
        }
        if let Some(memory) = capabilities.memory.filter(|memory| *memory > MAX_MEMORY) {
            return Err(format!("memory = {memory} is more than a policy may ask for, {MAX_MEMORY} MiB"));
        }
        for fix in &capabilities.fixes {
            let known = fix == "set-mode" || fix.strip_prefix("set-value:").is_some_and(is_pointer);
            if !known {
                return Err(format!("unknown fix \"{fix}\"; known are set-mode and set-value:POINTER"));
            }
        }
        Ok(())
    }
}

/// Stands for the secrets that are spelled out in a file.
fn is_file(subject: &str) -> bool {
    matches!(subject, "file:config" | "file:include/*")
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_false(flag: &bool) -> bool {
    !flag
}

fn is_name(text: &str, letters: &str) -> bool {
    !text.is_empty() && text.len() <= 128 && text.chars().all(|c| letters.contains(c))
}

/// A policy can be called so: lower-case words joined by dashes. None begins with a dash, as flags do.
#[must_use]
pub fn is_policy_id(text: &str) -> bool {
    is_name(text, "abcdefghijklmnopqrstuvwxyz0123456789-") && !text.split('-').any(str::is_empty)
}

/// The Braille pattern without a dot, which looks like a blank.
const BLANK: char = '\u{2800}';

fn is_short_line(text: &str) -> bool {
    let is_blank = |c: char| c.is_whitespace() || c == BLANK;
    let has_run = text.chars().zip(text.chars().skip(1)).any(|(one, next)| is_blank(one) && is_blank(next));
    text.chars().any(|c| !is_blank(c))
        && text.len() <= MAX_LINE_BYTES
        && !text.chars().any(is_invisible)
        && !has_run
}

fn is_pointer(text: &str) -> bool {
    text.is_empty() || text.starts_with('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
        [policy]
        id = "a-b"
        version = "1.0.0"
        summary = "s"
        [[check]]
        id = "x.*.y"
        severity = "warn"
        summary = "s"
        [capabilities]
        config = ["/gateway", "/channels/*/groupPolicy"]
        files = ["stat:state", "read:state/extensions/*/package.json"]
        secrets = ["/gateway/auth/token", "env:OPENCLAW_GATEWAY_TOKEN"]
    "#;

    fn error(from: &str, to: &str) -> String {
        let text = GOOD.replace(from, to);
        assert_ne!(text, GOOD);
        text.parse::<Manifest>().unwrap_err().to_string()
    }

    #[test]
    fn a_good_manifest_is_understood() {
        let manifest: Manifest = GOOD.parse().unwrap();
        assert_eq!(manifest.capabilities.files[1].to_string(), "read:state/extensions/*/package.json");
        assert!(manifest.find("x.anything.y").is_some());
        assert!(manifest.find("x..y").is_none() && manifest.find("x.y").is_none());
    }

    #[test]
    fn where_it_comes_from_is_told_only_where_it_is_stated() {
        let plain: Manifest = GOOD.parse().unwrap();
        assert!(!serde_json::to_string(&plain).unwrap().contains("authors"));
        let lines = "authors = \"Ann\"\nlicense = \"MIT\"\nsource = \"https://a.example\"\nhomepage = \"https://b.example\"";
        let text = GOOD.replace("version = \"1.0.0\"", &format!("version = \"1.0.0\"\n{lines}"));
        let stated: Manifest = text.parse().unwrap();
        assert_eq!(stated.policy.authors.as_deref(), Some("Ann"));
        assert!(serde_json::to_string(&stated).unwrap().contains("\"homepage\":\"https://b.example\""));
    }

    #[test]
    fn what_is_unknown_is_an_error() {
        assert!(
            error("summary = \"s\"\n        [[check]]", "author = \"me\"\n        [[check]]")
                .contains("unknown field `author`")
        );
        assert!(error("config =", "network =").contains("unknown field `network`"));
        assert!(error("stat:state", "write:state").contains("unknown verb \"write\""));
        assert!(error("\"warn\"", "\"fatal\"").contains("unknown variant `fatal`"));
    }

    #[test]
    fn what_is_wrong_is_an_error() {
        assert!(error("a-b", "A b").contains("policy.id"));
        for text in ["", " ", "a\\nb", "a\\u001b[2J", "a  b", "a \u{2800}b", &"x".repeat(MAX_LINE_BYTES + 1)]
        {
            let line = format!("version = \"1.0.0\"\n        homepage = \"{text}\"");
            assert!(
                error("version = \"1.0.0\"", &line).contains("policy.homepage is not one line"),
                "{text}"
            );
        }
        for id in ["--yes", "-", "-a", "a-", "a--b", "", "a b", "A", "../x"] {
            assert!(error("\"a-b\"", &format!("\"{id}\"")).contains("policy.id"), "{id}");
        }
        for version in ["1.0", "01.0.0", "+1.0.0", "1.0.0-rc1", "4294967296.0.0"] {
            assert!(error("1.0.0", version).contains("policy.version"), "{version}");
        }
        assert!(error("\"/gateway\"", "\"gateway\"").contains("no JSON pointer"));
        assert!(error("stat:state", "stat:state/../x").contains("no path pattern"));
        assert!(error("stat:state", "stat:/etc").contains("no path pattern"));
        assert!(
            error("env:OPENCLAW_GATEWAY_TOKEN", "env:lower").contains("no name of an environment variable")
        );
        let about = |more: &str| {
            error("summary = \"s\"\n        [[check]]", &format!("summary = \"s\"\n{more}\n[[check]]"))
        };
        assert!(about("deep = true\neach = \"agent\"").contains("unknown family \"agent\""));
        assert!(about("each = \"plugin\"").contains("policy.each needs policy.deep"));
        let check = |more: &str| error("severity = \"warn\"", &format!("severity = \"warn\"\n{more}"));
        assert!(check("releases = [\"2026.2\"]").contains("\"2026.2\" is no range of releases"));
        assert!(error("config =", "records = [\"paired\"]\nconfig =").contains("no column of a table"));
        assert!(
            error("config =", "memory = 193\nconfig =").contains("193 is more than a policy may ask for")
        );
        assert!("x".repeat(MAX_MANIFEST_BYTES + 1).parse::<Manifest>().is_err());
    }
}
