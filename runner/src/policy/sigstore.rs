//! Signatures of sigstore, as `cosign sign` and GitHub's attestations leave them beside what lies in a registry: a certificate
//! for minutes, issued to whom an identity provider vouches for, and its entry in a public log. Which identities count, and for
//! which ids, the settings say. Bundles are checked offline, against roots that are pinned; an audit looks at the identity that
//! `chitin.lock` names, and at no bundle.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::signature::fits;

#[cfg(feature = "registry")]
mod bundle;

#[cfg(feature = "registry")]
pub(super) use bundle::is_signature;
#[cfg(feature = "registry")]
pub use bundle::{BundleError, Root, RootError};

/// How the signer of a policy begins in `chitin.lock` where it is an identity: `sigstore:ISSUER IDENTITY`.
const IN_LOCK: &str = "sigstore:";

/// The longest issuer and the longest identity that is understood, in bytes. Those of workflows have some hundred.
const MOST: usize = 2048;

/// An identity that the operator trusts.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TrustedIdentity {
    /// The identity provider that vouches for it, by its URL.
    pub issuer: String,
    /// An e-mail address or a URL, as certificates name it; `*` stands for any characters.
    pub identity: String,
    /// Whose it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The ids of policies that it may sign, in which `*` stands for any characters; all where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policies: Option<Vec<String>>,
    /// Why it is not trusted any more. What it has signed does not run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<String>,
}

impl TrustedIdentity {
    /// It is understood.
    ///
    /// # Errors
    /// Where it stands for nobody, or for everybody.
    pub fn check(&self) -> Result<(), String> {
        let Self { issuer, identity, .. } = self;
        if !is_plain(issuer) || !(issuer.starts_with("https://") || issuer.starts_with("http://")) {
            return Err(format!(
                "issuer = \"{issuer}\" of a trusted identity is no URL; that of GitHub's workflows is \
                 https://token.actions.githubusercontent.com"
            ));
        }
        if issuer.contains('*') {
            return Err(format!(
                "issuer = \"{issuer}\" of a trusted identity has a *, and whoever runs an identity provider could then sign; name it exactly"
            ));
        }
        if !is_plain(identity) {
            return Err(format!(
                "identity = \"{identity}\" of a trusted identity is no e-mail address and no URL"
            ));
        }
        if identity.chars().all(|c| c == '*') {
            return Err(format!(
                "identity = \"{identity}\" of a trusted identity stands for everybody who can log in at {issuer}; name whom you trust"
            ));
        }
        if self.policies.as_ref().is_some_and(Vec::is_empty) {
            return Err(
                "policies = [] of a trusted identity lets it sign nothing: leave it out for all, or revoke the identity".to_owned()
            );
        }
        if self.revoked.as_ref().is_some_and(|reason| reason.trim().is_empty()) {
            return Err("revoked = \"\" of a trusted identity gives no reason".to_owned());
        }
        Ok(())
    }

    /// It stands for this signer.
    fn is(&self, signer: &Identity) -> bool {
        self.issuer == signer.issuer && fits(&self.identity, &signer.name)
    }

    /// It may sign a policy of this id.
    fn is_for(&self, id: &str) -> bool {
        self.policies.as_ref().is_none_or(|policies| policies.iter().any(|pattern| fits(pattern, id)))
    }
}

/// Who signed, by the certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The identity provider that vouches for it.
    pub issuer: String,
    /// Its e-mail address or URL.
    pub name: String,
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (by {})", self.name, self.issuer)
    }
}

/// Why an identity's signature does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// The operator does not know it.
    #[error(
        "it is signed by {name} at {issuer}, which is not trusted here; trust it with [[trusted-identity]] in chitin.toml, by this issuer and \
         this identity",
        name = .0.name, issuer = .0.issuer
    )]
    Unknown(Identity),
    /// The operator does not trust it any more.
    #[error("it is signed by {who}, which is revoked: {reason}")]
    Revoked {
        /// Who signed.
        who: Identity,
        /// Why.
        reason: String,
    },
    /// It signs for other policies only.
    #[error("it is signed by {who}, which may sign {allowed} only")]
    NotFor {
        /// Who signed.
        who: Identity,
        /// The ids that it may sign.
        allowed: String,
    },
}

impl Identity {
    /// An identity with these texts; none where they hold more than characters that are seen, or too many of them.
    #[must_use]
    pub fn new(issuer: &str, name: &str) -> Option<Self> {
        let is_one = is_plain(issuer) && is_plain(name);
        is_one.then(|| Self { issuer: issuer.to_owned(), name: name.to_owned() })
    }

    /// As `chitin.lock` names it.
    #[must_use]
    pub fn in_lock(&self) -> String {
        format!("{IN_LOCK}{} {}", self.issuer, self.name)
    }

    /// The identity that a signer in `chitin.lock` is; none where it is a key.
    #[must_use]
    pub fn of_lock(signer: &str) -> Option<Self> {
        let (issuer, name) = signer.strip_prefix(IN_LOCK)?.split_once(' ')?;
        Some(Self { issuer: issuer.to_owned(), name: name.to_owned() })
    }

    /// The entry of the settings by which its signatures count. One that is revoked counts more than any other.
    ///
    /// # Errors
    /// Where there is none, or it is revoked.
    pub fn among<'t>(&self, trusted: &'t [TrustedIdentity]) -> Result<&'t TrustedIdentity, IdentityError> {
        let mut known = trusted.iter().filter(|one| one.is(self)).peekable();
        let first = known.peek().copied().ok_or_else(|| IdentityError::Unknown(self.clone()))?;
        match known.find_map(|one| one.revoked.as_ref()) {
            Some(reason) => Err(IdentityError::Revoked { who: self.clone(), reason: reason.clone() }),
            None => Ok(first),
        }
    }

    /// The entry of the settings by which its signature of a policy of this id counts.
    ///
    /// # Errors
    /// Where there is none, it is revoked, or it is for other ids.
    pub fn may_sign<'t>(
        &self,
        id: &str,
        trusted: &'t [TrustedIdentity],
    ) -> Result<&'t TrustedIdentity, IdentityError> {
        self.among(trusted)?;
        let known = || trusted.iter().filter(|one| one.is(self));
        known().find(|one| one.is_for(id)).ok_or_else(|| {
            let allowed: Vec<&str> =
                known().filter_map(|one| one.policies.as_deref()).flatten().map(String::as_str).collect();
            IdentityError::NotFor { who: self.clone(), allowed: allowed.join(", ") }
        })
    }
}

/// The signer of a policy in `chitin.lock`, in words: a key by its number, an identity with its issuer.
#[must_use]
pub fn signer_in_words(signer: &str) -> String {
    Identity::of_lock(signer).map_or_else(|| signer.to_owned(), |who| who.to_string())
}

/// The same within a sentence, where a number alone says too little.
#[must_use]
pub fn signer_in_full(signer: &str) -> String {
    Identity::of_lock(signer).map_or_else(|| format!("the key {signer}"), |who| who.to_string())
}

/// Characters that are seen, no blanks, and not too many.
fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.len() <= MOST && text.chars().all(|c| c.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GITHUB: &str = "https://token.actions.githubusercontent.com";

    fn trusted(identity: &str) -> TrustedIdentity {
        TrustedIdentity {
            issuer: GITHUB.to_owned(),
            identity: identity.to_owned(),
            name: None,
            policies: None,
            revoked: None,
        }
    }

    #[test]
    fn an_identity_counts_by_its_issuer_and_its_name() {
        let who = Identity::new(GITHUB, "https://github.com/ann/theirs/.github/workflows/r.yml@refs/tags/v1")
            .unwrap();
        for (pattern, counts) in [
            (who.name.as_str(), true),
            ("https://github.com/ann/theirs/*", true),
            ("https://github.com/ann/*/r.yml@refs/tags/*", true),
            ("https://github.com/ann/theirs", false),
            ("https://github.com/bob/*", false),
            ("*/r.yml@refs/heads/*", false),
        ] {
            let trusted = [trusted(pattern)];
            assert_eq!(who.among(&trusted).is_ok(), counts, "{pattern}");
            // Whoever can make an identity provider can have that name there.
            let other = Identity { issuer: "https://other.example".to_owned(), ..who.clone() };
            assert_eq!(other.among(&trusted), Err(IdentityError::Unknown(other.clone())), "{pattern}");
        }
        assert_eq!(Identity::of_lock(&who.in_lock()), Some(who));
        assert_eq!(Identity::of_lock("A5C7E145BBBC9DFB"), None);
        for (issuer, name) in [
            ("", "x"),
            ("https://a", ""),
            ("https://a b", "x"),
            ("https://a", "x\u{1b}[2J"),
            ("https://a", "x\ny"),
        ] {
            assert_eq!(Identity::new(issuer, name), None, "{issuer} {name}");
        }
        assert_eq!(Identity::new(GITHUB, &"x".repeat(MOST + 1)), None);
    }

    #[test]
    fn an_identity_can_be_revoked_and_be_for_some_ids_only() {
        let who = Identity::new(GITHUB, "https://github.com/ann/a").unwrap();
        let some = TrustedIdentity {
            policies: Some(vec!["ann-*".to_owned()]),
            ..trusted("https://github.com/ann/*")
        };
        let one =
            TrustedIdentity { policies: Some(vec!["one".to_owned()]), ..trusted("https://github.com/ann/a") };
        let known = [some.clone(), one];
        for (id, may) in [("ann-x", true), ("one", true), ("two", false), ("x-ann-", false)] {
            assert_eq!(who.may_sign(id, &known).is_ok(), may, "{id}");
        }
        let error = who.may_sign("two", &known).unwrap_err().to_string();
        assert!(error.contains("may sign ann-*, one only"), "{error}");
        // An entry that takes trust away counts more than one that gives it.
        let revoked = TrustedIdentity {
            revoked: Some("it was taken over".to_owned()),
            ..trusted("https://github.com/ann/*")
        };
        for known in [[some.clone(), revoked.clone()], [revoked, some]] {
            let error = who.may_sign("ann-x", &known).unwrap_err().to_string();
            assert!(error.contains("revoked: it was taken over"), "{error}");
        }
    }

    #[test]
    fn an_entry_that_stands_for_nobody_or_for_everybody_is_refused() {
        assert_eq!(trusted("ann@example.com").check(), Ok(()));
        assert_eq!(trusted("https://github.com/ann/*").check(), Ok(()));
        for (entry, reason) in [
            (trusted("*"), "stands for everybody who can log in at"),
            (trusted("***"), "stands for everybody"),
            (trusted(""), "no e-mail address and no URL"),
            (trusted("ann "), "no e-mail address and no URL"),
            (TrustedIdentity { issuer: "github".to_owned(), ..trusted("a") }, "is no URL"),
            (TrustedIdentity { issuer: "https://*".to_owned(), ..trusted("a") }, "name it exactly"),
            (TrustedIdentity { policies: Some(Vec::new()), ..trusted("a") }, "lets it sign nothing"),
            (TrustedIdentity { revoked: Some(" ".to_owned()), ..trusted("a") }, "gives no reason"),
        ] {
            let error = entry.check().unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
    }
}
