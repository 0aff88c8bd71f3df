//! Checking a bundle: everything that `cosign verify` asks for by default, and nothing of it can be left out. That is the
//! certificate up to a pinned root, valid when a trusted clock or log saw the signature; the log of certificates; the entry in
//! the transparency log; and the signature of a statement about the manifest that was fetched.

use std::path::Path;

use ring::signature::{self, UnparsedPublicKey, VerificationAlgorithm};
use sigstore_verify::crypto::provider::{CryptoProvider, HashContext, install_default_provider};
use sigstore_verify::crypto::{self, SigningScheme};
use sigstore_verify::trust_root::{SIGSTORE_PRODUCTION_TRUSTED_ROOT, TrustedRoot};
use sigstore_verify::types::{
    Bundle, HashAlgorithm, Sha256Hash, SignatureContent, Statement, bundle::MediaType,
};
use sigstore_verify::{VerificationPolicy, Verifier};

use super::Identity;
use crate::policy::code_file::Digest;
use crate::target::read_regular;

/// The largest file with a root of trust that is read, in bytes.
const MAX_ROOT_BYTES: u64 = 1 << 20;

/// What a statement may say of the manifest: that it was signed, or what it was built of. Others speak of its flaws or its parts.
const PREDICATES: [&str; 2] = ["https://sigstore.dev/cosign/sign/v1", "https://slsa.dev/provenance/v1"];

/// Whether a statement of this kind says who signed.
pub(in crate::policy) fn is_signature(predicate: &str) -> bool {
    PREDICATES.contains(&predicate)
}

/// Why there is no root of trust.
#[derive(Debug, thiserror::Error)]
pub enum RootError {
    /// The file cannot be read.
    #[error("the file that sigstore-root names in chitin.toml cannot be read: {0}")]
    Read(String),
    /// It is not of its form.
    #[error(
        "{path}, which sigstore-root names in chitin.toml, is no trusted root of sigstore ({reason}); `cosign trusted-root create` makes one"
    )]
    Malformed {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// Why a bundle does not count.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// It is no bundle.
    #[error("it is no bundle of sigstore: {0}")]
    Malformed(String),
    /// It is one of an older form.
    #[error("it is of the form {0}, and v0.3 is understood")]
    Old(String),
    /// It signs bytes, and says nothing of a manifest.
    #[error(
        "it signs a digest and no statement (DSSE), which is not understood; sign with cosign 3 or later"
    )]
    NoStatement,
    /// Its signature is wrong, or something that it needs is missing.
    #[error("it does not hold: {0}")]
    Wrong(String),
    /// It is right, and speaks of something else.
    #[error("its statement says nothing of who signed, but is of the kind {0}")]
    Predicate(String),
    /// Its certificate names nobody.
    #[error("its certificate names nobody, or in characters that are not seen")]
    Nobody,
}

/// The keys and certificates that bundles are checked against.
pub struct Root(Verifier);

impl Root {
    /// Those of a file; without one those of the public sigstore, as they were when this program was built.
    ///
    /// # Errors
    /// Where the file cannot be read, or is none.
    pub fn read(file: Option<&Path>) -> Result<Self, RootError> {
        let path = file.map_or_else(|| "the root that is built in".into(), |file| file.display().to_string());
        let malformed = |reason: String| RootError::Malformed { path: path.clone(), reason };
        let text = match file {
            None => SIGSTORE_PRODUCTION_TRUSTED_ROOT.to_owned(),
            Some(file) => {
                let bytes =
                    read_regular(file, MAX_ROOT_BYTES).map_err(|error| RootError::Read(error.to_string()))?;
                String::from_utf8(bytes).map_err(|_| malformed("it is not UTF-8".to_owned()))?
            }
        };
        Self::parse(&text).map_err(malformed)
    }

    fn parse(text: &str) -> Result<Self, String> {
        // It fails where it was done before, by this function.
        let _ = install_default_provider(&Ring);
        let root = TrustedRoot::from_json(text).map_err(|error| error.to_string())?;
        Verifier::new(&root).map(Self).map_err(|error| error.to_string())
    }

    /// Who signed a manifest, by a bundle: the digest is the manifest's, and the statement has to name it.
    ///
    /// # Errors
    /// Where the bundle is not a signature of that manifest.
    pub fn signer(&self, bundle: &str, manifest: &Digest) -> Result<Identity, BundleError> {
        let bundle = Bundle::from_json(bundle).map_err(|error| BundleError::Malformed(error.to_string()))?;
        if bundle.media_type() != MediaType::Bundle0_3 {
            return Err(BundleError::Old(bundle.media_type().to_string()));
        }
        let SignatureContent::DsseEnvelope(envelope) = &bundle.content else {
            return Err(BundleError::NoStatement);
        };
        let digest = Sha256Hash::new(manifest.bytes());
        // Who it is, is decided by the settings, and by nobody before the signature holds.
        let found = self
            .0
            .verify(digest, &bundle, &VerificationPolicy::any_identity())
            .map_err(|error| BundleError::Wrong(error.to_string()))?;
        if !(found.certificate_verified() && found.sct_verified() && found.tlog_verified()) {
            return Err(BundleError::Wrong("a part of it was not checked".to_owned()));
        }
        let statement: Statement = serde_json::from_slice(envelope.payload.as_bytes())
            .map_err(|error| BundleError::Malformed(error.to_string()))?;
        if !is_signature(&statement.predicate_type) {
            return Err(BundleError::Predicate(statement.predicate_type));
        }
        let name = found.identity().map(crypto::SubjectAltName::as_str);
        found
            .issuer()
            .zip(name)
            .and_then(|(issuer, name)| Identity::new(issuer, name))
            .ok_or(BundleError::Nobody)
    }
}

/// Cryptography by ring, which the program has anyway.
#[derive(Debug)]
struct Ring;

struct Hashing(ring::digest::Context);

impl HashContext for Hashing {
    fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    fn finalize(self: Box<Self>) -> Vec<u8> {
        self.0.finish().as_ref().to_vec()
    }
}

impl CryptoProvider for Ring {
    fn hash(&self, algorithm: HashAlgorithm) -> crypto::Result<Box<dyn HashContext>> {
        let algorithm = match algorithm {
            HashAlgorithm::Sha2256 => &ring::digest::SHA256,
            HashAlgorithm::Sha2384 => &ring::digest::SHA384,
            HashAlgorithm::Sha2512 => &ring::digest::SHA512,
            other => return Err(crypto::Error::UnsupportedAlgorithm(other.to_string())),
        };
        Ok(Box::new(Hashing(ring::digest::Context::new(algorithm))))
    }

    fn verify_raw(
        &self,
        scheme: SigningScheme,
        key: &[u8],
        data: &[u8],
        signature: &[u8],
    ) -> crypto::Result<()> {
        UnparsedPublicKey::new(algorithm(scheme)?, key)
            .verify(data, signature)
            .map_err(|_| crypto::Error::Verification(format!("the signature ({}) is wrong", scheme.name())))
    }

    /// Only signatures of a digest without a statement need it, and those are refused before.
    fn verify_prehashed(&self, scheme: SigningScheme, _: &[u8], _: &[u8], _: &[u8]) -> crypto::Result<()> {
        let reason = format!("{} over a digest without a statement (DSSE)", scheme.name());
        Err(crypto::Error::UnsupportedAlgorithm(reason))
    }
}

fn algorithm(scheme: SigningScheme) -> crypto::Result<&'static dyn VerificationAlgorithm> {
    Ok(match scheme {
        SigningScheme::EcdsaP256Sha256 => &signature::ECDSA_P256_SHA256_ASN1,
        SigningScheme::EcdsaP256Sha384 => &signature::ECDSA_P256_SHA384_ASN1,
        SigningScheme::EcdsaP384Sha256 => &signature::ECDSA_P384_SHA256_ASN1,
        SigningScheme::EcdsaP384Sha384 => &signature::ECDSA_P384_SHA384_ASN1,
        SigningScheme::Ed25519 => &signature::ED25519,
        SigningScheme::RsaPkcs1Sha256 => &signature::RSA_PKCS1_2048_8192_SHA256,
        SigningScheme::RsaPkcs1Sha384 => &signature::RSA_PKCS1_2048_8192_SHA384,
        SigningScheme::RsaPkcs1Sha512 => &signature::RSA_PKCS1_2048_8192_SHA512,
        SigningScheme::RsaPssSha256 => &signature::RSA_PSS_2048_8192_SHA256,
        SigningScheme::RsaPssSha384 => &signature::RSA_PSS_2048_8192_SHA384,
        SigningScheme::RsaPssSha512 => &signature::RSA_PSS_2048_8192_SHA512,
        other => return Err(crypto::Error::UnsupportedAlgorithm(other.name().to_owned())),
    })
}

#[cfg(test)]
mod tests {
    use chitin_test_support::sigstore::{Said, Sigstore};
    use serde_json::{Value, json};
    use sigstore_verify::trust_root::SIGSTORE_STAGING_TRUSTED_ROOT;

    use super::*;

    const MANIFEST: &[u8] = b"{\"a\": \"manifest\"}";
    const ISSUER: &str = "https://token.actions.githubusercontent.com";
    const ANN: &str = "https://github.com/ann/theirs/.github/workflows/release.yml@refs/tags/v1";

    type Change = fn(&mut Value);

    fn said() -> Said {
        Said { subject: Digest::of(MANIFEST).to_string(), ..Said::default() }
    }

    fn root(sigstore: &Sigstore) -> Root {
        Root::parse(&sigstore.root().to_string()).unwrap()
    }

    /// Who signed, by a bundle with some change, or why nobody did.
    fn signer(sigstore: &Sigstore, said: &Said, change: impl FnOnce(&mut Value)) -> Result<Identity, String> {
        let mut bundle = sigstore.bundle(said);
        change(&mut bundle);
        root(sigstore).signer(&bundle.to_string(), &Digest::of(MANIFEST)).map_err(|error| error.to_string())
    }

    #[test]
    fn a_bundle_says_who_signed_the_manifest() {
        let sigstore = Sigstore::new();
        let ann = Identity::new(ISSUER, ANN).unwrap();
        for predicate in PREDICATES {
            let said = Said { predicate: predicate.to_owned(), ..said() };
            assert_eq!(signer(&sigstore, &said, |_| ()), Ok(ann.clone()), "{predicate}");
        }
        let said = Said {
            identity: "ann@example.com".to_owned(),
            issuer: "https://accounts.google.com".to_owned(),
            ..said()
        };
        let ann = Identity::new("https://accounts.google.com", "ann@example.com");
        assert_eq!(signer(&sigstore, &said, |_| ()).ok(), ann);
    }

    #[test]
    fn a_bundle_that_lacks_something_is_none() {
        let sigstore = Sigstore::new();
        let other = Digest::of(b"another manifest").to_string();
        let cases: [(&str, Said); 7] = [
            ("does not match any subject", Said { subject: other, ..said() }),
            (
                "but is of the kind https://cyclonedx.org/bom",
                Said { predicate: "https://cyclonedx.org/bom".to_owned(), ..said() },
            ),
            ("names nobody", Said { identity: "https://a.example/\u{1b}[2J".to_owned(), ..said() }),
            ("names nobody", Said { identity: "https://a.example/\nx".to_owned(), ..said() }),
            // Its log saw it a month after its certificate was over; and before it was made.
            ("it does not hold", Said { at: Said::default().at + 30 * 86_400, ..said() }),
            ("it does not hold", Said { at: Said::default().at - 30 * 86_400, ..said() }),
            ("SCT", Said { has_sct: false, ..said() }),
        ];
        for (words, said) in cases {
            let error = signer(&sigstore, &said, |_| ()).unwrap_err();
            assert!(error.contains(words), "{words}: {error}");
        }
        let changes: [(&str, Change); 12] = [
            ("it does not hold", |bundle| {
                // Another statement under the same signature.
                let payload = json!({ "_type": "https://in-toto.io/Statement/v1", "predicateType": PREDICATES[0],
                    "subject": [{ "digest": { "sha256": Digest::of(MANIFEST).to_string() } }], "predicate": { "more": 1 } });
                let payload = data_encoding::BASE64.encode(payload.to_string().as_bytes());
                bundle["dsseEnvelope"]["payload"] = payload.into();
            }),
            ("it does not hold", |bundle| {
                bundle["dsseEnvelope"]["signatures"][0]["sig"] =
                    data_encoding::BASE64.encode(&[0x30; 70]).into();
            }),
            ("unsupported DSSE payload type", |bundle| {
                bundle["dsseEnvelope"]["payloadType"] = "text/plain".into();
            }),
            ("no bundle of sigstore", |bundle| {
                let signatures = bundle["dsseEnvelope"]["signatures"].as_array_mut().unwrap();
                signatures.push(signatures[0].clone());
            }),
            ("it does not hold", |bundle| bundle["verificationMaterial"]["tlogEntries"] = json!([])),
            ("it does not hold", |bundle| {
                let entry = &mut bundle["verificationMaterial"]["tlogEntries"][0];
                entry.as_object_mut().unwrap().remove("inclusionProof");
            }),
            // Without the promise no clock says when it was signed.
            ("No verified timestamp", |bundle| {
                let entry = &mut bundle["verificationMaterial"]["tlogEntries"][0];
                entry.as_object_mut().unwrap().remove("inclusionPromise");
            }),
            ("it does not hold", |bundle| {
                let entry = &mut bundle["verificationMaterial"]["tlogEntries"][0];
                entry["integratedTime"] = (Said::default().at + 1).to_string().into();
            }),
            ("it does not hold", |bundle| {
                let entry = &mut bundle["verificationMaterial"]["tlogEntries"][0];
                entry["inclusionProof"]["checkpoint"]["envelope"] =
                    entry["inclusionProof"]["checkpoint"]["envelope"]
                        .as_str()
                        .unwrap()
                        .replace("\n1\n", "\n2\n")
                        .into();
                entry["inclusionProof"]["treeSize"] = "2".into();
            }),
            ("public-key", |bundle| {
                let material = bundle["verificationMaterial"].as_object_mut().unwrap();
                material.remove("certificate");
                material.insert("publicKey".to_owned(), json!({ "hint": "public-key" }));
            }),
            ("it is of the form", |bundle| {
                bundle["mediaType"] = "application/vnd.dev.sigstore.bundle+json;version=0.1".into();
            }),
            ("signs a digest", |bundle| {
                let bundle = bundle.as_object_mut().unwrap();
                bundle.remove("dsseEnvelope");
                bundle.insert("messageSignature".to_owned(), json!({ "signature": "AAAA" }));
            }),
        ];
        for (at, (words, change)) in changes.into_iter().enumerate() {
            let error = signer(&sigstore, &said(), change).unwrap_err();
            let is_it =
                error.contains(words) || (words == "public-key" && error.contains("no signing certificate"));
            assert!(is_it, "{at}: {words}: {error}");
        }
        for text in ["", "{}", "[]", "null", "\u{0}", "{\"mediaType\": 1}", &"[".repeat(100_000)] {
            let error = root(&sigstore).signer(text, &Digest::of(MANIFEST)).unwrap_err();
            assert!(matches!(error, BundleError::Malformed(_)), "{error}");
        }
        let whole = sigstore.bundle(&said()).to_string();
        for cut in (0..whole.len()).step_by(97) {
            assert!(root(&sigstore).signer(&whole[..cut], &Digest::of(MANIFEST)).is_err(), "{cut}");
        }
    }

    #[test]
    fn no_other_root_vouches_for_a_bundle() {
        let (own, other) = (Sigstore::new(), Sigstore::new());
        let bundle = own.bundle(&said()).to_string();
        let signed_by = |root: &Value| {
            Root::parse(&root.to_string())
                .unwrap()
                .signer(&bundle, &Digest::of(MANIFEST))
                .map_err(|error| error.to_string())
        };
        assert!(signed_by(&own.root()).is_ok());
        assert!(signed_by(&other.root()).is_err());
        assert!(Root::read(None).unwrap().signer(&bundle, &Digest::of(MANIFEST)).is_err());
        // Each of the three parts has to be known.
        for part in ["tlogs", "certificateAuthorities", "ctlogs"] {
            let mut root = own.root();
            root[part] = other.root()[part].clone();
            let error = signed_by(&root).unwrap_err();
            assert!(error.contains("it does not hold"), "{part}: {error}");
            root[part] = json!([]);
            assert!(signed_by(&root).is_err(), "{part}");
        }
        for text in ["", "{}", "[]", "no JSON"] {
            assert!(Root::parse(text).is_err(), "{text}");
        }
    }

    /// Bundles of the public sigstore and of the one where it is tried out, which has the next form of its log
    /// (tests/corpus/sigstore says where they are from).
    #[test]
    fn bundles_of_the_public_sigstore_hold() {
        let root = Root::read(None).unwrap();
        let manifest = |hex: &str| Digest::try_from(hex.to_owned()).unwrap();
        let provenance = include_str!("../../../../tests/corpus/sigstore/provenance.json");
        let digest = manifest("a0cfc71271d6e278e57cd332ff957c3f7043fdda354c4cbb190a30d56efa01bf");
        let who = root.signer(provenance, &digest).unwrap();
        assert_eq!(who.issuer, ISSUER);
        assert!(who.name.starts_with("https://github.com/sigstore-conformance/"), "{who}");
        assert!(matches!(root.signer(provenance, &Digest::of(b"")), Err(BundleError::Wrong(_))));
        let root = Root::parse(SIGSTORE_STAGING_TRUSTED_ROOT).unwrap();
        // It is right up to its statement, which is of another kind; a timestamp stands in for the log's clock.
        let publication = include_str!("../../../../tests/corpus/sigstore/publication.json");
        let digest = manifest("54303491a8418fbed24344b513546182c29b43bf282ceb433af65e2299f9271f");
        let error = root.signer(publication, &digest).unwrap_err();
        assert!(matches!(error, BundleError::Predicate(_)), "{error}");
        assert!(matches!(root.signer(publication, &Digest::of(b"")), Err(BundleError::Wrong(_))));
    }
}
