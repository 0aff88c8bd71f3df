//! Signatures of policies, as minisign makes them: a file `NAME.minisig` beside the policy, over its bytes. A signature is
//! checked before anything of a policy is understood. Which keys count, and for which ids, the settings say; a policy never
//! brings its own.

use minisign_verify::{PublicKey, Signature};
use serde::{Deserialize, Serialize};

/// The ending of a signature's file, behind the name of the policy's file.
pub const ENDING: &str = ".minisig";

/// The largest signature file that is read, in bytes: four lines, of which two are comments.
pub const MAX_BYTES: u64 = 16 << 10;

/// How the base64 text of a key or a signature begins before its key's number: two letters of the algorithm.
const ALGORITHM: usize = 2;

/// Bytes of a key's number.
const NUMBER: usize = 8;

/// A key that the operator trusts.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TrustedKey {
    /// The second line of a minisign public key file.
    pub key: String,
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

/// Why a signature does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// It is no signature.
    #[error("its signature is not of minisign's form")]
    Malformed,
    /// Nobody knows the key.
    #[error(
        "its signature names the key {0}, which is not among the trusted ones; get that key from its owner, and give it to `chitin policy add` or `update` with --key"
    )]
    Unknown(String),
    /// The operator does not trust the key any more.
    #[error("it is signed by the key {key}, which is revoked: {reason}")]
    Revoked {
        /// The key.
        key: String,
        /// Why.
        reason: String,
    },
    /// The bytes are not those that were signed.
    #[error(
        "its signature by the key {0} is not that of these bytes: the file was changed, or the signature belongs to another one"
    )]
    Wrong(String),
    /// The key signs for other policies only.
    #[error("it is signed by the key {key}, which may sign {allowed} only")]
    NotFor {
        /// The key.
        key: String,
        /// The ids that it may sign.
        allowed: String,
    },
}

impl TrustedKey {
    /// A key by its base64 text, or the text of its file.
    ///
    /// # Errors
    /// Where it is no minisign public key.
    pub fn new(text: &str) -> Result<Self, String> {
        let line = text.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default();
        let key = Self { key: line.to_owned(), name: None, policies: None, revoked: None };
        key.check()?;
        Ok(key)
    }

    /// It is a key.
    ///
    /// # Errors
    /// Where it is none.
    pub fn check(&self) -> Result<(), String> {
        if self.policies.as_ref().is_some_and(Vec::is_empty) {
            return Err("policies = [] of a trusted key lets it sign nothing: leave it out for all, or revoke the key".to_owned());
        }
        if self.revoked.as_ref().is_some_and(|reason| reason.trim().is_empty()) {
            return Err("revoked = \"\" of a trusted key gives no reason".to_owned());
        }
        match PublicKey::from_base64(&self.key) {
            Ok(_) if !self.id().is_empty() => Ok(()),
            // It is not shown: it may be a key that is secret.
            _ => {
                Err("a key is no minisign public key: the line that begins with RW in a .pub file".to_owned())
            }
        }
    }

    /// The key's number, as minisign names it.
    #[must_use]
    pub fn id(&self) -> String {
        key_id(&self.key).unwrap_or_default()
    }

    /// It may sign a policy of this id.
    #[must_use]
    pub fn is_for(&self, id: &str) -> bool {
        self.policies.as_ref().is_none_or(|policies| policies.iter().any(|pattern| fits(pattern, id)))
    }
}

/// A signature that is right, by a key that is trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signer<'k>(&'k TrustedKey);

impl Signer<'_> {
    /// The key's number.
    #[must_use]
    pub fn id(&self) -> String {
        self.0.id()
    }

    /// The key.
    #[must_use]
    pub fn key(&self) -> &TrustedKey {
        self.0
    }

    /// The key may sign a policy of this id.
    ///
    /// # Errors
    /// Where it may not.
    pub fn may_sign(&self, id: &str) -> Result<(), SignatureError> {
        if self.0.is_for(id) {
            return Ok(());
        }
        Err(SignatureError::NotFor {
            key: self.id(),
            allowed: self.0.policies.clone().unwrap_or_default().join(", "),
        })
    }
}

/// Checks a signature over bytes of which nothing was understood yet.
///
/// # Errors
/// Where it is not that of these bytes by a key that is trusted.
pub fn verify<'k>(
    bytes: &[u8],
    signature: &str,
    keys: &'k [TrustedKey],
) -> Result<Signer<'k>, SignatureError> {
    let id = signature_key(signature).ok_or(SignatureError::Malformed)?;
    let decoded = Signature::decode(signature).map_err(|_| SignatureError::Malformed)?;
    let known = keys.iter().find(|key| key.id() == id).ok_or_else(|| SignatureError::Unknown(id.clone()))?;
    if let Some(reason) = &known.revoked {
        return Err(SignatureError::Revoked { key: id, reason: reason.clone() });
    }
    let key = PublicKey::from_base64(&known.key).map_err(|_| SignatureError::Unknown(id.clone()))?;
    // Both forms of minisign count: over the bytes, and over their digest.
    key.verify(bytes, &decoded, true).map_err(|_| SignatureError::Wrong(id))?;
    Ok(Signer(known))
}

/// The number of the key that a signature names.
fn signature_key(signature: &str) -> Option<String> {
    key_id(signature.lines().nth(1)?.trim())
}

/// The number in the base64 text of a key or a signature: it stands there with its last byte first.
fn key_id(base64: &str) -> Option<String> {
    let bytes = data_encoding::BASE64.decode(base64.as_bytes()).ok()?;
    let mut number = bytes.get(ALGORITHM..ALGORITHM + NUMBER)?.to_vec();
    number.reverse();
    Some(data_encoding::HEXUPPER.encode(&number))
}

/// A text fits a pattern in which `*` stands for any characters. Each part is looked for once, so that no pattern is slow.
pub(super) fn fits(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == text };
    let (middle, tail) = rest.rsplit_once('*').unwrap_or(("", rest));
    let Some(text) = text.strip_prefix(head).and_then(|text| text.strip_suffix(tail)) else { return false };
    middle.split('*').try_fold(text, |text, part| Some(text.split_once(part)?.1)).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by minisign 0.11 over the bytes `a policy`; the second one with `-l`.
    const KEY: &str = "RWT7nby7ReHHpXvH0nVj8rucySIgzVQqSyOcQvMC0vxhHUes+wnXIrzG";
    const OTHER: &str = "RWRD0qzfeyzOJy6BYV0shqnMAJfidVzzxuoAl9MtQNpGv81fBgZolp1M";
    const SIGNATURES: [&str; 2] = [
        "untrusted comment: signature from minisign secret key\n\
         RUT7nby7ReHHpXSCj4KjXiOhR6/8ZJ8snqc3E7pjxX8NbV42YdtsUif1b1Jfqj4ffs8eGyHwtfCRVRMQpuD35PKGwFrf5+kSRwQ=\n\
         trusted comment: a comment\n\
         PzMJhQRdFxIrnv3LpDMhOAMC7oOXLpa86Fj75IIoiGQG6Y5O9CdA85DmS87RiP63PtiTPfDA/S+QlkRxMjYADQ==\n",
        "untrusted comment: signature from minisign secret key\n\
         RWT7nby7ReHHpR8NKoMZHqjCHWCaNTjbxMszrpnDEPIRDkp5qTyrtAdbz6hJnM60+9GB4YthI8g/IfpYDoD/vkubmcHHYIh/Sgs=\n\
         trusted comment: old\n\
         vSWyk34a23bRSi7cHKgxxhG0uQXHTE18gbUDRl63jA5q9+yS5sVMfyaCohrjHVoDL0GF1YNNK3Vle42TNpylBw==\n",
    ];

    fn keys(texts: &[&str]) -> Vec<TrustedKey> {
        texts.iter().map(|text| TrustedKey::new(text).unwrap()).collect()
    }

    #[test]
    fn a_signature_counts_by_a_trusted_key_over_the_same_bytes() {
        let file = format!("untrusted comment: minisign public key A5C7E145BBBC9DFB\n{KEY}\n");
        let trusted = keys(&[OTHER, &file]);
        for signature in SIGNATURES {
            let signer = verify(b"a policy", signature, &trusted).unwrap();
            assert_eq!(signer.id(), "A5C7E145BBBC9DFB");
            assert_eq!(signer.may_sign("any"), Ok(()));
            let id = signer.id();
            assert_eq!(verify(b"a policy!", signature, &trusted), Err(SignatureError::Wrong(id.clone())));
            assert_eq!(verify(b"a policy", signature, &keys(&[OTHER])), Err(SignatureError::Unknown(id)));
            let changed = signature.replace("trusted comment: a", "trusted comment: b").replace("old", "new");
            assert!(verify(b"a policy", &changed, &trusted).is_err(), "the comment is signed, too");
            for cut in 0..signature.len() {
                let part = signature.get(..cut).unwrap();
                assert!(verify(b"a policy", part, &trusted).is_err() || part.len() + 1 == signature.len());
            }
        }
    }

    #[test]
    fn the_number_of_a_key_is_not_enough() {
        // A key of the attacker's own with the number of the trusted one.
        let mut forged = data_encoding::BASE64.decode(OTHER.as_bytes()).unwrap();
        let trusted = data_encoding::BASE64.decode(KEY.as_bytes()).unwrap();
        forged[..10].copy_from_slice(&trusted[..10]);
        let forged = data_encoding::BASE64.encode(&forged);
        let error = verify(b"a policy", SIGNATURES[0], &keys(&[&forged])).unwrap_err();
        assert_eq!(error, SignatureError::Wrong("A5C7E145BBBC9DFB".to_owned()));
    }

    #[test]
    fn a_key_can_be_revoked_and_be_for_some_ids_only() {
        let [key] = &keys(&[KEY])[..] else { panic!() };
        let revoked = [TrustedKey { revoked: Some("it was stolen".to_owned()), ..key.clone() }];
        let error = verify(b"a policy", SIGNATURES[0], &revoked).unwrap_err().to_string();
        assert!(error.contains("revoked: it was stolen"), "{error}");
        let some = [TrustedKey { policies: Some(vec!["ann-*".to_owned(), "one".to_owned()]), ..key.clone() }];
        let signer = verify(b"a policy", SIGNATURES[0], &some).unwrap();
        for (id, may) in
            [("ann-x", true), ("ann-", true), ("one", true), ("ones", false), ("x-ann-", false), ("", false)]
        {
            assert_eq!(signer.may_sign(id).is_ok(), may, "{id}");
        }
    }

    #[test]
    fn another_text_is_no_key_and_no_signature() {
        for text in [
            "",
            "RW",
            "ssh-ed25519 AAAA",
            &KEY[..40],
            "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO4=",
        ] {
            assert!(TrustedKey::new(text).is_err(), "{text}");
            assert_eq!(verify(b"", text, &keys(&[KEY])), Err(SignatureError::Malformed), "{text}");
        }
    }
}
