//! `chitin policy list` and `chitin policy inspect`: what there is to know of a policy before it runs.

use chitin::audit::visible;
use chitin::budget::Budget;
use chitin::output::paragraph;
use chitin::policy::catalog::{self, BUILTIN};
use chitin::policy::code_file::{self, CodeError, Digest, Named};
use chitin::policy::lock::{self, Locked};
use chitin::policy::manifest::Manifest;
use chitin::policy::set::{Set, Wanted};
use chitin::policy::sigstore::{signer_in_full, signer_in_words};
use chitin::sandbox::check;
use chitin::sandbox::limits::bytes;
use serde_json::json;

use super::members::Which;
use super::offer::{OCI, Taken, write_checks, write_imports, write_wants};
use super::signed;
use super::{is_file, read, refused, unknown};
use crate::cli::{listen, show, user_error};

pub(super) fn list(as_json: bool, set: &Set) -> anyhow::Result<()> {
    let manifests = BUILTIN.iter().map(catalog::Builtin::manifest);
    let manifests = manifests.collect::<Result<Vec<Manifest>, _>>()?;
    let added: Vec<(&Wanted, Option<&Locked>)> =
        set.wanted.iter().map(|wanted| (wanted, set.pin(&wanted.id))).collect();
    show(|out| {
        if as_json {
            let mut all: Vec<serde_json::Value> =
                manifests.iter().map(serde_json::to_value).collect::<Result<_, _>>()?;
            all.extend(added.iter().map(|(wanted, locked)| {
                json!({
                    "policy": { "id": wanted.id, "version": locked.map(|locked| &locked.version) },
                    "check": locked.map(|locked| &locked.checks),
                    "origin": "installed",
                    "source": wanted.source,
                    "granted": wanted.grants,
                    "digest": locked.map(|locked| lock::told(&locked.digest)),
                    "signer": locked.and_then(|locked| locked.signer.as_ref()),
                })
            }));
            serde_json::to_writer_pretty(&mut *out, &all)?;
            return writeln!(out);
        }
        let ids = manifests.iter().map(|manifest| &manifest.policy.id);
        let ids = ids.chain(added.iter().map(|(wanted, _)| &wanted.id));
        let width = ids.map(String::len).max().unwrap_or(0);
        let plural = |count: usize| if count == 1 { " " } else { "s" };
        for Manifest { policy, checks, .. } in &manifests {
            let deep = if policy.deep { " (--deep)" } else { "" };
            let (count, plural) = (checks.len(), plural(checks.len()));
            writeln!(out, "{:width$}  {count:>2} check{plural}  {}{deep}", policy.id, policy.summary)?;
        }
        if !added.is_empty() {
            writeln!(out, "\nadded")?;
        }
        for (wanted, locked) in added {
            let id = visible(&wanted.id);
            match locked {
                Some(locked) => {
                    let (count, plural) = (locked.checks.len(), plural(locked.checks.len()));
                    let signer = locked.signer.as_deref().map_or(String::new(), |signer| {
                        format!(", signed by {}", visible(&signer_in_words(signer)))
                    });
                    let native = if locked.native.is_some() { ", native code" } else { "" };
                    let state = if set.bytes(wanted).is_ok() {
                        ""
                    } else {
                        "; it cannot be used, and `chitin policy verify` says why"
                    };
                    writeln!(
                        out,
                        "{id:width$}  {count:>2} check{plural}  {}, granted {} of {} capabilities, from {}{native}{signer}{state}",
                        locked.version,
                        wanted.grants.len() - set.stray_grants(wanted).len(),
                        locked.capabilities.len(),
                        visible(&wanted.source)
                    )?;
                }
                None => writeln!(out, "{id:width$}  not in chitin.lock: it does not run")?,
            }
        }
        Ok(())
    })
}

/// What there is to know of a policy before it runs.
struct Known {
    manifest: Manifest,
    origin: String,
    /// Size in bytes and names of imports of a component from a file.
    file: Option<(usize, Vec<String>)>,
    /// Its file's digest.
    digest: Option<Digest>,
    /// Who signed it, in words; none where nothing of it can be signed.
    signed: Option<String>,
    /// What it is granted; none where that is not decided here.
    granted: Option<Vec<String>>,
}

pub(super) fn inspect(name: &str, as_json: bool, which: &Which) -> anyhow::Result<()> {
    let known =
        if name.starts_with(OCI) || is_file(name) { of_source(name, which)? } else { of_id(name, which)? };
    show(|out| {
        let Known { manifest, origin, file, digest, signed, granted } = &known;
        let Manifest { policy, checks, capabilities } = manifest;
        let digest = digest.as_ref().map(lock::told);
        if as_json {
            let value = json!({
                "policy": policy, "check": checks, "capabilities": capabilities.names(),
                "componentBytes": file.as_ref().map(|(size, _)| size),
                "imports": file.as_ref().map(|(_, imports)| imports),
                "digest": digest,
                "signed": signed,
                "granted": granted,
            });
            serde_json::to_writer_pretty(&mut *out, &value)?;
            return writeln!(out);
        }
        writeln!(out, "{} {} ({})", policy.id, policy.version, visible(origin))?;
        paragraph("  ", &visible(&policy.summary), out)?;
        if let Some(digest) = digest {
            writeln!(out, "{digest}")?;
        }
        if let Some(signed) = signed {
            paragraph("", &visible(signed), out)?;
        }
        match (policy.deep, &policy.each) {
            (true, None) => writeln!(out, "runs in deep audits only")?,
            (true, Some(each)) => writeln!(out, "runs in deep audits only, once for each {each}")?,
            (false, Some(each)) => writeln!(out, "runs once for each {each}")?,
            (false, None) => {}
        }
        writeln!(out)?;
        write_checks(manifest, out)?;
        writeln!(out)?;
        write_wants(manifest, granted.as_deref(), out)?;
        if let Some((_, imports)) = file {
            writeln!(out)?;
            write_imports(imports, out)?;
        }
        Ok(())
    })
}

/// A built-in policy, or one of the set.
fn of_id(id: &str, which: &Which) -> anyhow::Result<Known> {
    for builtin in BUILTIN {
        let manifest = builtin.manifest()?;
        if manifest.policy.id == id {
            let origin = "built in".to_owned();
            return Ok(Known { manifest, origin, file: None, digest: None, signed: None, granted: None });
        }
    }
    let set = which.set()?;
    let wanted = set.wanted(id).ok_or_else(|| unknown(id, Some(&set)))?;
    let found = set.bytes(wanted).map_err(|unusable| {
        user_error(
            format!("cannot use {id}: {unusable}"),
            "`chitin policy verify` looks at all that were added",
        )
    })?;
    let digest = Digest::of(&found);
    let known = if found.starts_with(&code_file::MARK) {
        of_file(&set.file(&digest).display().to_string())?
    } else {
        of_component(id, &found)?
    };
    let origin = format!("added from {}, {}", wanted.source, bytes(found.len()));
    let who = set.pin(id).and_then(|locked| locked.signer.as_deref());
    let signed =
        who.map_or("signed by nobody".to_owned(), |signer| format!("signed by {}", signer_in_full(signer)));
    Ok(Known { origin, signed: Some(signed), granted: Some(wanted.grants.clone()), ..known })
}

/// A policy where it comes from, with what its signature is worth here.
fn of_source(name: &str, which: &Which) -> anyhow::Result<Known> {
    let budget = Budget::default();
    listen(&budget)?;
    let Taken { bytes, beside, path, .. } = Taken::from(name, &budget)?;
    let known = match &path {
        Some(_) => of_file(name)?,
        None => of_component(name, &bytes)?,
    };
    let set = which.set()?;
    let id = &known.manifest.policy.id;
    let (signed, notes) = match signed::look(&set, &bytes, &beside) {
        Err(reason) => (reason, Vec::new()),
        Ok(mut looked) => {
            let notes = std::mem::take(&mut looked.notes);
            match looked.signed(&set, id) {
                Ok(Some(signed)) => (format!("signed by {}, which you trust", signed.in_words()), notes),
                Ok(None) => ("signed by nobody".to_owned(), notes),
                Err(reason) => (reason, notes),
            }
        }
    };
    let signed = std::iter::once(signed).chain(notes).collect::<Vec<_>>().join("; ");
    Ok(Known { signed: Some(signed), ..known })
}

fn of_file(name: &str) -> anyhow::Result<Known> {
    match code_file::open(name.as_ref()) {
        Some(named) => of_code_file(name, named),
        None => of_component(name, &read(name.as_ref())?),
    }
}

fn of_component(name: &str, component: &[u8]) -> anyhow::Result<Known> {
    let inspected = check::inspect(component).map_err(|refusal| refused(name, &refusal))?;
    Ok(Known {
        manifest: inspected.manifest,
        origin: format!("{name}, {}", bytes(inspected.size)),
        file: Some((inspected.size, inspected.imports)),
        digest: Some(Digest::of(component)),
        signed: None,
        granted: None,
    })
}

/// What a code file says of the component that it was made of, and whether it is run here.
fn of_code_file(name: &str, named: Named) -> anyhow::Result<Known> {
    let Some(label) = named.label else {
        return Err(unusable_code(name, &named.code.err().unwrap_or(CodeError::NotCode)));
    };
    let manifest = label.manifest().map_err(|error| unusable_code(name, &error))?;
    let length = bytes(usize::try_from(label.length).unwrap_or(usize::MAX));
    let origin = format!("{name}, native code for {}, {length}", label.machine);
    let origin = match named.code {
        Ok(_) => origin,
        Err(error) => format!("{origin}; not run here: {error}"),
    };
    let file = Some((label.component_bytes, label.imports));
    let digest = Some(Digest::of(&read(name.as_ref())?));
    Ok(Known { manifest, origin, file, digest, signed: None, granted: None })
}

pub(super) fn unusable_code(name: &str, error: &CodeError) -> anyhow::Error {
    user_error(format!("cannot use {name}: {error}"), "see docs/policies.md for what a code file is")
}
