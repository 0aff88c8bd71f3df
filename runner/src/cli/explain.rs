//! `chitin explain`: the page of the policy that a check belongs to.

use std::io::{self, Write};

use chitin::audit::visible;
use chitin::config::release::ReleaseRange;
use chitin::output::paragraph;
use chitin::policy::catalog::pages;
use chitin::policy::manifest::{Check, Manifest};
use chitin::sandbox::check::{Inspected, inspect};
use chitin::wording::nearest;
use clap::Args;

use super::policy::{Which, read, refused};
use super::{show, user_error};

#[derive(Args)]
pub(super) struct Arguments {
    /// A check id, for example `gateway.bind_no_auth`; or a policy's id
    #[arg(value_name = "CHECK-ID")]
    check: String,
    /// The component that the check belongs to, where it is neither built in nor added
    #[arg(long, value_name = "FILE")]
    policy: Option<std::path::PathBuf>,
    #[command(flatten)]
    which: Which,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<u8> {
    let id = arguments.check.as_str();
    if let Some(path) = &arguments.policy {
        let name = path.display().to_string();
        let inspected = inspect(&read(path)?).map_err(|refusal| refused(&name, &refusal))?;
        if is_about(&inspected.manifest, id) {
            return stranger(&inspected, id, &format!("the file {name}"));
        }
        return Err(unknown(id, ids(&inspected.manifest)));
    }
    for builtin in pages() {
        let manifest = builtin.manifest()?;
        if is_about(&manifest, id) {
            show(|out| {
                write_head(&manifest, id, out)?;
                write!(out, "{}", builtin.page)
            })?;
            return Ok(0);
        }
    }
    let set = arguments.which.set()?;
    // The lock knows the checks even where a file is gone.
    for locked in set.locked() {
        let Some(wanted) = set.wanted(&locked.id).filter(|_| is_about(&locked.manifest(), id)) else {
            continue;
        };
        let failed = |reason: String| {
            user_error(
                format!(
                    "{id} belongs to the policy {}, which you have added and which cannot be used: {reason}",
                    locked.id
                ),
                "`chitin policy verify` looks at all that were added",
            )
        };
        let bytes = set.bytes(wanted).map_err(|unusable| failed(unusable.to_string()))?;
        let inspected = inspect(&bytes).map_err(|refusal| failed(refusal.to_string()))?;
        return stranger(&inspected, id, &format!("the policy {}, which you have added", locked.id));
    }
    let mut known = Vec::new();
    for builtin in pages() {
        known.extend(ids(&builtin.manifest()?));
    }
    known.extend(set.locked().flat_map(|locked| ids(&locked.manifest())));
    Err(unknown(id, known))
}

/// The page of a policy that is not built in. All of it is that policy's word, and stands deeper than what this program says.
fn stranger(inspected: &Inspected, id: &str, whose: &str) -> anyhow::Result<u8> {
    show(|out| {
        write_head(&inspected.manifest, id, out)?;
        writeln!(out, "from {}\n", visible(whose))?;
        match &inspected.readme {
            Some(page) => page.lines().try_for_each(|line| match visible(line.trim_end()) {
                line if line.is_empty() => writeln!(out),
                line => paragraph("  ", &line, out),
            }),
            None => {
                writeln!(out, "It brings no page of its own; `chitin policy inspect` says what it asks for.")
            }
        }
    })?;
    Ok(0)
}

fn is_about(manifest: &Manifest, id: &str) -> bool {
    manifest.find(id).is_some() || manifest.policy.id == id
}

/// The line of a check, where one is asked for.
fn write_head(manifest: &Manifest, id: &str, out: &mut dyn Write) -> io::Result<()> {
    let Some(Check { severity, summary, releases, .. }) = manifest.find(id) else { return Ok(()) };
    let releases: Vec<&str> = releases.iter().map(ReleaseRange::as_str).collect();
    let releases =
        if releases.is_empty() { String::new() } else { format!(" [{}]", visible(&releases.join(", "))) };
    writeln!(out, "{id} ({severity}){releases}: {}\n", visible(summary))
}

fn ids(manifest: &Manifest) -> Vec<String> {
    manifest.checks.iter().map(|check| check.id.clone()).collect()
}

/// There is no such check among these.
fn unknown(id: &str, known: Vec<String>) -> anyhow::Error {
    let help = nearest(id, known).map_or_else(
        || "`chitin policy list` names the policies, `chitin policy inspect ID` the checks of one".to_owned(),
        |nearest| format!("did you mean `chitin explain {nearest}`?"),
    );
    user_error(format!("there is no check \"{id}\""), help)
}
