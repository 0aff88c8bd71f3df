//! The documents of a policy in a registry.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Given;

/// A manifest of one artifact.
pub(super) const IMAGE_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// A list of manifests.
pub(super) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// A component.
pub(super) const WASM: &str = "application/wasm";
/// A component, as it was called before; taken and never given.
pub(super) const WASM_OF_OLD: &str = "application/vnd.wasm.content.layer.v1+wasm";
/// The config document of a component.
pub(super) const WASM_CONFIG: &str = "application/vnd.wasm.config.v0+json";
/// The config document of what needs none.
pub(super) const EMPTY: &str = "application/vnd.oci.empty.v1+json";
/// A minisign signature, as an artifact and as its layer.
pub(super) const SIGNATURE: &str = "application/vnd.minisign.signature";
/// A bundle of sigstore, as an artifact and as its layer.
pub(super) const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
/// The annotation that says what kind of content a bundle has; and the one with the kind of its statement.
pub(super) const BUNDLE_CONTENT: &str = "dev.sigstore.bundle.content";
pub(super) const BUNDLE_PREDICATE: &str = "dev.sigstore.bundle.predicateType";

/// What refers to a blob or a manifest.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Descriptor {
    pub media_type: String,
    pub digest: String,
    pub size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl Descriptor {
    pub(super) fn new(media_type: &str, digest: String, size: u64) -> Self {
        let media_type = media_type.to_owned();
        Self { media_type, digest, size, artifact_type: None, annotations: BTreeMap::new() }
    }

    /// The same with the name of a file.
    pub(super) fn titled(mut self, name: &str) -> Self {
        self.annotations.insert("org.opencontainers.image.title".to_owned(), name.to_owned());
        self
    }

    /// The same in a list of what refers to a manifest.
    pub(super) fn typed(self, artifact_type: &str) -> Self {
        Self { artifact_type: Some(artifact_type.to_owned()), ..self }
    }
}

/// A manifest.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Artifact {
    schema_version: u32,
    #[serde(default)]
    media_type: String,
    #[serde(rename = "artifactType", skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    config: Descriptor,
    #[serde(default)]
    pub layers: Vec<Descriptor>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<Descriptor>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
}

impl Artifact {
    pub(super) fn new(config: Descriptor, layers: Vec<Descriptor>) -> Self {
        Self {
            schema_version: 2,
            media_type: IMAGE_MANIFEST.to_owned(),
            kind: None,
            config,
            layers,
            subject: None,
            annotations: BTreeMap::new(),
        }
    }

    pub(super) fn annotated(self, annotations: BTreeMap<String, String>) -> Self {
        Self { annotations, ..self }
    }

    /// The same, as an artifact of a type that refers to a manifest.
    pub(super) fn about(self, artifact_type: &str, subject: Descriptor) -> Self {
        Self { kind: Some(artifact_type.to_owned()), subject: Some(subject), ..self }
    }
}

/// The config document of a component. It has no time, so that two pushes of one policy are the same.
pub(super) fn config_of(layer: &str, given: &Given<'_>) -> Vec<u8> {
    let document = serde_json::json!({
        "created": "1970-01-01T00:00:00Z",
        "architecture": "wasm",
        "os": "wasip2",
        "layerDigests": [layer],
        "component": { "exports": given.exports, "imports": given.imports, "target": given.target },
    });
    document.to_string().into_bytes()
}
