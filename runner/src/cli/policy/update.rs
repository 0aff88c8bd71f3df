//! `chitin policy update`: policies of the set become other versions of themselves, and nothing more without a decision.

use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};

use chitin::audit::visible;
use chitin::budget::Budget;
use chitin::config::release::ReleaseRange;
use chitin::policy::lock::{self, Locked};
use chitin::policy::manifest::{Check, Manifest};
use chitin::policy::set::{Set, Unusable, Wanted};
use chitin::policy::signature::TrustedKey;
use chitin::policy::sigstore::{signer_in_full, signer_in_words};
use chitin::policy::version::Version;
use chitin::policy::wants::wants;
use chitin::sandbox::check;
use clap::Args;

use super::add::{Decision, compile, decide, newly_trusted, put, trusted};
use super::changeable;
use super::offer::{OCI, Offer};
use super::signed::in_brackets;
use crate::cli::{listen, note, show, user_error};

#[derive(Args)]
#[command(after_help = "\
An update that asks for more than the version before it is shown and needs a decision; without one the old version stays. One that \
was signed is updated only to one that is signed, too. With --grant a policy gets a capability that it was not granted before, also \
where there is no other version. To take one back, remove it from `grants` in chitin.toml.")]
pub(in crate::cli) struct Update {
    /// The policies to update [default: all that were added]
    #[arg(value_name = "ID")]
    ids: Vec<String>,
    /// Take it from here from now on
    #[arg(long, value_name = "FILE|oci://...", requires = "ids")]
    from: Option<String>,
    #[command(flatten)]
    decision: Decision,
    /// Trust this minisign key from now on: its text, or the path of its .pub file
    #[arg(long, value_name = "KEY|FILE", requires = "ids")]
    key: Option<String>,
    /// Take an older version than the one that is there
    #[arg(long)]
    downgrade: bool,
    /// Take another file than before under the same version, where a registry's tag was moved to it
    #[arg(long)]
    moved_tag: bool,
    /// The settings that it was added to [default: those that an audit uses]
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
}

/// Updates policies. One that cannot be updated keeps no other from it.
pub(super) fn update(arguments: &Update) -> anyhow::Result<()> {
    let budget = Budget::default();
    listen(&budget)?;
    let set = changeable(arguments.settings.as_deref())?;
    if arguments.from.is_some() && arguments.ids.len() != 1 {
        return Err(user_error("--from is about one policy", "name the one that it is for"));
    }
    if set.wanted.is_empty() && arguments.ids.is_empty() {
        return show(|out| writeln!(out, "no policy has been added"));
    }
    if arguments.ids.is_empty() && !arguments.decision.grant.is_empty() {
        return Err(user_error("--grant is about one policy", "name the one that it is for"));
    }
    let ids: Vec<String> = if arguments.ids.is_empty() {
        set.wanted.iter().map(|wanted| wanted.id.clone()).collect()
    } else {
        arguments.ids.clone()
    };
    let mut left = Vec::new();
    for id in &ids {
        // What was written for one is read again for the next.
        let set = changeable(arguments.settings.as_deref())?;
        let Some(wanted) = set.wanted(id).cloned() else {
            return Err(super::not_added(id, &set));
        };
        let source = arguments.from.as_ref().unwrap_or(&wanted.source).clone();
        if let Err(error) = update_one(set, &wanted, &source, arguments, &budget) {
            if ids.len() == 1 {
                return Err(error);
            }
            note(&visible(&format!("{id}: {error:#}")));
            left.push(id.as_str());
        }
    }
    if left.is_empty() {
        return Ok(());
    }
    Err(user_error(
        format!("not updated: {}", left.join(", ")),
        "`chitin policy update ID` says what to do about each",
    ))
}

fn update_one(
    mut set: Set,
    wanted: &Wanted,
    source: &str,
    arguments: &Update,
    budget: &Budget,
) -> anyhow::Result<()> {
    let (id, decision) = (&wanted.id, &arguments.decision);
    let key = arguments.key.as_deref().map(|key| trusted(key, &mut set)).transpose()?.flatten();
    let stopped = |what: String, help: &str| Err(user_error(format!("{id} is not updated: {what}"), help));
    if arguments.from.is_none() && !source.starts_with(OCI) && Path::new(source).symlink_metadata().is_err() {
        return stopped(
            format!("{source}, where it came from, is not there"),
            "--from FILE takes it from elsewhere; the version that you have runs on",
        );
    }
    let offer = Offer::take(source, &set, budget)?;
    if offer.manifest.policy.id != *id {
        return stopped(
            format!("{} is the policy {}", offer.source, offer.manifest.policy.id),
            "`chitin policy add` adds another policy; look whether the id in chitin.toml is right",
        );
    }
    offer.is_free(&set)?;
    if set.pin(id).is_none_or(|locked| locked.digest != offer.digest) {
        decision.allows(&offer)?;
    }
    let Some(locked) = set.pin(id).cloned() else {
        // Somebody wrote it into the settings by hand, and may have decided there what it is granted.
        show(|out| offer.describe(None, out))?;
        let asked = offer.manifest.capabilities.names();
        let mut grants = wanted.grants.clone();
        grants.retain(|grant| asked.contains(grant));
        if grants.is_empty() {
            grants = decide(decision, &offer.manifest, &asked, budget)?;
        }
        return take(set, &offer, &Wanted { grants, ..wanted.clone() }, key.as_ref(), ("pinned", budget));
    };
    if let Some((what, help)) = objection(&locked, &offer, arguments.moved_tag) {
        return stopped(what, help);
    }
    let asked = offer.manifest.capabilities.names();
    if offer.digest == locked.digest {
        let more = decide_more(decision, &offer, wanted, budget)?;
        if !more.is_empty() {
            let grants = wanted.grants.iter().cloned().chain(more).collect();
            let wanted = Wanted { grants, ..wanted.clone() };
            return take(set, &offer, &wanted, key.as_ref(), ("granted more", budget));
        }
        let is_whole = !matches!(
            set.bytes(wanted),
            Err(Unusable::Missing { .. } | Unusable::Changed { .. } | Unusable::Signature(_))
        );
        if is_whole && offer.source == wanted.source && offer.signer() == locked.signer {
            return show(|out| writeln!(out, "{id} {}: up to date", locked.version));
        }
        return take(set, &offer, wanted, key.as_ref(), ("taken again", budget));
    }
    let more: Vec<String> =
        asked.iter().filter(|name| !locked.capabilities.contains(name)).cloned().collect();
    show(|out| {
        writeln!(out, "{id} {} -> {}", locked.version, offer.manifest.policy.version)?;
        for line in differences(&locked, set.bytes(wanted).ok().as_deref(), &offer) {
            writeln!(out, "  {}", visible(&line))?;
        }
        Ok(())
    })?;
    let version = |text: &str| text.parse::<Version>().ok();
    if version(&offer.manifest.policy.version) < version(&locked.version) && !arguments.downgrade {
        return stopped(
            format!("{} is older than {}", offer.manifest.policy.version, locked.version),
            "give --downgrade to go back to it",
        );
    }
    let known = wanted.grants.iter().filter(|grant| asked.contains(grant) && !more.contains(grant));
    let mut grants: Vec<String> = known.cloned().collect();
    if !more.is_empty() {
        let is_decided = decision.yes || !decision.grant.is_empty() || io::stdin().is_terminal();
        if !is_decided {
            return stopped(
                format!("it asks for more: {}", more.join(", ")),
                "give --grant CAPABILITY for each of them that it gets, --yes for all, or keep the version that you have",
            );
        }
        show(|out| offer.describe(Some(&grants), out))?;
        grants.extend(decide(decision, &offer.manifest, &more, budget)?);
    }
    let known = Wanted { grants, ..wanted.clone() };
    let more = decide_more(decision, &offer, &known, budget)?;
    let grants = known.grants.iter().cloned().chain(more).collect();
    take(set, &offer, &Wanted { grants, ..known }, key.as_ref(), ("updated", budget))
}

/// Why an offer is not taken in place of what is pinned, and what to do.
fn objection(locked: &Locked, offer: &Offer, may_move: bool) -> Option<(String, &'static str)> {
    let version = &locked.version;
    if let (Some(signer), None) = (&locked.signer, &offer.signed) {
        return Some((
            format!(
                "{} signed the version that you have, and nobody signed this one{}",
                signer_in_full(signer),
                in_brackets(&offer.notes)
            ),
            "get its signature; to take it unsigned, remove the policy and add it again",
        ));
    }
    let is_other = offer.digest != locked.digest && offer.manifest.policy.version == *version;
    if offer.resolved.is_none() || !is_other || may_move {
        return None;
    }
    Some(if offer.resolved == locked.resolved {
        (
            format!(
                "the file in the registry is not the one that chitin.lock pins, and {version} is the same"
            ),
            "was chitin.lock changed by hand? remove the policy and add it again",
        )
    } else {
        (
            format!("the registry has another file than before under version {version}: its tag was moved"),
            "ask its author why; give --moved-tag to take it",
        )
    })
}

/// What `--grant` names, and was asked for before and not granted.
fn decide_more(
    decision: &Decision,
    offer: &Offer,
    wanted: &Wanted,
    budget: &Budget,
) -> anyhow::Result<Vec<String>> {
    if decision.grant.is_empty() {
        return Ok(Vec::new());
    }
    let mut open = offer.manifest.capabilities.names();
    open.retain(|name| !wanted.grants.contains(name));
    decide(decision, &offer.manifest, &open, budget)
}

/// Puts an offer in the place of what was there.
fn take(
    set: Set,
    offer: &Offer,
    wanted: &Wanted,
    key: Option<&TrustedKey>,
    (done, budget): (&str, &Budget),
) -> anyhow::Result<()> {
    compile(offer, budget)?;
    put(set, offer, &Wanted { source: offer.source.clone(), ..wanted.clone() }, key)?;
    show(|out| {
        if let Some(key) = key {
            writeln!(out, "{}", newly_trusted(key))?;
        }
        writeln!(
            out,
            "{done}: {} {}, granted {} of {} capabilities",
            wanted.id,
            offer.manifest.policy.version,
            wanted.grants.len(),
            offer.manifest.capabilities.names().len()
        )?;
        wanted.grants.iter().try_for_each(|grant| writeln!(out, "  {}", visible(grant)))
    })
}

/// What an update changes, a line each.
fn differences(locked: &Locked, before: Option<&[u8]>, offer: &Offer) -> Vec<String> {
    let mut lines = runs_otherwise(before, &offer.manifest);
    if locked.version == offer.manifest.policy.version {
        lines.push(format!(
            "other file      {} -> {}",
            lock::told(&locked.digest),
            lock::told(&offer.digest)
        ));
    }
    let asked = offer.manifest.capabilities.names();
    let new = wants(&offer.manifest.capabilities)
        .into_iter()
        .filter(|want| !locked.capabilities.contains(&want.name));
    lines.extend(new.map(|want| format!("asks for more   {}: {}", want.name, want.words)));
    let gone = locked.capabilities.iter().filter(|name| !asked.contains(name));
    lines.extend(gone.map(|name| format!("asks no more    {name}")));
    for check in &offer.manifest.checks {
        match locked.checks.iter().find(|known| known.id == check.id) {
            None => lines.push(format!("new check       {} ({})", check.id, check.severity)),
            Some(known) if known.severity != check.severity => {
                lines.push(format!("severity        {}: {} -> {}", check.id, known.severity, check.severity));
            }
            Some(_) => {}
        }
    }
    let lost =
        locked.checks.iter().filter(|known| !offer.manifest.checks.iter().any(|new| new.id == known.id));
    lines.extend(lost.map(|check| format!("check is gone   {}", check.id)));
    let signer = offer.signer();
    if signer != locked.signer {
        let told =
            |signer: &Option<String>| signer.as_deref().map_or_else(|| "nobody".to_owned(), signer_in_words);
        lines.push(format!("signed by       {} -> {}", told(&locked.signer), told(&signer)));
    }
    if lines.is_empty() {
        lines.push("asks for the same, and has the same checks".to_owned());
    }
    lines
}

/// Where it runs less or more often than before: in deep audits only, or for other releases.
fn runs_otherwise(before: Option<&[u8]>, manifest: &Manifest) -> Vec<String> {
    let Some(before) = before.and_then(check::claimed) else { return Vec::new() };
    let mut lines = Vec::new();
    let when = |manifest: &Manifest| match (&manifest.policy.each, manifest.policy.deep) {
        (Some(each), _) => format!("in deep audits, once for each {each}"),
        (None, true) => "in deep audits only".to_owned(),
        (None, false) => "in each audit".to_owned(),
    };
    if when(&before) != when(manifest) {
        lines.push(format!("runs            {} -> {}", when(&before), when(manifest)));
    }
    let told = |check: &Check| {
        let ranges: Vec<&str> = check.releases.iter().map(ReleaseRange::as_str).collect();
        if ranges.is_empty() { "all".to_owned() } else { ranges.join(", ") }
    };
    for check in &manifest.checks {
        let known = before.checks.iter().find(|known| known.id == check.id);
        if let Some(known) = known.filter(|known| told(known) != told(check)) {
            lines.push(format!("releases        {}: {} -> {}", check.id, told(known), told(check)));
        }
    }
    lines
}
