//! A control UI without device identity.

use chitin_policy_sdk::{Answer, Context, Finding, Node, NotAssessed, Verdict, critical};

/// Finds the two switches that take device identity away.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let ui = cx.config().at("gateway.controlUi");
    let mut answer = Answer::new();
    answer.check("gateway.control_ui.insecure_auth", insecure_auth(&ui));
    answer.check("gateway.control_ui.device_auth_disabled", device_auth_disabled(&ui));
    Ok(answer)
}

fn insecure_auth(ui: &Node<'_>) -> Result<Option<Finding>, NotAssessed> {
    let insecure = ui.get("allowInsecureAuth");
    if !insecure.is_true()? {
        return Ok(None);
    }
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
    Ok(Some(finding))
}

fn device_auth_disabled(ui: &Node<'_>) -> Result<Option<Finding>, NotAssessed> {
    let disabled = ui.get("dangerouslyDisableDeviceAuth");
    if !disabled.is_true()? {
        return Ok(None);
    }
    let finding = critical(
        "gateway.control_ui.device_auth_disabled",
        "Control UI does not check device identity",
    )
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

    #[test]
    fn a_switch_that_is_withheld_costs_its_own_check_alone() {
        let config = "{gateway: {controlUi: {allowInsecureAuth: true, dangerouslyDisableDeviceAuth: true}}}";
        let (insecure, disabled) = (
            "gateway.control_ui.insecure_auth:not assessed",
            "gateway.control_ui.device_auth_disabled:not assessed",
        );
        for (pointer, ids) in [
            ("/gateway/controlUi/allowInsecureAuth", [DISABLED, insecure]),
            ("/gateway/controlUi/dangerouslyDisableDeviceAuth", [INSECURE, disabled]),
            ("/gateway", [insecure, disabled]),
        ] {
            assert_eq!(MemoryHost::new(config).withhold(pointer).ids(audit), ids, "{pointer}");
        }
        let text = r#"{gateway: {controlUi: {allowInsecureAuth: "x"}}}"#;
        let host = MemoryHost::new(text).hide("/gateway/controlUi/allowInsecureAuth", Hidden::Variable);
        assert!(host.ids(audit).is_empty(), "a text is not true");
    }
}
