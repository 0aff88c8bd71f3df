//! HTTP endpoints of the gateway that do too much for too many.

use chitin_policy_sdk::openclaw::gateway::Gateway;
use chitin_policy_sdk::{
    Answer, Context, Finding, Node, NotAssessed, Release, Severity, Verdict, any, finding, listing,
};

const DANGEROUS: &str = "gateway.tools_invoke_http.dangerous_allow";
const NO_AUTH: &str = "gateway.http.no_auth";
const SESSION_KEY: &str = "gateway.http.session_key_override_enabled";

/// A year, a month and a number in it.
type From = (u16, u8, u16);

/// A tool that the HTTP endpoint refuses unless the config lists it, the first release that does so, and the first one that
/// does no more (read in the programs of these releases and of those before them; each list in its program's order).
const DANGEROUS_TOOLS: [(&str, From, Option<From>); 23] = [
    ("exec", (2026, 3, 31), None),
    ("spawn", (2026, 3, 31), None),
    ("shell", (2026, 3, 31), None),
    ("fs_write", (2026, 3, 31), None),
    ("fs_delete", (2026, 3, 31), None),
    ("fs_move", (2026, 3, 31), None),
    ("apply_patch", (2026, 3, 31), None),
    ("terminal", (2026, 8, 1), None),
    ("portal", (2026, 8, 1), None),
    ("sessions_spawn", (2026, 2, 17), None),
    ("sessions_send", (2026, 2, 17), None),
    ("conversations_list", (2026, 8, 1), None),
    ("conversations_send", (2026, 8, 1), None),
    ("conversations_turn", (2026, 8, 1), None),
    ("cron", (2026, 2, 23), Some((2026, 8, 1))),
    ("automations", (2026, 8, 1), None),
    ("gateway", (2026, 2, 17), None),
    ("plugins", (2026, 9, 6), None),
    ("nodes", (2026, 3, 31), None),
    ("computer", (2026, 8, 1), None),
    ("mobile_ui", (2026, 8, 1), None),
    ("openclaw", (2026, 8, 1), None),
    ("whatsapp_login", (2026, 2, 17), Some((2026, 4, 22))),
];

/// From this release on any login that does not work counts as none, and not only the mode "none" (2026.5.20 and 2026.5.26).
const UNUSABLE: From = (2026, 5, 26);
/// Releases before this one warn of chosen sessions where others can reach the gateway (2026.2.12 and 2026.2.17).
const SESSION_KEY_INFO: From = (2026, 2, 17);

/// Endpoints that are off unless the config says otherwise: the switch, the path, and the first release that is asked for it.
const OPTIONAL_ENDPOINTS: [(&str, &str, From); 2] = [
    ("gateway.http.endpoints.chatCompletions.enabled", "/v1/chat/completions", (2026, 1, 1)),
    ("gateway.http.endpoints.responses.enabled", "/v1/responses", (2026, 1, 1)),
];
const ADMIN_ENDPOINT: (&str, &str, From) =
    ("plugins.entries.admin-http-rpc.enabled", "/api/v1/admin/rpc", (2026, 5, 18));

fn since(release: Release, (year, month, patch): From) -> bool {
    release.since(year, month, patch)
}

/// The tools that this release refuses by itself.
fn dangerous(release: Release) -> impl Iterator<Item = &'static str> {
    let is_refused = move |first: From, end: Option<From>| {
        since(release, first) && !end.is_some_and(|end| since(release, end))
    };
    DANGEROUS_TOOLS
        .into_iter()
        .filter(move |(_, first, end)| is_refused(*first, *end))
        .map(|(tool, _, _)| tool)
}

/// Looks at which tools and endpoints HTTP callers get, and what they must show.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let gateway = Gateway::read(cx);
    let mut answer = Answer::new();
    let allowed = allowed_tools(&mut answer, &gateway.node);
    answer.check(DANGEROUS, dangerous_tools(cx, &gateway, &allowed));
    let sessions = Endpoints::read(cx, &OPTIONAL_ENDPOINTS);
    let admin = Endpoints::read(cx, &[ADMIN_ENDPOINT]);
    let without_secret = no_auth(cx, &gateway, sessions.on.iter().chain(&admin.on));
    let names_endpoints = matches!(without_secret, Ok(Some(_)));
    answer.check(NO_AUTH, without_secret);
    for reason in sessions.hidden.iter().chain(&admin.hidden).filter(|_| names_endpoints) {
        answer.leave_open(NO_AUTH, reason.clone());
    }
    answer.check(SESSION_KEY, session_key(cx, &gateway, &sessions.on));
    for reason in sessions.hidden {
        answer.leave_open(SESSION_KEY, reason);
    }
    Ok(answer)
}

struct Endpoint<'a> {
    path: &'static str,
    switch: Node<'a>,
}

/// The endpoints that are on, and why it cannot be told of others.
struct Endpoints<'a> {
    on: Vec<Endpoint<'a>>,
    hidden: Vec<NotAssessed>,
}

impl<'a> Endpoints<'a> {
    fn read(cx: &'a Context<'_>, known: &[(&str, &'static str, From)]) -> Self {
        let (mut on, mut hidden) = (Vec::new(), Vec::new());
        for (key, path, _) in known.iter().filter(|(_, _, first)| since(cx.release(), *first)) {
            let switch = cx.config().at(key);
            match switch.is_true() {
                Ok(true) => on.push(Endpoint { path, switch }),
                Ok(false) => {}
                Err(reason) => hidden.push(reason),
            }
        }
        Self { on, hidden }
    }
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
    cx: &Context<'_>,
    gateway: &Gateway<'_>,
    allowed: &[(String, Node<'_>)],
) -> Result<Option<Finding>, NotAssessed> {
    let entry = |tool: &str| allowed.iter().find(|(name, _)| name == tool);
    let listed: Vec<&(String, Node<'_>)> = dangerous(cx.release()).filter_map(entry).collect();
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

fn no_auth<'e, 'a: 'e>(
    cx: &Context<'_>,
    gateway: &Gateway<'_>,
    endpoints: impl Iterator<Item = &'e Endpoint<'a>> + Clone,
) -> Result<Option<Finding>, NotAssessed> {
    let auth = gateway.node.get("auth");
    let mode = auth.get("mode");
    let has_login = if since(cx.release(), UNUSABLE) {
        any([gateway.is_delegated(), gateway.has_resolved_secret(cx)])
    } else {
        mode.text().map(|mode| mode != Some("none"))
    };
    if has_login? {
        return Ok(None);
    }
    let is_remote = gateway.is_remote()?;
    let severity = if is_remote { Severity::Critical } else { Severity::Warn };
    let mut paths = vec!["/tools/invoke"];
    paths.extend(endpoints.clone().map(|endpoint| endpoint.path));
    let is_none = mode.text()? == Some("none");
    let why = if is_none {
        "gateway.auth.mode is \"none\"".to_owned()
    } else {
        format!("The gateway asks for a {} and none is set", gateway.mode(cx)?)
    };
    let start = finding(NO_AUTH, severity, "HTTP endpoints answer without a secret")
        .detail(format!(
            "{why}: {} can be called without a secret, {}.",
            listing::words(&paths),
            if is_remote { "and not from this machine alone" } else { "by every local process and account" }
        ))
        .remediation(
            "Set gateway.auth.mode to \"token\" or \"password\", and gateway.auth.token or gateway.auth.password to the output of: \
             openssl rand -hex 32; until then keep gateway.bind at \"loopback\" and the optional endpoints off",
        )
        .at(if is_none { &mode } else { &auth });
    Ok(Some(endpoints.fold(start, |finding, endpoint| finding.at(&endpoint.switch))))
}

fn session_key(
    cx: &Context<'_>,
    gateway: &Gateway<'_>,
    endpoints: &[Endpoint<'_>],
) -> Result<Option<Finding>, NotAssessed> {
    if endpoints.is_empty() {
        return Ok(None);
    }
    let is_worse = !since(cx.release(), SESSION_KEY_INFO) && gateway.is_remote()?;
    let severity = if is_worse { Severity::Warn } else { Severity::Info };
    let paths: Vec<&str> = endpoints.iter().map(|endpoint| endpoint.path).collect();
    let start = finding(SESSION_KEY, severity, "HTTP callers choose the session they talk to").detail(format!(
        "{} accept{} the header x-openclaw-session-key: every caller whom the gateway lets in can continue any session, and so \
         have its contents told.",
        listing::words(&paths),
        if paths.len() == 1 { "s" } else { "" }
    ));
    Ok(Some(endpoints.iter().fold(start, |finding, endpoint| finding.at(&endpoint.switch))))
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

    fn at_release(host: &MemoryHost, (year, month, patch): From) -> Vec<String> {
        host.clone().release(year, month, patch).ids(audit)
    }

    #[test]
    fn the_list_of_refused_tools_is_that_of_the_release() {
        let names = |(year, month, patch)| dangerous(Release { year, month, patch }).collect::<Vec<_>>();
        for (release, count) in [
            ((2026, 2, 17), 4),
            ((2026, 2, 22), 4),
            ((2026, 2, 23), 5),
            ((2026, 3, 24), 5),
            ((2026, 3, 31), 13),
            ((2026, 4, 15), 13),
            ((2026, 4, 22), 12),
            ((2026, 7, 35), 12),
            ((2026, 8, 1), 20),
            ((2026, 9, 3), 20),
            ((2026, 9, 6), 21),
        ] {
            assert_eq!(names(release).len(), count, "{release:?}");
        }
        let exec = host(r#"{tools: {allow: ["exec"]}}"#);
        assert_eq!(at_release(&exec, (2026, 3, 24)), NOTHING);
        assert_eq!(at_release(&exec, (2026, 3, 31)).len(), 1);
    }

    const NO_AUTH_WARN: &str = "gateway.http.no_auth:warn";

    #[test]
    fn from_2026_5_26_on_a_login_that_cannot_work_is_none() {
        for (gateway, is_open) in [
            ("{}", true),
            (r#"{auth: {mode: "token", password: "p"}}"#, true),
            (r#"{auth: {token: " "}}"#, true),
            (r#"{auth: {token: "t"}}"#, false),
            (r#"{auth: {password: "p"}}"#, false),
            (r#"{auth: {mode: "trusted-proxy"}}"#, false),
            (r#"{auth: {token: {"$hidden": "reference"}}}"#, false),
        ] {
            let host = host(gateway);
            assert_eq!(at_release(&host, (2026, 5, 20)), NOTHING, "{gateway}");
            for release in [(2026, 5, 26), (2026, 9, 6)] {
                let expected: &[&str] = if is_open { &[NO_AUTH_WARN] } else { &NOTHING };
                assert_eq!(at_release(&host, release), expected, "{gateway} {release:?}");
            }
        }
        let variable = host("{}").variable("OPENCLAW_GATEWAY_TOKEN", "t");
        assert_eq!(at_release(&variable, (2026, 9, 6)), NOTHING);
        let remote = host(r#"{remote: {token: "t"}}"#);
        assert_eq!(at_release(&remote, (2026, 7, 35)), [NO_AUTH_WARN]);
        assert_eq!(at_release(&remote, (2026, 8, 1)), NOTHING);
    }

    #[test]
    fn a_variable_that_is_not_set_is_no_login() {
        let unset = host(r#"{auth: {token: "${NONE}"}}"#).problem(
            "unset-variable",
            "it is not set",
            Some("/gateway/auth/token"),
        );
        assert_eq!(at_release(&unset, (2026, 5, 26)), [NO_AUTH_WARN]);
        assert_eq!(at_release(&unset, (2026, 9, 6)), [NO_AUTH_WARN]);
        assert_eq!(at_release(&unset.ungranted("problems"), (2026, 9, 6)), [NO_AUTH_OPEN]);
    }

    #[test]
    fn a_login_that_is_not_shown_leaves_the_later_rule_open() {
        for pointer in ["/gateway/auth", "/gateway/auth/token", "/gateway/auth/password"] {
            let host = host("{auth: {}}").withhold(pointer);
            assert_eq!(at_release(&host, (2026, 9, 6)), [NO_AUTH_OPEN], "{pointer}");
        }
        let host = host(r#"{auth: {mode: "token"}}"#).ungranted("secret:env:OPENCLAW_GATEWAY_TOKEN");
        assert_eq!(at_release(&host, (2026, 9, 6)), [NO_AUTH_OPEN]);
    }

    #[test]
    fn the_endpoint_for_administration_is_named_from_2026_5_18_on() {
        let host = MemoryHost::new(
            r#"{gateway: {auth: {mode: "none"}}, plugins: {entries: {"admin-http-rpc": {"enabled": true}}}}"#,
        );
        let detail = |(year, month, patch): From| {
            host.clone().release(year, month, patch).findings(audit).remove(0).detail
        };
        assert!(!detail((2026, 5, 12)).contains("/api/v1/admin/rpc"));
        assert!(detail((2026, 5, 18)).contains("/tools/invoke and /api/v1/admin/rpc can"));
        let withheld = host.clone().withhold("/plugins/entries/admin-http-rpc/enabled");
        assert_eq!(at_release(&withheld, (2026, 9, 6)), [NO_AUTH_WARN, NO_AUTH_OPEN]);
        assert_eq!(at_release(&withheld, (2026, 5, 12)), [NO_AUTH_WARN]);
    }

    #[test]
    fn chosen_sessions_were_worse_once_where_others_can_connect() {
        let on = "http: {endpoints: {responses: {enabled: true}}}";
        let lan = host(&format!(r#"{{bind: "lan", {on}}}"#));
        let severity = |release| at_release(&lan, release).pop();
        let session = |severity: &str| Some(format!("gateway.http.session_key_override_enabled:{severity}"));
        assert_eq!(severity((2026, 2, 12)), session("warn"));
        assert_eq!(severity((2026, 2, 17)), session("info"));
        assert_eq!(at_release(&host(&format!("{{{on}}}")), (2026, 2, 12)).pop(), session("info"));
        let hidden = lan.hide("/gateway/bind", Hidden::Variable);
        assert_eq!(at_release(&hidden, (2026, 2, 12)), [SESSION_OPEN]);
        assert_eq!(at_release(&hidden, (2026, 2, 19)).pop(), session("info"));
    }
}
