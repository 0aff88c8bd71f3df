//! Gateway secrets that can be guessed.

use chitin_policy_sdk::openclaw::gateway::{Gateway, MIN_TOKEN_UNITS};
use chitin_policy_sdk::{Answer, Context, Finding, NotAssessed, Verdict, any, warn};

/// Finds short tokens, and logins that may be tried without end.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let gateway = Gateway::read(cx);
    let mut answer = Answer::new();
    answer.check("gateway.token_too_short", token_too_short(cx, &gateway));
    answer.check("gateway.auth_no_rate_limit", no_rate_limit(&gateway));
    Ok(answer)
}

fn token_too_short(cx: &Context<'_>, gateway: &Gateway<'_>) -> Result<Option<Finding>, NotAssessed> {
    let is_in_force = gateway.mode(cx).map(|mode| mode == "token");
    if is_in_force == Ok(false) {
        return Ok(None);
    }
    let token = gateway.token(cx)?;
    let Some(facts) = &token.facts else { return Ok(None) };
    let units = facts.measures(&token.location())?.units;
    if units == 0 || units >= MIN_TOKEN_UNITS {
        return Ok(None);
    }
    // A short token is one to report only where it is what the gateway asks for.
    is_in_force?;
    let finding = warn("gateway.token_too_short", "Gateway token is short enough to be guessed")
        .detail(format!(
            "The gateway token has {units} characters, fewer than {MIN_TOKEN_UNITS}: a short token falls to guessing, \
             and it is all that the gateway asks for.",
        ))
        .remediation(
            "Replace the token, in gateway.auth.token or OPENCLAW_GATEWAY_TOKEN, by the output of: openssl rand -hex 32",
        )
        .at_location(&token.location());
    Ok(Some(finding))
}

fn no_rate_limit(gateway: &Gateway<'_>) -> Result<Option<Finding>, NotAssessed> {
    let limit = gateway.node.at("auth.rateLimit");
    if any([gateway.is_loopback(), limit.is_truthy(), gateway.is_delegated()])? {
        return Ok(None);
    }
    let finding = warn("gateway.auth_no_rate_limit", "Failed gateway logins are not slowed down")
        .detail(format!(
            "gateway.bind is \"{}\" and gateway.auth.rateLimit is not set: whoever reaches the port may try \
             tokens and passwords as fast as the gateway answers.",
            gateway.bind()?
        ))
        .remediation(
            "Set gateway.auth.rateLimit, for example to { maxAttempts: 10, windowMs: 60000, lockoutMs: 300000 }",
        )
        .at(&limit)
        .at(&gateway.node.get("bind"));
    Ok(Some(finding))
}

chitin_policy_sdk::policy!(audit);

#[cfg(test)]
mod tests {
    use chitin_policy_sdk::openclaw::gateway::{PASSWORD_VARIABLE, TOKEN_VARIABLE};
    use chitin_policy_sdk::testing::MemoryHost;
    use chitin_policy_sdk::{Hidden, Location};

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
        let findings = MemoryHost::new("{}").variable(TOKEN_VARIABLE, "short").findings(audit);
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

    const SHORT_OPEN: &str = "gateway.token_too_short:not assessed";
    const NO_LIMIT_OPEN: &str = "gateway.auth_no_rate_limit:not assessed";

    #[test]
    fn the_length_of_a_token_that_is_kept_elsewhere_is_not_known() {
        let reference = |auth: &str| {
            MemoryHost::new(&format!(
                r#"{{gateway: {{auth: {{token: {{"$hidden": "reference"}}, {auth}}}}}}}"#
            ))
        };
        let host = reference("x: 1");
        assert_eq!(host.unassessed(audit), ["gateway.token_too_short: hidden reference"]);
        let open = host.run(audit).expect("an answer").unassessed.remove(0);
        assert_eq!(open.location, Some(Location::Config("/gateway/auth/token".to_owned())));
        assert_eq!(reference(r#"mode: "none""#).ids(audit), NOTHING, "it is not in force");
        assert_eq!(reference(r#"password: "p""#).ids(audit), NOTHING, "it is not in force");
    }

    #[test]
    fn a_token_that_a_variable_gives_is_measured() {
        let host = MemoryHost::new(r#"{gateway: {bind: "loopback", auth: {mode: "token", token: "short"}}}"#);
        assert_eq!(host.ids(audit), SHORT);
        assert_eq!(host.hide("/gateway/auth/mode", Hidden::Variable).ids(audit), [SHORT_OPEN]);
    }

    #[test]
    fn a_token_that_is_long_or_not_in_force_needs_nothing_else() {
        let long = "x".repeat(24);
        let host = |auth: &str| MemoryHost::new(&format!("{{gateway: {{auth: {auth}}}}}"));
        let with_long = host(&format!(r#"{{mode: "x", token: "{long}"}}"#));
        assert_eq!(with_long.hide("/gateway/auth/mode", Hidden::Variable).ids(audit), NOTHING);
        let unset = host("{}").withhold("/gateway/auth/password");
        assert_eq!(unset.ids(audit), NOTHING);
        let other = host(r#"{mode: "password", token: "short"}"#).withhold("/gateway/auth/token");
        assert_eq!(other.ids(audit), NOTHING);
    }

    #[test]
    fn what_is_withheld_is_not_taken_for_absent() {
        let host = || MemoryHost::new(r#"{gateway: {bind: "lan", auth: {token: "short"}}}"#);
        for (pointer, ids) in [
            ("/gateway", [SHORT_OPEN, NO_LIMIT_OPEN].as_slice()),
            ("/gateway/auth", &[SHORT_OPEN, NO_LIMIT_OPEN]),
            ("/gateway/auth/mode", &[SHORT_OPEN, NO_LIMIT_OPEN]),
            // The password decides between two modes, and neither is that of a proxy.
            ("/gateway/auth/password", &[NO_LIMIT[0], SHORT_OPEN]),
            ("/gateway/auth/token", &[NO_LIMIT[0], SHORT_OPEN]),
            ("/gateway/auth/rateLimit", &[SHORT[0], NO_LIMIT_OPEN]),
            ("/gateway/bind", &[SHORT[0], NO_LIMIT_OPEN]),
        ] {
            assert_eq!(host().withhold(pointer).ids(audit), ids, "{pointer}");
        }
        let password = host().ungranted("secret:env:OPENCLAW_GATEWAY_PASSWORD");
        assert_eq!(password.ids(audit), [NO_LIMIT[0], SHORT_OPEN]);
        let token = MemoryHost::new("{}").ungranted("secret:env:OPENCLAW_GATEWAY_TOKEN");
        assert_eq!(token.ids(audit), [SHORT_OPEN]);
    }

    #[test]
    fn one_of_three_rules_a_missing_limit_out() {
        for gateway in
            [r#"{bind: "lan", auth: {mode: "trusted-proxy"}}"#, r#"{bind: "lan", auth: {rateLimit: {}}}"#]
        {
            let host = MemoryHost::new(&format!("{{gateway: {gateway}}}"));
            assert_eq!(host.hide("/gateway/bind", Hidden::Variable).ids(audit), NOTHING, "{gateway}");
        }
        let local = MemoryHost::new(r#"{gateway: {auth: {mode: "password"}}}"#);
        assert_eq!(local.hide("/gateway/auth/mode", Hidden::Variable).ids(audit), NOTHING);
    }
}
