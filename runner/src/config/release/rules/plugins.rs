//! Settings of bundled plugins that exclude or need each other.

use crate::config::rules::Judge;
use crate::config::rules::spot::Spot;

fn config<'a>(judge: &Judge<'a>, id: &str) -> Option<Spot<'a>> {
    judge.at("plugins/entries")?.get(id)?.get("config")
}

/// A vault of each agent is not one that anybody writes to.
pub(super) fn wiki(judge: &mut Judge<'_>) {
    let Some(config) = config(judge, "memory-wiki") else { return };
    if config.at("vault/scope").and_then(|scope| scope.text()) != Some("agent") {
        return;
    }
    if config.is("vaultMode", "unsafe-local") {
        judge.refuse(config.below("vaultMode"), "A vault for each agent excludes the mode unsafe-local.");
    }
    if let Some(obsidian) = config.get("obsidian").filter(|obsidian| obsidian.is_true("useOfficialCli")) {
        judge.refuse(
            obsidian.below("useOfficialCli"),
            "A vault for each agent excludes the official command.",
        );
    }
}

/// A vault and what is taken from it belong together.
pub(super) fn onepassword(judge: &mut Judge<'_>) {
    let Some(config) = config(judge, "onepassword") else { return };
    for (one, other) in [("vault", "items"), ("items", "vault")] {
        if config.has(one) && !config.has(other) {
            judge.refuse(config.below(other), "vault and items need each other.");
        }
    }
}
