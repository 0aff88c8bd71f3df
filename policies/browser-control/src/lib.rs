//! Browser control that cannot start, or that answers every local process.

use chitin_policy_sdk::browser::{self, Defect};
use chitin_policy_sdk::gateway::Gateway;
use chitin_policy_sdk::{Context, Failure, Finding, Location, Verdict, critical, warn};

/// Resolves the browser section, and looks at what protects browser control.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let profiles = match browser::profiles(cx) {
        Ok(profiles) => profiles,
        Err(defect) => return Ok(vec![cannot_start(&defect)]),
    };
    if !browser::is_enabled(&cx.config()) {
        return Ok(Vec::new());
    }
    let broken = profiles
        .iter()
        .filter_map(|profile| Some(cannot_be_used(profile.name, profile.endpoint.as_ref().err()?)));
    let mut findings: Vec<Finding> = broken.collect();
    findings.extend(no_auth(cx)?);
    Ok(findings)
}

fn cannot_start(defect: &Defect) -> Finding {
    invalid(defect, "Browser control cannot start with this config").detail(format!(
        "Browser control does not start: {}. Nothing that the config says of browsers takes effect until then, and \
         nothing of it can be checked.",
        defect.reason
    ))
}

fn cannot_be_used(profile: &str, defect: &Defect) -> Finding {
    invalid(defect, "Browser profile does not say where its browser is").detail(format!(
        "The browser profile \"{profile}\" cannot be used: {}. Agents that are pointed at it fail, and nobody can tell \
         whether its browser would be reached safely.",
        defect.reason
    ))
}

fn invalid(defect: &Defect, title: &str) -> Finding {
    warn("browser.control_invalid_config", title)
        .remediation(format!("Set {} to {}", name(&defect.location), defect.wanted))
        .at_location(&defect.location)
}

/// The dotted key of a config value, or the name of a variable.
fn name(location: &Location) -> String {
    match location {
        Location::Config(pointer) => pointer.trim_start_matches('/').replace('/', "."),
        Location::Env(name) => name.clone(),
        _ => String::new(),
    }
}

fn no_auth(cx: &Context<'_>) -> Result<Option<Finding>, Failure> {
    let gateway = Gateway::read(cx);
    let auth = gateway.auth(cx)?;
    if auth.token.is_set() || auth.password.is_set() {
        return Ok(None);
    }
    let finding = critical("browser.control_no_auth", "Browser control asks for no secret")
        .detail(format!(
            "Agents can control a browser, and neither a gateway token nor a gateway password is set, in the config or by \
             {} or {}: any local process or account can drive that browser, with every login that its profile holds.",
            auth.token.variable, auth.password.variable
        ))
        .remediation(
            "Set gateway.auth.token to the output of: openssl rand -hex 32; or set browser.enabled to false where no \
             agent needs a browser",
        )
        .at(&gateway.node.get("auth"));
    Ok(Some(finding))
}

chitin_policy_sdk::policy!(audit);

#[cfg(test)]
mod tests {
    use chitin_policy_sdk::gateway::{PASSWORD_VARIABLE, TOKEN_VARIABLE};
    use chitin_policy_sdk::testing::MemoryHost;

    use super::*;

    const INVALID: &str = "browser.control_invalid_config:warn";
    const NO_AUTH: &str = "browser.control_no_auth:critical";
    const NOTHING: [&str; 0] = [];

    /// A config with a token, so that only the browser section is judged.
    fn host(browser: &str) -> MemoryHost {
        MemoryHost::new(&format!(r#"{{gateway: {{auth: {{token: "t"}}}}, browser: {browser}}}"#))
    }

    fn auth(auth: &str) -> MemoryHost {
        MemoryHost::new(&format!("{{gateway: {{auth: {auth}}}}}"))
    }

    #[test]
    fn a_section_that_does_not_resolve_is_the_only_finding() {
        for browser in [
            r#"{cdpUrl: "not a url"}"#,
            r#"{cdpUrl: "localhost:9222"}"#,
            r#"{cdpUrl: "ws://10.0.0.5:9222", enabled: false}"#,
            "{cdpUrl: 5}",
        ] {
            assert_eq!(host(browser).ids(audit), [INVALID], "{browser}");
            let config = format!("{{browser: {browser}}}");
            assert_eq!(MemoryHost::new(&config).ids(audit), [INVALID], "without a secret: {browser}");
        }
    }

    #[test]
    fn a_broken_profile_is_reported_where_it_stands_and_the_rest_is_judged() {
        let browser = r#"{profiles: {x: {cdpUrl: "nope"}, y: {}, z: {cdpPort: 9}, openclaw: {}}}"#;
        let findings = host(browser).run(audit).expect("a verdict");
        let places: Vec<&Location> = findings.iter().flat_map(|finding| &finding.locations).collect();
        let expected =
            ["x", "y", "openclaw"].map(|name| Location::Config(format!("/browser/profiles/{name}/cdpUrl")));
        assert_eq!(places, expected.iter().collect::<Vec<_>>());
        let config = format!("{{browser: {browser}}}");
        assert_eq!(MemoryHost::new(&config).ids(audit), [INVALID, INVALID, INVALID, NO_AUTH]);
    }

    #[test]
    fn a_broken_profile_harms_nobody_while_browsers_are_off() {
        assert_eq!(host(r#"{enabled: false, profiles: {x: {cdpUrl: "nope"}}}"#).ids(audit), NOTHING);
    }

    #[test]
    fn the_remediation_names_the_value_to_change() {
        let words = |host: &MemoryHost| {
            let finding = host.run(audit).expect("a verdict").remove(0);
            finding.remediation.expect("a remediation")
        };
        let key = words(&host("{profiles: {x: {cdpPort: 70000}}}"));
        assert_eq!(key, "Set browser.profiles.x.cdpPort to a number from 1 to 65535");
        let variable = words(&host("{}").variable("OPENCLAW_GATEWAY_PORT", "65533"));
        assert_eq!(variable, "Set OPENCLAW_GATEWAY_PORT to a port up to 65532");
    }

    #[test]
    fn no_words_repeat_a_credential_of_the_url() {
        let host = host(r#"{cdpUrl: "http://user:hunter2@host:99999/?token=hunter2"}"#);
        assert!(!format!("{:?}", host.run(audit).expect("a verdict")).contains("hunter2"));
    }

    #[test]
    fn any_token_or_password_will_do_whatever_the_mode() {
        assert_eq!(MemoryHost::new("{}").ids(audit), [NO_AUTH]);
        for silent in [r#"{token: "t"}"#, r#"{password: "p"}"#, r#"{mode: "none", token: "t"}"#] {
            assert_eq!(auth(silent).ids(audit), NOTHING, "{silent}");
        }
        for open in [r#"{token: "  "}"#, r#"{mode: "trusted-proxy"}"#, "{token: 12345}", r#""x""#, "null"] {
            assert_eq!(auth(open).ids(audit), [NO_AUTH], "{open}");
        }
        for variable in [TOKEN_VARIABLE, PASSWORD_VARIABLE] {
            assert_eq!(MemoryHost::new("{}").variable(variable, "v").ids(audit), NOTHING, "{variable}");
        }
        assert_eq!(auth(r#"{token: ""}"#).variable(TOKEN_VARIABLE, "hidden").ids(audit), [NO_AUTH]);
    }

    #[test]
    fn a_browser_that_is_off_needs_no_secret() {
        assert_eq!(MemoryHost::new("{browser: {enabled: false}}").ids(audit), NOTHING);
        assert_eq!(MemoryHost::new(r#"{browser: {enabled: "false"}}"#).ids(audit), [NO_AUTH]);
    }
}
