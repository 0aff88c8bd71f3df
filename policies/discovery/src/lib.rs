//! What the gateway tells the local network of itself.

use chitin_policy_sdk::openclaw::gateway::Gateway;
use chitin_policy_sdk::{Answer, Context, Finding, NotAssessed, Severity, Verdict, finding};

const ID: &str = "discovery.mdns_full_mode";

/// Looks at how much is announced.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let mut answer = Answer::new();
    answer.check(ID, full_mode(cx));
    Ok(answer)
}

fn full_mode(cx: &Context<'_>) -> Result<Option<Finding>, NotAssessed> {
    let mode = cx.config().at("discovery.mdns.mode");
    if mode.text()? != Some("full") {
        return Ok(None);
    }
    let (severity, reach) = if Gateway::read(cx).is_loopback()? {
        (
            Severity::Warn,
            "The gateway itself listens on loopback, so that they learn of it and cannot reach it.",
        )
    } else {
        (Severity::Critical, "They can reach the gateway, too.")
    };
    let finding = finding(ID, severity, "Gateway announces paths and login details to the local network")
        .detail(format!(
            "discovery.mdns.mode is \"full\": everybody in the local network is told where the program lies on this machine, which names its \
             user, and at which port SSH answers. {reach}",
        ))
        .remediation("Set discovery.mdns.mode to \"minimal\", or to \"off\" where no device has to find the gateway by itself")
        .at(&mode);
    Ok(Some(finding))
}

chitin_policy_sdk::policy!(audit);

#[cfg(test)]
mod tests {
    use chitin_policy_sdk::Hidden;
    use chitin_policy_sdk::testing::MemoryHost;

    use super::*;

    const WARN: [&str; 1] = ["discovery.mdns_full_mode:warn"];
    const OPEN: [&str; 1] = ["discovery.mdns_full_mode:not assessed"];
    const NOTHING: [&str; 0] = [];

    fn host(config: &str) -> MemoryHost {
        MemoryHost::new(config).release(2026, 9, 6)
    }

    #[test]
    fn only_the_exact_word_announces_all() {
        assert_eq!(host(r#"{discovery: {mdns: {mode: "full"}}}"#).ids(audit), WARN);
        for mode in [r#""minimal""#, r#""off""#, r#""Full""#, r#"" full ""#, "true", "null", r#"["full"]"#] {
            assert_eq!(
                host(&format!("{{discovery: {{mdns: {{mode: {mode}}}}}}}")).ids(audit),
                NOTHING,
                "{mode}"
            );
        }
        assert_eq!(host("{discovery: true}").ids(audit), NOTHING);
    }

    #[test]
    fn it_is_critical_beyond_loopback_and_tailscale_does_not_matter() {
        let at = |gateway: &str| {
            host(&format!(r#"{{gateway: {gateway}, discovery: {{mdns: {{mode: "full"}}}}}}"#)).ids(audit)
        };
        assert_eq!(at(r#"{bind: "lan"}"#), ["discovery.mdns_full_mode:critical"]);
        assert_eq!(at(r#"{tailscale: {mode: "funnel"}}"#), WARN);
    }

    #[test]
    fn what_is_not_shown_leaves_it_open() {
        let full = r#"{gateway: {bind: "lan"}, discovery: {mdns: {mode: "full"}}}"#;
        for pointer in ["/discovery", "/discovery/mdns", "/discovery/mdns/mode", "/gateway/bind", "/gateway"]
        {
            assert_eq!(host(full).withhold(pointer).ids(audit), OPEN, "{pointer}");
        }
        for pointer in ["/discovery/mdns/mode", "/gateway/bind"] {
            assert_eq!(host(full).hide(pointer, Hidden::Variable).ids(audit), OPEN, "{pointer}");
        }
        let off = r#"{gateway: {bind: "lan"}, discovery: {mdns: {mode: "off"}}}"#;
        assert_eq!(host(off).withhold("/gateway/bind").ids(audit), NOTHING);
    }
}
