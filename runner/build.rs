//! With the compiler (the feature, which is on by default): builds the component of the built-in policies and that of the reader of
//! databases, compiles them ahead of time for the architecture's baseline, and writes the list of policies that the runner embeds.
//!
//! Without the compiler: takes the code that a build with the compiler has left in `target/policies/code/MACHINE`, which
//! `CHITIN_COMPILED_POLICIES` names.

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
#[cfg(feature = "compiler")]
use std::process::Command;

use anyhow::{Context as _, Result, bail};

#[allow(
    dead_code,
    clippy::disallowed_types,
    reason = "the runner uses the rest, and this is its place for the engine"
)]
#[path = "src/sandbox/engine.rs"]
mod engine;
#[path = "../policies/all/folders.rs"]
mod folders;
#[cfg(feature = "compiler")]
mod nested_cargo;

#[cfg(feature = "compiler")]
const WASM_TARGET: &str = "wasm32-unknown-unknown";

/// The packages whose code is embedded: all built-in policies in one component, and the reader of databases.
const COMPONENTS: [&str; 2] = ["chitin-policies", "sqlite-reader"];

fn main() -> Result<()> {
    let root = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("..").canonicalize()?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let target = env::var("TARGET")?;
    println!("cargo::rustc-env=CHITIN_TARGET={target}");
    if target.ends_with("-musl") && target.split('-').next() == env::var("HOST")?.split('-').next() {
        // Relative relocations in the packed form (RELR), half a megabyte less. musl reads it; linkers of cross builds may not write it.
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src/sandbox/engine.rs");
    println!("cargo::rerun-if-changed={}", root.join("wit").display());
    println!("cargo::rerun-if-changed={}", root.join("Cargo.toml").display());
    // The folder as a whole: a new policy has to be noticed, too.
    println!("cargo::rerun-if-changed={}", root.join("policies").display());

    let made = make(&root, &out, &target)?;
    println!("cargo::rustc-env=CHITIN_MACHINE={}", engine::machine(&target));
    println!("cargo::rustc-env=CHITIN_ENGINE={}", made.engine);
    // The code lies in a section of its own that the loader maps executable, so that no page has to be made so.
    let mut code_section = String::from(".section .chitin,\"ax\",@progbits\n");
    let alignment = if target.starts_with("x86_64") { 4096 } else { 65536 };
    for (package, key) in COMPONENTS.into_iter().zip(made.keys) {
        let (symbol, code) = (package.replace('-', "_"), out.join(format!("{package}.cwasm")));
        // The key is there for rustc: as long as this text is the same, an incremental build keeps the section that it
        // made of it, whatever the files have come to hold.
        writeln!(
            code_section,
            "/* {key} */\n.balign {alignment}\n.globl {symbol}_code\n{symbol}_code:\n.incbin {}\n\
             .globl {symbol}_code_end\n{symbol}_code_end:",
            literal(&code)
        )?;
    }
    let mut list = String::new();
    for id in folders::ids(&root.join("policies"))? {
        let folder = root.join("policies").join(&id);
        let (manifest, page) = (literal(&folder.join("policy.toml")), literal(&folder.join("README.md")));
        let parsed = parsed(&folder.join("policy.toml"), &out.join(format!("{id}.json")))?;
        writeln!(
            list,
            "Builtin {{ manifest: include_str!({manifest}), parsed: include_str!({parsed}), page: include_str!({page}) }},"
        )?;
    }
    parsed(&root.join("runner/src/audit/suppressions/policy.toml"), &out.join("own.json"))?;
    println!("cargo::rerun-if-changed=src/audit/suppressions/policy.toml");
    writeln!(code_section, ".balign {alignment}\n.text")?;
    fs::write(out.join("builtin.s"), code_section)?;
    fs::write(out.join("builtin.rs"), format!("[\n{list}]\n"))?;
    embed(&root, &out)
}

/// Writes the lists of files that authors of policies are given: the contract, and, with the feature `authoring`, the folders
/// to begin with and the guest library.
fn embed(root: &Path, out: &Path) -> Result<()> {
    let is_whole = cfg!(feature = "authoring");
    let policies = root.join("policies");
    // Two lists hold examples' files, too, by links.
    println!("cargo::rerun-if-changed={}", root.join("docs/examples").display());
    let mut text = String::new();
    for (name, folder, is_there) in [
        ("CONTRACT", root.join("wit"), true),
        ("GUEST_LIBRARY", policies.join("sdk/src"), is_whole),
        ("TEMPLATES", policies.join("template"), is_whole),
    ] {
        let mut paths = Vec::new();
        if is_there {
            files(&folder, &mut paths)?;
        }
        paths.sort();
        writeln!(text, "const {name}: Embedded = &[")?;
        for path in paths {
            let below = path.strip_prefix(&folder)?.to_string_lossy();
            writeln!(text, "({below:?}, include_str!({})),", literal(&path))?;
        }
        text.push_str("];\n");
    }
    fs::write(out.join("embedded.rs"), text)?;
    Ok(())
}

/// The files below a folder.
fn files(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() { files(&path, found)? } else { found.push(path) }
    }
    Ok(())
}

/// Names the folder that a build without the compiler takes the code of the policies from.
#[cfg(not(feature = "compiler"))]
const EXCHANGE: &str = "CHITIN_COMPILED_POLICIES";

/// The file of that folder that names machine and engine, a line each.
const MADE_FOR: &str = "made-for";

/// Code that was made: it lies in the output folder.
struct Made {
    /// The engine that can run it.
    engine: String,
    /// A key for each component's code that names what it was made of.
    keys: Vec<String>,
}

/// Builds and compiles the components, and leaves their code where a build without the compiler can take it.
#[cfg(feature = "compiler")]
fn make(root: &Path, out: &Path, target: &str) -> Result<Made> {
    let modules = build(root, out)?;
    let compiler = engine::compiler(target, true)?;
    let engine = engine::fingerprint(&compiler, target);
    let machine = engine::machine(target);
    let left = modules.ancestors().nth(2).context("the policies lie elsewhere")?.join("code").join(&machine);
    fs::create_dir_all(&left)?;
    let mut keys = Vec::new();
    for package in COMPONENTS {
        let module = modules.join(format!("{}.wasm", package.replace('-', "_")));
        let name = format!("{package}.cwasm");
        keys.push(compile(&compiler, &module, &out.join(&name))?);
        fs::copy(out.join(&name), left.join(&name))?;
    }
    fs::write(left.join(MADE_FOR), format!("{machine}\n{engine}\n"))?;
    Ok(Made { engine, keys })
}

/// Takes the components' code from where a build with the compiler left it.
#[cfg(not(feature = "compiler"))]
fn make(_root: &Path, out: &Path, target: &str) -> Result<Made> {
    println!("cargo::rerun-if-env-changed={EXCHANGE}");
    let Some(exchange) = env::var_os(EXCHANGE).map(PathBuf::from) else {
        bail!(
            "without the feature \"compiler\", {EXCHANGE} has to name the folder target/policies/code/{} of an ordinary build",
            engine::machine(target)
        );
    };
    let made_for = exchange.join(MADE_FOR);
    println!("cargo::rerun-if-changed={}", exchange.display());
    let text = fs::read_to_string(&made_for).with_context(|| format!("{} is missing", made_for.display()))?;
    let mut lines = text.lines();
    let (machine, engine) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let wanted = engine::machine(target);
    if machine != wanted {
        bail!("{} has code for {machine}, and this build is for {wanted}", exchange.display());
    }
    let mut keys = Vec::new();
    for package in COMPONENTS {
        let name = format!("{package}.cwasm");
        let from = exchange.join(&name);
        let code = fs::read(&from).with_context(|| format!("{} is missing", from.display()))?;
        let mut hasher = DefaultHasher::new();
        code.hash(&mut hasher);
        keys.push(format!("{:016x}", hasher.finish()));
        fs::write(out.join(&name), code)?;
    }
    Ok(Made { engine: engine.to_owned(), keys })
}

/// Writes a manifest as JSON, which takes the program a fifth of the time to read. Gives the file's path as a literal.
fn parsed(manifest: &Path, json: &Path) -> Result<String> {
    let text = fs::read_to_string(manifest).with_context(|| format!("{} is missing", manifest.display()))?;
    let value: serde_json::Value =
        toml::from_str(&text).with_context(|| format!("{} is not understood", manifest.display()))?;
    fs::write(json, value.to_string())?;
    Ok(literal(json))
}

/// A path as a string literal of Rust.
fn literal(path: &Path) -> String {
    format!("{:?}", path.to_string_lossy())
}

/// Builds the core modules with one call of cargo, and gives the folder that they lie in.
#[cfg(feature = "compiler")]
fn build(root: &Path, out: &Path) -> Result<PathBuf> {
    let rustc = env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let sysroot =
        Command::new(&rustc).args(["--print", "target-libdir", "--target", WASM_TARGET]).output()?;
    let libraries = String::from_utf8_lossy(&sysroot.stdout).trim().to_owned();
    if !Path::new(&libraries).is_dir() {
        bail!(
            "the Rust target {WASM_TARGET} is not installed; run `rustup target add {WASM_TARGET}` (or `make setup`)"
        );
    }
    nested_cargo::build(
        root,
        out,
        WASM_TARGET,
        COMPONENTS.into_iter().flat_map(|package| ["--package", package]),
    )
}

/// Makes a component of a module, and compiles it, unless its code was made from the same bytes by the same engine. Gives the code's key.
#[cfg(feature = "compiler")]
fn compile(compiler: &wasmtime::Engine, wasm: &Path, code: &Path) -> Result<String> {
    let module = fs::read(wasm).with_context(|| format!("{} is missing", wasm.display()))?;
    let mut hasher = DefaultHasher::new();
    module.hash(&mut hasher);
    compiler.precompile_compatibility_hash().hash(&mut hasher);
    let key = format!("{:016x}", hasher.finish());
    let key_file = code.with_extension("key");
    if !(code.is_file() && fs::read_to_string(&key_file).is_ok_and(|known| known == key)) {
        let component = wit_component::ComponentEncoder::default()
            .module(&module)
            .and_then(|mut encoder| encoder.encode())
            .with_context(|| format!("{} is no policy", wasm.display()))?;
        let machine_code = compiler.precompile_component(&component).map_err(anyhow::Error::from);
        fs::write(code, machine_code.with_context(|| format!("{} does not compile", wasm.display()))?)?;
        fs::write(&key_file, &key)?;
    }
    Ok(key)
}
