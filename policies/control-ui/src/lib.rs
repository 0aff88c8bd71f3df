//! A control UI that lets browsers in that it should not: without device identity, or from any origin.

use chitin_policy_sdk::openclaw::gateway::Gateway;
use chitin_policy_sdk::{
    Answer, Context, Finding, Node, NotAssessed, Severity, Verdict, any, critical, finding,
};

const INSECURE: &str = "gateway.control_ui.insecure_auth";
const DISABLED: &str = "gateway.control_ui.device_auth_disabled";
const REQUIRED: &str = "gateway.control_ui.allowed_origins_required";
const WILDCARD: &str = "gateway.control_ui.allowed_origins_wildcard";
const FALLBACK: &str = "gateway.control_ui.host_header_origin_fallback";

/// From this release on the switch skips no device identity any more, so that it warns (2026.2.19 and 2026.2.21).
const INSECURE_WARNS: (u16, u8, u16) = (2026, 2, 21);

/// Looks at device identity, and at the origins that browsers may come from.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let gateway = Gateway::read(cx);
    let ui = gateway.node.get("controlUi");
    let mut answer = Answer::new();
    answer.check(REQUIRED, origins_required(&gateway, &ui));
    answer.check(WILDCARD, origins_wildcard(&gateway, &ui));
    answer.check(FALLBACK, host_header(&gateway, &ui));
    answer.check(INSECURE, insecure_auth(cx, &ui));
    answer.check(DISABLED, device_auth_disabled(&ui));
    Ok(answer)
}

/// Critical beyond loopback.
fn severity(gateway: &Gateway<'_>) -> Result<Severity, NotAssessed> {
    Ok(if gateway.is_loopback()? { Severity::Warn } else { Severity::Critical })
}

/// An entry of the list that is not blank. One that is not shown is a text that is not empty.
fn has_origin(origins: &Node<'_>) -> Result<bool, NotAssessed> {
    any(origins.items()?.map(|origin| Ok(origin.trimmed()?.is_some())))
}

fn origins_required(gateway: &Gateway<'_>, ui: &Node<'_>) -> Result<Option<Finding>, NotAssessed> {
    let origins = ui.get("allowedOrigins");
    let falls_back = ui.get("dangerouslyAllowHostHeaderOriginFallback").is_true();
    let is_closed = gateway.has_control_ui().map(|is_served| !is_served);
    if any([gateway.is_loopback(), is_closed, falls_back, has_origin(&origins)])? {
        return Ok(None);
    }
    let finding = critical(REQUIRED, "Control UI is open to the network and lists no origins")
        .detail(format!(
            "gateway.bind is \"{}\", the control UI is served, and gateway.controlUi.allowedOrigins lists nothing: the gateway \
             cannot tell its own page from another one that runs in the same browser, and turns browsers on other machines away.",
            gateway.bind()?
        ))
        .remediation(
            "Set gateway.controlUi.allowedOrigins to the full addresses that you open the control UI at, for example \
             [\"https://gateway.example.com\"]; or set gateway.bind to \"loopback\"",
        )
        .at(&origins)
        .at(&gateway.node.get("bind"));
    Ok(Some(finding))
}

fn origins_wildcard(gateway: &Gateway<'_>, ui: &Node<'_>) -> Result<Option<Finding>, NotAssessed> {
    let origins = ui.get("allowedOrigins");
    let mut wildcard = None;
    let mut open = None;
    for origin in origins.items()? {
        match origin.trimmed() {
            Ok(Some("*")) => wildcard = Some(origin),
            Ok(_) => {}
            Err(reason) => open = Some(reason),
        }
    }
    let Some(wildcard) = wildcard else { return open.map_or(Ok(None), Err) };
    let finding = finding(WILDCARD, severity(gateway)?, "Control UI trusts every origin")
        .detail(
            "gateway.controlUi.allowedOrigins lists \"*\": any website that a browser shows may connect to the gateway with what \
             that browser has stored for it.",
        )
        .remediation(
            "Replace \"*\" in gateway.controlUi.allowedOrigins by the full addresses that you open the control UI at",
        )
        .at(&wildcard);
    Ok(Some(finding))
}

fn host_header(gateway: &Gateway<'_>, ui: &Node<'_>) -> Result<Option<Finding>, NotAssessed> {
    let fallback = ui.get("dangerouslyAllowHostHeaderOriginFallback");
    if !fallback.is_true()? {
        return Ok(None);
    }
    let finding = finding(FALLBACK, severity(gateway)?, "Control UI believes the host name that a browser sends")
        .detail(
            "gateway.controlUi.dangerouslyAllowHostHeaderOriginFallback is true: a page counts as the gateway's own where its origin \
             is the host that the request names. Whoever makes a name of theirs lead to the gateway's address (DNS rebinding) \
             passes that.",
        )
        .remediation(
            "Set gateway.controlUi.dangerouslyAllowHostHeaderOriginFallback to false, and gateway.controlUi.allowedOrigins to the \
             full addresses that you open the control UI at",
        )
        .at(&fallback);
    Ok(Some(finding))
}

fn insecure_auth(cx: &Context<'_>, ui: &Node<'_>) -> Result<Option<Finding>, NotAssessed> {
    let insecure = ui.get("allowInsecureAuth");
    if !insecure.is_true()? {
        return Ok(None);
    }
    let (year, month, patch) = INSECURE_WARNS;
    let (severity, title, effect) = if cx.release().since(year, month, patch) {
        let effect = "browsers may log in to the control UI over plain HTTP, where anyone on the way can read what they send. A \
                      device identity is still asked for.";
        (Severity::Warn, "Control UI may be used over plain HTTP", effect)
    } else {
        let effect = "a browser needs only the token and no device identity, and over HTTP anyone on the way can read that token \
                      and use it from elsewhere.";
        (Severity::Critical, "Control UI accepts a bare token over plain HTTP", effect)
    };
    let finding = finding(INSECURE, severity, title)
        .detail(format!("gateway.controlUi.allowInsecureAuth is true: {effect}"))
        .remediation(
            "Set gateway.controlUi.allowInsecureAuth to false, and open the control UI over HTTPS (Tailscale Serve) \
             or on localhost",
        )
        .at(&insecure);
    Ok(Some(finding))
}

fn device_auth_disabled(ui: &Node<'_>) -> Result<Option<Finding>, NotAssessed> {
    let disabled = ui.get("dangerouslyDisableDeviceAuth");
    if !disabled.is_true()? {
        return Ok(None);
    }
    let finding = critical(DISABLED, "Control UI does not check device identity")
        .detail(
            "gateway.controlUi.dangerouslyDisableDeviceAuth is true: a stolen token or password works from any \
             device, and no pairing has to be approved.",
        )
        .remediation("Set gateway.controlUi.dangerouslyDisableDeviceAuth to false")
        .at(&disabled);
    Ok(Some(finding))
}

chitin_policy_sdk::policy!(audit);

#[cfg(test)]
mod tests {
    use chitin_policy_sdk::Hidden;
    use chitin_policy_sdk::testing::MemoryHost;

    use super::*;

    const NOTHING: [&str; 0] = [];
    const SECURE: &str = "gateway.control_ui.insecure_auth:critical";
    const OFF: &str = "gateway.control_ui.device_auth_disabled:critical";
    const NONE: &str = "gateway.control_ui.allowed_origins_required:critical";

    fn host(gateway: &str) -> MemoryHost {
        MemoryHost::new(&format!("{{gateway: {gateway}}}"))
    }

    fn ids(ui: &str) -> Vec<String> {
        host(&format!("{{controlUi: {ui}}}")).ids(audit)
    }

    fn open(id: &str) -> String {
        format!("{id}:not assessed")
    }

    #[test]
    fn only_exactly_true_fires() {
        assert_eq!(ids("{allowInsecureAuth: true}"), [SECURE]);
        assert_eq!(ids("{dangerouslyDisableDeviceAuth: true}"), [OFF]);
        for silent in [
            "{}",
            "null",
            "true",
            "[true]",
            "{allowInsecureAuth: 1, dangerouslyDisableDeviceAuth: \"true\"}",
            "{dangerouslyAllowHostHeaderOriginFallback: \"true\", allowedOrigins: \"*\"}",
        ] {
            assert!(ids(silent).is_empty(), "{silent}");
        }
    }

    #[test]
    fn a_control_ui_that_is_not_served_is_judged_too() {
        let ids = ids("{enabled: false, allowInsecureAuth: true, dangerouslyDisableDeviceAuth: true}");
        assert_eq!(ids, [SECURE, OFF]);
    }

    #[test]
    fn plain_http_is_critical_to_2026_2_19_and_warns_from_2026_2_21_on() {
        let host = host("{controlUi: {allowInsecureAuth: true}}");
        assert_eq!(host.clone().release(2026, 1, 30).ids(audit), [SECURE]);
        assert_eq!(host.clone().release(2026, 2, 19).ids(audit), [SECURE]);
        let warn = ["gateway.control_ui.insecure_auth:warn"];
        assert_eq!(host.clone().release(2026, 2, 21).ids(audit), warn);
        assert_eq!(host.release(2026, 7, 35).ids(audit), warn);
    }

    #[test]
    fn an_open_control_ui_wants_a_list_of_origins() {
        for (gateway, is_missing) in [
            (r#"{bind: "lan"}"#, true),
            (r#"{bind: "auto", controlUi: {allowedOrigins: []}}"#, true),
            (r#"{bind: "lan", controlUi: {allowedOrigins: ["", "  ", 5]}}"#, true),
            (r#"{bind: "lan", controlUi: {allowedOrigins: "https://a"}}"#, true),
            (r#"{bind: "lan", controlUi: {allowedOrigins: ["https://a"]}}"#, false),
            (r#"{bind: "lan", controlUi: {enabled: false}}"#, false),
            (r#"{bind: "loopback"}"#, false),
            ("{}", false),
        ] {
            let expected: &[&str] = if is_missing { &[NONE] } else { &NOTHING };
            assert_eq!(host(gateway).ids(audit), expected, "{gateway}");
        }
        let fallback = host(r#"{bind: "lan", controlUi: {dangerouslyAllowHostHeaderOriginFallback: true}}"#);
        assert_eq!(fallback.ids(audit), ["gateway.control_ui.host_header_origin_fallback:critical"]);
    }

    #[test]
    fn a_wildcard_and_the_fallback_are_critical_beyond_loopback() {
        for ui in [r#"{allowedOrigins: ["https://a", " * "]}"#, r#"{enabled: false, allowedOrigins: ["*"]}"#]
        {
            let lan = host(&format!(r#"{{bind: "lan", controlUi: {ui}}}"#));
            assert_eq!(ids(ui), ["gateway.control_ui.allowed_origins_wildcard:warn"], "{ui}");
            assert_eq!(lan.ids(audit), ["gateway.control_ui.allowed_origins_wildcard:critical"], "{ui}");
        }
        assert_eq!(ids(r#"{allowedOrigins: ["https://*.example"]}"#), NOTHING);
        let fallback = "{dangerouslyAllowHostHeaderOriginFallback: true}";
        assert_eq!(ids(fallback), ["gateway.control_ui.host_header_origin_fallback:warn"]);
    }

    #[test]
    fn a_hidden_value_costs_the_checks_that_depend_on_it() {
        let hidden = |gateway: &str, pointer: &str| host(gateway).hide(pointer, Hidden::Variable).ids(audit);
        assert_eq!(hidden(r#"{bind: "lan"}"#, "/gateway/bind"), [open(REQUIRED)]);
        assert_eq!(hidden(r#"{bind: "lan", controlUi: {enabled: false}}"#, "/gateway/bind"), NOTHING);
        let star = r#"{bind: "lan", controlUi: {allowedOrigins: ["*"]}}"#;
        assert_eq!(hidden(star, "/gateway/bind"), [open(WILDCARD)]);
        let origin = "/gateway/controlUi/allowedOrigins/0";
        let two = r#"{controlUi: {allowedOrigins: ["https://a", "*"]}}"#;
        assert_eq!(hidden(two, origin), ["gateway.control_ui.allowed_origins_wildcard:warn"]);
        let one = r#"{bind: "lan", controlUi: {allowedOrigins: ["https://a"]}}"#;
        assert_eq!(hidden(one, origin), [open(REQUIRED), open(WILDCARD)]);
        let text = r#"{controlUi: {allowInsecureAuth: "x"}}"#;
        assert_eq!(hidden(text, "/gateway/controlUi/allowInsecureAuth"), NOTHING, "a text is not true");
    }

    #[test]
    fn what_is_withheld_costs_its_own_checks_alone() {
        let all =
            r#"{bind: "lan", controlUi: {allowInsecureAuth: true, dangerouslyDisableDeviceAuth: true}}"#;
        for (pointer, ids) in [
            ("/gateway/controlUi/allowInsecureAuth", vec![NONE.to_owned(), OFF.to_owned(), open(INSECURE)]),
            (
                "/gateway/controlUi/dangerouslyDisableDeviceAuth",
                vec![NONE.to_owned(), SECURE.to_owned(), open(DISABLED)],
            ),
            ("/gateway/bind", vec![SECURE.to_owned(), OFF.to_owned(), open(REQUIRED)]),
            ("/gateway/controlUi/enabled", vec![SECURE.to_owned(), OFF.to_owned(), open(REQUIRED)]),
            (
                "/gateway/controlUi/allowedOrigins",
                vec![SECURE.to_owned(), OFF.to_owned(), open(REQUIRED), open(WILDCARD)],
            ),
            (
                "/gateway/controlUi/dangerouslyAllowHostHeaderOriginFallback",
                vec![SECURE.to_owned(), OFF.to_owned(), open(REQUIRED), open(FALLBACK)],
            ),
            ("/gateway", [REQUIRED, WILDCARD, FALLBACK, INSECURE, DISABLED].map(open).to_vec()),
        ] {
            assert_eq!(host(all).withhold(pointer).ids(audit), ids, "{pointer}");
        }
    }
}
