//! Webhooks that let callers in too easily or give them too much.

use chitin_policy_sdk::openclaw::gateway::{self, Credential, Gateway, MIN_TOKEN_UNITS, TOKEN_VARIABLE};
use chitin_policy_sdk::{
    Answer, Context, Facts, Finding, Hidden, Location, Measures, Node, NotAssessed, Severity, Verdict, all,
    any, critical, finding, js, warn,
};

/// From this release on the variable is compared where no token is in force (2026.2.12 and 2026.2.17).
const VARIABLE_COMPARED: (u16, u8, u16) = (2026, 2, 17);
/// From this release on a token that is used twice is critical (2026.2.17 and 2026.2.19).
const REUSE_CRITICAL: (u16, u8, u16) = (2026, 2, 19);
/// From this release on the password is compared where that is in force, and nothing that is not in force is (2026.5.20 and
/// 2026.5.26).
const PASSWORD_COMPARED: (u16, u8, u16) = (2026, 5, 26);

/// Looks at the webhook section where it is switched on.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let hooks = cx.config().get("hooks");
    let mut answer = Answer::new();
    let is_on = hooks.get("enabled").is_true();
    if is_on == Ok(false) {
        return Ok(answer);
    }
    let gateway = Gateway::read(cx).with_old_variables();
    for (id, verdict) in [
        ("hooks.token_too_short", token_too_short(cx, &hooks)),
        ("hooks.token_reuse_gateway_token", token_reuse(cx, &gateway, &hooks)),
        ("hooks.path_root", path_root(cx, &hooks)),
        ("hooks.default_session_key_unset", default_session_key(cx, &hooks)),
        ("hooks.allowed_agent_ids_unrestricted", any_agent(&gateway, &hooks)),
        ("hooks.request_session_key_enabled", request_session_key(&gateway, &hooks)),
        ("hooks.request_session_key_prefixes_missing", prefixes_missing(cx, &gateway, &hooks)),
    ] {
        // Look at the setting first: where it is fine, the switch does not matter.
        let verdict = match verdict {
            Ok(Some(finding)) => is_on.clone().map(|_| Some(finding)),
            other => other,
        };
        answer.check(id, verdict);
    }
    Ok(answer)
}

fn since(cx: &Context<'_>, (year, month, patch): (u16, u8, u16)) -> bool {
    cx.release().since(year, month, patch)
}

/// What is known of the webhook token; none where it is absent, empty or no text.
fn token_measures(cx: &Context<'_>, token: &Node<'_>) -> Result<Option<Measures>, NotAssessed> {
    let facts = if token.is_text()? && token.is_truthy()? { cx.config_secret(token)? } else { None };
    let Some(facts) = facts else { return Ok(None) };
    if gateway::is_unset(cx, token, &facts)? {
        return Err(NotAssessed::hidden(Hidden::Variable, token.location()));
    }
    facts.measures(&token.location()).map(Some)
}

fn token_too_short(cx: &Context<'_>, hooks: &Node<'_>) -> Result<Option<Finding>, NotAssessed> {
    let token = hooks.get("token");
    let Some(Measures { units, .. }) = token_measures(cx, &token)? else { return Ok(None) };
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
    let Some((name, place)) = reused(cx, gateway, &token)? else { return Ok(None) };
    let severity = if since(cx, REUSE_CRITICAL) { Severity::Critical } else { Severity::Warn };
    let title = format!("Webhook token is the gateway {name} too");
    let finding = finding("hooks.token_reuse_gateway_token", severity, &title)
        .detail(format!(
            "hooks.token equals the gateway {name}: every service that is given the webhook token can log in to the \
             gateway with it, and each place that keeps it or logs it leaks both.",
        ))
        .remediation(format!(
            "Set hooks.token to a value of its own, for example the output of: openssl rand -hex 32; and change the \
             gateway {name}, which others have seen",
        ))
        .at(&token)
        .at_location(&place);
    Ok(Some(finding))
}

/// Which secret of the gateway the webhook token equals, and where that stands.
fn reused(
    cx: &Context<'_>,
    gateway: &Gateway<'_>,
    token: &Node<'_>,
) -> Result<Option<(&'static str, Location)>, NotAssessed> {
    // Whether there is a webhook token at all is known of one that is kept elsewhere, too.
    let own = token_measures(cx, token);
    if own.as_ref().is_ok_and(|own| own.is_none_or(|own| own.units == 0)) {
        return Ok(None);
    }
    let is_same = |other: Result<Option<Measures>, NotAssessed>| {
        let (Some(own), Some(other)) = (own.clone()?, other?) else { return Ok(false) };
        Ok(own.fingerprint == other.fingerprint)
    };
    let is_given = |credential: &Result<Credential<'_>, NotAssessed>| match credential {
        Ok(credential) if credential.is_set() => is_same(credential.measures()),
        Ok(_) => Ok(false),
        Err(reason) => Err(reason.clone()),
    };
    let mode = gateway.mode(cx);
    let is_mode = |modes: &[&str]| mode.clone().map(|mode| modes.contains(&mode));
    let credential = gateway.token(cx);
    let is_token = is_given(&credential);
    if since(cx, PASSWORD_COMPARED) {
        let password = gateway.password(cx);
        let is_token = all([is_mode(&["token"]), is_token]);
        let is_password = all([is_mode(&["password", "trusted-proxy"]), is_given(&password)]);
        if !any([is_token.clone(), is_password])? {
            return Ok(None);
        }
        let (name, credential) =
            if is_token == Ok(true) { ("token", credential?) } else { ("password", password?) };
        return Ok(Some((name, credential.location())));
    }
    let is_set = credential.as_ref().map(Credential::is_set).map_err(Clone::clone);
    let is_in_force = all([is_mode(&["token"]), is_set]);
    let is_variable = if since(cx, VARIABLE_COMPARED) {
        cx.env_secret(TOKEN_VARIABLE).and_then(|variable| match variable.filter(Facts::is_set) {
            Some(variable) => is_same(Ok(variable.measures)),
            None => Ok(false),
        })
    } else {
        Ok(false)
    };
    let is_credential = all([is_in_force.clone(), is_token.clone()]);
    let is_other = all([is_in_force.clone().map(|is| !is), is_variable.clone()]);
    // Where both are the same, it does not matter which of them is in force.
    if !any([is_credential, is_other, all([is_token, is_variable])])? {
        return Ok(None);
    }
    Ok(Some(match credential {
        Ok(credential) if is_in_force != Ok(false) => ("token", credential.location()),
        _ => ("token", Location::Env(TOKEN_VARIABLE.to_owned())),
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

fn any_agent(gateway: &Gateway<'_>, hooks: &Node<'_>) -> Result<Option<Finding>, NotAssessed> {
    let agents = hooks.get("allowedAgentIds");
    let is_any = agents.items().and_then(|ids| any(ids.map(|id| Ok(id.trimmed()? == Some("*")))));
    let is_no_list = agents.is_list().map(|is_list| !is_list);
    if !any([is_no_list.clone(), is_any])? {
        return Ok(None);
    }
    let (severity, reach) = reach(gateway)?;
    let what = if is_no_list? { "is not set" } else { "lists \"*\"" };
    let finding = finding("hooks.allowed_agent_ids_unrestricted", severity, "Webhook callers may choose any agent")
        .detail(format!(
            "hooks.allowedAgentIds {what}, and {reach}: the holder of the webhook token can start runs of every agent, also of those \
             that have more rights than webhooks need.",
        ))
        .remediation("Set hooks.allowedAgentIds to the agents that webhooks are for, or to [] where callers name none")
        .at(&agents);
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

    /// The checks without that of agents, which came later.
    fn earlier(cx: &Context<'_>) -> Verdict {
        let mut answer = audit(cx)?;
        answer.findings.retain(|finding| finding.check_id != AGENTS);
        answer.unassessed.retain(|open| open.check_id != AGENTS);
        Ok(answer)
    }

    const AGENTS: &str = "hooks.allowed_agent_ids_unrestricted";

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
            assert_eq!(MemoryHost::new(&format!("{{hooks: {hooks}}}")).ids(earlier), NOTHING, "{hooks}");
        }
        assert_eq!(MemoryHost::new("{hooks: {enabled: true}}").ids(earlier), [UNSET]);
    }

    #[test]
    fn a_token_of_23_characters_is_short_and_of_24_is_not() {
        assert_eq!(host(&token(&"x".repeat(23)), "{}").ids(earlier), [SHORT]);
        assert_eq!(host(&token(&format!(" {} ", "x".repeat(23))), "{}").ids(earlier), [SHORT]);
        assert_eq!(host(&token(&"x".repeat(24)), "{}").ids(earlier), NOTHING);
    }

    #[test]
    fn a_blank_token_or_one_that_is_no_text_is_neither_short_nor_reused() {
        for token in ["token: \"  \"", "token: 5", "token: null"] {
            assert_eq!(host(token, r#"{auth: {token: "  "}}"#).ids(earlier), NOTHING, "{token}");
        }
    }

    #[test]
    fn the_gateway_token_is_compared_trimmed_and_by_case() {
        let gateway = |value: &str| format!(r#"{{auth: {{token: "{value}"}}}}"#);
        assert_eq!(host(&token(LONG), &gateway(&format!(" {LONG} "))).ids(earlier), [REUSE]);
        assert_eq!(host(&token(LONG), &gateway(&LONG.to_uppercase())).ids(earlier), NOTHING);
    }

    #[test]
    fn the_environment_is_compared_where_no_config_token_is_in_force() {
        let reuse = |gateway: &str| {
            let ids = host(&token(LONG), gateway).variable(TOKEN_VARIABLE, LONG).ids(earlier);
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
        assert_eq!(host(&token(LONG), &gateway).ids(earlier), NOTHING);
        let gateway = format!(r#"{{auth: {{mode: "password", password: "{LONG}"}}}}"#);
        assert_eq!(host(&token(LONG), &gateway).ids(earlier), NOTHING);
    }

    #[test]
    fn reuse_points_at_both_places() {
        let findings = host(&token(LONG), "{}").variable(TOKEN_VARIABLE, LONG).findings(earlier);
        let places = [Location::Config("/hooks/token".to_owned()), Location::Env(TOKEN_VARIABLE.to_owned())];
        assert_eq!(findings[0].locations, places);
    }

    #[test]
    fn only_a_single_slash_is_the_root_path() {
        let path = |path: &str| host(&format!("path: {path}"), "{}").ids(earlier);
        assert_eq!(path(r#"" / ""#), ["hooks.path_root:critical"]);
        for silent in [r#""//""#, r#""/hooks""#, r#""""#, "5", "null"] {
            assert_eq!(path(silent), NOTHING, "{silent}");
        }
    }

    #[test]
    fn a_default_session_key_that_is_blank_or_no_text_is_unset() {
        for key in [r#""""#, r#""  ""#, "5", "null"] {
            let config = format!("{{hooks: {{enabled: true, defaultSessionKey: {key}}}}}");
            assert_eq!(MemoryHost::new(&config).ids(earlier), [UNSET], "{key}");
        }
    }

    #[test]
    fn chosen_sessions_are_critical_where_others_can_connect() {
        let ids = |gateway: &str| {
            host(r#"allowRequestSessionKey: true, allowedSessionKeyPrefixes: ["hook:"]"#, gateway)
                .ids(earlier)
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
            assert_eq!(host(&hooks, "{}").ids(earlier), both, "{prefixes}");
        }
        assert_eq!(host(r#"allowRequestSessionKey: "true""#, "{}").ids(earlier), NOTHING);
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
        assert_eq!(all_wrong().ids(earlier), ALL);
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
            assert_eq!(all_wrong().withhold(pointer).ids(earlier), expected, "{pointer}");
        }
    }

    #[test]
    fn what_is_in_order_is_so_whether_webhooks_are_on_or_off() {
        let hooks = format!(r#"{}, path: "/hooks""#, token(LONG));
        assert_eq!(host(&hooks, "{}").withhold("/hooks/enabled").ids(earlier), NOTHING);
        let off = MemoryHost::new(r#"{hooks: {enabled: "x", path: "/"}}"#);
        assert_eq!(off.hide("/hooks/enabled", Hidden::Variable).ids(earlier), NOTHING, "a text is not true");
    }

    #[test]
    fn a_token_that_is_kept_elsewhere_is_neither_long_nor_unlike_another() {
        const KEPT: &str = r#"token: {"$hidden": "reference"}"#;
        let ids = |hooks: &str, gateway: &str| host(hooks, gateway).ids(earlier);
        assert_eq!(ids(KEPT, "{}"), [open(SHORT)], "there is no gateway token");
        assert_eq!(ids(KEPT, r#"{auth: {token: "t"}}"#), [open(SHORT), open(REUSE)]);
        assert_eq!(ids(&token(LONG), &format!("{{auth: {{{KEPT}}}}}")), [open(REUSE)]);
        let unused = format!(r#"{{auth: {{mode: "password", {KEPT}}}}}"#);
        assert_eq!(ids(&token(LONG), &unused), NOTHING, "it is not in force");
        let variable = host(KEPT, "{}").variable(TOKEN_VARIABLE, LONG);
        assert_eq!(variable.ids(earlier), [open(SHORT), open(REUSE)]);
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
            assert_eq!(hidden.ids(earlier), expected, "{own} {variable}");
            assert_eq!(host.withhold("/gateway/auth/mode").ids(earlier), expected, "{own} {variable}");
        }
        let variable = host(&token(LONG), "{auth: {}}").variable(TOKEN_VARIABLE, LONG);
        assert_eq!(variable.withhold("/gateway/auth/mode").ids(earlier), [REUSE], "there is no other");
    }

    #[test]
    fn facts_that_are_not_granted_cost_the_checks_of_the_token() {
        let ids = |host: MemoryHost, secret: &str| host.ungranted(&format!("secret:{secret}")).ids(earlier);
        let own = |gateway: &str| host(&token(LONG), gateway);
        let (in_config, mode) = (r#"{auth: {mode: "token", token: "x"}}"#, r#"{auth: {mode: "password"}}"#);
        assert_eq!(ids(own("{}"), "/hooks/token"), [open(SHORT)], "no token to compare with");
        assert_eq!(ids(own(in_config), "/hooks/token"), [open(SHORT), open(REUSE)]);
        assert_eq!(ids(host(r#"token: """#, "{}"), "/hooks/token"), NOTHING, "an empty one is shown");
        assert_eq!(ids(own(in_config), "/gateway/auth/token"), [open(REUSE)]);
        assert_eq!(ids(own("{}"), "env:OPENCLAW_GATEWAY_TOKEN"), [open(REUSE)]);
        assert_eq!(ids(own(mode), "env:OPENCLAW_GATEWAY_TOKEN"), [open(REUSE)]);
        let not_in_force = r#"{auth: {mode: "password", token: "x"}}"#;
        assert_eq!(ids(own(not_in_force), "/gateway/auth/token"), NOTHING);
        assert_eq!(own(not_in_force).withhold("/gateway/auth/token").ids(earlier), NOTHING);
        assert_eq!(ids(own(in_config), "env:OPENCLAW_GATEWAY_TOKEN"), NOTHING, "it is not in force");
        assert_eq!(ids(own("{}"), "env:OPENCLAW_GATEWAY_PASSWORD"), NOTHING, "no token to compare with");
    }

    #[test]
    fn a_text_that_is_not_shown_is_judged_by_its_length_where_that_decides() {
        let hidden = |hooks: &str, key: &str| {
            let config = format!("{{hooks: {{enabled: true, {hooks}}}}}");
            MemoryHost::new(&config).hide(&format!("/hooks/{key}"), Hidden::Variable).ids(earlier)
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
            let ids = |prefixes: &str| config(prefixes, gateway).hide(pointer, Hidden::Variable).ids(earlier);
            assert_eq!(ids("[]"), [open(ENABLED), open(MISSING)], "{pointer}");
            assert_eq!(ids(r#"["hook:"]"#), [open(ENABLED)], "{pointer}");
        }
        let lan = config(r#"["hook:"]"#, r#"{bind: "lan"}"#).withhold("/gateway/tailscale");
        assert_eq!(lan.ids(earlier), ["hooks.request_session_key_enabled:critical"], "one way is enough");
    }

    #[test]
    fn a_fence_counts_whether_or_not_the_switch_is_known() {
        let ids = |prefixes: &str| {
            let hooks = format!("allowRequestSessionKey: true, allowedSessionKeyPrefixes: {prefixes}");
            host(&hooks, "{}").withhold("/hooks/allowRequestSessionKey").ids(earlier)
        };
        assert_eq!(ids(r#"["hook:"]"#), [open(ENABLED)]);
        assert_eq!(ids("[]"), [open(ENABLED), open(MISSING)]);
    }

    fn at_release(host: &MemoryHost, (year, month, patch): (u16, u8, u16)) -> Vec<String> {
        host.clone().release(year, month, patch).ids(earlier)
    }

    const REUSE_WARN: &str = "hooks.token_reuse_gateway_token:warn";

    #[test]
    fn a_token_that_is_used_twice_is_worse_from_2026_2_19_on() {
        let host = host(&token(LONG), &format!(r#"{{auth: {{token: "{LONG}"}}}}"#));
        assert_eq!(at_release(&host, (2026, 1, 30)), [REUSE_WARN]);
        assert_eq!(at_release(&host, (2026, 2, 17)), [REUSE_WARN]);
        for release in [(2026, 2, 19), (2026, 5, 20), (2026, 5, 26), (2026, 9, 6)] {
            assert_eq!(at_release(&host, release), [REUSE], "{release:?}");
        }
    }

    #[test]
    fn a_variable_that_is_not_in_force_was_compared_for_a_while() {
        let host = host(&token(LONG), r#"{auth: {mode: "none"}}"#).variable(TOKEN_VARIABLE, LONG);
        assert_eq!(at_release(&host, (2026, 2, 12)), NOTHING);
        assert_eq!(at_release(&host, (2026, 2, 17)), [REUSE_WARN]);
        assert_eq!(at_release(&host, (2026, 5, 20)), [REUSE]);
        assert_eq!(at_release(&host, (2026, 5, 26)), NOTHING);
    }

    #[test]
    fn the_password_is_compared_from_2026_5_26_on() {
        for mode in ["password", "trusted-proxy"] {
            let gateway = format!(r#"{{auth: {{mode: "{mode}", password: "{LONG}"}}}}"#);
            let host = host(&token(LONG), &gateway);
            assert_eq!(at_release(&host, (2026, 5, 20)), NOTHING, "{mode}");
            assert_eq!(at_release(&host, (2026, 5, 26)), [REUSE], "{mode}");
            let finding = host.release(2026, 9, 6).findings(earlier).remove(0);
            assert!(finding.title.contains("gateway password"), "{}", finding.title);
            assert_eq!(finding.locations[1], Location::Config("/gateway/auth/password".to_owned()));
        }
        let other = format!(r#"{{auth: {{mode: "token", token: "x", password: "{LONG}"}}}}"#);
        assert_eq!(at_release(&host(&token(LONG), &other), (2026, 9, 6)), NOTHING);
        let remote = format!(r#"{{remote: {{password: "{LONG}"}}}}"#);
        assert_eq!(at_release(&host(&token(LONG), &remote), (2026, 7, 35)), NOTHING);
        assert_eq!(at_release(&host(&token(LONG), &remote), (2026, 8, 1)), [REUSE]);
    }

    #[test]
    fn which_secret_is_in_force_matters_where_one_of_them_is_the_same() {
        let new = |auth: &str| {
            let host = host(&token(LONG), &format!("{{auth: {auth}}}"));
            at_release(&host.hide("/gateway/auth/mode", Hidden::Variable), (2026, 9, 6))
        };
        assert_eq!(new(&format!(r#"{{mode: "token", token: "{LONG}", password: "x"}}"#)), [open(REUSE)]);
        assert_eq!(new(&format!(r#"{{mode: "token", token: "x", password: "{LONG}"}}"#)), [open(REUSE)]);
        assert_eq!(new(r#"{mode: "token", token: "x", password: "y"}"#), NOTHING);
    }

    #[test]
    fn the_length_of_what_a_variable_is_to_give_is_not_known() {
        let unset = host(&token("${NONE}"), r#"{auth: {token: "t"}}"#).problem(
            "unset-variable",
            "it is not set",
            Some("/hooks/token"),
        );
        for release in [(2026, 2, 19), (2026, 9, 6)] {
            assert_eq!(at_release(&unset, release), [open(SHORT), open(REUSE)], "{release:?}");
        }
        let unknown = host(&token(LONG), "{}").ungranted("problems");
        assert_eq!(at_release(&unknown, (2026, 9, 6)), [open(SHORT)]);
    }

    const ANY: &str = "hooks.allowed_agent_ids_unrestricted:warn";

    /// What is said of agents.
    fn agents(host: &MemoryHost) -> Vec<String> {
        let mut ids = host.clone().release(2026, 9, 6).ids(audit);
        ids.retain(|id| id.starts_with(AGENTS));
        ids
    }

    #[test]
    fn agents_are_restricted_by_a_list_without_a_wildcard() {
        for (list, is_any) in [
            ("null", true),
            (r#""main""#, true),
            (r#"["main", " * "]"#, true),
            ("[]", false),
            (r#"["main"]"#, false),
            ("[5, \"\"]", false),
        ] {
            let expected: &[&str] = if is_any { &[ANY] } else { &NOTHING };
            assert_eq!(agents(&host(&format!("allowedAgentIds: {list}"), "{}")), expected, "{list}");
        }
        assert_eq!(agents(&host("x: 1", "{}")), [ANY]);
        let lan = host("x: 1", r#"{bind: "lan"}"#);
        assert_eq!(agents(&lan), ["hooks.allowed_agent_ids_unrestricted:critical"]);
        assert_eq!(agents(&lan.hide("/gateway/bind", Hidden::Variable)), [open(ANY)]);
        let off = MemoryHost::new("{hooks: {enabled: false}}");
        assert_eq!(agents(&off), NOTHING);
    }

    #[test]
    fn an_agent_that_is_not_shown_may_be_a_wildcard() {
        let hidden = |list: &str| {
            let host = host(&format!("allowedAgentIds: {list}"), "{}");
            agents(&host.hide("/hooks/allowedAgentIds/0", Hidden::Variable))
        };
        assert_eq!(hidden(r#"["a"]"#), [open(ANY)]);
        assert_eq!(hidden(r#"["a", "*"]"#), [ANY]);
        let withheld = host(r#"allowedAgentIds: ["a"]"#, "{}").withhold("/hooks/allowedAgentIds");
        assert_eq!(agents(&withheld), [open(ANY)]);
        let switch = host("x: 1", "{}").withhold("/hooks/enabled");
        assert_eq!(agents(&switch), [open(ANY)]);
    }
}
