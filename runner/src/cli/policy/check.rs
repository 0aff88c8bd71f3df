//! `chitin policy check`: what an operator will be told of a policy from a file.

use std::path::{Path, PathBuf};

use chitin::audit::visible;
use chitin::author::review;
use chitin::policy::catalog;
use chitin::policy::code_file::Digest;
use chitin::sandbox::check::{self, Inspected};
use chitin::sandbox::limits::bytes;
use chitin::wording::shell_word;
use clap::Args;

use super::offer::{write_checks, write_imports, write_wants};
use super::{read, refused, unusable};
use crate::cli::{show, user_error};

/// Exit code where something is said against the policy.
const COMPLAINTS: u8 = 1;

#[derive(Args)]
#[command(after_help = "\
Exit codes:
  0  nothing is said against it
  1  something is
  2  wrong usage, or a file that no audit would run")]
pub(in crate::cli) struct Arguments {
    /// A component, or the folder of a policy that is built
    #[arg(value_name = "FILE|DIR", default_value = ".")]
    policy: PathBuf,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<u8> {
    let (path, stale) = component(&arguments.policy)?;
    let name = path.display().to_string();
    let component = read(&path)?;
    let inspected = check::inspect(&component).map_err(|refusal| refused(&name, &refusal))?;
    if let Some(owner) = catalog::owner(&inspected.manifest) {
        let message = format!("cannot use {name}: it takes a name of the built-in policy {owner}");
        return Err(user_error(message, "give it an id and check ids of its own, and build it again"));
    }
    let mut complaints = review::complaints(&inspected);
    complaints.extend(stale);
    if let (true, Some(inside)) = (arguments.policy.is_dir(), &inspected.readme) {
        let beside = review::text(&arguments.policy.join("README.md"));
        if beside.is_ok_and(|beside| beside != *inside) {
            complaints.push("README.md was changed since it was built; run `chitin policy build`".to_owned());
        }
    }
    show(|out| {
        let Inspected { manifest, imports, size, .. } = &inspected;
        let policy = &manifest.policy;
        let size = bytes(*size);
        writeln!(
            out,
            "{}: {} {}, {size}, sha256:{}",
            visible(&name),
            policy.id,
            policy.version,
            Digest::of(&component)
        )?;
        write_wants(manifest, None, out)?;
        write_checks(manifest, out)?;
        write_imports(imports, out)?;
        writeln!(out)?;
        for complaint in &complaints {
            writeln!(out, "complaint: {}", visible(complaint))?;
        }
        if complaints.is_empty() { writeln!(out, "nothing is said against it") } else { Ok(()) }
    })?;
    Ok(if complaints.is_empty() { 0 } else { COMPLAINTS })
}

/// The component that is meant, and what is wrong with its folder.
pub(super) fn component(path: &Path) -> anyhow::Result<(PathBuf, Option<String>)> {
    if !path.is_dir() {
        return Ok((path.to_owned(), None));
    }
    let (text, manifest) = review::manifest(&path.join("policy.toml")).map_err(|error| unusable(&error))?;
    let component = review::component_of(path, &manifest);
    if !component.exists() {
        let message = format!("{} is not built: {} is missing", path.display(), component.display());
        return Err(user_error(message, format!("run `chitin policy build {}`", shell_word(path))));
    }
    let inside = check::manifest_text(&read(&component)?);
    let is_stale = inside.is_ok_and(|inside| inside != text);
    Ok((
        component,
        is_stale.then(|| "policy.toml was changed since it was built; run `chitin policy build`".to_owned()),
    ))
}
