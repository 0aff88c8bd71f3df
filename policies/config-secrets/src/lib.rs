//! Secrets that the config hands around.

use chitin_policy_sdk::openclaw::gateway::is_unset;
use chitin_policy_sdk::{
    Answer, Context, Facts, Finding, Node, NotAssessed, SecretSource, Verdict, info, warn,
};

/// Looks for secrets that are part of the config.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let mut answer = Answer::new();
    answer.check("config.secrets.gateway_password_in_config", gateway_password(cx));
    answer.check("config.secrets.hooks_token_in_config", hooks_token(cx));
    Ok(answer)
}

fn gateway_password(cx: &Context<'_>) -> Result<Option<Finding>, NotAssessed> {
    let password = cx.config().at("gateway.auth.password");
    Ok(secret(cx, &password)?.map(|facts| {
        warn("config.secrets.gateway_password_in_config", "Gateway password is part of the config")
            .detail(format!("gateway.auth.password {} can log in to the gateway.", who(&facts)))
            .remediation(
                "Set OPENCLAW_GATEWAY_PASSWORD in the gateway's environment and remove gateway.auth.password",
            )
            .at(&password)
    }))
}

fn hooks_token(cx: &Context<'_>) -> Result<Option<Finding>, NotAssessed> {
    let hooks = cx.config().get("hooks");
    let token = hooks.get("token");
    let is_on = hooks.get("enabled").is_true();
    if is_on == Ok(false) {
        return Ok(None);
    }
    let Some(facts) = secret(cx, &token)? else { return Ok(None) };
    is_on?;
    let finding = info("config.secrets.hooks_token_in_config", "Webhook token is part of the config")
        .detail(format!("hooks.token {} can start agent runs.", who(&facts)))
        .at(&token);
    Ok(Some(finding))
}

/// What is known of a value; none where it is blank, no text, or kept elsewhere, or where nothing has filled it in: before
/// 2026.8.1 that is told by its look, from then on by whether a variable that it names is not set (2026.7.35 and 2026.8.1).
fn secret(cx: &Context<'_>, node: &Node<'_>) -> Result<Option<Facts>, NotAssessed> {
    if !node.is_text()? {
        return Ok(None);
    }
    let is_there = |facts: &Facts| {
        facts.source != SecretSource::Reference && facts.measures.is_some_and(|text| text.units > 0)
    };
    let Some(facts) = cx.config_secret(node)?.filter(is_there) else { return Ok(None) };
    let is_empty = if cx.release().since(2026, 8, 1) {
        is_unset(cx, node, &facts)?
    } else {
        facts.measures.is_some_and(|text| text.placeholder)
    };
    Ok((!is_empty).then_some(facts))
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
    use chitin_policy_sdk::testing::MemoryHost;
    use chitin_policy_sdk::{Hidden, Location};

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
        let finding = host.findings(audit).remove(0);
        assert_eq!(finding.locations, [Location::Config("/gateway/auth/password".to_owned())]);
        assert!(finding.detail.contains("is written in the config file"));
    }

    #[test]
    fn a_reference_to_a_store_is_no_secret_of_the_config() {
        let reference = r#"{"$hidden": "reference"}"#;
        assert_eq!(password(&format!("{{password: {reference}}}")), NOTHING);
        assert_eq!(token(&format!("{{enabled: true, token: {reference}}}")), NOTHING);
    }

    #[test]
    fn what_is_withheld_is_not_taken_for_absent() {
        let password = "config.secrets.gateway_password_in_config:not assessed";
        let token = "config.secrets.hooks_token_in_config:not assessed";
        let config = r#"{gateway: {auth: {password: "p"}}, hooks: {enabled: true, token: "t"}}"#;
        for (pointer, ids) in [
            ("/gateway", [TOKEN[0], password]),
            ("/gateway/auth/password", [TOKEN[0], password]),
            ("/hooks", [PASSWORD[0], token]),
            ("/hooks/enabled", [PASSWORD[0], token]),
            ("/hooks/token", [PASSWORD[0], token]),
        ] {
            assert_eq!(MemoryHost::new(config).withhold(pointer).ids(audit), ids, "{pointer}");
        }
        let host = MemoryHost::new(config).ungranted("secret:/hooks/token");
        assert_eq!(host.ids(audit), [PASSWORD[0], token]);
    }

    #[test]
    fn either_half_alone_keeps_the_webhook_token_clean() {
        let off = MemoryHost::new(r#"{hooks: {enabled: false, token: "t"}}"#);
        assert_eq!(off.withhold("/hooks/token").ids(audit), NOTHING);
        let blank = MemoryHost::new(r#"{hooks: {enabled: true, token: " "}}"#);
        assert_eq!(blank.withhold("/hooks/enabled").ids(audit), NOTHING);
        let hidden = MemoryHost::new(r#"{hooks: {enabled: "x", token: "t"}}"#);
        assert_eq!(hidden.hide("/hooks/enabled", Hidden::Variable).ids(audit), NOTHING, "a text is not true");
    }

    #[test]
    fn from_2026_8_1_on_a_placeholder_is_what_names_a_variable_that_is_not_set() {
        let host = || MemoryHost::new(r#"{gateway: {auth: {password: "${NONE}"}}}"#).release(2026, 8, 1);
        let unset = || host().problem("unset-variable", "it is not set", Some("/gateway/auth/password"));
        assert_eq!(host().ids(audit), PASSWORD, "it was escaped, and is the password itself");
        assert_eq!(host().release(2026, 7, 35).ids(audit), NOTHING, "it looks like one");
        assert_eq!(unset().ids(audit), NOTHING);
        let open = ["config.secrets.gateway_password_in_config:not assessed"];
        assert_eq!(unset().ungranted("problems").ids(audit), open);
    }
}
