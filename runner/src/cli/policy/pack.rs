//! `chitin policy pack`: a component with its manifest, README and metadata in it.

use std::path::{Path, PathBuf};

use chitin::audit::visible;
use chitin::author::component::ComponentError;
use chitin::author::pack::{self, PackError, Packed};
use chitin::author::{place, review};
use chitin::sandbox::check::{MAX_README_BYTES, Refusal};
use chitin::sandbox::limits::bytes;
use chitin::target::read_regular;
use clap::Args;

use super::{read, unusable};
use crate::cli::outputs::not_written;
use crate::cli::{show, user_error};

#[derive(Args)]
pub(in crate::cli) struct Arguments {
    /// A component, or a core module to make one of
    #[arg(value_name = "IN.wasm")]
    input: PathBuf,
    /// The policy's manifest
    #[arg(long, value_name = "FILE", default_value = "policy.toml")]
    manifest: PathBuf,
    /// The policy's page [default: README.md beside the manifest, where there is one]
    #[arg(long, value_name = "FILE")]
    readme: Option<PathBuf>,
    /// The file to write
    #[arg(long, short, value_name = "OUT.wasm")]
    output: PathBuf,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let Arguments { input, manifest, readme, output } = arguments;
    pack_to(input, manifest, readme.as_deref(), output)
}

/// Packs a component into a file, and says what it has become.
pub(super) fn pack_to(
    input: &Path,
    manifest: &Path,
    readme: Option<&Path>,
    output: &Path,
) -> anyhow::Result<()> {
    let (text, _) = review::manifest(manifest).map_err(|error| unusable(&error))?;
    let page = match readme {
        Some(path) => read_regular(path, 2 * MAX_README_BYTES as u64).map(Some),
        None => review::readme_beside(manifest),
    };
    let page = page.map_err(|error| {
        user_error(
            format!("cannot read the README: {error}"),
            "a README has at most 64 KiB; name one with --readme",
        )
    })?;
    let packed = pack::pack(&read(input)?, &text, page.as_deref())
        .map_err(|error| user_error(format!("cannot pack {}: {error}", input.display()), help(&error)))?;
    place::replace(output, &packed.bytes).map_err(|error| not_written(output, &error))?;
    let Packed { inspected, digest, .. } = &packed;
    show(|out| {
        let policy = &inspected.manifest.policy;
        let output = output.display().to_string();
        let size = bytes(inspected.size);
        writeln!(out, "{}: {size}, sha256:{digest}, {} {}", visible(&output), policy.id, policy.version)
    })
}

fn help(error: &PackError) -> &'static str {
    match error {
        PackError::Manifest(_) => "correct policy.toml (docs/policies.md)",
        PackError::Readme(_) => "name another file with --readme",
        PackError::OtherManifest => "build it again with the policy.toml that it is packed with",
        PackError::Component(ComponentError::NotBuiltIn) => {
            "pack it with an ordinary build of chitin, or make a component of it with `wasm-tools component new`"
        }
        PackError::Component(_) => {
            "build it for the world `policy` of the contract, which `chitin policy wit DIR` writes"
        }
        PackError::Refused(Refusal::NoAudit) => {
            "export the function `audit` of the contract, which `chitin policy wit DIR` writes"
        }
        PackError::Damaged(_) | PackError::Refused(_) => {
            "see docs/policies.md for what a policy is, and build it again"
        }
    }
}
