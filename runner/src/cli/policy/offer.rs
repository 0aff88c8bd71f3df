//! A policy that is offered to the operator: taken from its source, checked, and told in plain words before any of it is compiled
//! or run.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anstyle::Style;
use chitin::audit::visible;
use chitin::budget::Budget;
use chitin::config::release::ReleaseRange;
use chitin::output::paragraph;
use chitin::policy::catalog;
use chitin::policy::code_file::{self, Digest};
use chitin::policy::lock::{self, Locked};
use chitin::policy::manifest::{FileCapability, Manifest};
use chitin::policy::names::{Name, shared_name};
use chitin::policy::set::{Set, signature_of};
use chitin::policy::signature;
use chitin::policy::wants::wants;
use chitin::sandbox::check;
use chitin::sandbox::limits::{MAX_COMPONENT_BYTES, bytes};
use chitin::sandbox::view::Grants;
use chitin::target::{ReadError, read_regular};
use chitin::wording::without_login;

use super::signed::{self, Beside, Signed};
use super::{refused, unreadable, unusable_code};
#[cfg(feature = "registry")]
use crate::cli::progress::Progress;
use crate::cli::user_error;

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();

/// A policy, and all that is known of it before it runs.
pub(super) struct Offer {
    /// Its source, as the operator wrote it.
    pub source: String,
    pub bytes: Vec<u8>,
    pub digest: Digest,
    /// Who signed it, as far as it counts here.
    pub signed: Option<Signed>,
    /// What stands beside it and does not count, and why.
    pub notes: Vec<String>,
    pub manifest: Manifest,
    /// The names of its imports.
    pub imports: Vec<String>,
    /// The very thing in a registry that it is; none where it is a file.
    pub resolved: Option<String>,
    /// The machine that it is native code for; none where it is a component.
    pub machine: Option<String>,
}

impl Offer {
    /// Takes a policy from a file or a registry. Its signature is checked before anything of it is understood.
    pub(super) fn take(source: &str, set: &Set, budget: &Budget) -> anyhow::Result<Self> {
        let Taken { name, bytes, beside, resolved, tag, path } = Taken::from(source, budget)?;
        let not_used = |reason: String| {
            user_error(
                format!("cannot use {name}: {reason}"),
                "docs/strangers.md says how policies are signed, and which signatures count",
            )
        };
        let mut looked = signed::look(set, &bytes, &beside).map_err(not_used)?;
        if let Some(tag) = &tag
            && check::claimed(&bytes).is_some_and(|manifest| manifest.policy.version != *tag)
        {
            return Err(user_error(
                format!(
                    "cannot use {name}: what the registry has under {tag} is of another version by its own word"
                ),
                "nothing was changed; ask its author, or whoever looks after the registry",
            ));
        }
        let (manifest, imports, machine) = understood(&name, path.as_deref(), &bytes)?;
        let notes = std::mem::take(&mut looked.notes);
        let signed = looked.signed(set, &manifest.policy.id).map_err(not_used)?;
        let digest = Digest::of(&bytes);
        Ok(Self { source: name, digest, bytes, signed, notes, manifest, imports, machine, resolved })
    }

    /// Its entry in the lock.
    pub(super) fn locked(&self) -> Locked {
        let resolved = self.resolved.clone();
        Locked {
            resolved,
            native: self.machine.clone(),
            ..Locked::new(&self.manifest, &self.source, self.digest, self.signer())
        }
    }

    /// Who signed it, as the lock names it.
    pub(super) fn signer(&self) -> Option<String> {
        self.signed.as_ref().map(Signed::in_lock)
    }

    /// No name of it belongs to another policy.
    pub(super) fn is_free(&self, set: &Set) -> anyhow::Result<()> {
        let taken = |whose: &str, what: Name<'_>| {
            let what = match what {
                Name::Policy(id) => format!("the policy id \"{id}\""),
                Name::Check(id) => format!("the check \"{id}\""),
            };
            user_error(
                format!("cannot use {}: it claims {what} of {whose}", self.source),
                "nobody could tell whose verdict is whose; ask its author for a version with names of its own",
            )
        };
        if let Some(owner) = catalog::owner(&self.manifest) {
            let builtin = catalog::BUILTIN.iter().filter_map(|builtin| builtin.manifest().ok());
            let owner_manifest = builtin.into_iter().find(|manifest| manifest.policy.id == owner);
            let name = owner_manifest.as_ref().and_then(|own| shared_name(own, &self.manifest));
            return Err(taken(
                &format!("the built-in policy {owner}"),
                name.unwrap_or(Name::Policy(&self.manifest.policy.id)),
            ));
        }
        for locked in set.locked().filter(|locked| locked.id != self.manifest.policy.id) {
            if let Some(name) = shared_name(&locked.manifest(), &self.manifest) {
                return Err(taken(&format!("the policy {}, which you have added", locked.id), name));
            }
        }
        Ok(())
    }

    /// Says what it is and wants, for the decision about it; and what it was granted before.
    pub(super) fn describe(&self, granted: Option<&[String]>, out: &mut dyn Write) -> io::Result<()> {
        let policy = &self.manifest.policy;
        writeln!(out, "{BOLD}{} {}{BOLD:#}", policy.id, policy.version)?;
        paragraph("  ", &visible(&policy.summary), out)?;
        let kind = match &self.machine {
            Some(machine) => {
                format!("native code for {machine}, which no sandbox holds: take it from yourself only")
            }
            None => "a component".to_owned(),
        };
        writeln!(
            out,
            "  {DIM}file{DIM:#}    {} ({}, {kind})",
            visible(&self.source),
            bytes(self.bytes.len())
        )?;
        if let Some(resolved) = &self.resolved {
            writeln!(out, "  {DIM}from{DIM:#}    {}", visible(resolved))?;
        }
        writeln!(out, "  {DIM}digest{DIM:#}  {}", lock::told(&self.digest))?;
        let who = self.signed.as_ref().map_or_else(|| "nobody".to_owned(), Signed::in_words);
        writeln!(out, "  {DIM}signed{DIM:#}  by {}", visible(&who))?;
        // Where it is signed, nobody needs to know what else lies there.
        for note in self.notes.iter().filter(|_| self.signed.is_none()) {
            paragraph("          ", &visible(note), out)?;
        }
        for (name, text) in [
            ("authors", &policy.authors),
            ("license", &policy.license),
            ("source ", &policy.source),
            ("page   ", &policy.homepage),
        ] {
            if let Some(text) = text {
                writeln!(out, "  {DIM}{name}{DIM:#} {}, as it says itself", visible(text))?;
            }
        }
        if policy.deep {
            writeln!(out, "  {DIM}runs{DIM:#}    in deep audits only")?;
        }
        write_wants(&self.manifest, granted, out)?;
        write_checks(&self.manifest, out)?;
        write_imports(&self.imports, out)
    }
}

/// Bytes from a source, of which nothing is understood yet.
pub(super) struct Taken {
    /// The source, as it is written into the settings.
    name: String,
    pub bytes: Vec<u8>,
    /// What stands beside it.
    pub beside: Beside,
    /// What exactly a registry gave.
    resolved: Option<String>,
    /// The tag under which it has it.
    tag: Option<String>,
    /// The file.
    pub path: Option<PathBuf>,
}

impl Taken {
    /// Takes a policy from a file or a registry.
    pub(super) fn from(source: &str, budget: &Budget) -> anyhow::Result<Self> {
        if source.starts_with(OCI) { from_registry(source, budget) } else { from_path(source) }
    }
}

fn from_path(source: &str) -> anyhow::Result<Taken> {
    if source.contains("://") {
        return Err(user_error(
            format!("cannot take a policy from {}", without_login(source)),
            "a policy comes from a file, or from a registry: oci://HOST/NAME:VERSION",
        ));
    }
    let path = std::path::absolute(source).unwrap_or_else(|_| PathBuf::from(source));
    let bytes = read_regular(&path, MAX_COMPONENT_BYTES).map_err(|error| unreadable(&path, &error))?;
    let signatures = match read_regular(&signature_of(&path), signature::MAX_BYTES) {
        Ok(text) => vec![String::from_utf8_lossy(&text).into_owned()],
        Err(ReadError::NotFound(_)) => Vec::new(),
        Err(error) => return Err(user_error(error.to_string(), "make its signature readable")),
    };
    Ok(Taken {
        name: path.display().to_string(),
        bytes,
        beside: Beside { signatures, ..Beside::default() },
        resolved: None,
        tag: None,
        path: Some(path),
    })
}

#[cfg(feature = "registry")]
fn from_registry(source: &str, budget: &Budget) -> anyhow::Result<Taken> {
    let progress = Progress::fetching(source);
    let pulled = super::registry::ask(source, budget, chitin::policy::registry::Registry::pull)?;
    drop(progress);
    Ok(Taken {
        name: source.to_owned(),
        bytes: pulled.bytes,
        beside: Beside {
            signatures: pulled.beside.signatures,
            bundles: pulled.beside.bundles,
            notes: pulled.beside.notes,
            manifest: pulled.resolved.digest(),
        },
        resolved: Some(pulled.resolved.to_string()),
        tag: pulled.named.tag().map(str::to_owned),
        path: None,
    })
}

#[cfg(not(feature = "registry"))]
fn from_registry(source: &str, _: &Budget) -> anyhow::Result<Taken> {
    Err(user_error(
        format!("cannot take {source}: this chitin was built without registries"),
        "fetch it on another machine, and copy what `chitin policy vendor` makes there",
    ))
}

/// How a source in a registry begins.
pub(super) const OCI: &str = "oci://";

fn understood(
    name: &str,
    path: Option<&Path>,
    bytes: &[u8],
) -> anyhow::Result<(Manifest, Vec<String>, Option<String>)> {
    if !bytes.starts_with(&code_file::MARK) {
        let inspected = check::inspect(bytes).map_err(|refusal| refused(name, &refusal))?;
        return Ok((inspected.manifest, inspected.imports, None));
    }
    // Native code is believed because of where it lies.
    let Some(path) = path else {
        return Err(user_error(
            format!("cannot use {name}: it is native code, which is not taken from a registry"),
            "ask its author for the component",
        ));
    };
    let named = code_file::open(path).ok_or_else(|| unusable_code(name, &code_file::CodeError::NotCode))?;
    named.code.map_err(|error| unusable_code(name, &error))?;
    let label = named.label.ok_or_else(|| unusable_code(name, &code_file::CodeError::NotCode))?;
    let manifest = label.manifest().map_err(|error| unusable_code(name, &error))?;
    Ok((manifest, label.imports, Some(label.machine)))
}

/// The checks that are its own.
pub(super) fn write_checks(manifest: &Manifest, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{BOLD}its checks{BOLD:#}")?;
    for check in &manifest.checks {
        let ranges: Vec<&str> = check.releases.iter().map(ReleaseRange::as_str).collect();
        let releases =
            if ranges.is_empty() { String::new() } else { format!(" [{}]", visible(&ranges.join(", "))) };
        writeln!(out, "  {} ({}){releases}", check.id, check.severity)?;
        paragraph("    ", &visible(&check.summary), out)?;
    }
    Ok(())
}

/// The capabilities that a manifest asks for, the worst first, each with what it gives away, and whether it is granted where that is
/// decided.
pub(super) fn write_wants(
    manifest: &Manifest,
    granted: Option<&[String]>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let asked = wants(&manifest.capabilities);
    if asked.is_empty() {
        return writeln!(out, "{BOLD}it asks for nothing{BOLD:#}");
    }
    writeln!(out, "{BOLD}it asks for{BOLD:#}")?;
    let beyond: Vec<String> = manifest
        .capabilities
        .files
        .iter()
        .filter(|file| Grants::asks_for_more(file))
        .map(FileCapability::to_string)
        .collect();
    for want in asked {
        let refused = granted.is_some_and(|granted| !granted.contains(&want.name));
        let state = if refused { " (not granted)" } else { "" };
        writeln!(out, "  {}{state}", visible(&want.name))?;
        paragraph("    ", &visible(&want.words), out)?;
        if beyond.contains(&want.name) {
            let more = "this is more than any policy can read; docs/policies.md lists what can be read";
            paragraph("    ", more, out)?;
        }
    }
    Ok(())
}

/// The imports: the contract's, and those that every language's tools bring and that have nothing behind them here.
pub(super) fn write_imports(imports: &[String], out: &mut dyn Write) -> io::Result<()> {
    let (standard, own): (Vec<&String>, Vec<&String>) =
        imports.iter().partition(|import| import.starts_with("wasi:"));
    if imports.is_empty() {
        return writeln!(out, "{BOLD}it imports nothing{BOLD:#}");
    }
    writeln!(out, "{BOLD}it imports{BOLD:#}")?;
    for import in own {
        writeln!(out, "  {}", visible(import))?;
    }
    if !standard.is_empty() {
        let plural = if standard.len() == 1 { "interface" } else { "interfaces" };
        let words = format!(
            "{} {plural} of WASI, which the tools of each language bring, with nothing behind them here: no files, no network, no \
             variables, no time of day",
            standard.len()
        );
        paragraph("  ", &words, out)?;
    }
    Ok(())
}
