//! A control UI without device identity.

use chitin_policy_sdk::{Context, Verdict, critical};

/// Finds the two switches that take device identity away.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let ui = cx.config().at("gateway.controlUi");
    let mut findings = Vec::new();

    let insecure = ui.get("allowInsecureAuth");
    if insecure.is_true() {
        let finding = critical("gateway.control_ui.insecure_auth", "Control UI accepts a bare token over plain HTTP")
            .detail(
                "gateway.controlUi.allowInsecureAuth is true: a browser needs only the token and no device identity, and \
                 over HTTP anyone on the way can read that token and use it from elsewhere.",
            )
            .remediation(
                "Set gateway.controlUi.allowInsecureAuth to false, and open the control UI over HTTPS (Tailscale Serve) \
                 or on localhost",
            )
            .at(&insecure);
        findings.push(finding);
    }

    let disabled = ui.get("dangerouslyDisableDeviceAuth");
    if disabled.is_true() {
        let finding = critical("gateway.control_ui.device_auth_disabled", "Control UI does not check device identity")
            .detail(
                "gateway.controlUi.dangerouslyDisableDeviceAuth is true: a stolen token or password works from any \
                 device, and no pairing has to be approved.",
            )
            .remediation("Set gateway.controlUi.dangerouslyDisableDeviceAuth to false")
            .at(&disabled);
        findings.push(finding);
    }
    Ok(findings)
}

chitin_policy_sdk::policy!(audit);

#[cfg(test)]
mod tests {
    use chitin_policy_sdk::testing::MemoryHost;

    use super::*;

    const INSECURE: &str = "gateway.control_ui.insecure_auth:critical";
    const DISABLED: &str = "gateway.control_ui.device_auth_disabled:critical";

    fn ids(ui: &str) -> Vec<String> {
        MemoryHost::new(&format!("{{gateway: {{controlUi: {ui}}}}}")).ids(audit)
    }

    #[test]
    fn only_exactly_true_fires() {
        assert_eq!(ids("{allowInsecureAuth: true}"), [INSECURE]);
        assert_eq!(ids("{dangerouslyDisableDeviceAuth: true}"), [DISABLED]);
        for silent in
            ["{}", "null", "true", "[true]", "{allowInsecureAuth: 1, dangerouslyDisableDeviceAuth: \"true\"}"]
        {
            assert!(ids(silent).is_empty(), "{silent}");
        }
    }

    #[test]
    fn a_control_ui_that_is_not_served_is_judged_too() {
        let ids = ids("{enabled: false, allowInsecureAuth: true, dangerouslyDisableDeviceAuth: true}");
        assert_eq!(ids, [INSECURE, DISABLED]);
    }
}
