//! `chitin policy wit`: the contract as files.

use std::path::{Path, PathBuf};

use chitin::audit::visible;
use chitin::author::{contract, place};
use chitin::sandbox::check::CONTRACT_VERSION;
use chitin::sandbox::limits::bytes;
use clap::Args;

use crate::cli::outputs::not_written;
use crate::cli::{show, user_error};

#[derive(Args)]
pub(in crate::cli) struct Arguments {
    /// The folder to write it into, for example wit; or OUT.wasm for a WIT package in one file, as registries hold them
    #[arg(value_name = "DIR|OUT.wasm")]
    folder: PathBuf,
    /// Replace files that have another text
    #[arg(long)]
    force: bool,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let Arguments { folder, force } = arguments;
    if folder.extension().is_some_and(|ending| ending == "wasm") {
        return package(folder, *force);
    }
    let differing = contract::differing(folder);
    if !differing.is_empty() && !force {
        return Err(user_error(
            format!("{} has another text in {}", folder.display(), differing.join(", ")),
            "name another folder, or replace these files with --force",
        ));
    }
    contract::write(folder).map_err(|error| not_written(folder, &error))?;
    show(|out| {
        let folder = folder.display().to_string();
        writeln!(
            out,
            "{}: chitin:policy@{CONTRACT_VERSION}, {} files",
            visible(&folder),
            contract::FILES.len()
        )
    })
}

/// Writes the contract as one file.
fn package(path: &Path, force: bool) -> anyhow::Result<()> {
    let package = contract::package().map_err(|reason| user_error(reason, "name a folder"))?;
    if path.symlink_metadata().is_ok() && !force {
        return Err(user_error(
            format!("{} is there already", path.display()),
            "name another file, or replace this one with --force",
        ));
    }
    place::replace(path, &package).map_err(|error| not_written(path, &error))?;
    show(|out| {
        let path = path.display().to_string();
        writeln!(out, "{}: chitin:policy@{CONTRACT_VERSION}, {}", visible(&path), bytes(package.len()))
    })
}
