//! Builds the hostile guests, and the built-in policies as a stranger would, for `wasm32-wasip2`, and lists them. Guests in Rust are examples of `chitin-hostile`; those
//! in WebAssembly text are core modules that do what Rust does not let one do, made into components here.

#![allow(clippy::disallowed_methods, reason = "a build script reads and writes files")]

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

#[path = "../../policies/all/folders.rs"]
mod folders;
#[path = "../../runner/nested_cargo.rs"]
mod nested_cargo;

const WASM_TARGET: &str = "wasm32-wasip2";

fn main() -> Result<()> {
    let root = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("../..").canonicalize()?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    for input in ["runner/nested_cargo.rs", "wit", "policies", "tests/hostile", "Cargo.toml"] {
        println!("cargo::rerun-if-changed={}", root.join(input).display());
    }
    println!("cargo::rerun-if-changed=build.rs");

    let examples = ["--package", "chitin-hostile", "--examples"];
    let examples = nested_cargo::build(&root, &out, WASM_TARGET, examples)?.join("examples");
    let mut list =
        String::from("/// All guests, in the order of their names.\npub const GUESTS: &[Guest] = &[\n");
    let mut calls = String::new();
    for source in guests(&root.join("tests/hostile/guests"))? {
        let name = source.file_stem().context("a guest without a name")?.to_string_lossy().into_owned();
        let expect = expected(&source)?;
        let component = if source.extension().is_some_and(|extension| extension == "wat") {
            encode(&root.join("wit"), &source, &out.join(format!("{name}.wasm")))
                .with_context(|| source.display().to_string())?
        } else {
            examples.join(format!("{name}.wasm"))
        };
        if !component.is_file() {
            bail!("{name} was not built; list it as an [[example]] in tests/hostile/Cargo.toml");
        }
        writeln!(
            list,
            "    Guest {{ name: {name:?}, component: {:?}, expect: {expect:?} }},",
            component.to_string_lossy()
        )?;
        writeln!(calls, "        $each!({name});")?;
    }
    write!(
        list,
        "];\n\n/// Calls a macro with the name of each guest.\n#[macro_export]\nmacro_rules! for_each_hostile_guest {{\n    \
         ($each:ident) => {{\n{calls}    }};\n}}\n"
    )?;
    list.push_str("/// The built-in policies as components for `wasm32-wasip2`: ids and files.\npub const POLICIES: &[(&str, &str)] = &[\n");
    let policies = folders::ids(&root.join("policies"))?;
    let packages = policies.iter().flat_map(|id| ["--package", id.as_str()]);
    let built = nested_cargo::build(&root, &out, WASM_TARGET, packages)?;
    for id in policies {
        let file = built.join(format!("{}.wasm", id.replace('-', "_")));
        writeln!(list, "    ({id:?}, {:?}),", file.to_string_lossy())?;
    }
    list.push_str("];\n");
    fs::write(out.join("guests.rs"), list)?;
    Ok(())
}

/// The files of all guests, in byte order.
fn guests(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder)?.map(|entry| Ok(entry?.path()));
    let mut files = entries.collect::<Result<Vec<_>>>()?;
    files.sort();
    Ok(files)
}

/// What stands behind "expect:" in a guest's first line.
fn expected(source: &Path) -> Result<String> {
    let text = fs::read_to_string(source)?;
    let first = text.lines().next().unwrap_or_default();
    let expect = first.strip_prefix("//! expect: ").or_else(|| first.strip_prefix(";; expect: "));
    Ok(expect.with_context(|| format!("{} does not begin with what to expect", source.display()))?.to_owned())
}

/// Makes a core module into a component of the contract.
fn encode(wit: &Path, source: &Path, component: &Path) -> Result<PathBuf> {
    let mut module = wat::parse_file(source)?;
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(wit)?;
    let world = resolve.select_world(&[package], Some("policy"))?;
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)?;
    // The guest is to be refused by the runner, not by this tool.
    fs::write(component, ComponentEncoder::default().module(&module)?.validate(false).encode()?)?;
    Ok(component.to_owned())
}
