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
        let (resolve, package) = super::contract::parsed()?;
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

#[cfg(test)]
#[cfg(feature = "authoring")]
mod tests {
    use super::*;
    use crate::author::{pack, section};

    const MANIFEST: &str = "[policy]\nid = \"mine\"\nversion = \"1.0.0\"\nsummary = \"Mine\"\n[[check]]\nid = \"mine.one\"\n\
                            severity = \"warn\"\nsummary = \"One\"\n";

    fn name(text: &str) -> Vec<u8> {
        [vec![u8::try_from(text.len()).unwrap()], text.as_bytes().to_vec()].concat()
    }

    /// A core module that exports what the contract wants, with functions that end at once; one that writes to standard output
    /// imports that of preview 1.
    fn module(writes: bool) -> Vec<u8> {
        let part = |id: u8, body: Vec<u8>| [vec![id, u8::try_from(body.len()).unwrap()], body].concat();
        let first = u8::from(writes);
        let types = [&[2, 0x60, 1, 0x7f, 1, 0x7f][..], &[0x60, 4, 0x7f, 0x7f, 0x7f, 0x7f, 1, 0x7f]].concat();
        let import = [vec![1], name("wasi_snapshot_preview1"), name("fd_write"), vec![0, 1]].concat();
        let exports = [
            vec![3],
            name("memory"),
            vec![2, 0],
            name("audit"),
            vec![0, first],
            name("cabi_realloc"),
            vec![0, first + 1],
        ];
        [
            b"\0asm\x01\0\0\0".to_vec(),
            part(1, types),
            if writes { part(2, import) } else { Vec::new() },
            part(3, vec![2, 0, 1]),
            part(5, vec![1, 0, 1]),
            part(7, exports.concat()),
            part(10, vec![2, 3, 0, 0, 0x0b, 3, 0, 0, 0x0b]),
        ]
        .concat()
    }

    #[test]
    fn a_module_of_the_contract_becomes_a_component() {
        let packed = pack::pack(&module(false), MANIFEST, None).unwrap();
        assert!(packed.inspected.imports.iter().all(|import| import.starts_with("chitin:policy/")));
        assert!(!section::is_module(&packed.bytes));
    }

    #[test]
    fn preview_1_is_adapted() {
        let imports = pack::pack(&module(true), MANIFEST, None).unwrap().inspected.imports;
        assert!(imports.iter().any(|import| import.starts_with("wasi:cli/stdout@0.2.")), "{imports:?}");
    }

    #[test]
    fn a_module_with_a_manifest_keeps_it() {
        let with =
            |text: &str| section::with(&module(false), &[("chitin-manifest", text.as_bytes())]).unwrap();
        let packed = pack::pack(&with(MANIFEST), MANIFEST, None).unwrap();
        assert_eq!(packed.inspected.manifest.policy.id, "mine");
        let other = with(&MANIFEST.replace("1.0.0", "1.0.1"));
        assert!(matches!(pack::pack(&other, MANIFEST, None), Err(pack::PackError::OtherManifest)));
    }

    #[test]
    fn damaged_modules_are_refused() {
        for length in [8, 20, 60] {
            assert!(of_module(&module(true)[..length]).is_err(), "{length}");
        }
    }
}
