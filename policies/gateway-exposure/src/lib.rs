//! A gateway that others can reach, or that trusts whoever reaches it.

use chitin_policy_sdk::gateway::{Auth, Credential, Gateway};
use chitin_policy_sdk::{Context, Finding, Verdict, critical, info};

/// Compares how the gateway is reached with what protects it.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let gateway = Gateway::read(cx);
    let auth = gateway.auth(cx)?;
    let findings = [bind_no_auth(&gateway, &auth), loopback_no_auth(&gateway, &auth), tailscale(&gateway)];
    Ok(findings.into_iter().flatten().collect())
}

fn bind_no_auth(gateway: &Gateway<'_>, auth: &Auth<'_>) -> Option<Finding> {
    if gateway.is_loopback() || auth.has_secret() || auth.mode == "trusted-proxy" {
        return None;
    }
    let finding = critical("gateway.bind_no_auth", "Gateway is open to the network without a secret")
        .detail(format!(
            "gateway.bind is \"{}\" and {}: whoever reaches the port controls the agents, their tools and what they \
             can read on this machine.",
            gateway.bind,
            lacking(gateway, auth)
        ))
        .remediation(
            "Set gateway.auth.mode to \"token\" and gateway.auth.token to a long random value, or set gateway.bind to \
             \"loopback\"",
        )
        .at(&gateway.node.get("bind"))
        .at(&gateway.node.get("auth"));
    Some(finding)
}

fn loopback_no_auth(gateway: &Gateway<'_>, auth: &Auth<'_>) -> Option<Finding> {
    let by_tailnet_identity = auth.allow_tailscale && gateway.tailscale == "serve";
    if !gateway.is_loopback() || !gateway.has_control_ui() || auth.has_secret() || by_tailnet_identity {
        return None;
    }
    let finding = critical("gateway.loopback_no_auth", "Control UI answers on loopback without a secret")
        .detail(format!(
            "The gateway listens on loopback and serves the control UI, and {}: any local process or account may get \
             in, and so may the whole network once a reverse proxy or a tunnel forwards the port.",
            lacking(gateway, auth)
        ))
        .remediation(
            "Set gateway.auth.mode to \"token\" and gateway.auth.token to a long random value, or set \
             gateway.controlUi.enabled to false",
        )
        .at(&gateway.node.get("auth"));
    Some(finding)
}

fn tailscale(gateway: &Gateway<'_>) -> Option<Finding> {
    let mode = gateway.node.at("tailscale.mode");
    match gateway.tailscale {
        "funnel" => {
            let finding = critical("gateway.tailscale_funnel", "Gateway is published on the internet by Funnel")
                .detail(
                    "gateway.tailscale.mode is \"funnel\": anyone on the internet can connect to the gateway, and only \
                     its own authentication stands between them and the agents.",
                )
                .remediation("Set gateway.tailscale.mode to \"serve\" or \"off\"")
                .at(&mode);
            Some(finding)
        }
        "serve" => {
            let finding = info("gateway.tailscale_serve", "Gateway is offered to the tailnet by Serve")
                .detail(
                    "gateway.tailscale.mode is \"serve\": every device and user that the tailnet's access rules admit \
                     can connect to the gateway.",
                )
                .at(&mode);
            Some(finding)
        }
        _ => None,
    }
}

/// Why no shared secret is in force.
fn lacking(gateway: &Gateway<'_>, auth: &Auth<'_>) -> String {
    let named = gateway.node.at("auth.mode");
    match auth.mode.as_str() {
        "token" => without("token", &auth.token),
        "password" => without("password", &auth.password),
        _ if named.is_truthy() && named.text().is_none() => "gateway.auth.mode is no text".to_owned(),
        mode => format!("gateway.auth.mode is \"{mode}\", which asks for no token or password"),
    }
}

fn without(name: &str, credential: &Credential<'_>) -> String {
    let reason = match &credential.node {
        Some(_) => format!("gateway.auth.{name} is blank or no text"),
        None => format!("neither gateway.auth.{name} nor {} holds one", credential.variable),
    };
    format!("the {name} that the gateway asks for is missing ({reason})")
}

chitin_policy_sdk::policy!(audit);

#[cfg(test)]
mod tests {
    use chitin_policy_sdk::Location;
    use chitin_policy_sdk::gateway::{PASSWORD_VARIABLE, TOKEN_VARIABLE};
    use chitin_policy_sdk::testing::MemoryHost;

    use super::*;

    fn ids(gateway: &str) -> Vec<String> {
        MemoryHost::new(&format!("{{gateway: {gateway}}}")).ids(audit)
    }

    const OPEN: [&str; 1] = ["gateway.bind_no_auth:critical"];
    const LOCAL: [&str; 1] = ["gateway.loopback_no_auth:critical"];
    const NOTHING: [&str; 0] = [];

    #[test]
    fn every_bind_but_the_exact_word_loopback_is_beyond_it() {
        for bind in ["lan", "auto", "custom", "tailnet", "", "Loopback"] {
            assert_eq!(ids(&format!(r#"{{bind: "{bind}"}}"#)), OPEN, "{bind}");
        }
        for bind in [r#""loopback""#, "null", "5"] {
            assert_eq!(ids(&format!("{{bind: {bind}}}")), LOCAL, "{bind}");
        }
    }

    #[test]
    fn only_the_secret_of_the_mode_in_force_protects() {
        for (auth, open) in [
            (r#"{token: "t"}"#, false),
            (r#"{password: "p"}"#, false),
            (r#"{mode: "password", password: "p"}"#, false),
            (r#"{mode: "token", password: "p"}"#, true),
            (r#"{mode: "password", token: "t"}"#, true),
            (r#"{mode: "none", token: "t"}"#, true),
            (r#"{token: "t", password: "  "}"#, true),
            (r#"{token: "  "}"#, true),
            (r#"{mode: "TOKEN", token: "t"}"#, true),
            ("{token: 12345}", true),
        ] {
            assert_eq!(ids(&format!(r#"{{bind: "lan", auth: {auth}}}"#)).len(), usize::from(open), "{auth}");
        }
    }

    #[test]
    fn a_trusted_proxy_excuses_the_open_bind_and_not_loopback() {
        assert_eq!(ids(r#"{bind: "lan", auth: {mode: "trusted-proxy"}}"#), NOTHING);
        assert_eq!(ids(r#"{auth: {mode: "trusted-proxy"}}"#), LOCAL);
    }

    #[test]
    fn the_environment_counts_unless_the_config_hides_it() {
        let host = |gateway: &str| MemoryHost::new(&format!("{{gateway: {gateway}}}"));
        assert_eq!(host("null").variable(TOKEN_VARIABLE, "t").ids(audit), NOTHING);
        assert_eq!(host(r#"{auth: "x"}"#).variable(TOKEN_VARIABLE, "t").ids(audit), NOTHING);
        assert_eq!(host("{auth: {token: 5}}").variable(TOKEN_VARIABLE, "t").ids(audit), LOCAL);
        assert_eq!(host(r#"{auth: {token: ""}}"#).variable(TOKEN_VARIABLE, "t").ids(audit), LOCAL);
        assert_eq!(host(r#"{auth: {token: "t"}}"#).variable(PASSWORD_VARIABLE, " ").ids(audit), LOCAL);
    }

    #[test]
    fn loopback_needs_a_control_ui_that_is_not_exactly_false() {
        assert_eq!(ids("{controlUi: {enabled: false}}"), NOTHING);
        assert_eq!(ids(r#"{controlUi: {enabled: "false"}}"#), LOCAL);
    }

    #[test]
    fn tailnet_identity_protects_loopback_and_no_open_bind() {
        let serve = "gateway.tailscale_serve:info";
        assert_eq!(ids(r#"{tailscale: {mode: "serve"}}"#), [serve]);
        assert_eq!(ids(r#"{bind: "lan", tailscale: {mode: "serve"}}"#), [OPEN[0], serve]);
        assert_eq!(ids(r#"{tailscale: {mode: "serve"}, auth: {allowTailscale: false}}"#), [LOCAL[0], serve]);
        assert_eq!(ids(r#"{tailscale: {mode: "serve"}, auth: {mode: "password"}}"#), [LOCAL[0], serve]);
        assert_eq!(
            ids(r#"{tailscale: {mode: "serve"}, auth: {mode: "trusted-proxy", allowTailscale: true}}"#),
            [serve]
        );
        assert_eq!(ids(r#"{tailscale: {mode: "SERVE"}}"#), LOCAL);
    }

    #[test]
    fn funnel_is_critical_even_with_a_token() {
        let config = r#"{tailscale: {mode: "funnel"}, auth: {token: "t", allowTailscale: true}}"#;
        assert_eq!(ids(config), ["gateway.tailscale_funnel:critical"]);
    }

    #[test]
    fn the_detail_says_why_there_is_no_secret() {
        let detail = |config: &str| MemoryHost::new(config).run(audit).expect("a verdict")[0].detail.clone();
        assert!(detail("{}").contains("neither gateway.auth.token nor OPENCLAW_GATEWAY_TOKEN"));
        assert!(detail(r#"{gateway: {auth: {password: " "}}}"#).contains("gateway.auth.password is blank"));
        assert!(detail(r#"{gateway: {auth: {mode: "none"}}}"#).contains("gateway.auth.mode is \"none\""));
    }

    #[test]
    fn an_open_bind_points_at_the_bind_first() {
        let findings = MemoryHost::new(r#"{gateway: {bind: "lan"}}"#).run(audit).expect("a verdict");
        let place = |pointer: &str| Location::Config(pointer.to_owned());
        assert_eq!(findings[0].locations, [place("/gateway/bind"), place("/gateway/auth")]);
    }
}
