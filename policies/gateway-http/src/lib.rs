//! HTTP endpoints of the gateway that do too much for too many.

use chitin_policy_sdk::openclaw::gateway::Gateway;
use chitin_policy_sdk::{
    Answer, Context, Finding, Node, NotAssessed, Severity, Verdict, any, finding, info, listing,
};

const DANGEROUS: &str = "gateway.tools_invoke_http.dangerous_allow";
const NO_AUTH: &str = "gateway.http.no_auth";
const SESSION_KEY: &str = "gateway.http.session_key_override_enabled";

/// Tools that the HTTP endpoint refuses unless the config lists them (2026.2).
const DANGEROUS_TOOLS: [&str; 4] = ["sessions_spawn", "sessions_send", "gateway", "whatsapp_login"];

/// Endpoints that are off unless the config says otherwise: key and path.
const OPTIONAL_ENDPOINTS: [(&str, &str); 2] =
    [("chatCompletions", "/v1/chat/completions"), ("responses", "/v1/responses")];

/// Looks at which tools and endpoints HTTP callers get, and what they must show.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let gateway = Gateway::read(cx);
    let mut answer = Answer::new();
    let allowed = allowed_tools(&mut answer, &gateway.node);
    answer.check(DANGEROUS, dangerous_tools(&gateway, &allowed));
    let (endpoints, hidden) = optional_endpoints(&gateway.node);
    let without_secret = no_auth(&gateway, &endpoints);
    let names_endpoints = matches!(without_secret, Ok(Some(_)));
    answer.check(NO_AUTH, without_secret);
    answer.findings.extend(session_key(&endpoints));
    for reason in hidden {
        if names_endpoints {
            answer.leave_open(NO_AUTH, reason.clone());
        }
        answer.leave_open(SESSION_KEY, reason);
    }
    Ok(answer)
}

struct Endpoint<'a> {
    path: &'static str,
    switch: Node<'a>,
}

/// The optional endpoints that are on, and why it cannot be told of others.
fn optional_endpoints<'a>(gateway: &Node<'a>) -> (Vec<Endpoint<'a>>, Vec<NotAssessed>) {
    let endpoints = gateway.at("http.endpoints");
    let (mut on, mut hidden) = (Vec::new(), Vec::new());
    for (key, path) in OPTIONAL_ENDPOINTS {
        let switch = endpoints.get(key).get("enabled");
        match switch.is_true() {
            Ok(true) => on.push(Endpoint { path, switch }),
            Ok(false) => {}
            Err(reason) => hidden.push(reason),
        }
    }
    (on, hidden)
}

/// The entries of the list that are shown, in the form that is compared. One that is not leaves its check open.
fn allowed_tools<'a>(answer: &mut Answer, gateway: &Node<'a>) -> Vec<(String, Node<'a>)> {
    let items = match gateway.at("tools.allow").items() {
        Ok(items) => items,
        Err(reason) => {
            answer.leave_open(DANGEROUS, reason);
            return Vec::new();
        }
    };
    let mut allowed = Vec::new();
    for item in items {
        match item.trimmed() {
            Ok(Some(name)) => allowed.push((name.to_lowercase(), item)),
            Ok(None) => {}
            Err(reason) => answer.leave_open(DANGEROUS, reason),
        }
    }
    allowed
}

fn dangerous_tools(
    gateway: &Gateway<'_>,
    allowed: &[(String, Node<'_>)],
) -> Result<Option<Finding>, NotAssessed> {
    let entry = |tool: &str| allowed.iter().find(|(name, _)| name == tool);
    let listed: Vec<&(String, Node<'_>)> = DANGEROUS_TOOLS.into_iter().filter_map(entry).collect();
    if listed.is_empty() {
        return Ok(None);
    }
    let is_published = gateway.tailscale().map(|mode| mode == "funnel");
    let is_open = any([gateway.is_loopback().map(|is_loopback| !is_loopback), is_published])?;
    let severity = if is_open { Severity::Critical } else { Severity::Warn };
    let names: Vec<&str> = listed.iter().map(|(tool, _)| tool.as_str()).collect();
    let start =
        finding(DANGEROUS, severity, "HTTP requests may call tools that control agents and the gateway")
            .detail(format!(
                "gateway.tools.allow lists {}, which POST /tools/invoke refuses by default: whoever holds the gateway's \
                 token or password can start sessions, speak in them or reconfigure the gateway with one request.",
                listing::words(&names)
            ))
            .remediation(format!(
                "Remove {} from gateway.tools.allow. Where that cannot be done, guard the gateway's token like an \
                 administrator's, and set gateway.bind to \"loopback\" if no other machine needs the gateway",
                listing::words(&names)
            ));
    Ok(Some(listed.iter().fold(start, |finding, (_, node)| finding.at(node))))
}

fn no_auth(gateway: &Gateway<'_>, endpoints: &[Endpoint<'_>]) -> Result<Option<Finding>, NotAssessed> {
    let mode = gateway.node.at("auth.mode");
    if mode.text()? != Some("none") {
        return Ok(None);
    }
    let is_remote = gateway.is_remote()?;
    let severity = if is_remote { Severity::Critical } else { Severity::Warn };
    let mut paths = vec!["/tools/invoke"];
    paths.extend(endpoints.iter().map(|endpoint| endpoint.path));
    let start = finding(NO_AUTH, severity, "HTTP endpoints answer without a secret")
        .detail(format!(
            "gateway.auth.mode is \"none\": {} can be called without a secret, {}.",
            listing::words(&paths),
            if is_remote { "and not from this machine alone" } else { "by every local process and account" }
        ))
        .remediation(
            "Set gateway.auth.mode to \"token\" or \"password\"; until then keep gateway.bind at \"loopback\" and set \
             gateway.http.endpoints.chatCompletions.enabled and gateway.http.endpoints.responses.enabled to false",
        )
        .at(&mode);
    Ok(Some(endpoints.iter().fold(start, |finding, endpoint| finding.at(&endpoint.switch))))
}

fn session_key(endpoints: &[Endpoint<'_>]) -> Option<Finding> {
    if endpoints.is_empty() {
        return None;
    }
    let paths: Vec<&str> = endpoints.iter().map(|endpoint| endpoint.path).collect();
    let start = info(SESSION_KEY, "HTTP callers choose the session they talk to").detail(format!(
        "{} accept{} the header x-openclaw-session-key: every caller whom the gateway lets in can continue any session, and so \
         have its contents told.",
        listing::words(&paths),
        if paths.len() == 1 { "s" } else { "" }
    ));
    Some(endpoints.iter().fold(start, |finding, endpoint| finding.at(&endpoint.switch)))
}

chitin_policy_sdk::policy!(audit);

#[cfg(test)]
mod tests {
    use chitin_policy_sdk::testing::MemoryHost;
    use chitin_policy_sdk::{Hidden, Location};

    use super::*;

    const NOTHING: [&str; 0] = [];

    fn host(gateway: &str) -> MemoryHost {
        MemoryHost::new(&format!("{{gateway: {gateway}}}"))
    }

    fn ids(gateway: &str) -> Vec<String> {
        host(gateway).ids(audit)
    }

    #[test]
    fn dangerous_tools_are_found_trimmed_in_any_case_and_among_wrong_types() {
        let warn = ["gateway.tools_invoke_http.dangerous_allow:warn"];
        for allow in [r#"["gateway"]"#, r#"[" Sessions_Spawn "]"#, r#"[5, null, "gateway"]"#] {
            assert_eq!(ids(&format!("{{tools: {{allow: {allow}}}}}")), warn, "{allow}");
        }
        for allow in ["[]", r#"["*"]"#, r#"["group:sessions"]"#, r#""gateway""#, r#"["exec"]"#, "{}"] {
            assert_eq!(ids(&format!("{{tools: {{allow: {allow}}}}}")), NOTHING, "{allow}");
        }
    }

    #[test]
    fn a_deny_list_does_not_help() {
        assert_eq!(ids(r#"{tools: {allow: ["gateway"], deny: ["gateway"]}}"#).len(), 1);
    }

    #[test]
    fn dangerous_tools_are_critical_beyond_loopback_and_by_funnel_not_by_serve() {
        let severity = |place: &str| ids(&format!(r#"{{{place}, tools: {{allow: ["gateway"]}}}}"#));
        let critical = ["gateway.tools_invoke_http.dangerous_allow:critical"];
        assert_eq!(severity(r#"bind: "lan""#), critical);
        assert_eq!(severity(r#"tailscale: {mode: "funnel"}"#), critical);
        assert_eq!(
            severity(r#"tailscale: {mode: "serve"}"#),
            ["gateway.tools_invoke_http.dangerous_allow:warn"]
        );
    }

    #[test]
    fn each_tool_is_named_once_in_a_fixed_order() {
        let host = host(r#"{tools: {allow: ["whatsapp_login", "GATEWAY", "gateway", "sessions_spawn"]}}"#);
        let finding = host.findings(audit).remove(0);
        assert!(finding.detail.contains("lists sessions_spawn, gateway and whatsapp_login, which"));
        let pointers = ["/gateway/tools/allow/3", "/gateway/tools/allow/1", "/gateway/tools/allow/0"];
        assert_eq!(finding.locations, pointers.map(|pointer| Location::Config(pointer.to_owned())));
    }

    #[test]
    fn no_auth_is_the_explicit_mode_none() {
        assert_eq!(ids(r#"{auth: {mode: "none", token: "t"}}"#), ["gateway.http.no_auth:warn"]);
        assert_eq!(ids("{}"), NOTHING);
        assert_eq!(ids(r#"{auth: {mode: "None"}}"#), NOTHING);
    }

    #[test]
    fn no_auth_is_critical_where_others_can_connect() {
        for place in [r#"bind: "lan""#, r#"tailscale: {mode: "serve"}"#, r#"tailscale: {mode: "funnel"}"#] {
            let ids = ids(&format!(r#"{{{place}, auth: {{mode: "none"}}}}"#));
            assert_eq!(ids, ["gateway.http.no_auth:critical"], "{place}");
        }
    }

    #[test]
    fn an_endpoint_is_on_only_where_it_is_exactly_true() {
        let session = ["gateway.http.session_key_override_enabled:info"];
        assert_eq!(ids("{http: {endpoints: {responses: {enabled: true}}}}"), session);
        assert_eq!(ids("{http: {endpoints: {chatCompletions: {enabled: true}}}}"), session);
        assert_eq!(
            ids(r#"{http: {endpoints: {responses: {enabled: "true"}, chatCompletions: true}}}"#),
            NOTHING
        );
    }

    #[test]
    fn the_open_endpoints_are_named() {
        let on = "{responses: {enabled: true}, chatCompletions: {enabled: true}}";
        let host = host(&format!(r#"{{auth: {{mode: "none"}}, http: {{endpoints: {on}}}}}"#));
        let findings = host.findings(audit);
        assert!(findings[0].detail.contains("/tools/invoke, /v1/chat/completions and /v1/responses can"));
        assert!(findings[1].detail.starts_with("/v1/chat/completions and /v1/responses accept the header"));
    }

    const DANGEROUS_OPEN: &str = "gateway.tools_invoke_http.dangerous_allow:not assessed";
    const NO_AUTH_OPEN: &str = "gateway.http.no_auth:not assessed";
    const SESSION_OPEN: &str = "gateway.http.session_key_override_enabled:not assessed";

    #[test]
    fn a_hidden_value_costs_the_checks_that_depend_on_it() {
        let warn = "gateway.tools_invoke_http.dangerous_allow:warn";
        for (gateway, pointer, ids) in [
            (
                r#"{tools: {allow: ["x", "gateway"]}}"#,
                "/gateway/tools/allow/0",
                [warn, DANGEROUS_OPEN].as_slice(),
            ),
            (r#"{tools: {allow: ["x", "exec"]}}"#, "/gateway/tools/allow/0", &[DANGEROUS_OPEN]),
            (r#"{bind: "lan", tools: {allow: ["gateway"]}}"#, "/gateway/bind", &[DANGEROUS_OPEN]),
            (r#"{bind: "lan", tools: {allow: ["exec"]}}"#, "/gateway/bind", &[]),
            (
                r#"{bind: "lan", tailscale: {mode: "serve"}, tools: {allow: ["gateway"]}, auth: {mode: "none"}}"#,
                "/gateway/bind",
                &["gateway.http.no_auth:critical", DANGEROUS_OPEN],
            ),
            (
                r#"{bind: "lan", tailscale: {mode: "x"}, tools: {allow: ["gateway"]}, auth: {mode: "none"}}"#,
                "/gateway/tailscale/mode",
                &["gateway.tools_invoke_http.dangerous_allow:critical", "gateway.http.no_auth:critical"],
            ),
            (r#"{auth: {mode: "none"}, bind: "lan"}"#, "/gateway/bind", &[NO_AUTH_OPEN]),
            (r#"{auth: {mode: "token"}, bind: "lan"}"#, "/gateway/bind", &[]),
            (r#"{auth: {mode: "none"}}"#, "/gateway/auth/mode", &[NO_AUTH_OPEN]),
        ] {
            assert_eq!(host(gateway).hide(pointer, Hidden::Variable).ids(audit), ids, "{gateway} {pointer}");
        }
    }

    #[test]
    fn what_is_withheld_is_not_taken_for_absent() {
        let all = [DANGEROUS_OPEN, NO_AUTH_OPEN, SESSION_OPEN, SESSION_OPEN];
        assert_eq!(host("{}").withhold("/gateway").ids(audit), all);
        assert_eq!(host("{}").withhold("/gateway/tools").ids(audit), [DANGEROUS_OPEN]);
        assert_eq!(host("{}").withhold("/gateway/auth").ids(audit), [NO_AUTH_OPEN]);
        assert_eq!(host("{}").withhold("/gateway/bind").ids(audit), NOTHING);
    }

    #[test]
    fn an_endpoint_that_is_withheld_is_left_open_beside_the_other() {
        let on = "http: {endpoints: {responses: {enabled: true}, chatCompletions: {enabled: true}}}";
        let withheld =
            |gateway: &str| host(gateway).withhold("/gateway/http/endpoints/responses/enabled").ids(audit);
        let session = "gateway.http.session_key_override_enabled:info";
        assert_eq!(withheld(&format!("{{{on}}}")), [session, SESSION_OPEN]);
        let no_auth = "gateway.http.no_auth:warn";
        let both = withheld(&format!(r#"{{auth: {{mode: "none"}}, {on}}}"#));
        assert_eq!(both, [no_auth, session, NO_AUTH_OPEN, SESSION_OPEN]);
    }
}
