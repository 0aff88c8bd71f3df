//! Backups that other accounts can read, and agents whose tools no profile takes away.

use chitin_policy_sdk::context::unseen;
use chitin_policy_sdk::{
    Answer, Context, Entry, Finding, Kind, NotAssessed, Path, StateError, Verdict, info, listing, warn,
};

/// The two checks.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let mut answer = Answer::new();
    answer.check("mine.backup_readable", readable_backups(cx));
    answer.check("mine.no_profile", no_profile(cx));
    Ok(answer)
}

fn readable_backups(cx: &Context<'_>) -> Result<Vec<Finding>, NotAssessed> {
    let state = Path::new("state", "");
    let others = 0o044 & !cx.allowed().file;
    let is_open = |entry: &&Entry| {
        entry.metadata.kind == Kind::File && entry.name.contains(".bak") && entry.metadata.mode & others != 0
    };
    match cx.host().list(&state) {
        Ok(entries) => Ok(entries.iter().filter(is_open).map(|entry| readable(cx, &state, entry)).collect()),
        // No state directory: no backups.
        Err(StateError::NotFound) => Ok(Vec::new()),
        // Withheld, or it cannot be listed.
        Err(error) => Err(unseen(cx, "list", &state, &error)),
    }
}

fn readable(cx: &Context<'_>, state: &Path, entry: &Entry) -> Finding {
    let place = state.join(&entry.name);
    // A path with characters that a shell cannot be given goes into no command.
    let remediation = match cx.exact_path(&place).as_deref().and_then(listing::shell_word) {
        Some(word) => format!("Run: chmod {:03o} {word}", cx.allowed().file),
        None => "Take from group and others the permission to read it".to_owned(),
    };
    warn("mine.backup_readable", "Other accounts can read a backup")
        .detail(format!(
            "The file has mode {:03o}: others can read the tokens that were in the config when it was saved.",
            entry.metadata.mode & 0o777
        ))
        .remediation(remediation)
        .at_object(&place)
}

fn no_profile(cx: &Context<'_>) -> Result<Option<Finding>, NotAssessed> {
    let profile = cx.config().at("tools.profile");
    // Ends here where the profile is withheld, or hidden: it may be "full".
    if !profile.is_nullish()? && profile.text()? != Some("full") {
        return Ok(None);
    }
    let finding = info("mine.no_profile", "No tool profile is set")
        .detail("tools.profile is not set, or \"full\": agents have every tool that nothing else takes away.")
        .remediation("Set tools.profile, for example to \"messaging\"")
        .at(&profile);
    Ok(Some(finding))
}

chitin_policy_sdk::policy!(audit);

#[cfg(test)]
mod tests {
    use chitin_policy_sdk::testing::MemoryHost;

    use super::*;

    fn host(config: &str, mode: u32) -> MemoryHost {
        MemoryHost::new(config).directory("state", "", 0o700).file("state", "openclaw.json.bak", mode, "{}")
    }

    #[test]
    fn both_fire_and_both_are_clean() {
        assert_eq!(host("{}", 0o644).ids(audit), ["mine.backup_readable:warn", "mine.no_profile:info"]);
        assert_eq!(host(r#"{tools: {profile: "full"}}"#, 0o600).ids(audit), ["mine.no_profile:info"]);
        assert!(host(r#"{tools: {profile: "minimal"}}"#, 0o600).ids(audit).is_empty());
    }

    #[test]
    fn what_the_site_allows_is_no_finding() {
        let host = host(r#"{tools: {profile: "minimal"}}"#, 0o640).allowing(0o750, 0o640);
        assert!(host.ids(audit).is_empty());
    }

    #[test]
    fn what_is_not_seen_is_not_assessed() {
        for (config, reason) in [
            (r#"{tools: {profile: {"$hidden": "variable"}}}"#, "mine.no_profile: hidden variable"),
            (
                r#"{tools: {profile: {"$hidden": "withheld"}}}"#,
                "mine.no_profile: withheld config:/tools/profile",
            ),
            (r#"{tools: {"$hidden": "withheld"}}"#, "mine.no_profile: withheld config:/tools/profile"),
        ] {
            assert_eq!(host(config, 0o600).unassessed(audit), [reason], "{config}");
        }
        let open = host(r#"{tools: {profile: "minimal"}}"#, 0o644).deny("state", "").unassessed(audit);
        assert_eq!(open, ["mine.backup_readable: unreadable: cannot look at /state: permission denied"]);
    }
}
