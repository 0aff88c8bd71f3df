//! Webhooks that let callers in too easily or give them too much.

use chitin_policy_sdk::openclaw::gateway::{Credential, Gateway, MIN_TOKEN_UNITS, TOKEN_VARIABLE};
use chitin_policy_sdk::{
    Answer, Context, Facts, Finding, Location, Node, NotAssessed, Severity, Verdict, all, any, critical,
    finding, js, warn,
};

/// Looks at the webhook section where it is switched on.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let hooks = cx.config().get("hooks");
    let mut answer = Answer::new();
    let is_on = hooks.get("enabled").is_true();
    if is_on == Ok(false) {
        return Ok(answer);
    }
    let gateway = Gateway::read(cx);
    for (id, verdict) in [
        ("hooks.token_too_short", token_too_short(cx, &hooks)),
        ("hooks.token_reuse_gateway_token", token_reuse(cx, &gateway, &hooks)),
        ("hooks.path_root", path_root(cx, &hooks)),
        ("hooks.default_session_key_unset", default_session_key(cx, &hooks)),
        ("hooks.request_session_key_enabled", request_session_key(&gateway, &hooks)),
        ("hooks.request_session_key_prefixes_missing", prefixes_missing(cx, &gateway, &hooks)),
    ] {
        // What is in order is so whether webhooks are on or off.
        let verdict = match verdict {
            Ok(Some(finding)) => is_on.clone().map(|_| Some(finding)),
            other => other,
        };
        answer.check(id, verdict);
    }
    Ok(answer)
}

/// The facts of the webhook token; none where it is absent, empty or no text.
fn token_facts(cx: &Context<'_>, token: &Node<'_>) -> Result<Option<Facts>, NotAssessed> {
    if token.is_text()? && token.is_truthy()? { cx.config_secret(token) } else { Ok(None) }
}

fn token_too_short(cx: &Context<'_>, hooks: &Node<'_>) -> Result<Option<Finding>, NotAssessed> {
    let token = hooks.get("token");
    let Some(facts) = token_facts(cx, &token)? else { return Ok(None) };
    let units = facts.measures(&token.location())?.units;
    if units == 0 || units >= MIN_TOKEN_UNITS {
        return Ok(None);
    }
    let finding = warn("hooks.token_too_short", "Webhook token is short enough to be guessed")
        .detail(format!(
            "hooks.token has {units} characters, fewer than {MIN_TOKEN_UNITS}: a short token falls to guessing, and with \
             it anyone can start agent runs.",
        ))
        .remediation("Replace hooks.token by the output of: openssl rand -hex 32")
        .at(&token);
    Ok(Some(finding))
}

fn token_reuse(
    cx: &Context<'_>,
    gateway: &Gateway<'_>,
    hooks: &Node<'_>,
) -> Result<Option<Finding>, NotAssessed> {
    let token = hooks.get("token");
    let Some(place) = reused(cx, gateway, &token)? else { return Ok(None) };
    let finding = critical("hooks.token_reuse_gateway_token", "Webhook token is the gateway token too")
        .detail(
            "hooks.token equals the gateway token: every service that is given the webhook token can log in to the \
             gateway with it, and each place that keeps it or logs it leaks both.",
        )
        .remediation(
            "Set hooks.token to a value of its own, for example the output of: openssl rand -hex 32; and change the \
             gateway token, which others have seen",
        )
        .at(&token)
        .at_location(&place);
    Ok(Some(finding))
}

/// Where the gateway token stands that the webhook token equals: the token in force, otherwise the variable.
fn reused(
    cx: &Context<'_>,
    gateway: &Gateway<'_>,
    token: &Node<'_>,
) -> Result<Option<Location>, NotAssessed> {
    let Some(facts) = token_facts(cx, token)? else { return Ok(None) };
    let is_same = |other: Option<&Facts>, place: &Location| match other {
        Some(other) if other.is_set() => {
            let (one, other) = (facts.measures(&token.location())?, other.measures(place)?);
            Ok(one.fingerprint == other.fingerprint)
        }
        _ => Ok(false),
    };
    let variable_place = Location::Env(TOKEN_VARIABLE.to_owned());
    let variable_is_same =
        cx.env_secret(TOKEN_VARIABLE).and_then(|variable| is_same(variable.as_ref(), &variable_place));
    let credential = gateway.token(cx);
    let known = || credential.as_ref().map_err(Clone::clone);
    let credential_is_same = known().and_then(|known| is_same(known.facts.as_ref(), &known.location()));
    let is_token_mode = gateway.mode(cx).map(|mode| mode == "token");
    let is_in_force = all([is_token_mode, known().map(Credential::is_set)]);
    let is_credential = all([is_in_force.clone(), credential_is_same.clone()]);
    let is_variable = all([is_in_force.clone().map(|is| !is), variable_is_same.clone()]);
    // Where both are the same, it does not matter which of them is in force.
    if !any([is_credential, is_variable, all([credential_is_same, variable_is_same])])? {
        return Ok(None);
    }
    Ok(Some(match credential {
        Ok(credential) if is_in_force != Ok(false) => credential.location(),
        _ => variable_place,
    }))
}

fn path_root(cx: &Context<'_>, hooks: &Node<'_>) -> Result<Option<Finding>, NotAssessed> {
    let path = hooks.get("path");
    // Only a text of one character can be "/", also where it is not shown.
    if units(cx, &path)? != 1 || path.trimmed()? != Some("/") {
        return Ok(None);
    }
    let finding = critical("hooks.path_root", "Webhooks are served at the root path")
        .detail(
            "hooks.path is \"/\": the webhook handler answers for every path of the gateway, and shadows its other \
             HTTP endpoints.",
        )
        .remediation("Set hooks.path to a path of its own, for example \"/hooks\"")
        .at(&path);
    Ok(Some(finding))
}

fn default_session_key(cx: &Context<'_>, hooks: &Node<'_>) -> Result<Option<Finding>, NotAssessed> {
    let key = hooks.get("defaultSessionKey");
    if units(cx, &key)? > 0 {
        return Ok(None);
    }
    let finding = warn("hooks.default_session_key_unset", "Webhook runs without a session key each start a new session")
        .detail(
            "hooks.defaultSessionKey is not set: what outsiders send is spread over many sessions with generated names, \
             which nobody can review together or restrict by name.",
        )
        .remediation("Set hooks.defaultSessionKey, for example to \"hook:ingress\"")
        .at(&key);
    Ok(Some(finding))
}

fn request_session_key(gateway: &Gateway<'_>, hooks: &Node<'_>) -> Result<Option<Finding>, NotAssessed> {
    let switch = hooks.get("allowRequestSessionKey");
    if !switch.is_true()? {
        return Ok(None);
    }
    let (severity, reach) = reach(gateway)?;
    let finding =
        finding("hooks.request_session_key_enabled", severity, "Webhook callers choose the session they talk to")
            .detail(format!(
                "hooks.allowRequestSessionKey is true, and {reach}: the holder of the webhook token can send messages into \
                 a session of their choice.",
            ))
            .remediation(
                "Set hooks.allowRequestSessionKey to false; where callers must choose, set hooks.allowedSessionKeyPrefixes to \
                 [\"hook:\"], which narrows it and leaves this finding",
            )
            .at(&switch);
    Ok(Some(finding))
}

fn prefixes_missing(
    cx: &Context<'_>,
    gateway: &Gateway<'_>,
    hooks: &Node<'_>,
) -> Result<Option<Finding>, NotAssessed> {
    let switch = hooks.get("allowRequestSessionKey");
    let prefixes = hooks.get("allowedSessionKeyPrefixes");
    let is_off = switch.is_true().map(|is_on| !is_on);
    let is_fenced = prefixes.items().and_then(|items| any(items.map(|item| Ok(units(cx, &item)? > 0))));
    if any([is_off, is_fenced])? {
        return Ok(None);
    }
    let (severity, reach) = reach(gateway)?;
    let finding =
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
    Ok(Some(finding))
}

/// How bad it is that callers choose their session, and who can call, in words.
fn reach(gateway: &Gateway<'_>) -> Result<(Severity, &'static str), NotAssessed> {
    Ok(if gateway.is_remote()? {
        (Severity::Critical, "others can reach the gateway")
    } else {
        (Severity::Warn, "the gateway listens on loopback")
    })
}

/// The characters of a text, shown or not, without white space around it; 0 where it is no text.
fn units(cx: &Context<'_>, node: &Node<'_>) -> Result<usize, NotAssessed> {
    let reason = match node.trimmed() {
        Ok(text) => return Ok(text.map_or(0, js::units)),
        Err(reason) => reason,
    };
    let facts = cx.config_secret(node)?.ok_or(reason)?;
    Ok(facts.measures(&node.location())?.units as usize)
}

chitin_policy_sdk::policy!(audit);

#[cfg(test)]
mod tests {
    use chitin_policy_sdk::Hidden;
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

    const ROOT: &str = "hooks.path_root:critical";
    const ENABLED: &str = "hooks.request_session_key_enabled:warn";
    const MISSING: &str = "hooks.request_session_key_prefixes_missing:warn";

    /// The same check without a verdict.
    fn open(id: &str) -> String {
        let (id, _) = id.split_once(':').expect("an id with a severity");
        format!("{id}:not assessed")
    }

    /// Everything that can be wrong is so.
    fn all_wrong() -> MemoryHost {
        let hooks = r#"{enabled: true, token: "t", path: "/", defaultSessionKey: "", allowRequestSessionKey: true, allowedSessionKeyPrefixes: []}"#;
        let gateway = r#"{bind: "loopback", tailscale: {mode: "off"}, auth: {mode: "token", token: "t"}}"#;
        MemoryHost::new(&format!("{{hooks: {hooks}, gateway: {gateway}}}"))
    }

    #[test]
    fn what_is_withheld_costs_the_checks_that_depend_on_it() {
        const ALL: [&str; 6] = [SHORT, REUSE, ROOT, UNSET, ENABLED, MISSING];
        assert_eq!(all_wrong().ids(audit), ALL);
        for (pointer, costs) in [
            ("/hooks", ALL.as_slice()),
            ("/hooks/enabled", &ALL),
            ("/hooks/token", &[SHORT, REUSE]),
            ("/hooks/path", &[ROOT]),
            ("/hooks/defaultSessionKey", &[UNSET]),
            ("/hooks/allowRequestSessionKey", &[ENABLED, MISSING]),
            ("/hooks/allowedSessionKeyPrefixes", &[MISSING]),
            ("/gateway", &[REUSE, ENABLED, MISSING]),
            ("/gateway/bind", &[ENABLED, MISSING]),
            ("/gateway/tailscale", &[ENABLED, MISSING]),
            ("/gateway/auth", &[REUSE]),
            ("/gateway/auth/mode", &[REUSE]),
            ("/gateway/auth/password", &[]),
        ] {
            let left = ALL.iter().filter(|id| !costs.contains(id)).map(|id| (*id).to_owned());
            let expected: Vec<String> = left.chain(costs.iter().map(|id| open(id))).collect();
            assert_eq!(all_wrong().withhold(pointer).ids(audit), expected, "{pointer}");
        }
    }

    #[test]
    fn what_is_in_order_is_so_whether_webhooks_are_on_or_off() {
        let hooks = format!(r#"{}, path: "/hooks""#, token(LONG));
        assert_eq!(host(&hooks, "{}").withhold("/hooks/enabled").ids(audit), NOTHING);
        let off = MemoryHost::new(r#"{hooks: {enabled: "x", path: "/"}}"#);
        assert_eq!(off.hide("/hooks/enabled", Hidden::Variable).ids(audit), NOTHING, "a text is not true");
    }

    #[test]
    fn a_token_that_is_kept_elsewhere_is_neither_long_nor_unlike_another() {
        const KEPT: &str = r#"token: {"$hidden": "reference"}"#;
        let ids = |hooks: &str, gateway: &str| host(hooks, gateway).ids(audit);
        assert_eq!(ids(KEPT, "{}"), [open(SHORT)], "there is no gateway token");
        assert_eq!(ids(KEPT, r#"{auth: {token: "t"}}"#), [open(SHORT), open(REUSE)]);
        assert_eq!(ids(&token(LONG), &format!("{{auth: {{{KEPT}}}}}")), [open(REUSE)]);
        let unused = format!(r#"{{auth: {{mode: "password", {KEPT}}}}}"#);
        assert_eq!(ids(&token(LONG), &unused), NOTHING, "it is not in force");
        let variable = host(KEPT, "{}").variable(TOKEN_VARIABLE, LONG);
        assert_eq!(variable.ids(audit), [open(SHORT), open(REUSE)]);
    }

    #[test]
    fn the_mode_is_asked_for_only_where_it_decides_which_token_counts() {
        for (own, variable, reuse) in [
            (LONG, "another", open(REUSE)),
            ("another", LONG, open(REUSE)),
            (LONG, LONG, REUSE.to_owned()),
            ("another", "another", String::new()),
            ("  ", LONG, REUSE.to_owned()),
            ("  ", "another", String::new()),
        ] {
            let gateway = format!(r#"{{auth: {{mode: "token", token: "{own}"}}}}"#);
            let host = host(&token(LONG), &gateway).variable(TOKEN_VARIABLE, variable);
            let expected: Vec<String> = Some(reuse).into_iter().filter(|id| !id.is_empty()).collect();
            let hidden = host.clone().hide("/gateway/auth/mode", Hidden::Variable);
            assert_eq!(hidden.ids(audit), expected, "{own} {variable}");
            assert_eq!(host.withhold("/gateway/auth/mode").ids(audit), expected, "{own} {variable}");
        }
        let variable = host(&token(LONG), "{auth: {}}").variable(TOKEN_VARIABLE, LONG);
        assert_eq!(variable.withhold("/gateway/auth/mode").ids(audit), [REUSE], "there is no other");
    }

    #[test]
    fn facts_that_are_not_granted_cost_the_checks_of_the_token() {
        let ids = |host: MemoryHost, secret: &str| host.ungranted(&format!("secret:{secret}")).ids(audit);
        let own = |gateway: &str| host(&token(LONG), gateway);
        let (in_config, mode) = (r#"{auth: {mode: "token", token: "x"}}"#, r#"{auth: {mode: "password"}}"#);
        assert_eq!(ids(own("{}"), "/hooks/token"), [open(SHORT), open(REUSE)]);
        assert_eq!(ids(host(r#"token: """#, "{}"), "/hooks/token"), NOTHING, "an empty one is shown");
        assert_eq!(ids(own(in_config), "/gateway/auth/token"), [open(REUSE)]);
        assert_eq!(ids(own("{}"), "env:OPENCLAW_GATEWAY_TOKEN"), [open(REUSE)]);
        assert_eq!(ids(own(mode), "env:OPENCLAW_GATEWAY_TOKEN"), [open(REUSE)]);
        let not_in_force = r#"{auth: {mode: "password", token: "x"}}"#;
        assert_eq!(ids(own(not_in_force), "/gateway/auth/token"), NOTHING);
        assert_eq!(own(not_in_force).withhold("/gateway/auth/token").ids(audit), NOTHING);
        assert_eq!(ids(own(in_config), "env:OPENCLAW_GATEWAY_TOKEN"), NOTHING, "it is not in force");
        assert_eq!(ids(own("{}"), "env:OPENCLAW_GATEWAY_PASSWORD"), NOTHING, "no token to compare with");
    }

    #[test]
    fn a_text_that_is_not_shown_is_judged_by_its_length_where_that_decides() {
        let hidden = |hooks: &str, key: &str| {
            let config = format!("{{hooks: {{enabled: true, {hooks}}}}}");
            MemoryHost::new(&config).hide(&format!("/hooks/{key}"), Hidden::Variable).ids(audit)
        };
        let path = |path: &str| hidden(&format!(r#"defaultSessionKey: "k", path: "{path}""#), "path");
        assert_eq!(path("/hooks"), NOTHING);
        assert_eq!((path("/"), path(" x ")), (vec![open(ROOT)], vec![open(ROOT)]));
        assert_eq!(hidden(r#"defaultSessionKey: "k""#, "defaultSessionKey"), NOTHING);
        assert_eq!(hidden(r#"defaultSessionKey: "  ""#, "defaultSessionKey"), [UNSET]);
        let prefix = |list: &str| {
            let hooks = r#"defaultSessionKey: "k", allowRequestSessionKey: true, allowedSessionKeyPrefixes"#;
            hidden(&format!("{hooks}: {list}"), "allowedSessionKeyPrefixes/0")
        };
        assert_eq!(prefix(r#"["hook:"]"#), [ENABLED]);
        assert_eq!(prefix(r#"["  "]"#), [ENABLED, MISSING]);
        assert_eq!(prefix(r#"["  ", "hook:"]"#), [ENABLED]);
    }

    #[test]
    fn a_severity_that_is_not_known_leaves_open() {
        let config = |prefixes: &str, gateway: &str| {
            host(&format!("allowRequestSessionKey: true, allowedSessionKeyPrefixes: {prefixes}"), gateway)
        };
        for (gateway, pointer) in [
            (r#"{bind: "lan"}"#, "/gateway/bind"),
            (r#"{tailscale: {mode: "off"}}"#, "/gateway/tailscale/mode"),
        ] {
            let ids = |prefixes: &str| config(prefixes, gateway).hide(pointer, Hidden::Variable).ids(audit);
            assert_eq!(ids("[]"), [open(ENABLED), open(MISSING)], "{pointer}");
            assert_eq!(ids(r#"["hook:"]"#), [open(ENABLED)], "{pointer}");
        }
        let lan = config(r#"["hook:"]"#, r#"{bind: "lan"}"#).withhold("/gateway/tailscale");
        assert_eq!(lan.ids(audit), ["hooks.request_session_key_enabled:critical"], "one way is enough");
    }

    #[test]
    fn a_fence_counts_whether_or_not_the_switch_is_known() {
        let ids = |prefixes: &str| {
            let hooks = format!("allowRequestSessionKey: true, allowedSessionKeyPrefixes: {prefixes}");
            host(&hooks, "{}").withhold("/hooks/allowRequestSessionKey").ids(audit)
        };
        assert_eq!(ids(r#"["hook:"]"#), [open(ENABLED)]);
        assert_eq!(ids("[]"), [open(ENABLED), open(MISSING)]);
    }
}
