//! `chitin policy build`: a folder's own build command, and what it leaves, packed.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use chitin::audit::visible;
use chitin::author::review;
use clap::Args;

use super::{pack, unusable};
use crate::cli::{note, user_error};

#[derive(Args)]
pub(in crate::cli) struct Arguments {
    /// The policy's folder
    #[arg(value_name = "DIR", default_value = ".")]
    folder: PathBuf,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let folder = &arguments.folder;
    let manifest = folder.join("policy.toml");
    // Both before the command: it may take minutes.
    let (_, about) = review::manifest(&manifest).map_err(|error| unusable(&error))?;
    let build = review::build(folder).map_err(|error| unusable(&error))?;
    note(&visible(&format!("in {}: {}", folder.display(), build.command)));
    let failed = |words: String| {
        let help =
            "mend what it says above, or the command in build.toml; that names the tools that it needs";
        user_error(format!("the build command {words}: {}", build.command), help)
    };
    let status = Command::new("sh")
        .args(["-c", &build.command])
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(std::io::stderr())
        .status()
        .map_err(|error| failed(format!("could not be started ({error})")))?;
    if !status.success() {
        return Err(failed(format!("failed ({status})")));
    }
    let output = folder.join(&build.output);
    if !output.exists() {
        let words = format!("left no {}", build.output.display());
        return Err(user_error(
            format!("the build command {words}: {}", build.command),
            "name the file that it writes as `output` in build.toml",
        ));
    }
    pack::pack_to(&output, &manifest, None, &review::component_of(folder, &about))
}
