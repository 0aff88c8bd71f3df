//! A sigstore of the tests' own: an authority that issues certificates, a log of them, and a transparency log. It makes
//! bundles as `cosign sign` leaves them beside a manifest, and the root by which they are checked.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that is set up wrongly must stop")]

use data_encoding::{BASE64, HEXLOWER};
use rcgen::{
    CertificateParams, CertifiedIssuer, CustomExtension, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, PublicKeyData as _, SanType, SerialNumber, SigningKey as _, date_time_ymd,
};
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};

/// The kind of document that a bundle is, in a registry too.
pub const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

/// The extension of a certificate that names the identity provider.
const ISSUER: [u64; 9] = [1, 3, 6, 1, 4, 1, 57264, 1, 8];
/// The extension of a certificate that holds the words of its log.
const LOGGED: [u64; 10] = [1, 3, 6, 1, 4, 1, 11129, 2, 4, 2];

/// 2025-06-01, a day on which a certificate is valid.
const DAY: u64 = 1_748_736_000;

/// A sigstore.
pub struct Sigstore {
    authority: CertifiedIssuer<'static, KeyPair>,
    certificates: KeyPair,
    signatures: KeyPair,
}

/// What is signed, and by whom.
#[derive(Clone, Debug)]
pub struct Said {
    /// The SHA-256 of the manifest that the statement is about, in hexadecimal digits.
    pub subject: String,
    /// The kind of the statement.
    pub predicate: String,
    /// Who vouches for the identity.
    pub issuer: String,
    /// An e-mail address or a URL.
    pub identity: String,
    /// When the transparency log saw it, in seconds since the epoch.
    pub at: u64,
    /// The certificate was shown to its log.
    pub has_sct: bool,
}

impl Default for Said {
    fn default() -> Self {
        Self {
            subject: "00".repeat(32),
            predicate: "https://sigstore.dev/cosign/sign/v1".to_owned(),
            issuer: "https://token.actions.githubusercontent.com".to_owned(),
            identity: "https://github.com/ann/theirs/.github/workflows/release.yml@refs/tags/v1".to_owned(),
            at: DAY + 600,
            has_sct: true,
        }
    }
}

impl Default for Sigstore {
    fn default() -> Self {
        Self::new()
    }
}

impl Sigstore {
    /// One that nobody else knows.
    ///
    /// # Panics
    /// Where no keys can be made.
    #[must_use]
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(rcgen::DnType::CommonName, "an authority of the tests");
        params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        (params.not_before, params.not_after) = (date_time_ymd(2024, 1, 1), date_time_ymd(2050, 1, 1));
        let key = || KeyPair::generate().unwrap();
        let authority = CertifiedIssuer::self_signed(params, key()).unwrap();
        Self { authority, certificates: key(), signatures: key() }
    }

    /// The keys and certificates by which its bundles are checked: a document `trusted_root.json`.
    #[must_use]
    pub fn root(&self) -> Value {
        let valid = json!({ "start": "2024-01-01T00:00:00Z" });
        let log = |key: &KeyPair| {
            let spki = key.subject_public_key_info();
            json!([{
                "baseUrl": "https://log.example",
                "hashAlgorithm": "SHA2_256",
                "publicKey": {
                    "rawBytes": BASE64.encode(&spki), "keyDetails": "PKIX_ECDSA_P256_SHA_256", "validFor": valid,
                },
                "logId": { "keyId": BASE64.encode(&sha256(&spki)) },
            }])
        };
        json!({
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": log(&self.signatures),
            "ctlogs": log(&self.certificates),
            "certificateAuthorities": [{
                "subject": { "organization": "tests", "commonName": "tests" },
                "uri": "https://authority.example",
                "certChain": { "certificates": [{ "rawBytes": BASE64.encode(self.authority.der()) }] },
                "validFor": valid,
            }],
            "timestampAuthorities": [],
        })
    }

    /// A bundle.
    ///
    /// # Panics
    /// Where it cannot be made.
    #[must_use]
    pub fn bundle(&self, said: &Said) -> Value {
        const KIND: &str = "application/vnd.in-toto+json";
        let key = KeyPair::generate().unwrap();
        let certificate = self.certificate(said, &key);
        let statement = json!({
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{ "digest": { "sha256": said.subject } }],
            "predicateType": said.predicate,
            "predicate": {},
        })
        .to_string();
        let signed = format!("DSSEv1 {} {KIND} {} {statement}", KIND.len(), statement.len());
        let signature = BASE64.encode(&key.sign(signed.as_bytes()).unwrap());
        let hash = |bytes: &[u8]| json!({ "algorithm": "sha256", "value": HEXLOWER.encode(&sha256(bytes)) });
        let pem = format!(
            "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
            BASE64.encode(&certificate)
        );
        let entry = json!({
            "apiVersion": "0.0.1",
            "kind": "dsse",
            "spec": {
                "envelopeHash": hash(b"an envelope"),
                "payloadHash": hash(statement.as_bytes()),
                "signatures": [{ "signature": signature, "verifier": BASE64.encode(pem.as_bytes()) }],
            },
        })
        .to_string();
        json!({
            "mediaType": BUNDLE,
            "verificationMaterial": {
                "certificate": { "rawBytes": BASE64.encode(&certificate) },
                "tlogEntries": [self.logged(entry.as_bytes(), said.at)],
            },
            "dsseEnvelope": {
                "payload": BASE64.encode(statement.as_bytes()),
                "payloadType": KIND,
                "signatures": [{ "sig": signature }],
            },
        })
    }

    /// The one entry of the transparency log, with its promise and its proof.
    fn logged(&self, entry: &[u8], at: u64) -> Value {
        let id = sha256(&self.signatures.subject_public_key_info());
        let body = BASE64.encode(entry);
        // Its keys are in the order in which they are signed.
        let promise = format!(
            r#"{{"body":"{body}","integratedTime":{at},"logID":"{}","logIndex":0}}"#,
            HEXLOWER.encode(&id)
        );
        let promise = self.signatures.sign(promise.as_bytes()).unwrap();
        // A tree of one leaf.
        let tree = BASE64.encode(&sha256(&[&[0], entry].concat()));
        let note = format!("log.example\n1\n{tree}\n");
        let signature = [&id[..4], &self.signatures.sign(note.as_bytes()).unwrap()].concat();
        json!({
            "logIndex": "0",
            "logId": { "keyId": BASE64.encode(&id) },
            "kindVersion": { "kind": "dsse", "version": "0.0.1" },
            "integratedTime": at.to_string(),
            "inclusionPromise": { "signedEntryTimestamp": BASE64.encode(&promise) },
            "inclusionProof": {
                "logIndex": "0", "rootHash": tree, "treeSize": "1", "hashes": [],
                "checkpoint": { "envelope": format!("{note}\n\u{2014} log.example {}\n", BASE64.encode(&signature)) },
            },
            "canonicalizedBody": body,
        })
    }

    /// A certificate for one day.
    fn certificate(&self, said: &Said, key: &KeyPair) -> Vec<u8> {
        let mut params = CertificateParams::default();
        let name = said.identity.as_str().try_into().unwrap();
        let is_address = said.identity.contains('@') && !said.identity.contains('/');
        params.subject_alt_names =
            vec![if is_address { SanType::Rfc822Name(name) } else { SanType::URI(name) }];
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
        params.serial_number = Some(SerialNumber::from_slice(&[1, 2, 3]));
        (params.not_before, params.not_after) = (date_time_ymd(2025, 6, 1), date_time_ymd(2025, 6, 2));
        let issuer = tagged(0x0c, said.issuer.as_bytes());
        params.custom_extensions = vec![CustomExtension::from_oid_content(&ISSUER, issuer)];
        let issue =
            |params: &CertificateParams| params.signed_by(key, &self.authority).unwrap().der().to_vec();
        let first = issue(&params);
        if !said.has_sct {
            return first;
        }
        // The log signs what the authority signs, before its words are a part of that.
        let words = self.seen(content(content(&first).0).1);
        params.custom_extensions.push(CustomExtension::from_oid_content(&LOGGED, words));
        issue(&params)
    }

    /// The words of the log of certificates about one, as the extension holds them.
    fn seen(&self, certificate: &[u8]) -> Vec<u8> {
        let time = (DAY * 1000).to_be_bytes();
        let authority = sha256(&self.authority.key().subject_public_key_info());
        let length = u32::try_from(certificate.len()).unwrap().to_be_bytes();
        let signed = [&[0, 0], &time[..], &[0, 1], &authority, &length[1..], certificate, &[0, 0]].concat();
        let signature = with_length(&self.certificates.sign(&signed).unwrap());
        let id = sha256(&self.certificates.subject_public_key_info());
        let words = [&[0], &id[..], &time, &[0, 0], &[4, 3], &signature].concat();
        tagged(4, &with_length(&with_length(&words)))
    }
}

fn sha256(bytes: &[u8]) -> Vec<u8> {
    digest(&SHA256, bytes).as_ref().to_vec()
}

/// Bytes behind their length.
fn with_length(bytes: &[u8]) -> Vec<u8> {
    [&u16::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
}

/// Bytes as a value of DER.
fn tagged(tag: u8, bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).unwrap().to_be_bytes();
    let head = match bytes.len() {
        0..0x80 => vec![tag, length[1]],
        0x80..0x100 => vec![tag, 0x81, length[1]],
        _ => vec![tag, 0x82, length[0], length[1]],
    };
    [head, bytes.to_vec()].concat()
}

/// What the first value of DER holds, and that value whole.
fn content(bytes: &[u8]) -> (&[u8], &[u8]) {
    let (head, length) = match bytes[1] {
        0x82 => (4, usize::from(bytes[2]) << 8 | usize::from(bytes[3])),
        0x81 => (3, usize::from(bytes[2])),
        length => (2, usize::from(length)),
    };
    (&bytes[head..head + length], &bytes[..head + length])
}
