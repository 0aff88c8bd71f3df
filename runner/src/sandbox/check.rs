//! Looks at a component before anything compiles it: its size, what it imports and in which version, its manifest.

use wasmparser::{
    ComponentAlias, ComponentExternalKind, ComponentInstance, ComponentOuterAliasKind, ComponentTypeRef,
    Encoding, Instance, Parser, Payload, TypeBounds,
};

use super::limits::{self, LimitError, MAX_COMPONENT_BYTES};
use super::wasi;
use crate::policy::manifest::{Manifest, ManifestError};

/// The custom section that holds `policy.toml`.
pub const MANIFEST_SECTION: &str = "chitin-manifest";

/// The custom section that holds the policy's `README.md`.
pub const README_SECTION: &str = "chitin-readme";

/// The longest `README.md` in a component, in bytes.
pub const MAX_README_BYTES: usize = 64 << 10;

/// The contract's package, and the version that this runner speaks.
const PACKAGE: &str = "chitin:policy/";
/// The version of [`PACKAGE`].
pub const CONTRACT_VERSION: &str = "1.0.0";

/// Most instances of modules and components, each counted as often as what holds it is instantiated: the component tools
/// make about five per module, and a run may have 64 of modules. Levels of a few instances each multiply.
const MAX_INSTANCES: u64 = 1_000;

/// Most functions in all modules: ten times as many as a large language runtime has.
const MAX_FUNCTIONS: u64 = 200_000;

/// Deepest nesting of components and modules: a policy that was composed of composed ones has four.
const MAX_NESTING: usize = 32;

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
    /// It instantiates a component that it was given: nobody can tell what that comes to before it is compiled.
    #[error(
        "it instantiates a component that is an import or comes out of an instance; compose it of its parts instead"
    )]
    ForeignComponent,
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
    /// It has a page that cannot be shown.
    #[error("its README (custom section \"{README_SECTION}\") is not used: {0}")]
    Readme(&'static str),
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
    /// The text of its `README.md`, at most [`MAX_README_BYTES`]; none where it has none. It is the author's: show it as
    /// [`crate::audit::visible`] does.
    pub readme: Option<String>,
}

/// Looks at a component's bytes, and counts what the compiler would have to do. Nothing is compiled or run.
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
    let manifest = outside.manifest()?;
    let readme = outside.readme()?;
    count(bytes)?;
    Ok(Inspected { manifest, imports: outside.imports, size: bytes.len(), readme })
}

/// What a refused component says of itself, where that can still be read.
#[must_use]
pub fn claimed(bytes: &[u8]) -> Option<Manifest> {
    outside(bytes).ok()?.manifest().ok()
}

/// The text of a component's manifest, as it stands in it.
///
/// # Errors
/// Where there is not exactly one, or it is no text.
pub fn manifest_text(bytes: &[u8]) -> Result<String, Refusal> {
    outside(bytes)?.manifest_text().map(str::to_owned)
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
    /// Those of the component itself, and of nothing in it.
    readmes: Vec<&'a [u8]>,
}

impl Outside<'_> {
    fn manifest(&self) -> Result<Manifest, Refusal> {
        Ok(self.manifest_text()?.parse()?)
    }

    fn manifest_text(&self) -> Result<&str, Refusal> {
        match self.manifests.as_slice() {
            [] => Err(Refusal::NoManifest),
            [one] => {
                let text = std::str::from_utf8(one);
                Ok(text.map_err(|_| ManifestError::Syntax("it is not UTF-8".to_owned()))?)
            }
            _ => Err(Refusal::TwoManifests),
        }
    }

    fn readme(&self) -> Result<Option<String>, Refusal> {
        match self.readmes.as_slice() {
            [] => Ok(None),
            [one] => readme(one).map(Some).map_err(Refusal::Readme),
            _ => Err(Refusal::Readme("there is more than one")),
        }
    }
}

/// The text of a `README.md`, where it is one that a component may hold.
///
/// # Errors
/// Where it is too long, or no text.
pub fn readme(bytes: &[u8]) -> Result<String, &'static str> {
    if bytes.len() > MAX_README_BYTES {
        return Err("it has more than 64 KiB");
    }
    std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| "it is not UTF-8")
}

fn outside(bytes: &[u8]) -> Result<Outside<'_>, Refusal> {
    if !bytes.starts_with(b"\0asm") {
        return Err(Refusal::NotWasm(
            "it does not begin with the four bytes that mark WebAssembly".to_owned(),
        ));
    }
    let (mut imports, mut audit) = (Vec::new(), false);
    let (mut manifests, mut readmes) = (Vec::new(), Vec::new());
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(|error| malformed(&error))? {
            Payload::Version { encoding: Encoding::Module, .. } if depth == 0 => {
                return Err(Refusal::CoreModule);
            }
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            // The outermost end comes last, and has nothing around it to return to.
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    let import = import.map_err(|error| malformed(&error))?;
                    // A type by itself is a name and gives nothing.
                    if !matches!(import.ty, ComponentTypeRef::Type(TypeBounds::Eq(_))) {
                        imports.push(import.name.name.to_owned());
                    }
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    let export = export.map_err(|error| malformed(&error))?;
                    audit |= export.name.name == "audit";
                }
            }
            Payload::CustomSection(section) if section.name() == MANIFEST_SECTION => {
                manifests.push(section.data());
            }
            Payload::CustomSection(section) if depth == 0 && section.name() == README_SECTION => {
                readmes.push(section.data());
            }
            _ => {}
        }
    }
    Ok(Outside { imports, audit, manifests, readmes })
}

/// Refuses what would keep the compiler busy without end: a component of 2 KB can hold more instances than there are atoms.
fn count(bytes: &[u8]) -> Result<(), Refusal> {
    let mut count = Count::default();
    let mut payloads = Parser::new(0).parse_all(bytes);
    payloads.try_for_each(|payload| count.add(payload.map_err(|error| malformed(&error))?))
}

fn malformed(error: &wasmparser::BinaryReaderError) -> Refusal {
    Refusal::NotWasm(error.message().to_owned())
}

/// What the compiler would have to do for what was read so far.
#[derive(Default)]
struct Count {
    /// The component or module that is read, last, and those around it.
    open: Vec<Open>,
    functions: u64,
}

/// A component or module whose end was not read yet.
#[derive(Default)]
struct Open {
    is_component: bool,
    /// Its instances, with those within them.
    instances: u64,
    /// The components that it can name by number.
    components: Vec<Named>,
}

/// A component that can be named.
#[derive(Clone, Copy)]
enum Named {
    /// It holds so many instances. One whose number names nothing holds none: the compiler refuses it.
    Holds(u64),
    /// It comes from elsewhere: how many, nobody can tell yet.
    Foreign,
}

impl Count {
    fn add(&mut self, payload: Payload<'_>) -> Result<(), Refusal> {
        match payload {
            Payload::Version { encoding, .. } => {
                let is_component = encoding == Encoding::Component;
                self.open.push(Open { is_component, ..Open::default() });
                if self.open.len() > MAX_NESTING {
                    return Err(LimitError::new("nesting", MAX_NESTING, "deeper").into());
                }
            }
            Payload::End(_) => {
                if let Some(ended) = self.open.pop().filter(|ended| ended.is_component)
                    && let Some(around) = self.open.last_mut()
                {
                    around.components.push(Named::Holds(ended.instances));
                }
            }
            Payload::CodeSectionStart { count, .. } => {
                self.functions = self.functions.saturating_add(count.into());
                if self.functions > MAX_FUNCTIONS {
                    let actual = format!("{} or more in it", self.functions);
                    return Err(LimitError::new("functions", MAX_FUNCTIONS, actual).into());
                }
            }
            Payload::InstanceSection(section) => {
                for instance in section {
                    if let Instance::Instantiate { .. } = instance.map_err(|error| malformed(&error))? {
                        self.instantiate(0)?;
                    }
                }
            }
            Payload::ComponentInstanceSection(section) => {
                for instance in section {
                    let instance = instance.map_err(|error| malformed(&error))?;
                    if let ComponentInstance::Instantiate { component_index, .. } = instance {
                        match self.component(0, component_index) {
                            Named::Holds(within) => self.instantiate(within)?,
                            Named::Foreign => return Err(Refusal::ForeignComponent),
                        }
                    }
                }
            }
            Payload::ComponentAliasSection(section) => {
                for alias in section {
                    match alias.map_err(|error| malformed(&error))? {
                        ComponentAlias::Outer { kind: ComponentOuterAliasKind::Component, count, index } => {
                            let named = self.component(count as usize, index);
                            self.name(named);
                        }
                        ComponentAlias::InstanceExport { kind: ComponentExternalKind::Component, .. } => {
                            self.name(Named::Foreign);
                        }
                        _ => {}
                    }
                }
            }
            Payload::ComponentImportSection(section) => {
                for import in section {
                    if let ComponentTypeRef::Component(_) = import.map_err(|error| malformed(&error))?.ty {
                        self.name(Named::Foreign);
                    }
                }
            }
            Payload::ComponentExportSection(section) => {
                // What is exported gets one more number.
                for export in section {
                    let export = export.map_err(|error| malformed(&error))?;
                    if export.kind == ComponentExternalKind::Component {
                        let named = self.component(0, export.index);
                        self.name(named);
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// A component by its number, so many levels further out.
    fn component(&self, out: usize, index: u32) -> Named {
        let level = self.open.iter().rev().nth(out);
        level.and_then(|level| level.components.get(index as usize)).copied().unwrap_or(Named::Holds(0))
    }

    /// The component that is read has one more component that it can name.
    fn name(&mut self, component: Named) {
        if let Some(here) = self.open.last_mut() {
            here.components.push(component);
        }
    }

    /// The component that is read has one more instance, with so many within it.
    fn instantiate(&mut self, within: u64) -> Result<(), Refusal> {
        let Some(here) = self.open.last_mut() else { return Ok(()) };
        here.instances = here.instances.saturating_add(within).saturating_add(1);
        if here.instances > MAX_INSTANCES {
            let actual = format!("{} or more in it", here.instances);
            return Err(LimitError::new("instances", MAX_INSTANCES, actual).into());
        }
        Ok(())
    }
}

fn check_import(name: &str) -> Result<(), Refusal> {
    if let Some(rest) = name.strip_prefix(PACKAGE) {
        let (interface, version) = rest.split_once('@').unwrap_or((rest, "none"));
        if version != CONTRACT_VERSION {
            return Err(Refusal::Version(version.to_owned()));
        }
        if matches!(interface, "types" | "input" | "state" | "records" | "secrets" | "gateway") {
            return Ok(());
        }
    } else if wasi::provides(name) {
        return Ok(());
    }
    Err(Refusal::Import(name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A number of the binary format.
    fn leb(mut number: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        while number >= 0x80 {
            bytes.push(u8::try_from(number & 0x7f).unwrap() | 0x80);
            number >>= 7;
        }
        bytes.push(u8::try_from(number).unwrap());
        bytes
    }

    fn section(id: u8, body: &[u8]) -> Vec<u8> {
        [vec![id], leb(body.len()), body.to_vec()].concat()
    }

    fn component(sections: &[Vec<u8>]) -> Vec<u8> {
        [b"\0asm\x0d\0\x01\0".to_vec(), sections.concat()].concat()
    }

    /// A component within a component.
    fn nested(inner: &[u8]) -> Vec<u8> {
        section(4, inner)
    }

    /// So many instances of the component of this number.
    fn instances(count: usize, component: usize) -> Vec<u8> {
        let one = [vec![0x00], leb(component), leb(0)].concat();
        section(5, &[leb(count), one.repeat(count)].concat())
    }

    /// The component of this number, so many levels further out.
    fn outer(levels: usize, component: usize) -> Vec<u8> {
        section(6, &[vec![1, 0x04, 0x02], leb(levels), leb(component)].concat())
    }

    /// Levels that each instantiate the level before so many times.
    fn levels(levels: usize, width: usize) -> Vec<u8> {
        let mut sections = vec![nested(&component(&[]))];
        for level in 1..levels {
            sections.push(nested(&component(&[outer(1, level - 1), instances(width, 0)])));
        }
        sections.push(instances(1, levels - 1));
        component(&sections)
    }

    fn refused(bytes: &[u8]) -> String {
        count(bytes).unwrap_err().to_string()
    }

    #[test]
    fn instances_multiply() {
        assert!(count(&levels(3, 10)).is_ok(), "1 + 10 + 100");
        assert!(refused(&levels(4, 10)).starts_with("instances limit: 1000 allowed, "));
        let bomb = levels(20, 10);
        assert!(bomb.len() < 2048 && refused(&bomb).starts_with("instances limit: 1000 allowed, "));
        let flat = |number| component(&[nested(&component(&[])), instances(number, 0)]);
        assert!(count(&flat(1000)).is_ok());
        assert_eq!(refused(&flat(1001)), "instances limit: 1000 allowed, 1001 or more in it");
    }

    #[test]
    fn a_component_that_has_two_numbers_counts_the_same() {
        // An alias, and an export, give one more number to it.
        let heavy = || nested(&component(&[nested(&component(&[])), instances(600, 0)]));
        let export = section(11, &[vec![1, 0x00, 0x01, b'x', 0x04], leb(0), vec![0x00]].concat());
        assert!(count(&component(&[heavy(), export.clone(), instances(1, 1)])).is_ok());
        assert!(count(&component(&[heavy(), export, instances(2, 1)])).is_err());
        assert!(count(&component(&[heavy(), outer(0, 0), instances(2, 1)])).is_err());
    }

    #[test]
    fn a_component_from_elsewhere_is_not_instantiated() {
        // Type 0 is a component type without content; the import is of that type.
        let types = section(7, &[1, 0x41, 0]);
        let import = section(10, &[1, 0x00, 0x01, b'x', 0x04, 0x00]);
        assert!(count(&component(&[types.clone(), import.clone()])).is_ok());
        let used = component(&[types, import, instances(1, 0)]);
        assert!(refused(&used).starts_with("it instantiates a component that is an import"));
    }

    #[test]
    fn nesting_and_functions_are_counted() {
        let mut deep = component(&[]);
        for _ in 1..MAX_NESTING {
            deep = component(&[nested(&deep)]);
        }
        assert!(count(&deep).is_ok());
        assert_eq!(refused(&component(&[nested(&deep)])), "nesting limit: 32 allowed, deeper");

        // Modules with functions that do nothing: a type, its functions, their bodies.
        let module = |functions: usize| {
            let types = section(1, &[1, 0x60, 0, 0]);
            let declared = section(3, &[leb(functions), vec![0; functions]].concat());
            let bodies = section(10, &[leb(functions), [2, 0, 0x0b].repeat(functions)].concat());
            section(1, &[b"\0asm\x01\0\0\0".to_vec(), types, declared, bodies].concat())
        };
        assert!(count(&component(&[module(100_000), module(100_000)])).is_ok());
        let more = component(&[module(100_000), module(100_001)]);
        assert_eq!(refused(&more), "functions limit: 200000 allowed, 200001 or more in it");
    }
}
