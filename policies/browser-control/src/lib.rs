//! Browser control that cannot start, or that answers every local process.

use chitin_policy_sdk::openclaw::browser::{self, Defect, Endpoint, Profile, Trouble};
use chitin_policy_sdk::openclaw::gateway::{Gateway, PASSWORD_VARIABLE, TOKEN_VARIABLE};
use chitin_policy_sdk::{Answer, Context, Finding, Location, NotAssessed, Verdict, all, any, critical, warn};

const INVALID: &str = "browser.control_invalid_config";
const NO_AUTH: &str = "browser.control_no_auth";
const LEGACY_AUTH: &str = "browser.extension_relay_legacy_auth";

/// Modes in which the gateway has no secret that browser control could ask for.
const WITHOUT_SECRET: [&str; 2] = ["none", "trusted-proxy"];

/// Resolves the browser section, and looks at what protects browser control.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let mut answer = Answer::new();
    answer.check(LEGACY_AUTH, legacy_auth(cx));
    match browser::profiles(cx) {
        Ok(profiles) => {
            for profile in &profiles {
                answer.check(INVALID, broken_profile(cx, profile));
            }
        }
        Err(Trouble::NotAssessed(reason)) => answer.leave_open(INVALID, reason),
        Err(Trouble::Defect(defect)) => {
            answer.findings.push(cannot_start(&defect));
            return Ok(answer);
        }
    }
    answer.check(NO_AUTH, no_auth(cx));
    Ok(answer)
}

/// The relay takes what earlier extensions sent. It does so where nothing is set; whether it matters, a profile of an extension
/// says.
fn legacy_auth(cx: &Context<'_>) -> Result<Option<Finding>, NotAssessed> {
    let config = cx.config();
    let setting = config.at("browser.extensionRelay.allowLegacyAuth");
    let mut ways = vec![setting.is_true()];
    match config.at("browser.profiles").entries() {
        Ok(profiles) => ways.extend(profiles.map(|(_, profile)| {
            let is_extension = profile.get("driver").text().map(|driver| driver == Some("extension"));
            all([setting.is_nullish(), is_extension])
        })),
        Err(reason) => ways.push(all([setting.is_nullish(), Err(reason)])),
    }
    if !all([any(ways), browser::is_on(cx)])? {
        return Ok(None);
    }
    Ok(Some(
        warn(LEGACY_AUTH, "Browser relay takes what earlier extensions sent to sign in")
            .detail(
                "The relay between the browser's extension and the gateway still takes the old forms of signing in, unless \
                 browser.extensionRelay.allowLegacyAuth is false: they send the secret itself, which whatever listens on the \
                 way or takes the relay's place can use again.",
            )
            .remediation(
                "Update the extension in each browser, and set browser.extensionRelay.allowLegacyAuth to false",
            )
            .at(&setting),
    ))
}

fn broken_profile(cx: &Context<'_>, profile: &Profile<'_>) -> Result<Option<Finding>, NotAssessed> {
    let Err(trouble) = &profile.endpoint else { return Ok(None) };
    if !browser::is_on(cx)? {
        return Ok(None);
    }
    match trouble {
        Trouble::Defect(defect) => Ok(Some(cannot_be_used(profile.name, defect))),
        Trouble::NotAssessed(reason) => Err(reason.clone()),
    }
}

fn cannot_start(defect: &Defect) -> Finding {
    invalid(defect, "Browser control cannot start with this config").detail(format!(
        "Browser control does not start: {}. What else the config says of browsers was not checked.",
        defect.reason
    ))
}

fn cannot_be_used(profile: &str, defect: &Defect) -> Finding {
    invalid(defect, "Browser profile does not say where its browser is").detail(format!(
        "The browser profile \"{profile}\" cannot be used: {}. Whether its browser would be reached safely was not checked.",
        defect.reason
    ))
}

fn invalid(defect: &Defect, title: &str) -> Finding {
    warn(INVALID, title)
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

fn no_auth(cx: &Context<'_>) -> Result<Option<Finding>, NotAssessed> {
    let gateway = Gateway::read(cx).with_old_variables();
    let (has_token, has_password) = (gateway.has_own_token(cx), gateway.has_own_password(cx));
    let is_off = browser::is_on(cx).map(|is_on| !is_on);
    let mode = gateway.node.at("auth.mode").text();
    let is_without = mode.map(|mode| mode.is_some_and(|mode| WITHOUT_SECRET.contains(&mode)));
    // There browser control makes a secret of its own from 2026.4.15 on at the latest; 2026.3.13 does not.
    let makes_own = is_without.clone().map(|is_without| is_without && cx.release().since(2026, 4, 15));
    if any([is_off, has_token, has_password, makes_own])? {
        return Ok(None);
    }
    // A control that does not start is open to nobody.
    if let Err(Trouble::NotAssessed(reason)) = Endpoint::base(cx) {
        return Err(reason);
    }
    let finding = critical(NO_AUTH, "Browser control is open to every local process: no token or password is set")
        .detail(format!(
            "Browser control asks for the gateway's token or password, and neither the config nor {TOKEN_VARIABLE} or \
             {PASSWORD_VARIABLE} sets one: any local process or account can drive the browser, with every login that its \
             profile holds."
        ))
        .remediation(if is_without? {
            "Set browser.enabled to false where no agent needs a browser; or upgrade: later releases make a secret for it \
             in this mode of gateway.auth"
        } else {
            "Set gateway.auth.token to the output of: openssl rand -hex 32; or set browser.enabled to false where no \
             agent needs a browser"
        })
        .at(&gateway.node.get("auth"));
    Ok(Some(finding))
}

chitin_policy_sdk::policy!(audit);

#[cfg(test)]
mod tests {
    use chitin_policy_sdk::Hidden;
    use chitin_policy_sdk::testing::MemoryHost;

    use super::*;

    const INVALID: &str = "browser.control_invalid_config:warn";
    const INVALID_OPEN: &str = "browser.control_invalid_config:not assessed";
    const NO_AUTH: &str = "browser.control_no_auth:critical";
    const NO_AUTH_OPEN: &str = "browser.control_no_auth:not assessed";
    const NOTHING: [&str; 0] = [];

    /// A config with a token, so that only the browser section is judged.
    fn host(browser: &str) -> MemoryHost {
        MemoryHost::new(&format!(r#"{{gateway: {{auth: {{token: "t"}}}}, browser: {browser}}}"#))
    }

    fn auth(auth: &str) -> MemoryHost {
        MemoryHost::new(&format!("{{gateway: {{auth: {auth}}}}}"))
    }

    #[test]
    fn a_relay_that_takes_the_old_forms_is_told_where_it_is_used() {
        let legacy = ["browser.extension_relay_legacy_auth:warn"];
        let ids = |browser: &str| host(browser).release(2026, 9, 6).ids(audit);
        for browser in [
            "{extensionRelay: {allowLegacyAuth: true}}",
            r#"{profiles: {me: {driver: "extension"}}}"#,
            r#"{extensionRelay: {allowLegacyAuth: null}, profiles: {me: {driver: "extension"}}}"#,
        ] {
            assert_eq!(ids(browser), legacy, "{browser}");
        }
        for browser in [
            "{}",
            "{extensionRelay: {}}",
            r#"{extensionRelay: {allowLegacyAuth: "true"}}"#,
            r#"{extensionRelay: {allowLegacyAuth: false}, profiles: {me: {driver: "extension"}}}"#,
            r#"{profiles: {me: {driver: "existing-session"}, other: {driver: 5, cdpPort: 9}}}"#,
            r#"{enabled: false, profiles: {me: {driver: "extension"}}}"#,
        ] {
            assert_eq!(ids(browser), NOTHING, "{browser}");
        }
    }

    #[test]
    fn whether_a_relay_is_used_is_not_guessed() {
        let open = "browser.extension_relay_legacy_auth:not assessed";
        let extension = r#"{extensionRelay: {}, profiles: {me: {driver: "extension"}}}"#;
        let host = || host(extension).release(2026, 9, 6);
        assert_eq!(host().withhold("/browser/extensionRelay").ids(audit), [open]);
        for pointer in ["/browser/profiles", "/browser/profiles/me/driver"] {
            let ids = host().withhold(pointer).ids(audit);
            assert!(ids.iter().any(|id| id == open), "{pointer} {ids:?}");
        }
        let withheld = MemoryHost::new("{browser: {extensionRelay: {allowLegacyAuth: false}, profiles: {}}}");
        let ids = withheld.release(2026, 9, 6).withhold("/browser/profiles").ids(audit);
        assert!(!ids.iter().any(|id| id == open), "it is switched off: {ids:?}");
    }

    #[test]
    fn a_browser_whose_plugin_does_not_load_is_open_to_nobody() {
        let host = |month, patch| MemoryHost::new("{plugins: {enabled: false}}").release(2026, month, patch);
        assert_eq!(host(4, 4).ids(audit), [NO_AUTH]);
        assert_eq!(host(4, 5).ids(audit), NOTHING);
        let unknown = host(4, 5).withhold("/plugins").ids(audit);
        assert_eq!(unknown, [NO_AUTH_OPEN]);
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
        let findings = host(browser).findings(audit);
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
            let finding = host.findings(audit).remove(0);
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
        assert!(!format!("{:?}", host.findings(audit)).contains("hunter2"));
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
        for mode in WITHOUT_SECRET {
            let mode = format!("{{mode: \"{mode}\"}}");
            assert_eq!(auth(&mode).release(2026, 3, 13).ids(audit), [NO_AUTH], "{mode}");
            assert_eq!(auth(&mode).release(2026, 4, 15).ids(audit), NOTHING, "{mode}");
        }
    }

    #[test]
    fn a_browser_that_is_off_needs_no_secret() {
        assert_eq!(MemoryHost::new("{browser: {enabled: false}}").ids(audit), NOTHING);
        assert_eq!(MemoryHost::new(r#"{browser: {enabled: "false"}}"#).ids(audit), [NO_AUTH]);
    }

    #[test]
    fn the_plugin_loads_where_a_list_leaves_it_out_and_the_config_asks_for_it() {
        let ids = |config: &str| MemoryHost::new(config).release(2026, 9, 6).ids(audit);
        assert_eq!(ids(r#"{plugins: {allow: ["other"]}}"#), NOTHING);
        for config in [
            r#"{plugins: {allow: [" "]}}"#,
            r#"{plugins: {allow: ["other"]}, browser: {}}"#,
            r#"{plugins: {allow: ["other"], entries: {browser: {}}}}"#,
            r#"{plugins: {allow: ["other"]}, tools: {alsoAllow: [" Browser "]}}"#,
            r#"{plugins: {allow: ["other"]}, agents: {list: [{id: "a", tools: {allow: ["browser"]}}]}}"#,
        ] {
            assert_eq!(ids(config), [NO_AUTH], "{config}");
        }
        for config in [
            r#"{plugins: {allow: ["other"], deny: ["browser"]}, browser: {}}"#,
            r#"{plugins: {allow: ["other"], enabled: false}, browser: {}}"#,
            r#"{plugins: {allow: ["other"], entries: {browser: {enabled: false}}}, browser: {}}"#,
        ] {
            assert_eq!(ids(config), NOTHING, "{config}");
        }
    }

    #[test]
    fn the_variables_of_the_earlier_name_count_where_they_are_read() {
        let host = auth("{}").variable("CLAWDBOT_GATEWAY_TOKEN", "t");
        assert_eq!(host.clone().release(2026, 3, 13).ids(audit), NOTHING);
        assert_eq!(host.release(2026, 9, 6).ids(audit), [NO_AUTH]);
    }

    #[test]
    fn a_variable_that_is_not_set_gives_no_secret_from_2026_8_1_on() {
        let host = auth(r#"{token: "${NONE}"}"#).problem("unset-variable", "x", Some("/gateway/auth/token"));
        assert_eq!(host.clone().release(2026, 7, 35).ids(audit), NOTHING);
        assert_eq!(host.release(2026, 8, 1).ids(audit), [NO_AUTH]);
    }

    #[test]
    fn a_hidden_url_costs_its_own_profile() {
        let profiles = r#"{profiles: {x: {cdpUrl: "http://h"}, y: {cdpUrl: "nope"}}}"#;
        let host = host(profiles).hide("/browser/profiles/x/cdpUrl", Hidden::Variable);
        assert_eq!(host.ids(audit), [INVALID, INVALID_OPEN]);
        let off = MemoryHost::new(r#"{browser: {enabled: false, profiles: {x: {cdpUrl: "http://h"}}}}"#);
        assert_eq!(off.hide("/browser/profiles/x/cdpUrl", Hidden::Variable).ids(audit), NOTHING);
    }

    #[test]
    fn a_hidden_url_of_the_section_leaves_open_what_depends_on_it() {
        let hidden =
            |config: &str| MemoryHost::new(config).hide("/browser/cdpUrl", Hidden::Variable).ids(audit);
        assert_eq!(hidden(r#"{browser: {cdpUrl: "http://h"}}"#), [INVALID_OPEN, NO_AUTH_OPEN]);
        assert_eq!(hidden(r#"{browser: {cdpUrl: "http://h", enabled: false}}"#), [INVALID_OPEN]);
        let with_token = r#"{browser: {cdpUrl: "http://h"}, gateway: {auth: {token: "t"}}}"#;
        assert_eq!(hidden(with_token), [INVALID_OPEN]);
    }

    #[test]
    fn what_is_withheld_is_not_taken_for_absent() {
        let broken = r#"{gateway: {auth: {token: ""}}, browser: {profiles: {x: {cdpUrl: "nope"}}}}"#;
        for (pointer, ids) in [
            ("/browser", [INVALID_OPEN, NO_AUTH_OPEN].as_slice()),
            ("/browser/enabled", &[INVALID_OPEN, NO_AUTH_OPEN]),
            ("/browser/profiles", &[NO_AUTH, INVALID_OPEN]),
            ("/gateway/port", &[INVALID_OPEN, NO_AUTH_OPEN]),
            ("/gateway/auth/token", &[INVALID, NO_AUTH_OPEN]),
            ("/gateway/auth/password", &[INVALID, NO_AUTH_OPEN]),
        ] {
            let mut seen = MemoryHost::new(broken).withhold(pointer).ids(audit);
            seen.retain(|id| !id.starts_with(LEGACY_AUTH));
            assert_eq!(seen, ids, "{pointer}");
        }
        for (capability, ids) in [
            ("secret:env:OPENCLAW_GATEWAY_PASSWORD", [INVALID, NO_AUTH_OPEN].as_slice()),
            ("environment:OPENCLAW_GATEWAY_PORT", &[INVALID_OPEN, NO_AUTH_OPEN]),
        ] {
            assert_eq!(MemoryHost::new(broken).ungranted(capability).ids(audit), ids, "{capability}");
        }
    }

    #[test]
    fn one_secret_that_is_set_decides() {
        for pointer in ["/gateway/auth/password", "/browser/enabled"] {
            assert_eq!(host("{}").withhold(pointer).ids(audit), NOTHING, "{pointer}");
        }
        let elsewhere = r#"{gateway: {auth: {password: {"$hidden": "reference"}}}}"#;
        assert_eq!(MemoryHost::new(elsewhere).ids(audit), NOTHING);
    }

    #[test]
    fn a_port_that_a_variable_gives_is_a_text_and_no_port() {
        let config = r#"{gateway: {port: "65533", auth: {token: "t"}}}"#;
        assert_eq!(MemoryHost::new(config).hide("/gateway/port", Hidden::Variable).ids(audit), NOTHING);
    }
}
