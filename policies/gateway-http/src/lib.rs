//! HTTP endpoints of the gateway that do too much for too many.

use chitin_policy_sdk::gateway::Gateway;
use chitin_policy_sdk::{Context, Finding, Node, Severity, Verdict, finding, info, listing};

/// Tools that the HTTP endpoint refuses unless the config lists them (2026.2).
const DANGEROUS_TOOLS: [&str; 4] = ["sessions_spawn", "sessions_send", "gateway", "whatsapp_login"];

/// Endpoints that are off unless the config says otherwise: key and path.
const OPTIONAL_ENDPOINTS: [(&str, &str); 2] =
    [("chatCompletions", "/v1/chat/completions"), ("responses", "/v1/responses")];

/// Looks at which tools and endpoints HTTP callers get, and what they must show.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let gateway = Gateway::read(cx);
    let endpoints: Vec<Endpoint<'_>> = optional_endpoints(&gateway.node).collect();
    let findings = [dangerous_tools(&gateway), no_auth(&gateway, &endpoints), session_key(&endpoints)];
    Ok(findings.into_iter().flatten().collect())
}

struct Endpoint<'a> {
    path: &'static str,
    switch: Node<'a>,
}

/// The optional endpoints that are on.
fn optional_endpoints<'a>(gateway: &Node<'a>) -> impl Iterator<Item = Endpoint<'a>> {
    let endpoints = gateway.at("http.endpoints");
    OPTIONAL_ENDPOINTS
        .iter()
        .map(move |&(key, path)| Endpoint { path, switch: endpoints.get(key).get("enabled") })
        .filter(|endpoint| endpoint.switch.is_true())
}

fn dangerous_tools(gateway: &Gateway<'_>) -> Option<Finding> {
    let allow = gateway.node.at("tools.allow");
    let entry = |tool: &str| {
        allow.items().find(|item| item.trimmed().is_some_and(|name| name.to_lowercase() == tool))
    };
    let listed: Vec<(&str, Node<'_>)> =
        DANGEROUS_TOOLS.iter().filter_map(|&tool| Some((tool, entry(tool)?))).collect();
    if listed.is_empty() {
        return None;
    }
    let is_open = !gateway.is_loopback() || gateway.tailscale == "funnel";
    let severity = if is_open { Severity::Critical } else { Severity::Warn };
    let names: Vec<&str> = listed.iter().map(|&(tool, _)| tool).collect();
    let start =
        finding("gateway.tools_invoke_http.dangerous_allow", severity, "Tools that command agents are callable over HTTP")
            .detail(format!(
                "gateway.tools.allow lists {}, which POST /tools/invoke refuses by default: one HTTP request \
                 can start sessions, speak in them or reconfigure the gateway, with no agent in between.",
                listing::words(&names)
            ))
            .remediation(format!(
                "Remove {} from gateway.tools.allow; where that cannot be done, set gateway.bind to \"loopback\" and guard the \
                 gateway's secret like an administrator's",
                listing::words(&names)
            ));
    Some(listed.iter().fold(start, |finding, (_, node)| finding.at(node)))
}

fn no_auth(gateway: &Gateway<'_>, endpoints: &[Endpoint<'_>]) -> Option<Finding> {
    let mode = gateway.node.at("auth.mode");
    if mode.text() != Some("none") {
        return None;
    }
    let severity = if gateway.is_remote() { Severity::Critical } else { Severity::Warn };
    let mut paths = vec!["/tools/invoke"];
    paths.extend(endpoints.iter().map(|endpoint| endpoint.path));
    let start = finding("gateway.http.no_auth", severity, "HTTP endpoints answer without a secret")
        .detail(format!(
            "gateway.auth.mode is \"none\": {} can be called without a secret, {}.",
            listing::words(&paths),
            if gateway.is_remote() { "and not from this machine alone" } else { "by every local process and account" }
        ))
        .remediation(
            "Set gateway.auth.mode to \"token\" or \"password\"; until then keep gateway.bind at \"loopback\" and set \
             gateway.http.endpoints.chatCompletions.enabled and gateway.http.endpoints.responses.enabled to false",
        )
        .at(&mode);
    Some(endpoints.iter().fold(start, |finding, endpoint| finding.at(&endpoint.switch)))
}

fn session_key(endpoints: &[Endpoint<'_>]) -> Option<Finding> {
    if endpoints.is_empty() {
        return None;
    }
    let paths: Vec<&str> = endpoints.iter().map(|endpoint| endpoint.path).collect();
    let start = info(
        "gateway.http.session_key_override_enabled",
        "HTTP callers choose the session they talk to",
    )
    .detail(format!(
        "{} accept{} the header x-openclaw-session-key: every caller can continue, and so read, any session.",
        listing::words(&paths),
        if paths.len() == 1 { "s" } else { "" }
    ));
    Some(endpoints.iter().fold(start, |finding, endpoint| finding.at(&endpoint.switch)))
}

chitin_policy_sdk::policy!(audit);

#[cfg(test)]
mod tests {
    use chitin_policy_sdk::Location;
    use chitin_policy_sdk::testing::MemoryHost;

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
        let finding = host.run(audit).expect("a verdict").remove(0);
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
        let findings = host.run(audit).expect("a verdict");
        assert!(findings[0].detail.contains("/tools/invoke, /v1/chat/completions and /v1/responses can"));
        assert!(findings[1].detail.starts_with("/v1/chat/completions and /v1/responses accept the header"));
    }
}
