//! Webhooks that let callers in too easily or give them too much.

use chitin_policy_sdk::gateway::{Gateway, MIN_TOKEN_UNITS, TOKEN_VARIABLE};
use chitin_policy_sdk::{Context, Facts, Failure, Finding, Node, Severity, Verdict, critical, finding, warn};

/// Looks at the webhook section where it is switched on.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let hooks = cx.config().get("hooks");
    if !hooks.get("enabled").is_true() {
        return Ok(Vec::new());
    }
    let gateway = Gateway::read(cx);
    let mut findings = Vec::new();
    if let Some(token) = cx.config_secret(&hooks.get("token"))?.filter(|token| token.units > 0) {
        findings.extend(token_too_short(&hooks, &token));
        findings.extend(token_reuse(cx, &gateway, &hooks, &token)?);
    }
    findings.extend(path_root(&hooks));
    findings.extend(default_session_key(&hooks));
    if hooks.get("allowRequestSessionKey").is_true() {
        findings.extend(request_session_key(&hooks, gateway.is_remote()));
    }
    Ok(findings)
}

fn token_too_short(hooks: &Node<'_>, token: &Facts) -> Option<Finding> {
    (token.units < MIN_TOKEN_UNITS).then(|| {
        warn("hooks.token_too_short", "Webhook token is short enough to be guessed")
            .detail(format!(
                "hooks.token has {} characters, fewer than {MIN_TOKEN_UNITS}: a short token falls to guessing, and with \
                 it anyone can start agent runs.",
                token.units
            ))
            .remediation("Replace hooks.token by the output of: openssl rand -hex 32")
            .at(&hooks.get("token"))
    })
}

fn token_reuse(
    cx: &Context<'_>,
    gateway: &Gateway<'_>,
    hooks: &Node<'_>,
    token: &Facts,
) -> Result<Option<Finding>, Failure> {
    let auth = gateway.auth(cx)?;
    let in_force = auth.mode == "token" && auth.token.is_set();
    let variable = if in_force { None } else { cx.env_secret(TOKEN_VARIABLE)? };
    let other = if in_force { auth.token.facts.as_ref() } else { variable.as_ref() };
    if other.is_none_or(|other| other.fingerprint != token.fingerprint) {
        return Ok(None);
    }
    let start = critical("hooks.token_reuse_gateway_token", "Webhook token is the gateway token too")
        .detail(
            "hooks.token equals the gateway token: every service that is given the webhook token can log in to the \
             gateway with it, and each place that keeps it or logs it leaks both.",
        )
        .remediation(
            "Set hooks.token to a value of its own, for example the output of: openssl rand -hex 32; and change the \
             gateway token, which others have seen",
        )
        .at(&hooks.get("token"));
    Ok(Some(if in_force { start.at_credential(&auth.token) } else { start.at_env(TOKEN_VARIABLE) }))
}

fn path_root(hooks: &Node<'_>) -> Option<Finding> {
    let path = hooks.get("path");
    (path.trimmed() == Some("/")).then(|| {
        critical("hooks.path_root", "Webhooks are served at the root path")
            .detail(
                "hooks.path is \"/\": the webhook handler answers for every path of the gateway, and shadows its other \
                 HTTP endpoints.",
            )
            .remediation("Set hooks.path to a path of its own, for example \"/hooks\"")
            .at(&path)
    })
}

fn default_session_key(hooks: &Node<'_>) -> Option<Finding> {
    let key = hooks.get("defaultSessionKey");
    key.trimmed().is_none().then(|| {
        warn("hooks.default_session_key_unset", "Webhook runs have no session of their own")
            .detail(
                "hooks.defaultSessionKey is not set: each webhook run without a session key gets a new, generated one, \
                 so that what outsiders sent is scattered over sessions that nobody watches or can fence in.",
            )
            .remediation("Set hooks.defaultSessionKey, for example to \"hook:ingress\"")
            .at(&key)
    })
}

fn request_session_key(hooks: &Node<'_>, is_remote: bool) -> Vec<Finding> {
    let severity = if is_remote { Severity::Critical } else { Severity::Warn };
    let reach = if is_remote { "others can reach the gateway" } else { "the gateway listens on loopback" };
    let switch = hooks.get("allowRequestSessionKey");
    let prefixes = hooks.get("allowedSessionKeyPrefixes");
    let enabled =
        finding("hooks.request_session_key_enabled", severity, "Webhook callers choose the session they talk to")
            .detail(format!(
                "hooks.allowRequestSessionKey is true, and {reach}: the holder of the webhook token can put words into \
                 a session of their choice.",
            ))
            .remediation(
                "Set hooks.allowRequestSessionKey to false, or keep hooks.allowedSessionKeyPrefixes as narrow as you can",
            )
            .at(&switch);
    if prefixes.texts().next().is_some() {
        return vec![enabled];
    }
    let unfenced =
        finding("hooks.request_session_key_prefixes_missing", severity, "Webhook callers may choose any session")
            .detail(format!(
                "hooks.allowRequestSessionKey is true, hooks.allowedSessionKeyPrefixes lists nothing, and {reach}: the \
                 holder of the webhook token can enter the owner's own sessions too.",
            ))
            .remediation(
                "Set hooks.allowedSessionKeyPrefixes, for example to [\"hook:\"], or set hooks.allowRequestSessionKey \
                 to false",
            )
            .at(&prefixes)
            .at(&switch);
    vec![enabled, unfenced]
}

chitin_policy_sdk::policy!(audit);

#[cfg(test)]
mod tests {
    use chitin_policy_sdk::Location;
    use chitin_policy_sdk::testing::MemoryHost;

    use super::*;

    const SHORT: &str = "hooks.token_too_short:warn";
    const REUSE: &str = "hooks.token_reuse_gateway_token:critical";
    const UNSET: &str = "hooks.default_session_key_unset:warn";
    const LONG: &str = "0123456789abcdef0123456789abcdef";
    const NOTHING: [&str; 0] = [];

    /// A config where the webhooks are on, and clean but for what is given.
    fn host(hooks: &str, gateway: &str) -> MemoryHost {
        MemoryHost::new(&format!(
            r#"{{hooks: {{enabled: true, defaultSessionKey: "k", {hooks}}}, gateway: {gateway}}}"#
        ))
    }

    fn token(token: &str) -> String {
        format!(r#"token: "{token}""#)
    }

    #[test]
    fn webhooks_that_are_not_exactly_on_are_not_judged() {
        for hooks in
            ["{}", "null", r#"{enabled: "true", path: "/"}"#, r#"{enabled: 1, token: "t"}"#, "[true]"]
        {
            assert_eq!(MemoryHost::new(&format!("{{hooks: {hooks}}}")).ids(audit), NOTHING, "{hooks}");
        }
        assert_eq!(MemoryHost::new("{hooks: {enabled: true}}").ids(audit), [UNSET]);
    }

    #[test]
    fn a_token_of_23_characters_is_short_and_of_24_is_not() {
        assert_eq!(host(&token(&"x".repeat(23)), "{}").ids(audit), [SHORT]);
        assert_eq!(host(&token(&format!(" {} ", "x".repeat(23))), "{}").ids(audit), [SHORT]);
        assert_eq!(host(&token(&"x".repeat(24)), "{}").ids(audit), NOTHING);
    }

    #[test]
    fn a_blank_token_or_one_that_is_no_text_is_neither_short_nor_reused() {
        for token in ["token: \"  \"", "token: 5", "token: null"] {
            assert_eq!(host(token, r#"{auth: {token: "  "}}"#).ids(audit), NOTHING, "{token}");
        }
    }

    #[test]
    fn the_gateway_token_is_compared_trimmed_and_by_case() {
        let gateway = |value: &str| format!(r#"{{auth: {{token: "{value}"}}}}"#);
        assert_eq!(host(&token(LONG), &gateway(&format!(" {LONG} "))).ids(audit), [REUSE]);
        assert_eq!(host(&token(LONG), &gateway(&LONG.to_uppercase())).ids(audit), NOTHING);
    }

    #[test]
    fn the_environment_is_compared_where_no_config_token_is_in_force() {
        let reuse = |gateway: &str| {
            let ids = host(&token(LONG), gateway).variable(TOKEN_VARIABLE, LONG).ids(audit);
            ids == [REUSE]
        };
        assert!(reuse("{}"));
        assert!(reuse(r#"{auth: {token: "  "}}"#));
        assert!(reuse(r#"{auth: {mode: "password"}}"#));
        assert!(reuse(r#"{auth: {mode: "none", token: "another"}}"#));
        assert!(!reuse(r#"{auth: {token: "another"}}"#));
    }

    #[test]
    fn a_config_token_that_is_not_in_force_is_not_compared() {
        let gateway = format!(r#"{{auth: {{mode: "none", token: "{LONG}"}}}}"#);
        assert_eq!(host(&token(LONG), &gateway).ids(audit), NOTHING);
        let gateway = format!(r#"{{auth: {{mode: "password", password: "{LONG}"}}}}"#);
        assert_eq!(host(&token(LONG), &gateway).ids(audit), NOTHING);
    }

    #[test]
    fn reuse_points_at_both_places() {
        let findings = host(&token(LONG), "{}").variable(TOKEN_VARIABLE, LONG).run(audit).expect("a verdict");
        let places = [Location::Config("/hooks/token".to_owned()), Location::Env(TOKEN_VARIABLE.to_owned())];
        assert_eq!(findings[0].locations, places);
    }

    #[test]
    fn only_a_single_slash_is_the_root_path() {
        let path = |path: &str| host(&format!("path: {path}"), "{}").ids(audit);
        assert_eq!(path(r#"" / ""#), ["hooks.path_root:critical"]);
        for silent in [r#""//""#, r#""/hooks""#, r#""""#, "5", "null"] {
            assert_eq!(path(silent), NOTHING, "{silent}");
        }
    }

    #[test]
    fn a_default_session_key_that_is_blank_or_no_text_is_unset() {
        for key in [r#""""#, r#""  ""#, "5", "null"] {
            let config = format!("{{hooks: {{enabled: true, defaultSessionKey: {key}}}}}");
            assert_eq!(MemoryHost::new(&config).ids(audit), [UNSET], "{key}");
        }
    }

    #[test]
    fn chosen_sessions_are_critical_where_others_can_connect() {
        let ids = |gateway: &str| {
            host(r#"allowRequestSessionKey: true, allowedSessionKeyPrefixes: ["hook:"]"#, gateway).ids(audit)
        };
        assert_eq!(ids("{}"), ["hooks.request_session_key_enabled:warn"]);
        for remote in
            [r#"{bind: "lan"}"#, r#"{tailscale: {mode: "serve"}}"#, r#"{tailscale: {mode: "funnel"}}"#]
        {
            assert_eq!(ids(remote), ["hooks.request_session_key_enabled:critical"], "{remote}");
        }
    }

    #[test]
    fn prefixes_that_are_blank_or_no_list_fence_nothing() {
        for prefixes in ["[]", r#"["", "  "]"#, r#""hook:""#, "[5]", "null"] {
            let hooks = format!("allowRequestSessionKey: true, allowedSessionKeyPrefixes: {prefixes}");
            let both =
                ["hooks.request_session_key_enabled:warn", "hooks.request_session_key_prefixes_missing:warn"];
            assert_eq!(host(&hooks, "{}").ids(audit), both, "{prefixes}");
        }
        assert_eq!(host(r#"allowRequestSessionKey: "true""#, "{}").ids(audit), NOTHING);
    }
}
