//! `chitin policy add` and `chitin policy update`: policies come into the set, and become others there, by the operator's decision.

use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};

use chitin::audit::visible;
use chitin::budget::Budget;
use chitin::policy::cache::Cache;
use chitin::policy::code_file;
use chitin::policy::lock::Locked;
use chitin::policy::manifest::Manifest;
use chitin::policy::set::{Set, Unusable, Wanted};
use chitin::policy::signature::TrustedKey;
use chitin::policy::version::Version;
use chitin::policy::wants::wants;
use chitin::target::{Environment, read_regular};
use chitin::wording::nearest;
use clap::Args;

use super::offer::Offer;
use super::stranger::Maker;
use super::{changeable, set_error};
use crate::cli::{ask, listen, note, show, user_error};

/// What is decided beforehand.
#[derive(Args)]
pub(in crate::cli) struct Decision {
    /// Grant it this capability, and none of those that are not decided yet; "all" grants all, "none" nothing (repeatable)
    #[arg(long, value_name = "CAPABILITY")]
    grant: Vec<String>,
    /// Do not ask: grant what --grant names, or else all that is not decided yet
    #[arg(long)]
    yes: bool,
}

#[derive(Args)]
#[command(after_help = "\
The policy is shown first: what it is, who signed it, what it asks for. Nothing of it runs until it is added. What it is granted \
stands in chitin.toml, its exact file in chitin.lock and policies/ beside it. From then on each audit runs it.")]
pub(in crate::cli) struct Add {
    /// The path of a component or a code file, with a FILE.minisig beside it where it is signed; or `oci://HOST/NAME`, with
    /// `:VERSION` or `@sha256:DIGEST` where not the newest is meant
    #[arg(value_name = "FILE|oci://...")]
    source: String,
    #[command(flatten)]
    decision: Decision,
    /// Trust this minisign key from now on: its text, or the path of its .pub file
    #[arg(long, value_name = "KEY|FILE")]
    key: Option<String>,
    /// The settings to add it to [default: those that an audit uses]
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
}

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

/// What a new key may do.
fn newly_trusted(key: &TrustedKey) -> String {
    format!(
        "trusted the key {} to sign every policy; `policies` in its [[trusted-key]] of chitin.toml narrows that",
        key.id()
    )
}

/// Adds a policy.
pub(super) fn add(arguments: &Add) -> anyhow::Result<()> {
    let budget = Budget::default();
    listen(&budget)?;
    let mut set = changeable(arguments.settings.as_deref())?;
    let trusted = arguments.key.as_deref().map(|key| trusted(key, &mut set)).transpose()?.flatten();
    let offer = Offer::take(&arguments.source, &set, &budget)?;
    let id = offer.manifest.policy.id.clone();
    if set.pin(&id).is_some() && set.wanted(&id).is_some() {
        return Err(user_error(
            format!("{id} was added before"),
            format!("`chitin policy update {id} --from {}` makes it this version", arguments.source),
        ));
    }
    offer.is_free(&set)?;
    if trusted.is_some() && offer.signed.is_none() {
        return Err(user_error(
            format!("cannot use {}: --key is given, and it is not signed", offer.source),
            format!("its signature belongs into {}.minisig; or leave --key out", offer.source),
        ));
    }
    show(|out| offer.describe(out))?;
    let grants = decide(&arguments.decision, &offer.manifest, &offer.manifest.capabilities.names(), &budget)?;
    compile(&offer, &budget)?;
    let wanted = Wanted { id: id.clone(), source: offer.source.clone(), grants };
    put(set, &offer, &wanted, trusted.as_ref())?;
    let named =
        arguments.settings.as_ref().map_or(String::new(), |path| format!(" --settings {}", path.display()));
    let named = visible(&named);
    let (granted, asked) = (wanted.grants.len(), offer.manifest.capabilities.names().len());
    show(|out| {
        if let Some(key) = &trusted {
            writeln!(out, "\n{}", newly_trusted(key))?;
        }
        writeln!(
            out,
            "\nadded {id} {}, granted {granted} of {asked} capabilities: `chitin audit{named}` runs it from now on",
            offer.manifest.policy.version
        )
    })
}

/// The key that is to be trusted from now on; none where it is trusted anyway.
fn trusted(text: &str, set: &mut Set) -> anyhow::Result<Option<TrustedKey>> {
    const MOST: u64 = 4096;
    let path = Path::new(text);
    let is_path = text.contains('/') || path.extension().is_some();
    let content = match read_regular(path, MOST) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) if is_path => {
            return Err(user_error(format!("cannot read a key: {error}"), "name the author's .pub file"));
        }
        Err(_) => text.to_owned(),
    };
    let help = "name its .pub file, or give the line in it that begins with RW";
    if content.contains("secret key") {
        return Err(user_error(format!("{text} holds a secret key, and a public one is wanted"), help));
    }
    let key = TrustedKey::new(&content).map_err(|reason| user_error(reason, help))?;
    if let Some(known) = set.keys.iter().find(|known| known.id() == key.id()) {
        if known.key != key.key {
            return Err(user_error(
                format!("another key with the number {} is trusted", key.id()),
                "ask its owner which one is right; two keys never have one number by chance",
            ));
        }
        return Ok(None);
    }
    set.keys.push(key.clone());
    Ok(Some(key))
}

/// The capabilities that are granted, of those that are asked for.
fn decide(
    decision: &Decision,
    manifest: &Manifest,
    open: &[String],
    budget: &Budget,
) -> anyhow::Result<Vec<String>> {
    let id = &manifest.policy.id;
    let declared = manifest.capabilities.names();
    if decision.grant == ["none"] {
        return Ok(Vec::new());
    }
    if let Some(stray) = decision.grant.iter().find(|grant| *grant != "all" && !declared.contains(grant)) {
        let help = nearest(stray, &declared).map_or_else(
            || format!("it asks for {}; those are granted as they stand there, or not", declared.join(", ")),
            |near| format!("did you mean {near}?"),
        );
        return Err(user_error(format!("{id} does not declare the capability \"{stray}\""), help));
    }
    let all = decision.grant.iter().any(|grant| grant == "all");
    let named = |name: &&String| all || decision.grant.contains(*name);
    if !decision.grant.is_empty() {
        return Ok(open.iter().filter(named).cloned().collect());
    }
    if decision.yes || open.is_empty() {
        return Ok(open.to_vec());
    }
    if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
        return Err(user_error(
            format!("it is not decided what {id} is granted, and there is no terminal to ask on"),
            "give --grant CAPABILITY for each that it gets, or --yes for all that it asks for",
        ));
    }
    let answer = ask("\nGrant all of it? [y]es, [e]ach in turn, [n]othing, [C]ancel: ", budget)?;
    match answer.as_str() {
        "y" | "yes" => Ok(open.to_vec()),
        "n" | "nothing" => Ok(Vec::new()),
        "e" | "each" => {
            let mut granted = Vec::new();
            for want in wants(&manifest.capabilities).iter().filter(|want| open.contains(&want.name)) {
                let question = format!("{}: it {} [y/N] ", visible(&want.name), visible(&want.words));
                if matches!(ask(&question, budget)?.as_str(), "y" | "yes") {
                    granted.push(want.name.clone());
                }
            }
            Ok(granted)
        }
        _ => Err(user_error(format!("{id} was not taken"), "nothing was changed")),
    }
}

/// Compiles it, so that no audit has to, and nothing is added that cannot run.
fn compile(offer: &Offer, budget: &Budget) -> anyhow::Result<()> {
    if offer.bytes.starts_with(&code_file::MARK) {
        return Ok(());
    }
    let cache = Cache::of(&Environment::from_process(), None);
    let compiled = Maker::new(&cache, budget).code(&offer.source, &offer.bytes);
    compiled
        .map(drop)
        .map_err(|reason| user_error(format!("cannot use {}: {reason}", offer.source), "nothing was added"))
}

/// Keeps it, pins it and wants it; and trusts a new key from now on.
fn put(set: Set, offer: &Offer, wanted: &Wanted, trusted: Option<&TrustedKey>) -> anyhow::Result<()> {
    let mut change = set.change().map_err(|error| set_error(&error))?;
    if let Some(key) = trusted {
        change.trust(key);
    }
    let signature = offer.signed.as_ref().map(|(text, _)| text.as_str());
    change.keep(&offer.bytes, signature).map_err(|error| set_error(&error))?;
    change.put(wanted, offer.locked());
    change.write().map_err(|error| set_error(&error))
}

/// Updates policies. One that cannot be updated keeps no other from it.
pub(super) fn update(arguments: &Update) -> anyhow::Result<()> {
    let budget = Budget::default();
    listen(&budget)?;
    let set = changeable(arguments.settings.as_deref())?;
    if arguments.from.is_some() && arguments.ids.len() != 1 {
        return Err(user_error("--from is about one policy", "name the one that it is for"));
    }
    if set.wanted.is_empty() {
        return show(|out| writeln!(out, "no policy has been added"));
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
    let offer = Offer::take(source, &set, budget)?;
    let stopped = |what: String, help: &str| Err(user_error(format!("{id} is not updated: {what}"), help));
    if offer.manifest.policy.id != *id {
        return stopped(
            format!("{} is the policy {}", offer.source, offer.manifest.policy.id),
            "`chitin policy add` adds another policy",
        );
    }
    offer.is_free(&set)?;
    let Some(locked) = set.pin(id).cloned() else {
        // Somebody wrote it into the settings by hand.
        show(|out| offer.describe(out))?;
        let grants = decide(decision, &offer.manifest, &offer.manifest.capabilities.names(), budget)?;
        return take(set, &offer, &Wanted { grants, ..wanted.clone() }, key.as_ref(), ("pinned", budget));
    };
    if let (Some(signer), None) = (&locked.signer, &offer.signed) {
        return stopped(
            format!("the key {signer} signed the version that you have, and nobody signed this one"),
            "get its signature; to take it unsigned, remove the policy and add it again",
        );
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
    if offer.resolved.is_some() && offer.manifest.policy.version == locked.version && !arguments.moved_tag {
        if offer.resolved == locked.resolved {
            return stopped(
                format!(
                    "the file in the registry is not the one that chitin.lock pins, and {} is the same",
                    locked.version
                ),
                "was chitin.lock changed by hand? remove the policy and add it again",
            );
        }
        return stopped(
            format!(
                "the registry has another file than before under version {}: its tag was moved",
                locked.version
            ),
            "ask its author why; give --moved-tag to take it",
        );
    }
    let more: Vec<String> =
        asked.iter().filter(|name| !locked.capabilities.contains(name)).cloned().collect();
    show(|out| {
        writeln!(out, "{id} {} -> {}", locked.version, offer.manifest.policy.version)?;
        for line in differences(&locked, &offer) {
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
        show(|out| offer.describe(out))?;
        grants.extend(decide(decision, &offer.manifest, &more, budget)?);
    }
    let known = Wanted { grants, ..wanted.clone() };
    let more = decide_more(decision, &offer, &known, budget)?;
    let grants = known.grants.iter().cloned().chain(more).collect();
    take(set, &offer, &Wanted { grants, ..known }, key.as_ref(), ("updated", budget))
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
        )
    })
}

/// What an update changes, a line each.
fn differences(locked: &Locked, offer: &Offer) -> Vec<String> {
    let mut lines = Vec::new();
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
        let told = |signer: &Option<String>| signer.clone().unwrap_or_else(|| "nobody".to_owned());
        lines.push(format!("signed by       {} -> {}", told(&locked.signer), told(&signer)));
    }
    if lines.is_empty() {
        lines.push("asks for the same, and has the same checks".to_owned());
    }
    lines
}
