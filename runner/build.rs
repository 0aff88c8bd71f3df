//! Builds the policies, and the components that the runner itself calls, for `wasm32-wasip2`, compiles them ahead of time for the architecture's baseline, and writes
//! the list of built-in policies that the runner embeds.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a build script writes files, and this one compiles"
)]

use std::collections::hash_map::DefaultHasher;
use std::env;
use std::fmt::Write as _;
use std::fs;
use std::hash::{Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

#[allow(
    dead_code,
    clippy::disallowed_types,
    reason = "the runner uses the rest, and this is its place for the engine"
)]
#[path = "src/sandbox/engine.rs"]
mod engine;
mod nested_cargo;

const WASM_TARGET: &str = "wasm32-wasip2";

/// Folders of `policies/` that are no policies.
const NOT_POLICIES: [&str; 2] = ["sdk", "template"];

/// Components that the runner calls itself, behind the policies in the order of codes. They are no policies either.
const COMPONENTS: [&str; 1] = ["sqlite-reader"];

fn main() -> Result<()> {
    let root = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("..").canonicalize()?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let target = env::var("TARGET")?;
    println!("cargo::rustc-env=CHITIN_TARGET={target}");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src/sandbox/engine.rs");
    println!("cargo::rerun-if-changed={}", root.join("wit").display());
    println!("cargo::rerun-if-changed={}", root.join("Cargo.toml").display());
    // The folder as a whole: a new policy has to be noticed, too.
    println!("cargo::rerun-if-changed={}", root.join("policies").display());

    let policies = policies(&root.join("policies"))?;
    let all: Vec<&str> = policies.iter().map(String::as_str).chain(COMPONENTS).collect();
    let components = build(&root, &out, &all)?;
    let compiler = engine::compiler(&target, true)?;
    println!("cargo::rustc-env=CHITIN_MACHINE={}", engine::machine(&target));
    println!("cargo::rustc-env=CHITIN_ENGINE={}", engine::fingerprint(&compiler, &target));
    // The code lies in a section of its own that the loader maps executable, so that no page has to be made so.
    let mut code_section = String::from(".section .chitin,\"ax\",@progbits\n");
    let alignment = if target.starts_with("x86_64") { 4096 } else { 65536 };
    let (mut list, mut codes) = (String::new(), String::new());
    for (number, id) in all.into_iter().enumerate() {
        let folder = root.join("policies").join(id);
        let wasm = components.join(format!("{}.wasm", id.replace('-', "_")));
        let code = out.join(format!("{id}.cwasm"));
        let key = compile(&compiler, &wasm, &code)?;
        // The key is there for rustc: as long as this text is the same, an incremental build keeps the section that it
        // made of it, whatever the files have come to hold.
        writeln!(
            code_section,
            "/* {key} */\n.balign {alignment}\n.globl chitin_code_{number}\nchitin_code_{number}:\n.incbin {}\n\
             .globl chitin_code_{number}_end\nchitin_code_{number}_end:",
            literal(&code)
        )?;
        writeln!(codes, "embedded!(chitin_code_{number}, chitin_code_{number}_end),")?;
        if COMPONENTS.contains(&id) {
            continue;
        }
        let (manifest, page) = (literal(&folder.join("policy.toml")), literal(&folder.join("README.md")));
        writeln!(list, "Builtin {{ manifest: include_str!({manifest}), page: include_str!({page}) }},")?;
    }
    writeln!(code_section, ".balign {alignment}\n.text")?;
    fs::write(out.join("builtin.s"), code_section)?;
    fs::write(out.join("builtin.rs"), format!("[\n{list}]\n"))?;
    fs::write(out.join("code.rs"), format!("[\n{codes}]\n"))?;
    Ok(())
}

/// A path as a string literal of Rust.
fn literal(path: &Path) -> String {
    format!("{:?}", path.to_string_lossy())
}

/// The folders of all policies, in byte order.
fn policies(folder: &Path) -> Result<Vec<String>> {
    let mut ids = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.path().join("policy.toml").is_file() && !NOT_POLICIES.contains(&name.as_str()) {
            ids.push(name);
        }
    }
    ids.sort();
    Ok(ids)
}

/// Builds all policies with one call of cargo.
fn build(root: &Path, out: &Path, policies: &[&str]) -> Result<PathBuf> {
    let rustc = env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let sysroot =
        Command::new(&rustc).args(["--print", "target-libdir", "--target", WASM_TARGET]).output()?;
    let libraries = String::from_utf8_lossy(&sysroot.stdout).trim().to_owned();
    if !Path::new(&libraries).is_dir() {
        bail!(
            "the Rust target {WASM_TARGET} is not installed; run `rustup target add {WASM_TARGET}` (or `make setup`)"
        );
    }
    let (mut cargo, target_dir) = nested_cargo::build(root, out, WASM_TARGET)?;
    for id in policies {
        cargo.args(["--package", id]);
    }
    let output = cargo.output().context("cargo could not be started for the policies")?;
    if !output.status.success() {
        bail!("the policies do not build:\n{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(target_dir.join(WASM_TARGET).join("policy"))
}

/// Compiles a component, unless its code was made from the same bytes by the same engine. Gives the code's key.
fn compile(compiler: &wasmtime::Engine, wasm: &Path, code: &Path) -> Result<String> {
    let component = fs::read(wasm).with_context(|| format!("{} is missing", wasm.display()))?;
    let mut hasher = DefaultHasher::new();
    component.hash(&mut hasher);
    compiler.precompile_compatibility_hash().hash(&mut hasher);
    let key = format!("{:016x}", hasher.finish());
    let key_file = code.with_extension("key");
    if !(code.is_file() && fs::read_to_string(&key_file).is_ok_and(|known| known == key)) {
        let machine_code = compiler.precompile_component(&component).map_err(anyhow::Error::from);
        fs::write(code, machine_code.with_context(|| format!("{} does not compile", wasm.display()))?)?;
        fs::write(&key_file, &key)?;
    }
    Ok(key)
}
