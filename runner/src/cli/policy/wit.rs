//! `chitin policy wit`: the contract as files.

use std::path::PathBuf;

use chitin::audit::visible;
use chitin::author::contract;
use chitin::sandbox::check::CONTRACT_VERSION;
use clap::Args;

use super::not_written;
use crate::cli::{show, user_error};

#[derive(Args)]
pub(in crate::cli) struct Arguments {
    /// The folder to write it into, for example wit
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Replace files that have another text
    #[arg(long)]
    force: bool,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let Arguments { folder, force } = arguments;
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
