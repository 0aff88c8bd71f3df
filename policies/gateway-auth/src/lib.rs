//! Gateway secrets that can be guessed.

use chitin_policy_sdk::gateway::{Auth, Gateway, MIN_TOKEN_UNITS};
use chitin_policy_sdk::{Context, Finding, Verdict, warn};

/// Finds short tokens, and logins that may be tried without end.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let gateway = Gateway::read(cx);
    let auth = gateway.auth(cx)?;
    Ok([token_too_short(&auth), no_rate_limit(&gateway, &auth)].into_iter().flatten().collect())
}

fn token_too_short(auth: &Auth<'_>) -> Option<Finding> {
    let units = auth.token.facts.as_ref()?.units;
    if auth.mode != "token" || units == 0 || units >= MIN_TOKEN_UNITS {
        return None;
    }
    let finding = warn("gateway.token_too_short", "Gateway token is short enough to be guessed")
        .detail(format!(
            "The gateway token has {units} characters, fewer than {MIN_TOKEN_UNITS}: a short token falls to guessing, \
             and it is all that the gateway asks for.",
        ))
        .remediation(
            "Replace the token, in gateway.auth.token or OPENCLAW_GATEWAY_TOKEN, by the output of: openssl rand -hex 32",
        )
        .at_credential(&auth.token);
    Some(finding)
}

fn no_rate_limit(gateway: &Gateway<'_>, auth: &Auth<'_>) -> Option<Finding> {
    let limit = gateway.node.at("auth.rateLimit");
    if gateway.is_loopback() || auth.mode == "trusted-proxy" || limit.is_truthy() {
        return None;
    }
    let finding = warn("gateway.auth_no_rate_limit", "Failed gateway logins are not slowed down")
        .detail(format!(
            "gateway.bind is \"{}\" and gateway.auth.rateLimit is not set: whoever reaches the port may try tokens and \
             passwords as fast as the gateway answers.",
            gateway.bind
        ))
        .remediation(
            "Set gateway.auth.rateLimit, for example to { maxAttempts: 10, windowMs: 60000, lockoutMs: 300000 }",
        )
        .at(&limit)
        .at(&gateway.node.get("bind"));
    Some(finding)
}

chitin_policy_sdk::policy!(audit);

#[cfg(test)]
mod tests {
    use chitin_policy_sdk::Location;
    use chitin_policy_sdk::gateway::{PASSWORD_VARIABLE, TOKEN_VARIABLE};
    use chitin_policy_sdk::testing::MemoryHost;

    use super::*;

    const SHORT: [&str; 1] = ["gateway.token_too_short:warn"];
    const NO_LIMIT: [&str; 1] = ["gateway.auth_no_rate_limit:warn"];
    const NOTHING: [&str; 0] = [];

    fn ids(gateway: &str) -> Vec<String> {
        MemoryHost::new(&format!("{{gateway: {gateway}}}")).ids(audit)
    }

    fn token(token: &str) -> Vec<String> {
        ids(&format!(r#"{{auth: {{token: "{token}"}}}}"#))
    }

    #[test]
    fn a_token_of_23_characters_is_short_and_of_24_is_not() {
        assert_eq!(token(&"x".repeat(23)), SHORT);
        assert_eq!(token(&"x".repeat(24)), NOTHING);
    }

    #[test]
    fn the_length_counts_utf16_units_without_white_space_around() {
        assert_eq!(token(&format!("   {}   ", "x".repeat(23))), SHORT);
        assert_eq!(token(&"\u{1f600}".repeat(11)), SHORT);
        assert_eq!(token(&"\u{1f600}".repeat(12)), NOTHING);
    }

    #[test]
    fn an_absent_or_blank_token_is_no_short_one() {
        assert_eq!(ids("{}"), NOTHING);
        assert_eq!(token("  "), NOTHING);
    }

    #[test]
    fn a_token_that_is_not_in_force_is_not_measured() {
        assert_eq!(ids(r#"{auth: {mode: "none", token: "short"}}"#), NOTHING);
        assert_eq!(ids(r#"{auth: {token: "short", password: " "}}"#), NOTHING);
        assert_eq!(ids(r#"{auth: {mode: "", token: "short"}}"#), SHORT);
        let host = MemoryHost::new(r#"{gateway: {auth: {token: "short"}}}"#).variable(PASSWORD_VARIABLE, "p");
        assert_eq!(host.ids(audit), NOTHING);
    }

    #[test]
    fn a_short_token_of_the_environment_is_found_there() {
        let findings = MemoryHost::new("{}").variable(TOKEN_VARIABLE, "short").run(audit).expect("a verdict");
        assert_eq!(findings[0].locations, [Location::Env(TOKEN_VARIABLE.to_owned())]);
        assert!(findings[0].detail.contains("has 5 characters"));
    }

    #[test]
    fn any_truthy_rate_limit_silences() {
        for limit in ["{}", "5", "true"] {
            assert_eq!(ids(&format!(r#"{{bind: "lan", auth: {{rateLimit: {limit}}}}}"#)), NOTHING, "{limit}");
        }
        for limit in ["null", "false", "0", r#""""#] {
            assert_eq!(
                ids(&format!(r#"{{bind: "lan", auth: {{rateLimit: {limit}}}}}"#)),
                NO_LIMIT,
                "{limit}"
            );
        }
    }

    #[test]
    fn a_rate_limit_is_missed_beyond_loopback_alone() {
        assert_eq!(ids(r#"{bind: "auto"}"#), NO_LIMIT);
        assert_eq!(ids(r#"{tailscale: {mode: "funnel"}}"#), NOTHING);
        assert_eq!(ids(r#"{bind: "lan", auth: {mode: "none"}}"#), NO_LIMIT);
        assert_eq!(ids(r#"{bind: "lan", auth: {mode: "trusted-proxy"}}"#), NOTHING);
    }
}
