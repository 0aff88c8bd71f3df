//! Makes a component of a core module, as languages produce one that know nothing of components.

/// Why there is no component.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ComponentError {
    /// The module does not fit the contract.
    #[error("no component can be made of this core module: {0}")]
    Unfit(String),
    /// This program was built without the feature `authoring`.
    #[error("it is a core module, and this chitin was built without what makes components of them")]
    NotBuiltIn,
}

/// A component of the world `policy` from a core module. Where the module does not say of what type it is, it is of the contract
/// inside this program. What it wants of WASI preview 1 is adapted to WASI 0.2.
///
/// # Errors
/// Where the module does not fit the contract.
#[cfg(feature = "authoring")]
pub fn of_module(module: &[u8]) -> Result<Vec<u8>, ComponentError> {
    encode(module).map_err(|error| ComponentError::Unfit(format!("{error:#}")))
}

/// A component of the world `policy` from a core module.
///
/// # Errors
/// Always: this program was built without what it takes.
#[cfg(not(feature = "authoring"))]
pub fn of_module(_: &[u8]) -> Result<Vec<u8>, ComponentError> {
    Err(ComponentError::NotBuiltIn)
}

#[cfg(feature = "authoring")]
fn encode(module: &[u8]) -> anyhow::Result<Vec<u8>> {
    use wasi_preview1_component_adapter_provider::{
        WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME as PREVIEW1, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER as ADAPTER,
    };
    use wasmparser::{Parser, Payload};

    let (mut is_typed, mut wants_preview1) = (false, false);
    for payload in Parser::new(0).parse_all(module) {
        match payload? {
            Payload::CustomSection(section) => is_typed |= section.name().starts_with("component-type"),
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    wants_preview1 |= import?.module == PREVIEW1;
                }
            }
            _ => {}
        }
    }
    let mut module = module.to_vec();
    if !is_typed {
        let mut texts = wit_parser::SourceMap::new();
        for (name, text) in super::contract::FILES {
            texts.push_str(name, *text);
        }
        let group = texts.parse().map_err(|(_, error)| anyhow::anyhow!("{error}"))?;
        let mut resolve = wit_parser::Resolve::default();
        let package = resolve.push_group(group)?;
        let world = resolve.select_world(&[package], Some("policy"))?;
        let encoding = wit_component::StringEncoding::UTF8;
        wit_component::embed_component_metadata(&mut module, &resolve, world, encoding)?;
    }
    let mut encoder = wit_component::ComponentEncoder::default().module(&module)?.validate(true);
    if wants_preview1 {
        encoder = encoder.adapter(PREVIEW1, ADAPTER)?;
    }
    encoder.encode()
}
