//! `chitin.lock`: the exact file of each policy that the operator has added, and what it asked for when it was. It lies beside
//! `chitin.toml`, and holds no times, so that two people who add the same policies get the same bytes.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::code_file::Digest;
use super::manifest::{Check, Manifest, Severity};
use crate::sandbox::check::CONTRACT_VERSION;
use crate::settings::twice;
use crate::target::{ReadError, read_regular};
use crate::wording::of_toml;

/// The name of the file.
pub const FILE_NAME: &str = "chitin.lock";

/// The version of its form.
const VERSION: u32 = 1;

/// The largest lock that is read.
const MAX_BYTES: u64 = 4 << 20;

/// How a digest begins in texts.
const SHA256: &str = "sha256:";

/// Comment at its top.
const HEAD: &str = "\
# Written by `chitin policy add`, `update` and `remove`, and not by hand. It pins the policies of chitin.toml beside it:\n\
# keep both under version control, with the folder policies/.\n";

/// The policies that are pinned.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    version: u32,
    /// In byte order of their ids.
    #[serde(default, rename = "policy", skip_serializing_if = "Vec::is_empty")]
    policies: Vec<Locked>,
}

/// A policy that is pinned.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Locked {
    /// Its id.
    pub id: String,
    /// Its version, three numbers.
    pub version: String,
    /// The version of the contract that it was built for.
    pub contract: String,
    /// Where it came from, as the operator wrote it.
    pub source: String,
    /// The very thing in a registry that it was taken from: the source with the digest of its manifest; none where it came from a
    /// file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved: Option<String>,
    /// Its file.
    #[serde(with = "prefixed")]
    pub digest: Digest,
    /// The key that signed it, as minisign names keys, or `sigstore:ISSUER IDENTITY`; none where it was added unsigned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signer: Option<String>,
    /// The machine that it is native code for, by the operator's word; none where it is a component.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub native: Option<String>,
    /// All that it asked for when it was added.
    pub capabilities: Vec<String>,
    /// The checks that are its own.
    pub checks: Vec<LockedCheck>,
}

/// A check of a policy that is pinned.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LockedCheck {
    /// Its id.
    pub id: String,
    /// The highest severity that it may have.
    pub severity: Severity,
}

impl Locked {
    /// The entry for a policy with this manifest.
    #[must_use]
    pub fn new(manifest: &Manifest, source: &str, digest: Digest, signer: Option<String>) -> Self {
        let one = |check: &Check| LockedCheck { id: check.id.clone(), severity: check.severity };
        Self {
            id: manifest.policy.id.clone(),
            version: manifest.policy.version.clone(),
            contract: CONTRACT_VERSION.to_owned(),
            source: source.to_owned(),
            resolved: None,
            native: None,
            digest,
            signer,
            capabilities: manifest.capabilities.names(),
            checks: manifest.checks.iter().map(one).collect(),
        }
    }

    /// The names that this entry claims, as a manifest without capabilities: it stands for a file that cannot be used.
    #[must_use]
    pub fn manifest(&self) -> Manifest {
        let check = |check: &LockedCheck| Check {
            id: check.id.clone(),
            severity: check.severity,
            summary: String::new(),
            releases: Vec::new(),
        };
        let about = super::manifest::About {
            id: self.id.clone(),
            version: self.version.clone(),
            ..super::manifest::About::default()
        };
        Manifest {
            policy: about,
            checks: self.checks.iter().map(check).collect(),
            capabilities: super::manifest::Capabilities::default(),
        }
    }
}

/// Why a lock cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// The file cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It is not of its form.
    #[error("{path}: {reason}")]
    Malformed {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl Default for Lock {
    fn default() -> Self {
        Self { version: VERSION, policies: Vec::new() }
    }
}

impl Lock {
    /// The lock in a folder; none where there is no such file.
    ///
    /// # Errors
    /// Where it cannot be read or is not understood.
    pub fn read(folder: &Path) -> Result<Option<Self>, LockError> {
        let path = folder.join(FILE_NAME);
        let malformed = |reason: String| LockError::Malformed { path: path.display().to_string(), reason };
        let bytes = match read_regular(&path, MAX_BYTES) {
            Err(ReadError::NotFound(_)) => return Ok(None),
            other => other?,
        };
        let text = String::from_utf8(bytes).map_err(|_| malformed("it is not UTF-8".to_owned()))?;
        let lock = Self::parse(&text).map_err(malformed)?;
        Ok(Some(lock))
    }

    fn parse(text: &str) -> Result<Self, String> {
        /// The one key that all versions have.
        #[derive(Deserialize)]
        struct Form {
            version: u32,
        }
        let of = |error: toml::de::Error| of_toml(text, &error);
        let form: Form = toml::from_str(text).map_err(of)?;
        if form.version != VERSION {
            return Err(format!(
                "it is of version {}, and this chitin understands version {VERSION}; use the chitin that wrote it",
                form.version
            ));
        }
        let lock: Self = toml::from_str(text).map_err(of)?;
        match twice(lock.policies.iter().map(|locked| locked.id.clone())) {
            Some(id) => Err(format!("it pins the policy \"{id}\" twice")),
            None => Ok(lock),
        }
    }

    /// Its text.
    ///
    /// # Errors
    /// Never for what [`Lock::read`] gave and manifests hold.
    pub fn text(&self) -> Result<String, toml::ser::Error> {
        Ok(format!("{HEAD}{}", toml::to_string(self)?))
    }

    /// The entry of this id.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<&Locked> {
        self.policies.iter().find(|locked| locked.id == id)
    }

    /// All entries, in byte order of their ids.
    pub fn entries(&self) -> impl Iterator<Item = &Locked> {
        self.policies.iter()
    }

    /// Pins a policy, in place of what had its id.
    pub fn pin(&mut self, locked: Locked) {
        self.unpin(&locked.id);
        self.policies.push(locked);
        self.policies.sort_by(|a, b| a.id.cmp(&b.id));
    }

    /// Forgets a policy.
    pub fn unpin(&mut self, id: &str) {
        self.policies.retain(|locked| locked.id != id);
    }
}

/// A digest as texts have it: `sha256:` and 64 hexadecimal digits.
#[must_use]
pub fn told(digest: &Digest) -> String {
    format!("{SHA256}{digest}")
}

/// The digest that a text names so.
#[must_use]
pub fn digest_of(text: &str) -> Option<Digest> {
    Digest::try_from(text.strip_prefix(SHA256)?.to_owned()).ok()
}

mod prefixed {
    use serde::{Deserialize as _, Deserializer, Serializer};

    use super::{Digest, digest_of, told};

    pub(super) fn serialize<S: Serializer>(digest: &Digest, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&told(digest))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Digest, D::Error> {
        let text = String::deserialize(deserializer)?;
        digest_of(&text).ok_or_else(|| {
            serde::de::Error::custom(format!("\"{text}\" is no digest: sha256: and 64 hexadecimal digits"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn locked(id: &str) -> Locked {
        let text = format!(
            "[policy]\nid = \"{id}\"\nversion = \"1.0.0\"\nsummary = \"s\"\n[[check]]\nid = \"{id}.x\"\n\
             severity = \"warn\"\nsummary = \"s\"\n[capabilities]\nconfig = [\"/tools\"]\n"
        );
        Locked::new(&text.parse().unwrap(), "./a.wasm", Digest::of(b"a"), Some("AB12".to_owned()))
    }

    #[test]
    fn a_lock_is_read_as_it_was_written_and_in_order() {
        let mut lock = Lock::default();
        lock.pin(locked("b"));
        lock.pin(locked("a"));
        lock.pin(Locked { version: "2.0.0".to_owned(), ..locked("b") });
        let text = lock.text().unwrap();
        assert_eq!(Lock::parse(&text), Ok(lock.clone()));
        let ids: Vec<(&str, &str)> = lock.entries().map(|one| (&*one.id, &*one.version)).collect();
        assert_eq!(ids, [("a", "1.0.0"), ("b", "2.0.0")]);
        assert!(text.contains(
            "digest = \"sha256:ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb\""
        ));
        lock.unpin("a");
        assert!(lock.find("a").is_none() && lock.find("b").is_some());
        assert_eq!(lock.find("b").unwrap().manifest().checks[0].id, "b.x");
    }

    #[test]
    fn a_lock_that_is_not_understood_is_an_error() {
        let mut lock = Lock::default();
        lock.pin(locked("a"));
        let good = lock.text().unwrap();
        for (from, to, reason) in [
            ("version = 1\n", "version = 2\n", "use the chitin that wrote it"),
            ("version = 1\n", "", "missing field `version`"),
            ("sha256:ca", "sha256:", "no digest"),
            ("sha256:", "md5:", "no digest"),
            ("contract", "kontract", "unknown field `kontract`"),
            ("\"warn\"", "\"fatal\"", "unknown variant `fatal`"),
        ] {
            let text = good.replacen(from, to, 1);
            assert_ne!(text, good, "{from}");
            let error = Lock::parse(&text).unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
        let twice = format!("{good}{}", good.split_once("\n\n").unwrap().1);
        assert!(Lock::parse(&twice).unwrap_err().contains("pins the policy \"a\" twice"), "{twice}");
    }
}
