//! Reverse proxies that the gateway trusts too much, or does not know.

use chitin_policy_sdk::openclaw::gateway::Gateway;
use chitin_policy_sdk::{
    Answer, Context, Finding, Node, NotAssessed, Severity, Verdict, all, any, critical, finding, js, warn,
};

const AUTO_APPROVE: &str = "gateway.trusted_proxy_device_auto_approve";
const AUTO_APPROVE_ADMIN: &str = "gateway.trusted_proxy_device_auto_approve_admin";
/// The scope of whoever may do all.
const ADMIN: &str = "operator.admin";

/// Looks at the list of proxies, and where a proxy authenticates, at what narrows its word.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let gateway = Gateway::read(cx);
    let mut answer = Answer::new();
    answer.check("gateway.trusted_proxies_missing", proxies_missing(&gateway));
    answer.check("gateway.real_ip_fallback_enabled", real_ip(&gateway));
    answer.check("gateway.trusted_proxy_auth", proxy_auth(&gateway));
    answer.check("gateway.trusted_proxy_no_proxies", no_proxies(&gateway));
    answer.check("gateway.trusted_proxy_no_user_header", no_user_header(&gateway));
    answer.check("gateway.trusted_proxy_allow_loopback", allow_loopback(&gateway));
    answer.check(AUTO_APPROVE, auto_approve(&gateway));
    auto_approve_admin(&gateway, &mut answer);
    answer.check("gateway.trusted_proxy_no_allowlist", no_allowlist(&gateway));
    Ok(answer)
}

fn proxies_missing(gateway: &Gateway<'_>) -> Result<Option<Finding>, NotAssessed> {
    let proxies = gateway.node.get("trustedProxies");
    let has_none = proxies.items().map(|mut items| items.next().is_none());
    if !all([gateway.is_loopback(), gateway.has_control_ui(), has_none])? {
        return Ok(None);
    }
    let finding = warn("gateway.trusted_proxies_missing", "A reverse proxy would make strangers look local: trustedProxies is empty")
        .detail(
            "The gateway listens on loopback and serves the control UI, and gateway.trustedProxies lists nothing. If a reverse proxy on this machine forwards to it, \
             the gateway takes requests from elsewhere for local ones, or believes what they claim to be. Without a proxy \
             this is harmless.",
        )
        .remediation(
            "Set gateway.trustedProxies to the addresses of your reverse proxies, or keep the control UI off any proxy",
        )
        .at(&proxies);
    Ok(Some(finding))
}

fn real_ip(gateway: &Gateway<'_>) -> Result<Option<Finding>, NotAssessed> {
    let switch = gateway.node.get("allowRealIpFallback");
    if !switch.is_true()? {
        return Ok(None);
    }
    let proxies = gateway.node.get("trustedProxies");
    let is_open = gateway.is_loopback().map(|is_loopback| !is_loopback);
    let is_elsewhere = proxies
        .items()
        .and_then(|items| any(items.map(|proxy| Ok(!proxy.text()?.is_some_and(is_strictly_loopback)))));
    let by_proxy = all([gateway.is_delegated(), is_elsewhere]);
    let is_exposed = any([is_open, by_proxy.clone()])?;
    let severity = if is_exposed { Severity::Critical } else { Severity::Warn };
    let finding = finding("gateway.real_ip_fallback_enabled", severity, "Gateway believes the header X-Real-IP")
        .detail(
            "gateway.allowRealIpFallback is true: where a trusted proxy sends no X-Forwarded-For, the gateway takes the address in \
             X-Real-IP for the caller's. A proxy that passes that header on lets every caller pass for a local one.",
        )
        .remediation(
            "Set gateway.allowRealIpFallback to false, and let the proxy set X-Forwarded-For. Where it cannot, check that it always \
             overwrites X-Real-IP",
        )
        .at(&switch)
        .at_all([&proxies].into_iter().filter(|_| by_proxy == Ok(true)));
    Ok(Some(finding))
}

/// Exactly the address of this machine, or a network of this address alone.
fn is_strictly_loopback(entry: &str) -> bool {
    let entry = js::trim(entry);
    let is = |address: &str, bits: Option<u32>| match address {
        "127.0.0.1" => bits.is_none_or(|bits| bits == 32),
        _ => address.eq_ignore_ascii_case("::1") && bits.is_none_or(|bits| bits == 128),
    };
    match entry.split_once('/') {
        None => is(entry, None),
        Some((address, bits)) => js::trim(bits).parse().is_ok_and(|bits| is(js::trim(address), Some(bits))),
    }
}

fn proxy_auth(gateway: &Gateway<'_>) -> Result<Option<Finding>, NotAssessed> {
    if !gateway.is_delegated()? {
        return Ok(None);
    }
    let finding = critical("gateway.trusted_proxy_auth", "A reverse proxy alone decides who may use the gateway")
        .detail(
            "gateway.auth.mode is \"trusted-proxy\": the gateway believes the user name in a header. Whoever reaches the \
             port from a trusted address, or gets a header of their own past the proxy, can pass for any user.",
        )
        .remediation(
            "Check that the proxy takes connections over TLS only, authenticates every request and overwrites the user header, that \
             gateway.trustedProxies lists the proxy alone, and that a firewall closes the gateway's port to all others",
        )
        .at(&gateway.node.at("auth.mode"));
    Ok(Some(finding))
}

fn no_proxies(gateway: &Gateway<'_>) -> Result<Option<Finding>, NotAssessed> {
    let proxies = gateway.node.get("trustedProxies");
    if !all([gateway.is_delegated(), has_no_length(&proxies)])? {
        return Ok(None);
    }
    let finding = critical("gateway.trusted_proxy_no_proxies", "Gateway trusts an authenticating proxy, but gateway.trustedProxies is empty")
        .detail(
            "gateway.auth.mode is \"trusted-proxy\" and gateway.trustedProxies lists nothing: no request comes from a \
             trusted proxy, so the gateway turns everybody away.",
        )
        .remediation("Set gateway.trustedProxies to the addresses of your reverse proxies")
        .at(&proxies);
    Ok(Some(finding))
}

fn no_user_header(gateway: &Gateway<'_>) -> Result<Option<Finding>, NotAssessed> {
    let header = gateway.node.at("auth.trustedProxy.userHeader");
    if !all([gateway.is_delegated(), header.is_truthy().map(|is_set| !is_set)])? {
        return Ok(None);
    }
    let finding = critical("gateway.trusted_proxy_no_user_header", "No header is named that carries the proxy's user")
        .detail(
            "gateway.auth.mode is \"trusted-proxy\" and gateway.auth.trustedProxy.userHeader is not set: the gateway \
             cannot learn whom the proxy has authenticated.",
        )
        .remediation(
            "Set gateway.auth.trustedProxy.userHeader to the header that your proxy sets, for example \
             \"x-forwarded-user\" or \"x-pomerium-claim-email\"",
        )
        .at(&header);
    Ok(Some(finding))
}

fn allow_loopback(gateway: &Gateway<'_>) -> Result<Option<Finding>, NotAssessed> {
    let switch = gateway.node.at("auth.trustedProxy.allowLoopback");
    if !all([switch.is_true(), gateway.is_delegated()])? {
        return Ok(None);
    }
    let finding = warn("gateway.trusted_proxy_allow_loopback", "Requests from this machine pass for the proxy's")
        .detail(
            "gateway.auth.trustedProxy.allowLoopback is true: a proxy on this machine may authenticate. So may every other local \
             process: it reaches the gateway from the same address, and writes the user header itself.",
        )
        .remediation(
            "Set gateway.auth.trustedProxy.allowLoopback to false where the proxy runs elsewhere. Where it runs here, let nobody \
             else have an account on this machine, and set gateway.auth.trustedProxy.requiredHeaders",
        )
        .at(&switch);
    Ok(Some(finding))
}

fn auto_approve(gateway: &Gateway<'_>) -> Result<Option<Finding>, NotAssessed> {
    let switch = gateway.node.at("auth.trustedProxy.deviceAutoApprove.enabled");
    if !all([switch.is_true(), gateway.is_delegated()])? {
        return Ok(None);
    }
    let finding = warn(AUTO_APPROVE, "Devices of the proxy's users are paired without asking")
        .detail(
            "gateway.auth.trustedProxy.deviceAutoApprove.enabled is true: a new browser or device of whoever the proxy lets in is \
             paired at once, and stays paired. One login that is stolen at the proxy leaves a device behind.",
        )
        .remediation(
            "Set gateway.auth.trustedProxy.deviceAutoApprove.enabled to false, or its scopes to what every user of the proxy may do",
        )
        .at(&switch);
    Ok(Some(finding))
}

/// One finding for the list, and a reason for each entry that is not shown.
fn auto_approve_admin(gateway: &Gateway<'_>, answer: &mut Answer) {
    let approve = gateway.node.at("auth.trustedProxy.deviceAutoApprove");
    let scopes = match all([approve.get("enabled").is_true(), gateway.is_delegated()]) {
        Ok(false) => return,
        other => other.and(approve.get("scopes").items()),
    };
    let scopes = match scopes {
        Ok(scopes) => scopes,
        Err(reason) => return answer.leave_open(AUTO_APPROVE_ADMIN, reason),
    };
    let mut is_found = false;
    for scope in scopes {
        let verdict = scope.trimmed().map(|text| (text == Some(ADMIN) && !is_found).then(|| admin(&scope)));
        is_found |= matches!(verdict, Ok(Some(_)));
        answer.check(AUTO_APPROVE_ADMIN, verdict);
    }
}

fn admin(scope: &Node<'_>) -> Finding {
    critical(AUTO_APPROVE_ADMIN, "Devices of the proxy's users are paired as administrators")
        .detail(format!(
            "gateway.auth.trustedProxy.deviceAutoApprove.scopes lists \"{ADMIN}\": every device of every user whom the proxy lets in may \
             change the gateway itself, without anybody having said so.",
        ))
        .remediation(format!(
            "Remove \"{ADMIN}\" from gateway.auth.trustedProxy.deviceAutoApprove.scopes, and name administrators in \
             gateway.auth.identityScopes",
        ))
        .at(scope)
}

fn no_allowlist(gateway: &Gateway<'_>) -> Result<Option<Finding>, NotAssessed> {
    let users = gateway.node.at("auth.trustedProxy.allowUsers");
    if !all([gateway.is_delegated(), has_no_length(&users)])? {
        return Ok(None);
    }
    let finding = warn("gateway.trusted_proxy_no_allowlist", "Every user of the proxy may use the gateway")
        .detail(
            "gateway.auth.mode is \"trusted-proxy\" and gateway.auth.trustedProxy.allowUsers lists nobody: everybody \
             who can log in at the proxy commands the agents.",
        )
        .remediation("Set gateway.auth.trustedProxy.allowUsers to the users who need the gateway")
        .at(&users);
    Ok(Some(finding))
}

/// What JavaScript's `(value ?? []).length === 0` says: a text has a length too, an object has none.
fn has_no_length(node: &Node<'_>) -> Result<bool, NotAssessed> {
    if node.is_list()? {
        return Ok(node.items()?.next().is_none());
    }
    let is_empty_text = all([node.is_text(), node.is_truthy().map(|has_letters| !has_letters)]);
    any([node.is_nullish(), is_empty_text])
}

chitin_policy_sdk::policy!(audit);

#[cfg(test)]
mod tests {
    use chitin_policy_sdk::Hidden;
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

    const OPEN: [&str; 4] = [
        "gateway.trusted_proxy_auth:not assessed",
        "gateway.trusted_proxy_no_proxies:not assessed",
        "gateway.trusted_proxy_no_user_header:not assessed",
        "gateway.trusted_proxy_no_allowlist:not assessed",
    ];
    const MISSING_OPEN: &str = "gateway.trusted_proxies_missing:not assessed";
    const GOOD: &str = r#"{bind: "lan", trustedProxies: ["10.0.0.1"], auth: {
        mode: "trusted-proxy", trustedProxy: {userHeader: "u", allowUsers: ["ann"]}
    }}"#;

    fn host(gateway: &str) -> MemoryHost {
        MemoryHost::new(&format!("{{gateway: {gateway}}}"))
    }

    #[test]
    fn a_hidden_mode_leaves_open_what_nothing_else_rules_out() {
        let hidden = |gateway: &str| host(gateway).hide("/gateway/auth/mode", Hidden::Variable).ids(audit);
        assert_eq!(hidden(GOOD), [OPEN[0]]);
        assert_eq!(hidden(r#"{bind: "lan", auth: {mode: "token"}}"#), OPEN);
    }

    #[test]
    fn a_hidden_text_has_a_length() {
        let text = r#"{bind: "lan", trustedProxies: "x", auth: {
            mode: "trusted-proxy", trustedProxy: {userHeader: "u", allowUsers: "x"}
        }}"#;
        let places = [
            "/gateway/trustedProxies",
            "/gateway/auth/trustedProxy/userHeader",
            "/gateway/auth/trustedProxy/allowUsers",
        ];
        let hidden = places.iter().fold(host(text), |host, place| host.hide(place, Hidden::Variable));
        assert_eq!(hidden.ids(audit), [PROXY_AUTH]);
    }

    #[test]
    fn a_hidden_bind_matters_where_no_proxy_is_known() {
        let hidden = |gateway: &str| host(gateway).hide("/gateway/bind", Hidden::Variable).ids(audit);
        assert_eq!(hidden(r#"{bind: "lan"}"#), [MISSING_OPEN]);
        assert_eq!(hidden(r#"{bind: "lan", trustedProxies: ["10.0.0.1"]}"#), NOTHING);
        assert_eq!(hidden(r#"{bind: "lan", controlUi: {enabled: false}}"#), NOTHING);
    }

    #[test]
    fn what_is_withheld_is_not_taken_for_absent() {
        for (pointer, ids) in [
            (
                "/gateway/auth",
                [OPEN[0], OPEN[2], LOOPBACK_OPEN, APPROVED_OPEN, ADMINS_OPEN, OPEN[3]].as_slice(),
            ),
            ("/gateway/auth/mode", &[OPEN[0]]),
            ("/gateway/trustedProxies", &[PROXY_AUTH, OPEN[1]]),
            ("/gateway/auth/trustedProxy/userHeader", &[PROXY_AUTH, OPEN[2]]),
            (
                "/gateway/auth/trustedProxy",
                &[PROXY_AUTH, OPEN[2], LOOPBACK_OPEN, APPROVED_OPEN, ADMINS_OPEN, OPEN[3]],
            ),
        ] {
            assert_eq!(host(GOOD).withhold(pointer).ids(audit), ids, "{pointer}");
        }
        assert_eq!(host("{}").withhold("/gateway/controlUi").ids(audit), [MISSING_OPEN]);
        assert_eq!(host("{}").withhold("/gateway").ids(audit).len(), 9);
    }

    #[test]
    fn no_secret_is_needed_to_know_the_mode_of_a_proxy() {
        let host = host(r#"{bind: "lan", auth: {}}"#).withhold("/gateway/auth/password");
        assert_eq!(host.ungranted("secret:env:OPENCLAW_GATEWAY_PASSWORD").ids(audit), NOTHING);
    }

    const REAL_IP: &str = "gateway.real_ip_fallback_enabled";

    #[test]
    fn only_one_address_is_strictly_loopback() {
        for entry in [" 127.0.0.1 ", "::1", "127.0.0.1/32", " ::1/128", "127.0.0.1 / 32"] {
            assert!(is_strictly_loopback(entry), "{entry}");
        }
        for entry in [
            "",
            " ",
            "localhost",
            "127.0.0.0/8",
            "127.0.0.2",
            "127.0.0.1/31",
            "::1/32",
            "127.0.0.1/",
            "/32",
            "::/128",
        ] {
            assert!(!is_strictly_loopback(entry), "{entry}");
        }
    }

    #[test]
    fn the_address_in_a_header_is_critical_where_others_can_write_it() {
        let ids = |gateway: &str| {
            let mut ids = ids(gateway);
            ids.retain(|id| id.starts_with(REAL_IP));
            ids
        };
        let (warn, critical) = ([format!("{REAL_IP}:warn")], [format!("{REAL_IP}:critical")]);
        let proxy = |proxies: &str| {
            ids(&format!(
                r#"{{allowRealIpFallback: true, trustedProxies: {proxies}, auth: {{mode: "trusted-proxy"}}}}"#
            ))
        };
        assert_eq!(ids(r#"{allowRealIpFallback: true, trustedProxies: ["10.0.0.1"]}"#), warn);
        assert_eq!(ids(r#"{bind: "lan", allowRealIpFallback: true}"#), critical);
        assert_eq!(proxy(r#"["127.0.0.1", "::1/128"]"#), warn);
        assert_eq!(proxy("[]"), warn);
        assert_eq!(proxy(r#"["127.0.0.1", "127.0.0.0/8"]"#), critical);
        assert_eq!(proxy("[5]"), critical);
        for silent in ["{allowRealIpFallback: 1}", r#"{allowRealIpFallback: "true"}"#, "{}"] {
            assert_eq!(ids(silent), NOTHING, "{silent}");
        }
        let open = format!("{REAL_IP}:not assessed");
        let host = host(
            r#"{allowRealIpFallback: true, trustedProxies: ["10.0.0.1"], auth: {mode: "trusted-proxy"}}"#,
        );
        for pointer in
            ["/gateway/allowRealIpFallback", "/gateway/trustedProxies", "/gateway/auth", "/gateway"]
        {
            assert!(host.clone().withhold(pointer).ids(audit).contains(&open), "{pointer}");
        }
    }

    const APPROVED: &str = "gateway.trusted_proxy_device_auto_approve:warn";
    const APPROVED_OPEN: &str = "gateway.trusted_proxy_device_auto_approve:not assessed";
    const ADMINS: &str = "gateway.trusted_proxy_device_auto_approve_admin:critical";
    const ADMINS_OPEN: &str = "gateway.trusted_proxy_device_auto_approve_admin:not assessed";
    const LOOPBACK_OPEN: &str = "gateway.trusted_proxy_allow_loopback:not assessed";
    const ON_LOOPBACK: &str = "gateway.trusted_proxy_allow_loopback:warn";

    /// A proxy that is set up well, but for this.
    fn narrow(more: &str) -> MemoryHost {
        host(&format!(
            r#"{{bind: "lan", trustedProxies: ["10.0.0.1"], auth: {{
                mode: "trusted-proxy", trustedProxy: {{userHeader: "u", allowUsers: ["ann"], {more}}}
            }}}}"#
        ))
    }

    #[test]
    fn what_a_proxy_is_trusted_with_besides_is_told() {
        let ids = |more: &str| narrow(more).ids(audit);
        assert_eq!(ids("allowLoopback: true"), [PROXY_AUTH, ON_LOOPBACK]);
        assert_eq!(ids(r"deviceAutoApprove: {enabled: true}"), [PROXY_AUTH, APPROVED]);
        let scopes = |scopes: &str| ids(&format!("deviceAutoApprove: {{enabled: true, scopes: {scopes}}}"));
        assert_eq!(scopes(r#"["operator.read"]"#), [PROXY_AUTH, APPROVED]);
        assert_eq!(scopes(r#"[5, " operator.admin ", "operator.admin"]"#), [PROXY_AUTH, APPROVED, ADMINS]);
        let off = r#"deviceAutoApprove: {enabled: false, scopes: ["operator.admin"]}, allowLoopback: 1"#;
        assert_eq!(ids(off), [PROXY_AUTH]);
        let other = host(
            r#"{bind: "lan", auth: {mode: "token", trustedProxy: {allowLoopback: true, deviceAutoApprove: {enabled: true}}}}"#,
        );
        assert_eq!(other.ids(audit), NOTHING);
    }

    #[test]
    fn scopes_that_are_not_shown_leave_open_whether_an_administrator_is_among_them() {
        let all =
            narrow(r#"deviceAutoApprove: {enabled: true, scopes: ["operator.read", "operator.admin"]}"#);
        let scope = |index: usize| format!("/gateway/auth/trustedProxy/deviceAutoApprove/scopes/{index}");
        let hidden = |index| all.clone().hide(&scope(index), Hidden::Variable).ids(audit);
        assert_eq!(hidden(0), [PROXY_AUTH, APPROVED, ADMINS, ADMINS_OPEN]);
        assert_eq!(hidden(1), [PROXY_AUTH, APPROVED, ADMINS_OPEN]);
        let approve = "/gateway/auth/trustedProxy/deviceAutoApprove";
        assert_eq!(all.clone().withhold(approve).ids(audit), [PROXY_AUTH, APPROVED_OPEN, ADMINS_OPEN]);
        let mode = all.hide("/gateway/auth/mode", Hidden::Variable).ids(audit);
        assert_eq!(mode, [OPEN[0], APPROVED_OPEN, ADMINS_OPEN]);
    }
}
