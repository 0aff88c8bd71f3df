//! Looks at a component before anything compiles it: its size, what it imports and in which version, its manifest.

use wasmparser::{ComponentTypeRef, Encoding, Parser, Payload, TypeBounds};

use super::limits::{self, LimitError, MAX_COMPONENT_BYTES};
use super::wasi;
use crate::policy::manifest::{Manifest, ManifestError};

/// The custom section that holds `policy.toml`.
pub const MANIFEST_SECTION: &str = "chitin-manifest";

/// The contract's package, and the version that this runner speaks.
const PACKAGE: &str = "chitin:policy/";
/// The version of [`PACKAGE`].
pub const CONTRACT_VERSION: &str = "1.0.0";

/// Why a component is refused.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The file is no WebAssembly, or damaged.
    #[error("it is no WebAssembly component: {0}")]
    NotWasm(String),
    /// A core module was not made into a component.
    #[error("it is a core module, not a component; build it for wasm32-wasip2")]
    CoreModule,
    /// It is larger than any policy needs to be.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// It was built against another version of the contract.
    #[error("it was built for version {0} of chitin:policy; this runner speaks {CONTRACT_VERSION}")]
    Version(String),
    /// It imports something that the sandbox does not give.
    #[error("it imports {0}, which the sandbox does not give")]
    Import(String),
    /// It exports no `audit` function.
    #[error("it exports no audit function: it is no policy")]
    NoAudit,
    /// It says nothing of itself.
    #[error("it has no manifest (custom section \"{MANIFEST_SECTION}\")")]
    NoManifest,
    /// It says two things of itself.
    #[error("it has more than one manifest")]
    TwoManifests,
    /// It says something wrong of itself.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
}

/// What a component says of itself.
#[derive(Clone, Debug)]
pub struct Inspected {
    /// Its manifest.
    pub manifest: Manifest,
    /// The names of its imports.
    pub imports: Vec<String>,
    /// Its size in bytes.
    pub size: usize,
}

/// Looks at a component's bytes. Nothing is compiled or run.
pub fn inspect(bytes: &[u8]) -> Result<Inspected, Refusal> {
    let allowed = usize::try_from(MAX_COMPONENT_BYTES).unwrap_or(usize::MAX);
    if bytes.len() > allowed {
        return Err(too_large(bytes.len() as u64).into());
    }
    let outside = outside(bytes)?;
    for import in &outside.imports {
        check_import(import)?;
    }
    if !outside.audit {
        return Err(Refusal::NoAudit);
    }
    Ok(Inspected { manifest: outside.manifest()?, imports: outside.imports, size: bytes.len() })
}

/// What a refused component says of itself, where that can still be read.
#[must_use]
pub fn claimed(bytes: &[u8]) -> Option<Manifest> {
    outside(bytes).ok()?.manifest().ok()
}

/// It is larger than what is looked at.
#[must_use]
pub fn too_large(given: u64) -> LimitError {
    let given = limits::bytes(usize::try_from(given).unwrap_or(usize::MAX));
    let allowed = limits::bytes(usize::try_from(MAX_COMPONENT_BYTES).unwrap_or(usize::MAX));
    LimitError::new("component", allowed, format!("{given} given"))
}

/// What can be seen of a component without understanding its code.
struct Outside<'a> {
    imports: Vec<String>,
    audit: bool,
    manifests: Vec<&'a [u8]>,
}

impl Outside<'_> {
    fn manifest(&self) -> Result<Manifest, Refusal> {
        match self.manifests.as_slice() {
            [] => Err(Refusal::NoManifest),
            [one] => {
                let text = std::str::from_utf8(one);
                Ok(text.map_err(|_| ManifestError::Syntax("it is not UTF-8".to_owned()))?.parse()?)
            }
            _ => Err(Refusal::TwoManifests),
        }
    }
}

fn outside(bytes: &[u8]) -> Result<Outside<'_>, Refusal> {
    if !bytes.starts_with(b"\0asm") {
        return Err(Refusal::NotWasm(
            "it does not begin with the four bytes that mark WebAssembly".to_owned(),
        ));
    }
    let (mut imports, mut audit, mut manifests) = (Vec::new(), false, Vec::new());
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(|error| Refusal::NotWasm(error.message().to_owned()))? {
            Payload::Version { encoding: Encoding::Module, .. } if depth == 0 => {
                return Err(Refusal::CoreModule);
            }
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            // The outermost end comes last, and has nothing around it to return to.
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    let import = import.map_err(|error| Refusal::NotWasm(error.message().to_owned()))?;
                    // A type by itself is a name and gives nothing.
                    if !matches!(import.ty, ComponentTypeRef::Type(TypeBounds::Eq(_))) {
                        imports.push(import.name.name.to_owned());
                    }
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    let export = export.map_err(|error| Refusal::NotWasm(error.message().to_owned()))?;
                    audit |= export.name.name == "audit";
                }
            }
            Payload::CustomSection(section) if section.name() == MANIFEST_SECTION => {
                manifests.push(section.data());
            }
            _ => {}
        }
    }
    Ok(Outside { imports, audit, manifests })
}

fn check_import(name: &str) -> Result<(), Refusal> {
    if let Some(rest) = name.strip_prefix(PACKAGE) {
        let (interface, version) = rest.split_once('@').unwrap_or((rest, "none"));
        if version != CONTRACT_VERSION {
            return Err(Refusal::Version(version.to_owned()));
        }
        if matches!(interface, "types" | "state" | "secrets" | "gateway") {
            return Ok(());
        }
    } else if wasi::provides(name) {
        return Ok(());
    }
    Err(Refusal::Import(name.to_owned()))
}
