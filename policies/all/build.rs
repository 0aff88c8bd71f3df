//! Lists the policies, and says how much memory an instance has from the beginning: it is zeroed for the next one, and what an instance
//! asks for beyond it costs two calls of the system.

#![allow(clippy::disallowed_methods, reason = "a build script writes files")]

use std::path::PathBuf;
use std::{env, fs, io};

mod folders;

/// Bytes of stack. JSON is nested at most 128 deep.
const STACK: usize = 256 << 10;

/// Bytes of memory: the stack, 170 kB of data, and what most policies allocate.
const MEMORY: usize = 640 << 10;

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=folders.rs");
    println!("cargo::rerun-if-changed=..");
    let variable = |name| env::var_os(name).unwrap_or_default();
    let line = |id: String| format!("({id:?}, {}::audit),\n", id.replace('-', "_"));
    let policies = PathBuf::from(variable("CARGO_MANIFEST_DIR")).join("..");
    let list: String = folders::ids(&policies)?.into_iter().map(line).collect();
    fs::write(PathBuf::from(variable("OUT_DIR")).join("policies.rs"), format!("&[\n{list}]\n"))?;
    if variable("CARGO_CFG_TARGET_ARCH") == "wasm32" {
        println!("cargo::rustc-link-arg-cdylib=-zstack-size={STACK}");
        println!("cargo::rustc-link-arg-cdylib=--initial-memory={MEMORY}");
    }
    Ok(())
}
