//! Policies in OCI registries, as the wasm world lays them out (CNCF TAG Runtime, "Wasm OCI Artifact layout"): one manifest, one layer
//! `application/wasm`, and signatures as referrers: of minisign, and bundles of sigstore. A registry is believed in nothing: each length has a bound, each
//! digest is computed here, and credentials go to the host that they are for.

mod artifact;
mod credentials;
mod http;
mod reference;

use std::collections::BTreeMap;

use serde_json::Value;

use super::code_file::Digest;
use super::lock::{digest_of, told};
use super::version::Version;
use super::{signature, sigstore};
use crate::sandbox::check::{CONTRACT_VERSION, Inspected};
use crate::sandbox::limits::MAX_COMPONENT_BYTES;
use artifact::{
    Artifact, BUNDLE, BUNDLE_CONTENT, BUNDLE_PREDICATE, Descriptor, EMPTY, IMAGE_MANIFEST, INDEX, SIGNATURE,
    WASM, WASM_CONFIG, WASM_OF_OLD, config_of,
};
use http::{Answer, Http};

pub use credentials::Credentials;
pub use reference::{Reference, SCHEME};

/// The largest manifest, index or list that is read, in bytes. A manifest of one layer has some hundred.
const MAX_MANIFEST_BYTES: u64 = 1 << 20;

/// The most signatures of one policy that are looked at, of each kind.
const MAX_REFERRERS: usize = 16;

/// The largest bundle of sigstore that is read, in bytes. One with provenance has ten thousand.
const MAX_BUNDLE_BYTES: u64 = 256 << 10;

/// Why a registry did not give or take a policy.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The text names no policy in a registry.
    #[error("{0}")]
    Reference(String),
    /// It could not be asked.
    #[error("{host} cannot be asked: {reason}")]
    Unreachable {
        /// The registry.
        host: String,
        /// What went wrong.
        reason: String,
    },
    /// It wants to know who asks.
    #[error("{host} refuses access: {reason}")]
    Denied {
        /// The registry.
        host: String,
        /// What it wants, or that it does not take the credentials that there are.
        reason: String,
    },
    /// It has no such thing.
    #[error("{0} is not there")]
    Missing(String),
    /// It said something that it must not say, or that is not believed.
    #[error("{host} is not believed: {reason}")]
    Wrong {
        /// The registry.
        host: String,
        /// What it said.
        reason: String,
    },
    /// What it has is no policy.
    #[error("{0}")]
    NoPolicy(String),
    /// It has another file under a version that was to be given to it.
    #[error("it has another file under that version already, {0}")]
    Taken(Reference),
}

/// A policy that a registry gave.
#[derive(Debug)]
pub struct Pulled {
    /// The component.
    pub bytes: Vec<u8>,
    /// Where it was found: by the newest version where none was named.
    pub named: Reference,
    /// Where exactly it lies: by the digest of its manifest.
    pub resolved: Reference,
    /// What stands beside it.
    pub beside: Beside,
}

/// The signatures that stand beside a policy, of which none is checked yet.
#[derive(Clone, Debug, Default)]
pub struct Beside {
    /// The texts of those of minisign.
    pub signatures: Vec<String>,
    /// The texts of bundles of sigstore.
    pub bundles: Vec<String>,
    /// What was not looked at, and why: a sentence each. It is the registry's word, and no error.
    pub notes: Vec<String>,
}

/// What is given to a registry: a policy, or the contract.
#[derive(Clone, Debug)]
pub struct Given<'b> {
    /// Its id.
    pub name: String,
    /// Its version, which is its tag.
    pub version: String,
    /// What it is, in a line.
    pub summary: String,
    /// What it imports.
    pub imports: Vec<String>,
    /// What it exports.
    pub exports: Vec<String>,
    /// The world that it is made for; none where it is one.
    pub target: Option<String>,
    /// The component.
    pub bytes: &'b [u8],
    /// The text of its signature.
    pub signature: Option<&'b str>,
    /// A tag that stands for another file is moved to this one.
    pub may_move: bool,
}

impl<'b> Given<'b> {
    /// A policy.
    #[must_use]
    pub fn policy(inspected: &Inspected, bytes: &'b [u8], signature: Option<&'b str>) -> Self {
        let policy = &inspected.manifest.policy;
        Self {
            name: policy.id.clone(),
            version: policy.version.clone(),
            summary: policy.summary.clone(),
            imports: inspected.imports.clone(),
            exports: vec!["audit".to_owned()],
            target: Some(format!("chitin:policy/policy@{CONTRACT_VERSION}")),
            bytes,
            signature,
            may_move: false,
        }
    }

    /// The contract itself, as a WIT package.
    #[must_use]
    pub fn contract(bytes: &'b [u8], signature: Option<&'b str>) -> Self {
        Self {
            name: "policy".to_owned(),
            version: CONTRACT_VERSION.to_owned(),
            summary: "The contract between Chitin's runner and a policy".to_owned(),
            imports: Vec::new(),
            exports: vec![format!("chitin:policy/policy@{CONTRACT_VERSION}")],
            target: None,
            bytes,
            signature,
            may_move: false,
        }
    }
}

/// A policy that a registry has taken.
#[derive(Debug)]
pub struct Pushed {
    /// Where exactly it lies.
    pub resolved: Reference,
    /// Its signature lies beside it.
    pub signed: bool,
}

/// A client of one registry.
pub struct Registry {
    http: Http,
    reference: Reference,
}

impl Registry {
    /// A client for what a reference names, with the credentials that the operator has.
    ///
    /// # Errors
    /// Where its host is none.
    pub fn new(reference: &Reference, credentials: &Credentials) -> Result<Self, RegistryError> {
        let http = Http::new(reference, credentials.clone())?;
        Ok(Self { http, reference: reference.clone() })
    }

    /// Takes a policy. Its bytes are those that its digest names, and not understood yet.
    ///
    /// # Errors
    /// Where it cannot be had, or is not what it should be.
    pub fn pull(&self) -> Result<Pulled, RegistryError> {
        let wanted = self.named()?;
        let (digest, manifest) = self.manifest(&wanted)?;
        let layer = self.layer(&manifest)?;
        let bytes = self.blob(layer)?;
        let resolved = wanted.at(digest);
        let beside = self.beside(&resolved, &digest)?;
        Ok(Pulled { bytes, named: wanted, resolved, beside })
    }

    /// What the reference stands for now: the newest version where it names none, and its digest.
    ///
    /// # Errors
    /// Where the registry does not say so.
    pub fn resolve(&self) -> Result<(Reference, Reference), RegistryError> {
        let named = self.named()?;
        let (digest, _) = self.manifest(&named)?;
        let resolved = named.at(digest);
        Ok((named, resolved))
    }

    /// The reference, with the newest version where it names none.
    fn named(&self) -> Result<Reference, RegistryError> {
        if self.reference.is_versioned() { Ok(self.reference.clone()) } else { self.newest() }
    }

    /// The newest version that there is, by its tag.
    ///
    /// # Errors
    /// Where the registry has no tag that is a version.
    fn newest(&self) -> Result<Reference, RegistryError> {
        let answer = self.http.get(&format!("{}/tags/list?n=1000", self.base()), &[], MAX_MANIFEST_BYTES)?;
        let list = self.json(&self.found(answer, &self.reference.to_string())?.body)?;
        let tags = entries(&list, "tags");
        let versions = tags.iter().filter_map(|tag| tag.as_str()?.parse::<Version>().ok());
        versions.max().map(|newest| self.reference.tagged(&newest.to_string())).ok_or_else(|| {
            RegistryError::Missing(format!("a version of {} (a tag such as 1.0.0)", self.reference))
        })
    }

    /// The manifest that a reference names, and its digest.
    fn manifest(&self, wanted: &Reference) -> Result<(Digest, Artifact), RegistryError> {
        let place = format!("{}/manifests/{}", self.base(), wanted.selector());
        let answer = self.http.get(
            &place,
            &[("accept", &format!("{IMAGE_MANIFEST}, {INDEX}"))],
            MAX_MANIFEST_BYTES,
        )?;
        let answer = self.found(answer, &wanted.to_string())?;
        let digest = Digest::of(&answer.body);
        if let Some(pinned) = wanted.digest().filter(|pinned| *pinned != digest) {
            return Err(self.wrong(format!(
                "the manifest that it gives has the digest {}, and {} was asked for",
                told(&digest),
                told(&pinned)
            )));
        }
        let value = self.json(&answer.body)?;
        if value.get("manifests").is_some() {
            return Err(RegistryError::NoPolicy(format!(
                "{wanted} is an index of several images, and no policy; name the one that is meant by its digest"
            )));
        }
        let artifact = serde_json::from_value(value)
            .map_err(|error| self.wrong(format!("its manifest is not understood: {error}")))?;
        Ok((digest, artifact))
    }

    /// The one layer of a policy.
    fn layer<'a>(&self, manifest: &'a Artifact) -> Result<&'a Descriptor, RegistryError> {
        let no =
            |reason: String| RegistryError::NoPolicy(format!("{} is no policy: {reason}", self.reference));
        let [layer] = manifest.layers.as_slice() else {
            return Err(no(format!("it has {} layers, and a policy has one", manifest.layers.len())));
        };
        if ![WASM, WASM_OF_OLD].contains(&&*layer.media_type) {
            let kind = self.http.masked(&layer.media_type);
            return Err(no(format!("its layer is \"{kind}\", and that of a policy {WASM}")));
        }
        Ok(layer)
    }

    /// The bytes that a descriptor names.
    fn blob(&self, descriptor: &Descriptor) -> Result<Vec<u8>, RegistryError> {
        let wanted = digest_of(&descriptor.digest).ok_or_else(|| {
            self.wrong(format!("it names a layer by \"{}\", which is no SHA-256", descriptor.digest))
        })?;
        if descriptor.size > MAX_COMPONENT_BYTES {
            return Err(self.wrong(format!(
                "it announces {} bytes, and a policy has {MAX_COMPONENT_BYTES} at most",
                descriptor.size
            )));
        }
        let place = format!("{}/blobs/{}", self.base(), told(&wanted));
        let answer = self.http.get(&place, &[], descriptor.size)?;
        let bytes = self.found(answer, &told(&wanted))?.body;
        let digest = Digest::of(&bytes);
        if bytes.len() as u64 != descriptor.size || digest != wanted {
            return Err(self.wrong(format!(
                "it gives {} bytes with the digest {}, and announced {} with {}",
                bytes.len(),
                told(&digest),
                descriptor.size,
                told(&wanted)
            )));
        }
        Ok(bytes)
    }

    /// The signatures that refer to a manifest: by the API for that, or the tag that stands in for it.
    fn beside(&self, resolved: &Reference, digest: &Digest) -> Result<Beside, RegistryError> {
        let accept = [("accept", INDEX)];
        let place = format!("{}/referrers/{}", self.base(), told(digest));
        let mut answer = self.http.get(&place, &accept, MAX_MANIFEST_BYTES)?;
        if answer.status != 200 {
            let place = format!("{}/manifests/{}", self.base(), resolved.referrers_tag());
            answer = self.http.get(&place, &accept, MAX_MANIFEST_BYTES)?;
        }
        if answer.status == 404 {
            return Ok(Beside::default());
        }
        let index = self.json(&self.found(answer, "the list of its signatures")?.body)?;
        let listed = entries(&index, "manifests");
        let signatures = self.signatures(listed, resolved, digest)?;
        let mut beside = Beside { signatures, ..Beside::default() };
        self.bundles(listed, resolved, digest, &mut beside)?;
        Ok(beside)
    }

    /// The minisign signatures of a list.
    fn signatures(
        &self,
        listed: &[Value],
        resolved: &Reference,
        digest: &Digest,
    ) -> Result<Vec<String>, RegistryError> {
        let mut texts = Vec::new();
        for entry in listed.iter().filter(|entry| is_of(entry, SIGNATURE)).take(MAX_REFERRERS) {
            let Some(manifest) = self.referrer(entry, resolved, digest)? else { continue };
            let Some(layer) = manifest.layers.first() else { continue };
            if layer.size > signature::MAX_BYTES {
                return Err(self.wrong(format!("it announces a signature of {} bytes", layer.size)));
            }
            texts.push(String::from_utf8_lossy(&self.blob(layer)?).into_owned());
        }
        Ok(texts)
    }

    /// The bundles of sigstore of a list. One that cannot be had is told, and keeps no other from being looked at.
    fn bundles(
        &self,
        listed: &[Value],
        resolved: &Reference,
        digest: &Digest,
        beside: &mut Beside,
    ) -> Result<(), RegistryError> {
        let all: Vec<&Value> = listed.iter().filter(|entry| is_bundle(entry)).collect();
        let signed: Vec<&Value> = all.iter().copied().filter(|entry| says_who_signed(entry)).collect();
        if signed.len() < all.len() {
            let other = all.len() - signed.len();
            beside
                .notes
                .push(format!("bundles beside it that by their label say nothing of who signed: {other}"));
        }
        if signed.len() > MAX_REFERRERS {
            beside.notes.push(format!(
                "{} bundles stand beside it, and the first {MAX_REFERRERS} were looked at",
                signed.len()
            ));
        }
        for entry in signed.into_iter().take(MAX_REFERRERS) {
            match self.bundle(entry, resolved, digest) {
                Ok(bundle) => beside.bundles.extend(bundle),
                Err(error @ RegistryError::Unreachable { .. }) => return Err(error),
                Err(error) => beside.notes.push(format!("a bundle beside it could not be had: {error}")),
            }
        }
        Ok(())
    }

    /// The text of a bundle; none where it is about something else.
    fn bundle(
        &self,
        entry: &Value,
        resolved: &Reference,
        digest: &Digest,
    ) -> Result<Option<String>, RegistryError> {
        let Some(manifest) = self.referrer(entry, resolved, digest)? else { return Ok(None) };
        let Some(layer) = manifest.layers.iter().find(|layer| layer.media_type == BUNDLE) else {
            return Ok(None);
        };
        if layer.size > MAX_BUNDLE_BYTES {
            return Err(self.wrong(format!(
                "it announces a bundle of {} bytes, and one has {MAX_BUNDLE_BYTES} at most",
                layer.size
            )));
        }
        let text = String::from_utf8(self.blob(layer)?);
        text.map(Some).map_err(|_| self.wrong("it gives a bundle that is no text".to_owned()))
    }

    /// The manifest of an entry in a list of what refers to another one; none where it refers to something else.
    fn referrer(
        &self,
        entry: &Value,
        resolved: &Reference,
        digest: &Digest,
    ) -> Result<Option<Artifact>, RegistryError> {
        let Some(at) = entry.get("digest").and_then(Value::as_str).and_then(digest_of) else {
            return Ok(None);
        };
        let (_, manifest) = self.manifest(&resolved.at(at))?;
        let is_about = manifest.subject.as_ref().is_some_and(|subject| subject.digest == told(digest));
        Ok(is_about.then_some(manifest))
    }

    /// Gives something to the registry, and its signature. The tag is its version; it stays where it is, unless it may be
    /// moved.
    ///
    /// # Errors
    /// Where it does not take them, or has another file under that tag.
    pub fn push(&self, given: &Given<'_>) -> Result<Pushed, RegistryError> {
        let Given { name, version, summary, bytes, signature, may_move, .. } = given;
        let layer = self.upload(bytes, WASM)?.titled(&format!("{name}.wasm"));
        let config = self.upload(&config_of(&layer.digest, given), WASM_CONFIG)?;
        let annotations = BTreeMap::from([
            ("org.opencontainers.image.version".to_owned(), version.clone()),
            ("org.opencontainers.image.title".to_owned(), name.clone()),
            ("org.opencontainers.image.description".to_owned(), summary.clone()),
        ]);
        let artifact = Artifact::new(config, vec![layer]).annotated(annotations);
        let tag = self.reference.tag().unwrap_or(version).to_owned();
        if !may_move && let Some(other) = self.other(&tag, &artifact)? {
            return Err(RegistryError::Taken(other));
        }
        let (digest, size, _) = self.put(&artifact, &tag)?;
        let resolved = self.reference.at(digest);
        let Some(text) = signature else { return Ok(Pushed { resolved, signed: false }) };
        let title = format!("{name}.wasm{}", signature::ENDING);
        let layer = self.upload(text.as_bytes(), SIGNATURE)?.titled(&title);
        let subject = Descriptor::new(IMAGE_MANIFEST, told(&digest), size);
        let artifact = Artifact::new(self.upload(b"{}", EMPTY)?, vec![layer]).about(SIGNATURE, subject);
        let (signature, size, is_linked) = self.put(&artifact, "")?;
        if !is_linked {
            self.link(&resolved, Descriptor::new(IMAGE_MANIFEST, told(&signature), size).typed(SIGNATURE))?;
        }
        Ok(Pushed { resolved, signed: true })
    }

    /// What a tag stands for, where that is something else than this.
    fn other(&self, tag: &str, artifact: &Artifact) -> Result<Option<Reference>, RegistryError> {
        let place = format!("{}/manifests/{tag}", self.base());
        let accept = [("accept", &*format!("{IMAGE_MANIFEST}, {INDEX}"))];
        let body = match self.http.get(&place, &accept, MAX_MANIFEST_BYTES) {
            Ok(answer) if answer.status == 404 => return Ok(None),
            other => self.found(other?, "what it has under this version")?.body,
        };
        let is_this = body == self.body(artifact)?;
        Ok((!is_this).then(|| self.reference.tagged(tag).at(Digest::of(&body))))
    }

    fn body(&self, artifact: &Artifact) -> Result<Vec<u8>, RegistryError> {
        serde_json::to_vec(artifact).map_err(|error| self.wrong(error.to_string()))
    }

    /// Puts a manifest under a tag, or under its digest where there is none. Gives its digest and size, and whether the registry
    /// itself lists what refers to what.
    fn put(&self, artifact: &Artifact, tag: &str) -> Result<(Digest, u64, bool), RegistryError> {
        let body = self.body(artifact)?;
        let digest = Digest::of(&body);
        let selector = if tag.is_empty() { told(&digest) } else { tag.to_owned() };
        let place = format!("{}/manifests/{selector}", self.base());
        let answer = self.http.put(&place, IMAGE_MANIFEST, &body)?;
        self.taken(&answer, "the manifest")?;
        Ok((digest, body.len() as u64, answer.header("oci-subject").is_some()))
    }

    /// Lists a signature under the tag that stands in for the API of referrers.
    fn link(&self, resolved: &Reference, entry: Descriptor) -> Result<(), RegistryError> {
        let tag = resolved.referrers_tag();
        let place = format!("{}/manifests/{tag}", self.base());
        let answer = self.http.get(&place, &[("accept", INDEX)], MAX_MANIFEST_BYTES)?;
        let known = if answer.status == 200 { self.json(&answer.body)? } else { Value::Null };
        let mut listed: Vec<Value> = entries(&known, "manifests").to_vec();
        let entry = serde_json::to_value(entry).map_err(|error| self.wrong(error.to_string()))?;
        if !listed.contains(&entry) {
            listed.push(entry);
        }
        let index = serde_json::json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": listed });
        let answer = self.http.put(&place, INDEX, index.to_string().as_bytes())?;
        self.taken(&answer, "the list of signatures")
    }

    fn upload(&self, bytes: &[u8], media_type: &str) -> Result<Descriptor, RegistryError> {
        let digest = told(&Digest::of(bytes));
        self.http.upload(&self.base(), &digest, bytes)?;
        Ok(Descriptor::new(media_type, digest, bytes.len() as u64))
    }

    fn base(&self) -> String {
        format!("/v2/{}", self.reference.repository())
    }

    fn found(&self, answer: Answer, what: &str) -> Result<Answer, RegistryError> {
        match answer.status {
            200 => Ok(answer),
            404 => Err(RegistryError::Missing(what.to_owned())),
            status => Err(self.wrong(format!("it answers with status {status} where {what} was asked for"))),
        }
    }

    fn taken(&self, answer: &Answer, what: &str) -> Result<(), RegistryError> {
        if (200..300).contains(&answer.status) {
            return Ok(());
        }
        Err(self.wrong(format!(
            "it does not take {what}: status {}{}",
            answer.status,
            self.http.reason(answer)
        )))
    }

    fn json(&self, body: &[u8]) -> Result<Value, RegistryError> {
        serde_json::from_slice(body).map_err(|error| self.wrong(format!("it answers with no JSON: {error}")))
    }

    fn wrong(&self, reason: String) -> RegistryError {
        RegistryError::Wrong { host: self.reference.host().to_owned(), reason }
    }
}

/// The entries of a list in a document; none where there is no such list.
fn entries<'d>(document: &'d Value, name: &str) -> &'d [Value] {
    document.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// An entry of a list is of this type.
fn is_of(entry: &Value, kind: &str) -> bool {
    entry.get("artifactType").is_some_and(|found| found == kind)
}

/// An annotation of an entry of a list.
fn annotation<'d>(entry: &'d Value, name: &str) -> Option<&'d str> {
    entry.get("annotations")?.get(name)?.as_str()
}

/// An entry of a list is a bundle of sigstore. Where cosign writes the list itself, the type is that of an empty config, and an
/// annotation tells.
fn is_bundle(entry: &Value) -> bool {
    is_of(entry, BUNDLE) || (is_of(entry, EMPTY) && annotation(entry, BUNDLE_CONTENT).is_some())
}

/// A bundle may say who signed, as far as its annotation goes: most have one.
fn says_who_signed(entry: &Value) -> bool {
    annotation(entry, BUNDLE_PREDICATE).is_none_or(sigstore::is_signature)
}
