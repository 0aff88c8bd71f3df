//! Reverse proxies that the gateway trusts too much, or does not know.

use chitin_policy_sdk::gateway::Gateway;
use chitin_policy_sdk::{Context, Finding, Node, Verdict, critical, warn};

/// Looks at the list of proxies, and where a proxy authenticates, at what narrows its word.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let gateway = Gateway::read(cx);
    let mut findings = Vec::new();
    findings.extend(proxies_missing(&gateway));
    if gateway.auth(cx)?.mode == "trusted-proxy" {
        findings.push(proxy_auth(&gateway.node));
        findings.extend(no_proxies(&gateway.node));
        findings.extend(no_user_header(&gateway.node));
        findings.extend(no_allowlist(&gateway.node));
    }
    Ok(findings)
}

fn proxies_missing(gateway: &Gateway<'_>) -> Option<Finding> {
    let proxies = gateway.node.get("trustedProxies");
    if !gateway.is_loopback() || !gateway.has_control_ui() || proxies.items().next().is_some() {
        return None;
    }
    let finding = warn("gateway.trusted_proxies_missing", "No reverse proxy is known to the gateway by address")
        .detail(
            "The gateway listens on loopback, serves the control UI, and gateway.trustedProxies lists nothing: if a \
             reverse proxy on this machine forwards to it, strangers look like local clients, or can claim to be.",
        )
        .remediation(
            "Set gateway.trustedProxies to the addresses of your reverse proxies, or keep the control UI off any proxy",
        )
        .at(&proxies);
    Some(finding)
}

fn proxy_auth(gateway: &Node<'_>) -> Finding {
    critical("gateway.trusted_proxy_auth", "A reverse proxy alone decides who may use the gateway")
        .detail(
            "gateway.auth.mode is \"trusted-proxy\": the gateway believes the user name in a header. Whoever reaches the \
             port from a trusted address, or gets a header past the proxy, is whoever they say.",
        )
        .remediation(
            "Check that the proxy ends TLS, authenticates every request and overwrites the user header, that \
             gateway.trustedProxies lists the proxy alone, and that a firewall closes the gateway's port to all others",
        )
        .at(&gateway.at("auth.mode"))
}

fn no_proxies(gateway: &Node<'_>) -> Option<Finding> {
    let proxies = gateway.get("trustedProxies");
    has_no_length(&proxies).then(|| {
        critical("gateway.trusted_proxy_no_proxies", "The authenticating proxy is not known by address")
            .detail(
                "gateway.auth.mode is \"trusted-proxy\" and gateway.trustedProxies lists nothing: no request comes from a \
                 trusted proxy, so the gateway turns everybody away.",
            )
            .remediation("Set gateway.trustedProxies to the addresses of your reverse proxies")
            .at(&proxies)
    })
}

fn no_user_header(gateway: &Node<'_>) -> Option<Finding> {
    let header = gateway.at("auth.trustedProxy.userHeader");
    (!header.is_truthy()).then(|| {
        critical("gateway.trusted_proxy_no_user_header", "No header is named that carries the proxy's user")
            .detail(
                "gateway.auth.mode is \"trusted-proxy\" and gateway.auth.trustedProxy.userHeader is not set: the gateway \
                 cannot learn whom the proxy has authenticated.",
            )
            .remediation(
                "Set gateway.auth.trustedProxy.userHeader to the header that your proxy sets, for example \
                 \"x-forwarded-user\" or \"x-pomerium-claim-email\"",
            )
            .at(&header)
    })
}

fn no_allowlist(gateway: &Node<'_>) -> Option<Finding> {
    let users = gateway.at("auth.trustedProxy.allowUsers");
    has_no_length(&users).then(|| {
        warn("gateway.trusted_proxy_no_allowlist", "Every user of the proxy may use the gateway")
            .detail(
                "gateway.auth.mode is \"trusted-proxy\" and gateway.auth.trustedProxy.allowUsers lists nobody: everybody \
                 who can log in at the proxy commands the agents.",
            )
            .remediation("Set gateway.auth.trustedProxy.allowUsers to the users who need the gateway")
            .at(&users)
    })
}

/// What JavaScript's `(value ?? []).length === 0` says: a text has a length too, an object has none.
fn has_no_length(node: &Node<'_>) -> bool {
    node.is_nullish() || node.text() == Some("") || (node.is_list() && node.items().next().is_none())
}

chitin_policy_sdk::policy!(audit);

#[cfg(test)]
mod tests {
    use chitin_policy_sdk::testing::MemoryHost;

    use super::*;

    const MISSING: [&str; 1] = ["gateway.trusted_proxies_missing:warn"];
    const PROXY_AUTH: &str = "gateway.trusted_proxy_auth:critical";
    const NO_PROXIES: &str = "gateway.trusted_proxy_no_proxies:critical";
    const NO_HEADER: &str = "gateway.trusted_proxy_no_user_header:critical";
    const NO_ALLOWLIST: &str = "gateway.trusted_proxy_no_allowlist:warn";
    const NOTHING: [&str; 0] = [];

    fn ids(gateway: &str) -> Vec<String> {
        MemoryHost::new(&format!("{{gateway: {gateway}}}")).ids(audit)
    }

    fn delegated(proxies: &str, trusted_proxy: &str) -> Vec<String> {
        ids(&format!(
            r#"{{bind: "lan", trustedProxies: {proxies}, auth: {{mode: "trusted-proxy", trustedProxy: {trusted_proxy}}}}}"#
        ))
    }

    #[test]
    fn loopback_with_a_control_ui_wants_a_list_of_proxies() {
        assert_eq!(ids("null"), MISSING);
        assert_eq!(ids("{trustedProxies: []}"), MISSING);
        assert_eq!(ids(r#"{trustedProxies: "10.0.0.1"}"#), MISSING);
        assert_eq!(ids(r#"{trustedProxies: [""]}"#), NOTHING);
        assert_eq!(ids("{controlUi: {enabled: false}}"), NOTHING);
        assert_eq!(ids(r#"{bind: "lan"}"#), NOTHING);
    }

    #[test]
    fn a_delegated_login_is_critical_however_well_it_is_set_up() {
        let good = delegated(r#"["10.0.0.1"]"#, r#"{userHeader: "u", allowUsers: ["ann"]}"#);
        assert_eq!(good, [PROXY_AUTH]);
    }

    #[test]
    fn a_delegated_login_without_anything_has_all_four_findings() {
        let all = [PROXY_AUTH, NO_PROXIES, NO_HEADER, NO_ALLOWLIST];
        assert_eq!(ids(r#"{bind: "lan", auth: {mode: "trusted-proxy"}}"#), all);
        assert_eq!(delegated("[]", "{}"), all);
        assert_eq!(delegated("null", "5"), all);
    }

    #[test]
    fn on_loopback_the_missing_list_is_said_twice() {
        let ids =
            ids(r#"{auth: {mode: "trusted-proxy", trustedProxy: {userHeader: "u", allowUsers: ["a"]}}}"#);
        assert_eq!(ids, [MISSING[0], PROXY_AUTH, NO_PROXIES]);
    }

    #[test]
    fn wrong_types_count_by_their_length() {
        let header = r#"{userHeader: "", allowUsers: null}"#;
        assert_eq!(delegated(r#""10.0.0.1""#, header), [PROXY_AUTH, NO_HEADER, NO_ALLOWLIST]);
        assert_eq!(delegated("{}", r#"{userHeader: "u", allowUsers: "x"}"#), [PROXY_AUTH]);
        assert_eq!(
            delegated(r#""""#, r#"{userHeader: 5, allowUsers: ""}"#),
            [PROXY_AUTH, NO_PROXIES, NO_ALLOWLIST]
        );
    }

    #[test]
    fn blank_entries_count_as_entries() {
        assert_eq!(delegated(r#"[" "]"#, r#"{userHeader: " ", allowUsers: [""]}"#), [PROXY_AUTH]);
    }

    #[test]
    fn other_modes_have_no_proxy_findings() {
        assert_eq!(ids(r#"{bind: "lan", auth: {mode: "token", trustedProxy: {}}}"#), NOTHING);
        assert_eq!(ids(r#"{bind: "lan", auth: {mode: "Trusted-Proxy"}}"#), NOTHING);
    }
}
