//! `chitin policy add`: a policy comes into the set, by the operator's decision.

use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};

use chitin::audit::visible;
use chitin::budget::Budget;
use chitin::policy::cache::Cache;
use chitin::policy::code_file;
use chitin::policy::manifest::Manifest;
use chitin::policy::set::{Set, Wanted};
use chitin::policy::signature::TrustedKey;
use chitin::policy::wants::wants;
use chitin::target::{Environment, read_regular};
use chitin::wording::{nearest, shell_word};
use clap::Args;

use super::offer::Offer;
use super::signed::Signed;
use super::stranger::{Maker, is_native};
use super::{changeable, set_error};
use crate::cli::{ask, listen, note, show, user_error};

/// What is decided beforehand.
#[derive(Args)]
pub(in crate::cli) struct Decision {
    /// Grant it this capability, and none of those that are not decided yet; "all" grants all, "none" nothing (repeatable)
    #[arg(long, value_name = "CAPABILITY")]
    pub(super) grant: Vec<String>,
    /// Take a code file of `chitin policy compile`, too: native code, which no sandbox holds. For one that you have made yourself
    #[arg(long)]
    native: bool,
    /// Do not ask: grant what --grant names, or else all that is not decided yet
    #[arg(long)]
    pub(super) yes: bool,
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

impl Decision {
    /// It may be what it is.
    pub(super) fn allows(&self, offer: &Offer) -> anyhow::Result<()> {
        if offer.machine.is_some() && !self.native { Err(is_native(&offer.source)) } else { Ok(()) }
    }
}

/// What a new key may do.
pub(super) fn newly_trusted(key: &TrustedKey) -> String {
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
            format!(
                "`chitin policy update {id} --from {}` makes it this version",
                shell_word(&arguments.source)
            ),
        ));
    }
    offer.is_free(&set)?;
    arguments.decision.allows(&offer)?;
    if trusted.is_some() && !matches!(offer.signed, Some(Signed::Key(..))) {
        return Err(user_error(
            format!("cannot use {}: --key is given, and it is not signed by a key", offer.source),
            format!("its signature belongs into {}.minisig; or leave --key out", offer.source),
        ));
    }
    show(|out| offer.describe(None, out))?;
    let grants = decide(&arguments.decision, &offer.manifest, &offer.manifest.capabilities.names(), &budget)?;
    compile(&offer, &budget)?;
    let wanted = Wanted { id: id.clone(), source: offer.source.clone(), grants };
    put(set, &offer, &wanted, trusted.as_ref())?;
    let named =
        arguments.settings.as_ref().map_or(String::new(), |path| format!(" --settings {}", shell_word(path)));
    let named = visible(&named);
    let deep = if offer.manifest.policy.deep { " --deep" } else { "" };
    let (granted, asked) = (wanted.grants.len(), offer.manifest.capabilities.names().len());
    show(|out| {
        if let Some(key) = &trusted {
            writeln!(out, "\n{}", newly_trusted(key))?;
        }
        writeln!(
            out,
            "\nadded {id} {}, granted {granted} of {asked} capabilities: `chitin audit{deep}{named}` runs it from now on",
            offer.manifest.policy.version
        )
    })
}

/// The key that is to be trusted from now on; none where it is trusted anyway.
pub(super) fn trusted(text: &str, set: &mut Set) -> anyhow::Result<Option<TrustedKey>> {
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
pub(super) fn decide(
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
    let what = match (open.len(), declared.len()) {
        (open, all) if open == all => "all that it asks for".to_owned(),
        (1, _) => "the one that is new".to_owned(),
        (open, _) => format!("the {open} that are new"),
    };
    let question = format!("\nGrant {what}? [y]es, [e]ach in turn, [n]one of it, [C]ancel: ");
    loop {
        match ask(&question, budget)?.as_str() {
            "y" | "yes" => return Ok(open.to_vec()),
            "n" | "none" => return Ok(Vec::new()),
            "e" | "each" => return each(manifest, open, budget),
            "" | "c" | "cancel" => {
                return Err(user_error(format!("{id} was not taken"), "nothing was changed"));
            }
            other => note(&visible(&format!("\"{other}\" is no answer: y, e, n or c"))),
        }
    }
}

/// Asks about one capability after the other.
fn each(manifest: &Manifest, open: &[String], budget: &Budget) -> anyhow::Result<Vec<String>> {
    let mut granted = Vec::new();
    for want in wants(&manifest.capabilities).iter().filter(|want| open.contains(&want.name)) {
        let question =
            format!("{}: it {} [y]es, [n]o, [C]ancel: ", visible(&want.name), visible(&want.words));
        loop {
            match ask(&question, budget)?.as_str() {
                "y" | "yes" => granted.push(want.name.clone()),
                "n" | "no" => {}
                "" | "c" | "cancel" => {
                    let id = &manifest.policy.id;
                    return Err(user_error(format!("{id} was not taken"), "nothing was changed"));
                }
                other => {
                    note(&visible(&format!("\"{other}\" is no answer: y, n or c")));
                    continue;
                }
            }
            break;
        }
    }
    Ok(granted)
}

/// Compiles it, so that no audit has to, and nothing is added that cannot run.
pub(super) fn compile(offer: &Offer, budget: &Budget) -> anyhow::Result<()> {
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
pub(super) fn put(
    set: Set,
    offer: &Offer,
    wanted: &Wanted,
    trusted: Option<&TrustedKey>,
) -> anyhow::Result<()> {
    let mut change = set.change().map_err(|error| set_error(&error))?;
    if let Some(key) = trusted {
        change.trust(key);
    }
    let signature = match &offer.signed {
        Some(Signed::Key(text, _)) => Some(text.as_str()),
        Some(Signed::Identity(..)) | None => None,
    };
    change.keep(&offer.bytes, signature).map_err(|error| set_error(&error))?;
    change.put(wanted, offer.locked());
    change.write().map_err(|error| set_error(&error))
}
