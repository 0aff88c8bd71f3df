//! Secrets that the config hands around.

use chitin_policy_sdk::{Context, Facts, Failure, Finding, SecretSource, Verdict, info, warn};

/// Looks for secrets that are part of the config.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let findings = [gateway_password(cx)?, hooks_token(cx)?];
    Ok(findings.into_iter().flatten().collect())
}

fn gateway_password(cx: &Context<'_>) -> Result<Option<Finding>, Failure> {
    let password = cx.config().at("gateway.auth.password");
    Ok(cx.config_secret(&password)?.filter(is_there).map(|facts| {
        warn("config.secrets.gateway_password_in_config", "Gateway password is part of the config")
            .detail(format!("gateway.auth.password {} can log in to the gateway.", who(&facts)))
            .remediation(
                "Set OPENCLAW_GATEWAY_PASSWORD in the gateway's environment and remove gateway.auth.password",
            )
            .at(&password)
    }))
}

fn hooks_token(cx: &Context<'_>) -> Result<Option<Finding>, Failure> {
    let hooks = cx.config().get("hooks");
    if !hooks.get("enabled").is_true() {
        return Ok(None);
    }
    let token = hooks.get("token");
    Ok(cx.config_secret(&token)?.filter(is_there).map(|facts| {
        info("config.secrets.hooks_token_in_config", "Webhook token is part of the config")
            .detail(format!("hooks.token {} can start agent runs.", who(&facts)))
            .at(&token)
    }))
}

/// A value, and no placeholder for one.
fn is_there(facts: &Facts) -> bool {
    facts.units > 0 && !facts.placeholder
}

/// Where the value stands, and who can read it there.
fn who(facts: &Facts) -> &'static str {
    match facts.source {
        SecretSource::Environment => {
            "is filled in from a variable: the file does not hold it, but the loaded config does, and whoever reads what \
             is printed or saved of that"
        }
        SecretSource::Literal | SecretSource::Reference => {
            "is written in the config file: whoever reads the file, a backup of it or a report made from it"
        }
    }
}

chitin_policy_sdk::policy!(audit);

#[cfg(test)]
mod tests {
    use chitin_policy_sdk::Location;
    use chitin_policy_sdk::testing::MemoryHost;

    use super::*;

    const NOTHING: [&str; 0] = [];
    const PASSWORD: [&str; 1] = ["config.secrets.gateway_password_in_config:warn"];
    const TOKEN: [&str; 1] = ["config.secrets.hooks_token_in_config:info"];

    fn password(auth: &str) -> Vec<String> {
        MemoryHost::new(&format!("{{gateway: {{auth: {auth}}}}}")).ids(audit)
    }

    fn token(hooks: &str) -> Vec<String> {
        MemoryHost::new(&format!("{{hooks: {hooks}}}")).ids(audit)
    }

    #[test]
    fn a_password_counts_whatever_the_mode() {
        assert_eq!(password(r#"{password: " p "}"#), PASSWORD);
        assert_eq!(password(r#"{mode: "token", token: "t", password: "p"}"#), PASSWORD);
        assert_eq!(password(r#"{token: "t"}"#), NOTHING, "no check looks at the token");
    }

    #[test]
    fn what_is_blank_or_no_text_or_a_placeholder_is_no_secret() {
        for value in [r#""""#, r#""  ""#, "5", "null", "{}", r#"" ${my_pw} ""#, r#""${a}x${b}""#] {
            assert_eq!(password(&format!("{{password: {value}}}")), NOTHING, "{value}");
            assert_eq!(token(&format!("{{enabled: true, token: {value}}}")), NOTHING, "{value}");
        }
        assert_eq!(password(r#"{password: "x${my_pw}"}"#), PASSWORD);
    }

    #[test]
    fn a_webhook_token_counts_where_webhooks_are_exactly_on() {
        assert_eq!(token(r#"{enabled: true, token: "t"}"#), TOKEN);
        for off in [r#"{token: "t"}"#, r#"{enabled: "true", token: "t"}"#, r#"{enabled: false, token: "t"}"#]
        {
            assert_eq!(token(off), NOTHING, "{off}");
        }
    }

    #[test]
    fn a_variable_that_the_gateway_reads_by_itself_is_not_in_the_config() {
        let host = MemoryHost::new("{}").variable("OPENCLAW_GATEWAY_PASSWORD", "p");
        assert_eq!(host.ids(audit), NOTHING);
    }

    #[test]
    fn the_finding_points_at_the_value_and_says_where_it_is() {
        let host = MemoryHost::new(r#"{gateway: {auth: {password: "hunter2"}}}"#);
        let finding = host.run(audit).expect("a verdict").remove(0);
        assert_eq!(finding.locations, [Location::Config("/gateway/auth/password".to_owned())]);
        assert!(finding.detail.contains("is written in the config file"));
    }
}
