//! Agents whose tools no profile takes away.

use chitin_policy_sdk::{Answer, Context, Finding, NotAssessed, Verdict, info};

const CHECK: &str = "{{name}}.no_profile";

pub fn audit(cx: &Context<'_>) -> Verdict {
    let mut answer = Answer::new();
    answer.check(CHECK, no_profile(cx));
    Ok(answer)
}

fn no_profile(cx: &Context<'_>) -> Result<Option<Finding>, NotAssessed> {
    let profile = cx.config().at("tools.profile");
    // Ends here where the profile is withheld, or hidden: it may be "full".
    if !profile.is_nullish()? && profile.text()? != Some("full") {
        return Ok(None);
    }
    let finding = info(CHECK, "No tool profile is set")
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

    #[test]
    fn it_fires_and_is_clean() {
        assert_eq!(MemoryHost::new("{}").ids(audit), ["{{name}}.no_profile:info"]);
        assert!(MemoryHost::new(r#"{tools: {profile: "messaging"}}"#).ids(audit).is_empty());
    }

    #[test]
    fn a_profile_that_is_not_shown_is_not_assessed() {
        let host = MemoryHost::new(r#"{tools: {profile: {"$hidden": "variable"}}}"#);
        assert_eq!(host.unassessed(audit), ["{{name}}.no_profile: hidden variable"]);
    }
}
