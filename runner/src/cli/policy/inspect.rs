//! `chitin policy list` and `chitin policy inspect`: what there is to know of a policy before it runs.

use chitin::audit::visible;
use chitin::config::release::ReleaseRange;
use chitin::policy::catalog::{self, BUILTIN};
use chitin::policy::code_file::{self, CodeError, Named};
use chitin::policy::manifest::Manifest;
use chitin::sandbox::check;
use chitin::sandbox::limits::bytes;
use chitin::sandbox::view::Grants;
use serde_json::json;

use super::{is_file, read, refused, unknown};
use crate::cli::{show, user_error};

pub(super) fn list(as_json: bool) -> anyhow::Result<()> {
    let manifests = BUILTIN.iter().map(catalog::Builtin::manifest);
    let manifests = manifests.collect::<Result<Vec<Manifest>, _>>()?;
    show(|out| {
        if as_json {
            serde_json::to_writer_pretty(&mut *out, &manifests)?;
            return writeln!(out);
        }
        let width = manifests.iter().map(|manifest| manifest.policy.id.len()).max().unwrap_or(0);
        for Manifest { policy, checks, .. } in &manifests {
            let plural = if checks.len() == 1 { " " } else { "s" };
            let deep = if policy.deep { " (--deep)" } else { "" };
            writeln!(
                out,
                "{:width$}  {:>2} check{plural}  {}{deep}",
                policy.id,
                checks.len(),
                policy.summary
            )?;
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
}

pub(super) fn inspect(name: &str, as_json: bool) -> anyhow::Result<()> {
    let known = if let Some(named) = is_file(name).then(|| code_file::open(name.as_ref())).flatten() {
        of_code_file(name, named)?
    } else if is_file(name) {
        let inspected = check::inspect(&read(name.as_ref())?).map_err(|refusal| refused(name, &refusal))?;
        let origin = format!("{name}, {}", bytes(inspected.size));
        Known { manifest: inspected.manifest, origin, file: Some((inspected.size, inspected.imports)) }
    } else {
        let found = BUILTIN.iter().find_map(|builtin| {
            let manifest = builtin.manifest().ok().filter(|manifest| manifest.policy.id == name)?;
            Some(Known { manifest, origin: "built in".to_owned(), file: None })
        });
        found.ok_or_else(|| unknown(name))?
    };
    show(|out| {
        let Manifest { policy, checks, capabilities } = &known.manifest;
        if as_json {
            let value = json!({
                "policy": policy, "check": checks, "capabilities": capabilities.names(),
                "componentBytes": known.file.as_ref().map(|(size, _)| size),
                "imports": known.file.as_ref().map(|(_, imports)| imports),
            });
            serde_json::to_writer_pretty(&mut *out, &value)?;
            return writeln!(out);
        }
        writeln!(out, "{} {} ({})", policy.id, policy.version, visible(&known.origin))?;
        writeln!(out, "{}", visible(&policy.summary))?;
        match (policy.deep, &policy.each) {
            (true, None) => writeln!(out, "runs in deep audits only")?,
            (true, Some(each)) => writeln!(out, "runs in deep audits only, once for each {each}")?,
            (false, Some(each)) => writeln!(out, "runs once for each {each}")?,
            (false, None) => {}
        }
        writeln!(out, "\nchecks")?;
        for check in checks {
            let ranges: Vec<&str> = check.releases.iter().map(ReleaseRange::as_str).collect();
            let releases =
                if ranges.is_empty() { String::new() } else { format!(" [{}]", visible(&ranges.join(", "))) };
            writeln!(out, "  {} ({}){releases}\n    {}", check.id, check.severity, visible(&check.summary))?;
        }
        writeln!(out, "\ncapabilities")?;
        let more: Vec<String> = capabilities
            .files
            .iter()
            .filter(|file| Grants::asks_for_more(file))
            .map(ToString::to_string)
            .collect();
        for capability in capabilities.names() {
            let note =
                if more.contains(&capability) { " (asks for more than any policy can read)" } else { "" };
            writeln!(out, "  {}{note}", visible(&capability))?;
        }
        if !more.is_empty() {
            writeln!(out, "  What can be read is a list by purpose, see docs/policies.md.")?;
        }
        if let Some((_, imports)) = &known.file {
            writeln!(out, "\nimports")?;
            for import in imports {
                writeln!(out, "  {}", visible(import))?;
            }
        }
        Ok(())
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
    Ok(Known { manifest, origin, file: Some((label.component_bytes, label.imports)) })
}

fn unusable_code(name: &str, error: &CodeError) -> anyhow::Error {
    user_error(format!("cannot use {name}: {error}"), "see docs/policies.md for what a code file is")
}
