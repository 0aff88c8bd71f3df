//! A call of cargo from a build script: its own target directory, and nothing of what the outer cargo says about the
//! outer build but the names that paths are to have. `tests/support/build.rs` includes this file too.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

/// Builds guests with one `cargo build`, and gives the folder that they lie in. All build scripts share a target directory, because the
/// outer cargo holds the lock of the other.
pub(crate) fn build<'a>(
    root: &Path,
    out: &Path,
    target: &str,
    arguments: impl IntoIterator<Item = &'a str>,
) -> Result<PathBuf> {
    // OUT_DIR is TARGET/PROFILE/build/PACKAGE/out; the directory lies beside the profiles, and serves them all.
    let target_dir = out.ancestors().nth(4).context("OUT_DIR is too short")?.join("policies");
    let mut cargo = Command::new(env::var("CARGO")?);
    cargo.current_dir(root).args(["build", "--locked", "--profile", "policy", "--target", target]);
    cargo.arg("--target-dir").arg(&target_dir).args(arguments);
    let outer =
        ["CARGO_ENCODED_RUSTFLAGS", "RUSTFLAGS", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER", "CLIPPY_ARGS"];
    for (name, _) in env::vars_os() {
        let name = name.to_string_lossy();
        let described = ["CARGO_FEATURE_", "CARGO_CFG_"].iter().any(|prefix| name.starts_with(prefix));
        if described || outer.contains(&name.as_ref()) {
            cargo.env_remove(name.as_ref());
        }
    }
    // Of the outer flags one is passed on: the one that takes the builder's folders out of what is built.
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    let renaming: Vec<&str> =
        flags.split('\u{1f}').filter(|flag| flag.starts_with("--remap-path-prefix=")).collect();
    if !renaming.is_empty() {
        cargo.env("CARGO_ENCODED_RUSTFLAGS", renaming.join("\u{1f}"));
    }
    let output = cargo.output().context("cargo could not be started")?;
    if !output.status.success() {
        bail!("what is built for {target} does not build:\n{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(target_dir.join(target).join("policy"))
}
