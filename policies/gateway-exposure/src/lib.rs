//! A gateway that others can reach, or that trusts whoever reaches it.

use chitin_policy_sdk::openclaw::gateway::{Credential, Gateway};
use chitin_policy_sdk::{Answer, Context, Finding, Node, NotAssessed, Verdict, all, any, critical, info};

const FUNNEL: &str = "gateway.tailscale_funnel";
const SERVE: &str = "gateway.tailscale_serve";

/// Compares how the gateway is reached with what protects it.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let gateway = Gateway::read(cx).with_old_variables();
    let mut answer = Answer::new();
    answer.check("gateway.bind_no_auth", bind_no_auth(cx, &gateway));
    answer.check("gateway.loopback_no_auth", loopback_no_auth(cx, &gateway));
    answer.checks(&[FUNNEL, SERVE], tailscale(&gateway));
    Ok(answer)
}

fn bind_no_auth(cx: &Context<'_>, gateway: &Gateway<'_>) -> Result<Option<Finding>, NotAssessed> {
    if any([gateway.is_loopback(), gateway.is_delegated(), gateway.has_secret(cx)])? {
        return Ok(None);
    }
    let finding = critical("gateway.bind_no_auth", "Gateway is open to the network, and no token or password is set")
        .detail(format!(
            "gateway.bind is \"{}\". {}. Whoever reaches the port of a gateway that runs so controls the agents, their tools \
             and what they can read on this machine.",
            gateway.bind()?,
            lacking(cx, gateway)?
        ))
        .remediation(
            "Set gateway.auth.mode to \"token\" and gateway.auth.token to the output of: openssl rand -hex 32. Where no other \
             machine needs the gateway, set gateway.bind to \"loopback\" besides",
        )
        .at(&gateway.node.get("bind"))
        .at(&gateway.node.get("auth"));
    Ok(Some(finding))
}

fn loopback_no_auth(cx: &Context<'_>, gateway: &Gateway<'_>) -> Result<Option<Finding>, NotAssessed> {
    let is_served = gateway.tailscale().map(|mode| mode == "serve");
    let by_tailnet_identity = all([is_served, gateway.allows_tailscale(cx)]);
    let is_exposed = all([gateway.is_loopback(), gateway.has_control_ui()]);
    let has_login = gateway.has_login_on_loopback(cx);
    if any([is_exposed.map(|is_exposed| !is_exposed), by_tailnet_identity, has_login])? {
        return Ok(None);
    }
    let finding = critical("gateway.loopback_no_auth", "Gateway and control UI are on loopback, and no token or password is set")
        .detail(format!(
            "{}. Any local process or account can command a gateway that runs so, and so can the whole network once a reverse \
             proxy or a tunnel forwards its port.",
            lacking(cx, gateway)?
        ))
        .remediation(
            "Set gateway.auth.mode to \"token\" and gateway.auth.token to the output of: openssl rand -hex 32",
        )
        .at(&gateway.node.get("auth"));
    Ok(Some(finding))
}

fn tailscale(gateway: &Gateway<'_>) -> Result<Option<Finding>, NotAssessed> {
    let mode = gateway.node.at("tailscale.mode");
    let finding = match gateway.tailscale()? {
        "funnel" => {
            critical(FUNNEL, "Gateway is published on the internet by Funnel")
                .detail(
                    "gateway.tailscale.mode is \"funnel\": anyone on the internet can connect to the gateway, and only \
                     its own authentication stands between them and the agents.",
                )
                .remediation("Set gateway.tailscale.mode to \"serve\" or \"off\"")
                .at(&mode)
        }
        "serve" => {
            info(SERVE, "Gateway is offered to the tailnet by Serve")
                .detail(
                    "gateway.tailscale.mode is \"serve\": every device and user that the tailnet's access rules admit \
                     can connect to the gateway.",
                )
                .at(&mode)
        }
        _ => return Ok(None),
    };
    Ok(Some(finding))
}

/// Why no shared secret is in force.
fn lacking(cx: &Context<'_>, gateway: &Gateway<'_>) -> Result<String, NotAssessed> {
    Ok(match gateway.mode(cx)? {
        "token" => without("token", &gateway.own_token(cx)?)?,
        "password" => without("password", &gateway.own_password(cx)?)?,
        _ if !gateway.node.at("auth.mode").is_text()? => "gateway.auth.mode is no string".to_owned(),
        mode => format!("With gateway.auth.mode \"{mode}\" the gateway asks for no token or password"),
    })
}

fn without(name: &str, own: &Credential<'_>) -> Result<String, NotAssessed> {
    let is_absent = own.node.as_ref().map_or(Ok(true), Node::is_nullish)?;
    Ok(if own.unset {
        format!(
            "gateway.auth.{name} names a variable that is not set where this audit looks, neither in the environment nor in .env"
        )
    } else if is_absent {
        format!("Neither gateway.auth.{name} nor {} holds a {name} for the gateway", own.variable)
    } else {
        format!("The gateway's {name} is to come from gateway.auth.{name}, which is blank or no string")
    })
}

chitin_policy_sdk::policy!(audit);

#[cfg(test)]
mod tests {
    use chitin_policy_sdk::openclaw::gateway::{PASSWORD_VARIABLE, TOKEN_VARIABLE};
    use chitin_policy_sdk::testing::MemoryHost;
    use chitin_policy_sdk::{Hidden, Location};

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
        let detail = |config: &str| MemoryHost::new(config).findings(audit)[0].detail.clone();
        assert!(detail("{}").contains("Neither gateway.auth.token nor OPENCLAW_GATEWAY_TOKEN"));
        assert!(
            detail(r#"{gateway: {auth: {password: " "}}}"#).contains("gateway.auth.password, which is blank")
        );
        assert!(detail(r#"{gateway: {auth: {mode: "none"}}}"#).contains("gateway.auth.mode \"none\""));
    }

    #[test]
    fn an_open_bind_points_at_the_bind_first() {
        let findings = MemoryHost::new(r#"{gateway: {bind: "lan"}}"#).findings(audit);
        let place = |pointer: &str| Location::Config(pointer.to_owned());
        assert_eq!(findings[0].locations, [place("/gateway/bind"), place("/gateway/auth")]);
    }

    const OPEN_OPEN: &str = "gateway.bind_no_auth:not assessed";
    const LOCAL_OPEN: &str = "gateway.loopback_no_auth:not assessed";
    const TAILSCALE_OPEN: [&str; 2] =
        ["gateway.tailscale_funnel:not assessed", "gateway.tailscale_serve:not assessed"];

    #[test]
    fn a_hidden_value_costs_the_checks_that_depend_on_it() {
        for (gateway, pointer, ids) in [
            (r#"{bind: "lan"}"#, "/gateway/bind", [OPEN_OPEN, LOCAL_OPEN].as_slice()),
            (r#"{bind: "lan", controlUi: {enabled: false}}"#, "/gateway/bind", &[OPEN_OPEN]),
            (r#"{bind: "lan", auth: {token: "t"}}"#, "/gateway/bind", &[]),
            (r#"{auth: {mode: "none"}}"#, "/gateway/auth/mode", &[LOCAL_OPEN]),
            (r#"{bind: "lan", auth: {mode: "none"}}"#, "/gateway/auth/mode", &[OPEN_OPEN]),
            (r#"{bind: "lan", auth: {mode: "token", token: "t"}}"#, "/gateway/auth/mode", &[OPEN_OPEN]),
            (
                r#"{auth: {token: "t"}, tailscale: {mode: "serve"}}"#,
                "/gateway/tailscale/mode",
                &TAILSCALE_OPEN,
            ),
            (
                r#"{tailscale: {mode: "serve"}}"#,
                "/gateway/tailscale/mode",
                &[LOCAL_OPEN, TAILSCALE_OPEN[0], TAILSCALE_OPEN[1]],
            ),
            // Identity from a tailnet counts for nothing where it is not accepted.
            (
                r#"{tailscale: {mode: "serve"}, auth: {allowTailscale: false}}"#,
                "/gateway/tailscale/mode",
                &[LOCAL[0], TAILSCALE_OPEN[0], TAILSCALE_OPEN[1]],
            ),
        ] {
            let host = MemoryHost::new(&format!("{{gateway: {gateway}}}")).hide(pointer, Hidden::Variable);
            assert_eq!(host.ids(audit), ids, "{gateway} {pointer}");
        }
    }

    #[test]
    fn what_is_withheld_is_not_taken_for_absent() {
        for (gateway, pointer, ids) in [
            ("{}", "/gateway", [OPEN_OPEN, LOCAL_OPEN, TAILSCALE_OPEN[0], TAILSCALE_OPEN[1]].as_slice()),
            ("{}", "/gateway/auth", &[LOCAL_OPEN]),
            (r#"{bind: "lan"}"#, "/gateway/auth", &[OPEN_OPEN]),
            ("{auth: {}}", "/gateway/auth/token", &[LOCAL_OPEN]),
            ("{auth: {}}", "/gateway/auth/password", &[LOCAL_OPEN]),
            ("{}", "/gateway/controlUi", &[LOCAL_OPEN]),
            (
                r#"{auth: {}, tailscale: {mode: "serve"}}"#,
                "/gateway/auth/allowTailscale",
                &[LOCAL_OPEN, "gateway.tailscale_serve:info"],
            ),
        ] {
            let host = MemoryHost::new(&format!("{{gateway: {gateway}}}")).withhold(pointer);
            let mut seen = host.ids(audit);
            let mut ids = ids.to_vec();
            seen.sort();
            ids.sort_unstable();
            assert_eq!(seen, ids, "{gateway} {pointer}");
        }
        for secret in ["secret:env:OPENCLAW_GATEWAY_TOKEN", "secret:env:OPENCLAW_GATEWAY_PASSWORD"] {
            assert_eq!(MemoryHost::new("{}").ungranted(secret).ids(audit), [LOCAL_OPEN], "{secret}");
        }
    }

    #[test]
    fn a_mode_that_is_named_needs_its_own_secret_alone() {
        let token = MemoryHost::new(r#"{gateway: {bind: "lan", auth: {mode: "token", token: "t"}}}"#);
        assert_eq!(token.withhold("/gateway/auth/password").ids(audit), NOTHING);
        let proxy = MemoryHost::new(r#"{gateway: {bind: "lan", auth: {mode: "trusted-proxy"}}}"#);
        assert_eq!(proxy.withhold("/gateway/auth/token").ids(audit), NOTHING);
    }

    #[test]
    fn a_secret_that_is_kept_elsewhere_is_set() {
        assert_eq!(ids(r#"{bind: "lan", auth: {token: {"$hidden": "reference"}}}"#), NOTHING);
    }

    fn at_release(gateway: &str, (year, month, patch): (u16, u8, u16)) -> Vec<String> {
        MemoryHost::new(&format!("{{gateway: {gateway}}}")).release(year, month, patch).ids(audit)
    }

    #[test]
    fn a_proxy_that_authenticates_excuses_loopback_from_2026_8_1_on() {
        let proxy = r#"{auth: {mode: "trusted-proxy"}}"#;
        assert_eq!(at_release(proxy, (2026, 7, 35)), LOCAL);
        assert_eq!(at_release(proxy, (2026, 8, 1)), NOTHING);
        assert_eq!(at_release(proxy, (2026, 9, 6)), NOTHING);
        assert_eq!(at_release(r#"{bind: "lan", auth: {mode: "none", token: "t"}}"#, (2026, 9, 6)), OPEN);
    }

    #[test]
    fn whatever_is_configured_counts_from_2026_3_2_on() {
        for gateway in [
            r#"{bind: "lan", remote: {token: "t"}}"#,
            r#"{bind: "lan", remote: {token: {"$hidden": "reference"}}}"#,
            r#"{bind: "lan", auth: {token: "t", password: "  "}}"#,
        ] {
            assert_eq!(at_release(gateway, (2026, 2, 21)), OPEN, "{gateway}");
            assert_eq!(at_release(gateway, (2026, 3, 2)), NOTHING, "{gateway}");
            assert_eq!(at_release(gateway, (2026, 9, 6)), NOTHING, "{gateway}");
        }
        let withheld = MemoryHost::new(r#"{gateway: {bind: "lan", remote: {token: "t"}}}"#);
        let withheld = withheld.withhold("/gateway/remote/token");
        assert_eq!(withheld.clone().ids(audit), OPEN, "it does not count");
        assert_eq!(withheld.release(2026, 9, 6).ids(audit), [OPEN_OPEN]);
    }

    #[test]
    fn a_variable_that_is_not_set_gives_no_token_from_2026_8_1_on() {
        let unset = MemoryHost::new(r#"{gateway: {auth: {token: "${NONE}"}}}"#).problem(
            "unset-variable",
            "it is not set",
            Some("/gateway/auth/token"),
        );
        assert_eq!(unset.ids(audit), NOTHING, "no gateway of 2026.2.19 runs without it");
        assert_eq!(unset.clone().release(2026, 7, 35).ids(audit), NOTHING, "it counts as a reference");
        let host = unset.release(2026, 9, 6);
        assert_eq!(host.ids(audit), LOCAL);
        let finding = host.findings(audit).remove(0);
        assert!(finding.detail.contains("names a variable that is not set"), "{}", finding.detail);
        assert_eq!(host.clone().variable(TOKEN_VARIABLE, "t").ids(audit), NOTHING, "it stands in");
        assert_eq!(host.ungranted("problems").ids(audit), [LOCAL_OPEN]);
    }

    #[test]
    fn a_text_that_only_looks_like_a_variable_is_a_token() {
        let escaped = r#"{auth: {token: "${NONE}"}}"#;
        assert_eq!(at_release(escaped, (2026, 9, 6)), NOTHING);
    }
}
