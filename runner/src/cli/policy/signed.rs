//! Who signed a policy that comes from its source: a key or an identity that the operator trusts, or nobody.

#[cfg(feature = "registry")]
use chitin::policy::code_file::Digest;
use chitin::policy::set::{NOT_SIGNED, Set};
use chitin::policy::signature::{Signer, TrustedKey};
use chitin::policy::sigstore::{Identity, IdentityError};

/// Of what stands beside a policy and does not count, so much is told, and in so many characters each.
const MOST_NOTES: usize = 4;
const MOST_WORDS: usize = 400;

/// What stands beside a policy. Nothing of it is checked yet.
#[derive(Default)]
pub(super) struct Beside {
    /// The texts of minisign signatures.
    pub signatures: Vec<String>,
    /// The texts of bundles of sigstore.
    #[cfg(feature = "registry")]
    pub bundles: Vec<String>,
    /// What was not looked at, and why.
    pub notes: Vec<String>,
    /// The digest of the manifest that bundles have to be about; none for a file.
    #[cfg(feature = "registry")]
    pub manifest: Option<Digest>,
}

/// A signature that counts.
pub(super) enum Signed {
    /// By a key: the text of the signature, and the key.
    Key(String, TrustedKey),
    /// By an identity, and its name in the settings.
    Identity(Identity, Option<String>),
}

impl Signed {
    /// The signer, as `chitin.lock` names it.
    pub(super) fn in_lock(&self) -> String {
        match self {
            Self::Key(_, key) => key.id(),
            Self::Identity(who, _) => who.in_lock(),
        }
    }

    /// The signer in words, with the name that it has in the settings.
    pub(super) fn in_words(&self) -> String {
        match self {
            Self::Key(_, key) => {
                let whose = key.name.as_ref().map_or(String::new(), |name| format!(" of {name}"));
                format!("the key {}{whose}", key.id())
            }
            Self::Identity(who, name) => {
                let whose = name.as_ref().map_or(String::new(), |name| format!(", who is {name} here"));
                format!("{who}{whose}")
            }
        }
    }
}

/// The signatures that count as far as it can be known before anything of a policy is understood.
pub(super) struct Looked<'s> {
    key: Option<(String, Signer<'s>)>,
    identities: Vec<Identity>,
    /// What stands beside the policy and does not count, and why.
    pub notes: Vec<String>,
}

/// Looks at all that stands beside bytes of which nothing is understood yet. One signature that counts is enough; a bundle that does
/// not is no error, as anybody who can write to the registry can leave one there.
///
/// # Errors
/// Where a signature tells against the bytes, or there is none and has to be one.
pub(super) fn look<'s>(set: &'s Set, bytes: &[u8], beside: &Beside) -> Result<Looked<'s>, String> {
    let mut looked = Looked { key: None, identities: Vec::new(), notes: Vec::new() };
    let mut against = None;
    for text in &beside.signatures {
        match set.signer(bytes, Some(text)) {
            Ok(Some(signer)) => {
                looked.key = Some((text.clone(), signer));
                return Ok(looked);
            }
            Ok(None) => {}
            Err(unusable) => against = against.or(Some(unusable.to_string())),
        }
    }
    for found in signers(set, beside)? {
        match found.map(|who| who.among(&set.identities).map(|_| who.clone())) {
            Ok(Ok(who)) => looked.identities.push(who),
            Ok(Err(error)) => {
                // The operator's own word says more than that a key is not known.
                if matches!(error, IdentityError::Revoked { .. }) {
                    against = Some(error.to_string());
                }
                looked.notes.push(error.to_string());
            }
            Err(reason) => looked.notes.push(format!("a bundle beside it does not count: {reason}")),
        }
    }
    looked.notes.extend(beside.notes.iter().cloned());
    for note in &mut looked.notes {
        // A bundle can put words of its own into a reason.
        if let Some((at, _)) = note.char_indices().nth(MOST_WORDS) {
            note.truncate(at);
            note.push_str("...");
        }
    }
    looked.notes.dedup();
    if looked.notes.len() > MOST_NOTES {
        let more = looked.notes.len() - MOST_NOTES;
        looked.notes.truncate(MOST_NOTES);
        looked.notes.push(format!("of what stands beside it and does not count, so much more: {more}"));
    }
    match against {
        _ if !looked.identities.is_empty() => Ok(looked),
        Some(reason) => Err(reason),
        None if set.require_signatures => Err(format!("{NOT_SIGNED}{}", looked.aside())),
        None => Ok(looked),
    }
}

impl Looked<'_> {
    /// The signature that counts for a policy of this id; none where nobody signed it.
    ///
    /// # Errors
    /// Where who signed it may not sign that one.
    pub(super) fn signed(self, set: &Set, id: &str) -> Result<Option<Signed>, String> {
        if let Some((text, signer)) = self.key {
            signer.may_sign(id).map_err(|error| error.to_string())?;
            return Ok(Some(Signed::Key(text, signer.key().clone())));
        }
        let mut against = None;
        for who in self.identities {
            match who.may_sign(id, &set.identities) {
                Ok(entry) => return Ok(Some(Signed::Identity(who, entry.name.clone()))),
                Err(error) => against = against.or(Some(error.to_string())),
            }
        }
        against.map_or(Ok(None), Err)
    }

    /// What does not count, behind a sentence.
    fn aside(&self) -> String {
        in_brackets(&self.notes)
    }
}

/// Notes behind a sentence; nothing where there are none.
pub(super) fn in_brackets(notes: &[String]) -> String {
    if notes.is_empty() { String::new() } else { format!(" ({})", notes.join("; ")) }
}

/// Who signed, by each of the bundles, or why nobody did by it.
#[cfg(feature = "registry")]
fn signers(set: &Set, beside: &Beside) -> Result<Vec<Result<Identity, String>>, String> {
    let Some(manifest) = beside.manifest.as_ref().filter(|_| !beside.bundles.is_empty()) else {
        return Ok(Vec::new());
    };
    let root = chitin::policy::sigstore::Root::read(set.sigstore_root.as_deref());
    let root = root.map_err(|error| error.to_string())?;
    let one = |bundle: &String| root.signer(bundle, manifest).map_err(|error| error.to_string());
    Ok(beside.bundles.iter().map(one).collect())
}

/// Without registries there are no bundles.
#[cfg(not(feature = "registry"))]
#[expect(clippy::unnecessary_wraps, reason = "the other one can fail")]
fn signers(_: &Set, _: &Beside) -> Result<Vec<Result<Identity, String>>, String> {
    Ok(Vec::new())
}
