//! Webhooks that let callers in too easily or give them too much.

use chitin_policy_sdk::openclaw::gateway::{Credential, Gateway, MIN_TOKEN_UNITS, TOKEN_VARIABLE};
use chitin_policy_sdk::{
    Answer, Context, Facts, Finding, Location, Measures, Node, NotAssessed, Severity, Verdict, critical,
    finding, warn,
};

const SHORT: &str = "hooks.token_too_short";
const REUSE: &str = "hooks.token_reuse_gateway_token";
const ROOT: &str = "hooks.path_root";
const UNSET: &str = "hooks.default_session_key_unset";
const ENABLED: &str = "hooks.request_session_key_enabled";
const UNFENCED: &str = "hooks.request_session_key_prefixes_missing";

/// Looks at the webhook section where it is switched on.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let hooks = cx.config().get("hooks");
    let mut answer = Answer::new();
    match hooks.get("enabled").is_true() {
        Ok(true) => {}
        Ok(false) => return Ok(answer),
        Err(reason) => {
            let all = [SHORT, REUSE, ROOT, UNSET, ENABLED, UNFENCED];
            all.iter().for_each(|check| answer.leave_open(check, reason.clone()));
            return Ok(answer);
        }
    }
    let gateway = Gateway::read(cx);
    answer.check(SHORT, token_too_short(cx, &hooks));
    answer.check(REUSE, token_reuse(cx, &gateway, &hooks));
    answer.check(ROOT, path_root(&hooks));
    answer.check(UNSET, default_session_key(&hooks));
    answer.check(ENABLED, request_session_key(&hooks, &gateway));
    answer.check(UNFENCED, unfenced_session_key(&hooks, &gateway));
    Ok(answer)
}

/// What is known of the webhook token; none where there is none.
fn token(cx: &Context<'_>, hooks: &Node<'_>) -> Result<Option<Facts>, NotAssessed> {
    let node = hooks.get("token");
    // A token that is withheld may be there, and may be none.
    if node.is_nullish()? {
        return Ok(None);
    }
    Ok(cx.config_secret(&node)?.filter(Facts::is_set))
}

fn token_too_short(cx: &Context<'_>, hooks: &Node<'_>) -> Result<Option<Finding>, NotAssessed> {
    let node = hooks.get("token");
    let Some(token) = token(cx, hooks)? else { return Ok(None) };
    let units = token.measures(&node.location())?.units;
    Ok((units < MIN_TOKEN_UNITS).then(|| {
        warn(SHORT, "Webhook token is short enough to be guessed")
            .detail(format!(
                "hooks.token has {units} characters, fewer than {MIN_TOKEN_UNITS}: a short token falls to guessing, and \
                 with it anyone can start agent runs."
            ))
            .remediation("Replace hooks.token by the output of: openssl rand -hex 32")
            .at(&node)
    }))
}

fn token_reuse(
    cx: &Context<'_>,
    gateway: &Gateway<'_>,
    hooks: &Node<'_>,
) -> Result<Option<Finding>, NotAssessed> {
    let node = hooks.get("token");
    let Some(token) = token(cx, hooks)? else { return Ok(None) };
    let Some((other, place)) = gateway_token(cx, gateway)? else { return Ok(None) };
    if other.fingerprint != token.measures(&node.location())?.fingerprint {
        return Ok(None);
    }
    let found = critical(REUSE, "Webhook token is the gateway token too")
        .detail(
            "hooks.token equals the gateway token: every service that is given the webhook token can log in to the \
             gateway with it, and each place that keeps it or logs it leaks both.",
        )
        .remediation(
            "Set hooks.token to a value of its own, for example the output of: openssl rand -hex 32; and change the \
             gateway token, which others have seen",
        )
        .at(&node)
        .at_location(&place);
    Ok(Some(found))
}

/// The token of the gateway, and its place: the one in force, or else that of the environment.
fn gateway_token(
    cx: &Context<'_>,
    gateway: &Gateway<'_>,
) -> Result<Option<(Measures, Location)>, NotAssessed> {
    let in_force =
        if gateway.mode(cx)? == "token" { Some(gateway.token(cx)?).filter(Credential::is_set) } else { None };
    let (facts, place) = match in_force {
        Some(token) => (token.facts.clone(), token.location()),
        None => (cx.env_secret(TOKEN_VARIABLE)?, Location::Env(TOKEN_VARIABLE.to_owned())),
    };
    facts.map(|facts| Ok((facts.measures(&place)?, place))).transpose()
}

fn path_root(hooks: &Node<'_>) -> Result<Option<Finding>, NotAssessed> {
    let path = hooks.get("path");
    Ok((path.trimmed()? == Some("/")).then(|| {
        critical(ROOT, "Webhooks are served at the root path")
            .detail(
                "hooks.path is \"/\": the webhook handler answers for every path of the gateway, and shadows its other \
                 HTTP endpoints.",
            )
            .remediation("Set hooks.path to a path of its own, for example \"/hooks\"")
            .at(&path)
    }))
}

fn default_session_key(hooks: &Node<'_>) -> Result<Option<Finding>, NotAssessed> {
    let key = hooks.get("defaultSessionKey");
    Ok(key.trimmed()?.is_none().then(|| {
        warn(UNSET, "Webhook runs have no session of their own")
            .detail(
                "hooks.defaultSessionKey is not set: each webhook run without a session key gets a new, generated one, \
                 so that what outsiders sent is scattered over sessions that nobody watches or can fence in.",
            )
            .remediation("Set hooks.defaultSessionKey, for example to \"hook:ingress\"")
            .at(&key)
    }))
}

/// How bad it is that callers choose a session, and why; none where they do not.
fn chosen_session(
    hooks: &Node<'_>,
    gateway: &Gateway<'_>,
) -> Result<Option<(Severity, &'static str)>, NotAssessed> {
    if !hooks.get("allowRequestSessionKey").is_true()? {
        return Ok(None);
    }
    Ok(Some(if gateway.is_remote()? {
        (Severity::Critical, "others can reach the gateway")
    } else {
        (Severity::Warn, "the gateway listens on loopback")
    }))
}

fn request_session_key(hooks: &Node<'_>, gateway: &Gateway<'_>) -> Result<Option<Finding>, NotAssessed> {
    let chosen = chosen_session(hooks, gateway)?;
    Ok(chosen.map(|(severity, reach)| {
        finding(ENABLED, severity, "Webhook callers choose the session they talk to")
            .detail(format!(
                "hooks.allowRequestSessionKey is true, and {reach}: the holder of the webhook token can put words into \
                 a session of their choice.",
            ))
            .remediation(
                "Set hooks.allowRequestSessionKey to false, or keep hooks.allowedSessionKeyPrefixes as narrow as you can",
            )
            .at(&hooks.get("allowRequestSessionKey"))
    }))
}

fn unfenced_session_key(hooks: &Node<'_>, gateway: &Gateway<'_>) -> Result<Option<Finding>, NotAssessed> {
    let prefixes = hooks.get("allowedSessionKeyPrefixes");
    let (switch, listed) = (hooks.get("allowRequestSessionKey"), prefixes.texts());
    if listed.as_ref().is_ok_and(|listed| !listed.is_empty()) {
        return Ok(None);
    }
    let Some((severity, reach)) = chosen_session(hooks, gateway)? else { return Ok(None) };
    listed?;
    let found = finding(UNFENCED, severity, "Webhook callers may choose any session")
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
    Ok(Some(found))
}

chitin_policy_sdk::policy!(audit);

#[cfg(test)]
mod tests {
    use chitin_policy_sdk::Location;
    use chitin_policy_sdk::testing::MemoryHost;

    use super::{TOKEN_VARIABLE, audit};

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
        let findings = host(&token(LONG), "{}").variable(TOKEN_VARIABLE, LONG).findings(audit);
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

    #[test]
    fn what_is_not_shown_leaves_open_what_it_decides() {
        let withheld = r#"{"$hidden": "withheld"}"#;
        let hooks = |hooks: &str| MemoryHost::new(&format!("{{hooks: {hooks}}}"));
        let open = |host: MemoryHost| -> Vec<String> {
            let unassessed = host.unassessed(audit);
            unassessed.iter().map(|open| open.split(':').next().unwrap_or_default().to_owned()).collect()
        };
        let on = r#"enabled: true, path: "/hooks", defaultSessionKey: "hook:x""#;
        assert_eq!(open(hooks(withheld)).len(), 6);
        assert_eq!(hooks(&format!("{{enabled: false, token: {withheld}}}")).ids(audit), NOTHING);
        let token = open(hooks(&format!("{{{on}, token: {withheld}}}")));
        assert_eq!(token, ["hooks.token_too_short", "hooks.token_reuse_gateway_token"]);
        // Neither how long it is nor what it equals can be known of a token that is kept elsewhere.
        let kept = format!(r#"{{{on}, token: {{"$hidden": "reference"}}}}"#);
        assert_eq!(open(hooks(&kept)), ["hooks.token_too_short"], "there is no other to compare it with");
        let compared = MemoryHost::new(&format!(r#"{{hooks: {kept}, gateway: {{auth: {{token: "t"}}}}}}"#));
        assert_eq!(open(compared), ["hooks.token_too_short", "hooks.token_reuse_gateway_token"]);
        let path =
            r#"{enabled: true, path: {"$hidden": "variable"}, defaultSessionKey: {"$hidden": "variable"}}"#;
        assert_eq!(open(hooks(path)), ["hooks.path_root", "hooks.default_session_key_unset"]);
        let bind =
            format!("{{hooks: {{{on}, allowRequestSessionKey: true}}, gateway: {{bind: {withheld}}}}}");
        let both = ["hooks.request_session_key_enabled", "hooks.request_session_key_prefixes_missing"];
        assert_eq!(open(MemoryHost::new(&bind)), both);
        let fenced = bind.replace("true}", r#"true, allowedSessionKeyPrefixes: ["hook:"]}"#);
        assert_eq!(open(MemoryHost::new(&fenced)), both[..1]);
    }
}
