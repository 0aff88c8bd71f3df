//! `oci://HOST/REPOSITORY[:TAG][@sha256:DIGEST]`.

use std::fmt;
use std::str::FromStr;

use super::RegistryError;
use crate::policy::code_file::Digest;
use crate::policy::lock::{digest_of, told};
use crate::wording::without_login;

/// How a reference begins.
pub const SCHEME: &str = "oci://";

/// The longest name of a repository, and of a tag, as the distribution specification has it.
const MAX_REPOSITORY: usize = 255;
const MAX_TAG: usize = 128;

/// Where a policy lies in a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// With its port, where it has one.
    host: String,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

impl FromStr for Reference {
    type Err = RegistryError;

    fn from_str(text: &str) -> Result<Self, RegistryError> {
        let no = |reason: &str| {
            RegistryError::Reference(format!(
                "\"{}\" {reason}; a policy in a registry is oci://HOST/NAME:VERSION, or oci://HOST/NAME@sha256:DIGEST",
                without_login(text)
            ))
        };
        let rest = text.strip_prefix(SCHEME).ok_or_else(|| no("does not begin with oci://"))?;
        let (rest, digest) = match rest.split_once('@') {
            Some((rest, digest)) => (
                rest,
                Some(
                    digest_of(digest)
                        .ok_or_else(|| no("has no digest behind its @, where no login is allowed"))?,
                ),
            ),
            None => (rest, None),
        };
        let (host, path) = rest.split_once('/').ok_or_else(|| no("has no name behind its host"))?;
        if !is_host(host) {
            return Err(no("has no host that is one"));
        }
        let (repository, tag) = match path.rsplit_once(':') {
            Some((repository, tag)) => (repository, Some(tag)),
            None => (path, None),
        };
        if repository.len() > MAX_REPOSITORY || !repository.split('/').all(is_part) {
            return Err(no(
                "has a name with more than lower-case letters, digits, dots, dashes and underscores",
            ));
        }
        let is_word = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
        let is_tag = |tag: &str| {
            !tag.is_empty()
                && tag.len() <= MAX_TAG
                && !tag.starts_with(['.', '-'])
                && tag.chars().all(is_word)
        };
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return Err(no("has no tag behind its colon"));
        }
        Ok(Self {
            host: host.to_owned(),
            repository: repository.to_owned(),
            tag: tag.map(str::to_owned),
            digest,
        })
    }
}

/// A name or an address, with a port where it has one.
fn is_host(host: &str) -> bool {
    let (name, port) = match host.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((address, port)) if address.parse::<std::net::Ipv6Addr>().is_ok() => {
                ("v6", port.strip_prefix(':').or(port.is_empty().then_some("1")))
            }
            _ => return false,
        },
        None => match host.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (host, Some("1")),
        },
    };
    let is_letter = |c: char| c.is_ascii_alphanumeric() || ".-".contains(c);
    let is_port = port.is_some_and(|port| {
        port.parse::<u16>().is_ok_and(|port| port > 0) && port.chars().all(|c| c.is_ascii_digit())
    });
    !name.is_empty() && name.chars().all(is_letter) && !name.starts_with(['.', '-']) && is_port
}

/// A part of a repository's name.
fn is_part(part: &str) -> bool {
    let is_letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    part.starts_with(is_letter)
        && part.ends_with(is_letter)
        && part.chars().all(|c| is_letter(c) || "._-".contains(c))
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}/{}", self.host, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        match &self.digest {
            Some(digest) => write!(f, "@{}", told(digest)),
            None => Ok(()),
        }
    }
}

impl Reference {
    /// The registry's name, with its port.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The name in the registry.
    #[must_use]
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest of the manifest.
    #[must_use]
    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// It says which version is meant.
    #[must_use]
    pub fn is_versioned(&self) -> bool {
        self.tag.is_some() || self.digest.is_some()
    }

    /// What the registry is asked for: the digest, where there is one.
    pub(super) fn selector(&self) -> String {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => told(digest),
            (None, Some(tag)) => tag.clone(),
            (None, None) => "latest".to_owned(),
        }
    }

    /// The same thing by its digest alone.
    #[must_use]
    pub fn at(&self, digest: Digest) -> Self {
        Self { tag: None, digest: Some(digest), ..self.clone() }
    }

    /// The same name, which stands for the newest version.
    #[must_use]
    pub fn open(&self) -> Self {
        Self { tag: None, digest: None, ..self.clone() }
    }

    /// The same name with a tag.
    #[must_use]
    pub fn tagged(&self, tag: &str) -> Self {
        Self { tag: Some(tag.to_owned()), digest: None, ..self.clone() }
    }

    /// The tag that lists what refers to this digest, where the registry has no list of its own.
    pub(super) fn referrers_tag(&self) -> String {
        format!("sha256-{}", self.digest.map_or(String::new(), |digest| digest.to_string()))
    }

    /// The registry is on this machine: it may be asked without TLS.
    #[must_use]
    pub fn is_local(&self) -> bool {
        let name = match self.host.strip_prefix('[') {
            Some(rest) => rest.split(']').next(),
            None => self.host.split(':').next(),
        };
        let name = name.unwrap_or_default();
        name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_read_as_it_is_written() {
        let digest = format!("sha256:{}", "a1".repeat(32));
        for text in [
            "oci://ghcr.io/ann/mine:1.0.0".to_owned(),
            "oci://localhost:5000/mine".to_owned(),
            "oci://[::1]:5000/a/b-c.d_e/f:x".to_owned(),
            format!("oci://registry.example/mine@{digest}"),
            format!("oci://registry.example/mine:1.0.0@{digest}"),
        ] {
            let reference: Reference = text.parse().unwrap();
            assert_eq!(reference.to_string(), text);
        }
        let local = ["localhost/a", "localhost:5000/a", "127.0.0.1:1/a", "127.9.9.9/a", "[::1]/a"];
        let other =
            ["localhost.example/a", "127.0.0.1.example/a", "10.0.0.1/a", "[2001:db8::1]/a", "xlocalhost/a"];
        for (names, is_local) in [(local, true), (other, false)] {
            for name in names {
                assert_eq!(
                    format!("oci://{name}").parse::<Reference>().unwrap().is_local(),
                    is_local,
                    "{name}"
                );
            }
        }
    }

    #[test]
    fn a_login_is_not_repeated() {
        let digest = format!("sha256:{}", "a1".repeat(32));
        for text in ["oci://user:hunter2@ghcr.io/a", "https://hunter2@ghcr.io/a", "user:hunter2@ghcr.io"] {
            for text in [text.to_owned(), format!("{text}@{digest}")] {
                let error = text.parse::<Reference>().unwrap_err().to_string();
                assert!(error.contains("…@ghcr.io") && !error.contains("hunter2"), "{error}");
            }
        }
    }

    #[test]
    fn what_is_no_reference_is_refused() {
        for text in [
            "",
            "ghcr.io/a",
            "https://ghcr.io/a",
            "oci://",
            "oci://ghcr.io",
            "oci:///a",
            "oci://ghcr.io/",
            "oci://ghcr.io/A",
            "oci://ghcr.io/a/../b",
            "oci://ghcr.io/a//b",
            "oci://ghcr.io/a:",
            "oci://ghcr.io/a:-x",
            "oci://ghcr.io/a:x/y",
            "oci://ghcr.io/a@sha256:00",
            "oci://ghcr.io/a@md5:00",
            "oci://user@ghcr.io/a",
            "oci://ghcr.io:0/a",
            "oci://ghcr.io:99999/a",
            "oci://ghcr.io:+1/a",
            "oci://gh cr.io/a",
            "oci://ghcr.io/a?b",
            "oci://ghcr.io/a#b",
            "oci://ghcr.io\\x/a",
            "oci://[::1/a",
            "oci://[x]/a",
            "oci://-x/a",
            "oci://ghcr.io/a\n",
        ] {
            assert!(text.parse::<Reference>().is_err(), "{text}");
        }
    }
}
