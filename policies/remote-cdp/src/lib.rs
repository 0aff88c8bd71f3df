//! Browsers elsewhere that are controlled over plain HTTP, or in the private network.

use chitin_policy_sdk::openclaw::browser::{self, Endpoint, Profile, Trouble};
use chitin_policy_sdk::url::Host;
use chitin_policy_sdk::{Answer, Context, Finding, NotAssessed, Verdict, all, any, warn};

const PLAIN: &str = "browser.remote_cdp_http";
const PRIVATE: &str = "browser.remote_cdp_private_host";
const CHECKS: [&str; 2] = [PLAIN, PRIVATE];

/// Names of hosts that no server of the internet has (reference: 2026.9-delta 3.10).
const PRIVATE_NAMES: [&str; 3] = ["localhost", "localhost.localdomain", "metadata.google.internal"];
/// Endings that counted, too, as long as the private network was open to browsers unless a setting closed it.
const PRIVATE_ENDINGS: [&str; 3] = [".localhost", ".local", ".internal"];
/// From this release on the private network is closed to browsers unless a setting opens it.
const CLOSED_BY_DEFAULT: (u16, u8, u16) = (2026, 4, 5);

/// Looks at where each browser profile leads. What does not resolve is for `browser-control` to report: no browser is
/// controlled by it.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let mut answer = Answer::new();
    let is_on = browser::is_on(cx);
    if is_on == Ok(false) {
        return Ok(answer);
    }
    let profiles = match browser::profiles(cx) {
        Ok(profiles) => profiles,
        Err(Trouble::Defect(_)) => return Ok(answer),
        Err(Trouble::NotAssessed(reason)) => {
            answer.checks(&CHECKS, Err::<Option<Finding>, _>(reason));
            return Ok(answer);
        }
    };
    let opens = opens_private_network(cx);
    for profile in &profiles {
        let endpoint = match &profile.endpoint {
            Ok(endpoint) if endpoint.url.host.is_loopback() => continue,
            Ok(endpoint) => endpoint,
            Err(Trouble::Defect(_)) => continue,
            Err(Trouble::NotAssessed(reason)) => {
                answer.checks(&CHECKS, Err::<Option<Finding>, _>(reason.clone()));
                continue;
            }
        };
        let told = |holds: Result<bool, NotAssessed>, finding: fn(&Profile<'_>, &Endpoint<'_>) -> Finding| {
            all([is_on.clone(), holds]).map(|holds| holds.then(|| finding(profile, endpoint)))
        };
        answer.check(PLAIN, told(Ok(!endpoint.url.is_encrypted), plain));
        answer.check(PRIVATE, told(all([Ok(is_private(cx, &endpoint.url.host)), opens.clone()]), private));
    }
    Ok(answer)
}

fn plain(profile: &Profile<'_>, endpoint: &Endpoint<'_>) -> Finding {
    warn(PLAIN, "Remote browser is controlled over plain HTTP")
        .detail(format!(
            "The browser profile \"{}\" leads to {}, which is not this machine, without encryption: whoever is on the way \
             can read what the browser sees, cookies and logins included, and command it themselves.",
            profile.name, endpoint.url
        ))
        .remediation(
            "Set the profile's cdpUrl to an https:// URL, or to this machine's end of an encrypted tunnel, for example \
             \"http://127.0.0.1:9222\"",
        )
        .at_all(&endpoint.nodes)
}

fn private(profile: &Profile<'_>, endpoint: &Endpoint<'_>) -> Finding {
    warn(PRIVATE, "Remote browser is in the private network, which is open to agents")
        .detail(format!(
            "The browser profile \"{}\" leads to {}, an address of the private network, and browser.ssrfPolicy lets browsers \
             reach that network: a page that an agent is sent to can have it look at devices and services that trust \
             whoever is inside.",
            profile.name, endpoint.url
        ))
        .remediation(
            "Set browser.ssrfPolicy.dangerouslyAllowPrivateNetwork to false and name the hosts that are needed in \
             browser.ssrfPolicy.allowedHostnames; or reach the browser through a tunnel that ends on this machine",
        )
        .at_all(&endpoint.nodes)
}

/// Browsers may reach the private network. Where nothing is said, it depends on the release.
fn opens_private_network(cx: &Context<'_>) -> Result<bool, NotAssessed> {
    let policy = cx.config().at("browser.ssrfPolicy");
    let settings = [policy.get("dangerouslyAllowPrivateNetwork"), policy.get("allowPrivateNetwork")];
    let (year, month, patch) = CLOSED_BY_DEFAULT;
    let by_default = || {
        if cx.release().since(year, month, patch) {
            return Ok(false);
        }
        all(settings.iter().map(|setting| setting.is_present().map(|is_present| !is_present)))
    };
    any(settings.iter().map(chitin_policy_sdk::Node::is_true).chain([by_default()]))
}

fn is_private(cx: &Context<'_>, host: &Host) -> bool {
    let (year, month, patch) = CLOSED_BY_DEFAULT;
    match host {
        Host::Name(name) => {
            let name = name.trim_end_matches('.');
            let by_ending = !cx.release().since(year, month, patch);
            PRIVATE_NAMES.contains(&name)
                || (by_ending && PRIVATE_ENDINGS.iter().any(|ending| name.ends_with(ending)))
        }
        address => address.is_private(),
    }
}

chitin_policy_sdk::policy!(audit);

#[cfg(test)]
mod tests {
    use chitin_policy_sdk::testing::MemoryHost;
    use chitin_policy_sdk::{Hidden, Location};

    use super::*;

    const NOTHING: [&str; 0] = [];
    const REMOTE: &str = "browser.remote_cdp_http:warn";

    fn host(browser: &str) -> MemoryHost {
        MemoryHost::new(&format!("{{browser: {browser}}}"))
    }

    /// What is said of plain HTTP.
    trait Plain {
        fn plain(&self) -> Vec<String>;
    }

    impl Plain for MemoryHost {
        fn plain(&self) -> Vec<String> {
            let mut ids = self.ids(audit);
            ids.retain(|id| id.starts_with(PLAIN));
            ids
        }
    }

    /// The findings of a release about the private network.
    fn private_hosts(browser: &str, (year, month, patch): (u16, u8, u16)) -> Vec<String> {
        let mut ids = host(browser).release(year, month, patch).ids(audit);
        ids.retain(|id| id.starts_with(PRIVATE));
        ids
    }

    #[test]
    fn a_browser_in_the_private_network_is_told_where_that_is_open() {
        const LATER: (u16, u8, u16) = (2026, 9, 6);
        let found = ["browser.remote_cdp_private_host:warn"];
        let with = |policy: &str, url: &str| format!(r#"{{cdpUrl: "{url}", ssrfPolicy: {policy}}}"#);
        let open = "{dangerouslyAllowPrivateNetwork: true}";
        for url in [
            "https://10.0.0.5",
            "https://[fd00::1]",
            "https://metadata.google.internal",
            "http://192.168.1.2:1",
        ] {
            assert_eq!(private_hosts(&with(open, url), LATER), found, "{url}");
            assert_eq!(private_hosts(&with("{allowPrivateNetwork: true}", url), LATER), found, "{url}");
            assert_eq!(private_hosts(&with("{}", url), LATER), NOTHING, "{url}");
            assert_eq!(private_hosts(&with("{}", url), (2026, 4, 2)), found, "it was open");
            assert_eq!(
                private_hosts(&with("{allowPrivateNetwork: false}", url), (2026, 4, 2)),
                NOTHING,
                "{url}"
            );
        }
        for url in ["https://127.0.0.1", "http://localhost", "https://8.8.8.8", "https://h.example"] {
            assert_eq!(private_hosts(&with(open, url), LATER), NOTHING, "{url}");
        }
        assert_eq!(private_hosts(&with(open, "https://nas.local"), LATER), NOTHING);
        assert_eq!(private_hosts(&with(open, "https://nas.local"), (2026, 3, 22)), found);
        assert_eq!(private_hosts(&with("5", "https://10.0.0.5"), LATER), NOTHING);
    }

    #[test]
    fn whether_the_private_network_is_open_is_not_guessed() {
        let open = ["browser.remote_cdp_private_host:not assessed"];
        let ids = |pointer: &str, release: (u16, u8, u16)| {
            let browser = r#"{cdpUrl: "https://10.0.0.5", ssrfPolicy: {allowedHostnames: []}}"#;
            host(browser).release(release.0, release.1, release.2).withhold(pointer).ids(audit)
        };
        for release in [(2026, 3, 22), (2026, 9, 6)] {
            assert_eq!(ids("/browser/ssrfPolicy", release), open, "{release:?}");
            assert_eq!(
                ids("/browser/ssrfPolicy/dangerouslyAllowPrivateNetwork", release),
                open,
                "{release:?}"
            );
        }
        let public = host(r#"{cdpUrl: "https://8.8.8.8"}"#).release(2026, 9, 6);
        assert_eq!(public.withhold("/browser/ssrfPolicy").ids(audit), NOTHING);
    }

    #[test]
    fn a_browser_whose_plugin_does_not_load_is_not_controlled() {
        let config = r#"{browser: {cdpUrl: "ws://10.0.0.5"}, plugins: {deny: ["browser"]}}"#;
        let host = |month, patch| MemoryHost::new(config).release(2026, month, patch);
        assert_eq!(host(4, 5).ids(audit), NOTHING);
        assert_eq!(
            host(4, 4).ids(audit),
            [REMOTE, "browser.remote_cdp_private_host:warn"],
            "a socket is as plain"
        );
    }

    #[test]
    fn only_plain_http_to_another_machine_is_reported() {
        assert_eq!(host(r#"{cdpUrl: "http://10.0.0.5:9222"}"#).plain(), [REMOTE]);
        for silent in [
            "{}",
            r#"{cdpUrl: "https://10.0.0.5:9222"}"#,
            r#"{cdpUrl: "http://127.1:9222"}"#,
            r#"{cdpUrl: "http://10.0.0.5:9222", enabled: false}"#,
            r#"{cdpUrl: "ws://10.0.0.5:9222"}"#,
            "{cdpUrl: 5}",
        ] {
            assert_eq!(host(silent).plain(), NOTHING, "{silent}");
        }
    }

    #[test]
    fn a_name_that_only_begins_like_loopback_is_another_machine() {
        let remote = |host: &str| self::host(&format!(r#"{{cdpUrl: "http://{host}:1"}}"#)).plain().len();
        assert_eq!(remote("127.evil.example"), 1);
        assert_eq!(remote("[::ffff:127.0.0.1]"), 0);
    }

    #[test]
    fn each_profile_is_judged_by_its_own_url_or_that_of_the_section() {
        let browser = r#"{cdpUrl: "http://10.0.0.5", profiles: {
            a: {cdpPort: 9000}, b: {cdpUrl: "https://10.0.0.9"}, c: {cdpUrl: "nope"}, openclaw: {cdpUrl: "http://localhost"}
        }}"#;
        let mut findings = host(browser).findings(audit);
        findings.retain(|finding| finding.check_id == PLAIN);
        let places = ["/browser/profiles/a/cdpPort", "/browser/cdpUrl"];
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].locations, places.map(|pointer| Location::Config(pointer.to_owned())));
        assert!(findings[0].detail.contains("leads to http://10.0.0.5:9000,"));
    }

    #[test]
    fn no_words_repeat_a_credential_of_the_url() {
        let host = host(r#"{cdpUrl: "http://user:hunter2@10.0.0.5/hunter2?token=hunter2"}"#);
        let finding = host.findings(audit).remove(0);
        assert!(finding.detail.contains("leads to http://10.0.0.5:80,"));
        assert!(!format!("{finding:?}").contains("hunter2"));
    }

    const OPEN: &str = "browser.remote_cdp_http:not assessed";

    #[test]
    fn a_hidden_url_costs_its_own_profile() {
        let browser = r#"{profiles: {a: {cdpUrl: "http://10.0.0.5"}, b: {cdpUrl: "http://10.0.0.6"}}}"#;
        let ids = host(browser).hide("/browser/profiles/b/cdpUrl", Hidden::Variable).plain();
        assert_eq!(ids, [REMOTE, OPEN]);
    }

    #[test]
    fn a_hidden_url_of_the_section_leaves_all_open() {
        let hidden = |browser: &str| host(browser).hide("/browser/cdpUrl", Hidden::Variable).plain();
        let own = r#"profiles: {a: {cdpUrl: "http://10.0.0.5"}}"#;
        assert_eq!(
            hidden(&format!(r#"{{cdpUrl: "http://h", {own}}}"#)),
            [OPEN],
            "no browser may be controlled"
        );
        assert_eq!(hidden(r#"{cdpUrl: "http://h", enabled: false}"#), NOTHING);
    }

    #[test]
    fn what_is_withheld_is_not_taken_for_absent() {
        let remote = || host(r#"{cdpUrl: "http://10.0.0.5", profiles: {a: {cdpPort: 9}}}"#);
        for (pointer, ids) in [
            ("/browser", [OPEN].as_slice()),
            ("/browser/enabled", &[OPEN]),
            ("/browser/cdpUrl", &[OPEN]),
            ("/browser/profiles", &[OPEN]),
            ("/browser/profiles/a/cdpPort", &[REMOTE, OPEN]),
        ] {
            assert_eq!(remote().withhold(pointer).plain(), ids, "{pointer}");
        }
        let local = || host(r#"{profiles: {a: {cdpUrl: "https://h"}}}"#);
        assert_eq!(local().withhold("/browser/enabled").plain(), NOTHING);
        assert_eq!(local().withhold("/gateway").plain(), [OPEN], "the section may not resolve");
    }
}
