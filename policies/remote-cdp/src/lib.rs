//! Browsers on other machines that are controlled over plain HTTP.

use chitin_policy_sdk::browser::{self, Profile};
use chitin_policy_sdk::{Context, Finding, Verdict, warn};

/// Looks at where each browser profile leads. What does not resolve is for `browser-control` to report.
pub fn audit(cx: &Context<'_>) -> Verdict {
    if !browser::is_enabled(&cx.config()) {
        return Ok(Vec::new());
    }
    let profiles = browser::profiles(cx).unwrap_or_default();
    Ok(profiles.iter().filter_map(remote_http).collect())
}

fn remote_http(profile: &Profile<'_>) -> Option<Finding> {
    let endpoint = profile.endpoint.as_ref().ok()?;
    if endpoint.url.is_encrypted || endpoint.url.host.is_loopback() {
        return None;
    }
    let finding = warn("browser.remote_cdp_http", "Remote browser is controlled over plain HTTP")
        .detail(format!(
            "The browser profile \"{}\" leads to {}, which is not this machine, without encryption: whoever is on the way \
             can read what the browser sees, cookies and logins included, and command it themselves.",
            profile.name, endpoint.url
        ))
        .remediation(
            "Set the profile's cdpUrl to an https:// URL, or to this machine's end of an encrypted tunnel, for example \
             \"http://127.0.0.1:9222\"",
        )
        .at_all(&endpoint.nodes);
    Some(finding)
}

chitin_policy_sdk::policy!(audit);

#[cfg(test)]
mod tests {
    use chitin_policy_sdk::Location;
    use chitin_policy_sdk::testing::MemoryHost;

    use super::*;

    const NOTHING: [&str; 0] = [];
    const REMOTE: &str = "browser.remote_cdp_http:warn";

    fn host(browser: &str) -> MemoryHost {
        MemoryHost::new(&format!("{{browser: {browser}}}"))
    }

    #[test]
    fn only_plain_http_to_another_machine_is_reported() {
        assert_eq!(host(r#"{cdpUrl: "http://10.0.0.5:9222"}"#).ids(audit), [REMOTE]);
        for silent in [
            "{}",
            r#"{cdpUrl: "https://10.0.0.5:9222"}"#,
            r#"{cdpUrl: "http://127.1:9222"}"#,
            r#"{cdpUrl: "http://10.0.0.5:9222", enabled: false}"#,
            r#"{cdpUrl: "ws://10.0.0.5:9222"}"#,
            "{cdpUrl: 5}",
        ] {
            assert_eq!(host(silent).ids(audit), NOTHING, "{silent}");
        }
    }

    #[test]
    fn a_name_that_only_begins_like_loopback_is_another_machine() {
        let remote = |host: &str| self::host(&format!(r#"{{cdpUrl: "http://{host}:1"}}"#)).ids(audit).len();
        assert_eq!(remote("127.evil.example"), 1);
        assert_eq!(remote("[::ffff:127.0.0.1]"), 0);
    }

    #[test]
    fn each_profile_is_judged_by_its_own_url_or_that_of_the_section() {
        let browser = r#"{cdpUrl: "http://10.0.0.5", profiles: {
            a: {cdpPort: 9000}, b: {cdpUrl: "https://10.0.0.9"}, c: {cdpUrl: "nope"}, openclaw: {cdpUrl: "http://localhost"}
        }}"#;
        let findings = host(browser).run(audit).expect("a verdict");
        let places = ["/browser/profiles/a/cdpPort", "/browser/cdpUrl"];
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].locations, places.map(|pointer| Location::Config(pointer.to_owned())));
        assert!(findings[0].detail.contains("leads to http://10.0.0.5:9000,"));
    }

    #[test]
    fn no_words_repeat_a_credential_of_the_url() {
        let host = host(r#"{cdpUrl: "http://user:hunter2@10.0.0.5/hunter2?token=hunter2"}"#);
        let finding = host.run(audit).expect("a verdict").remove(0);
        assert!(finding.detail.contains("leads to http://10.0.0.5:80,"));
        assert!(!format!("{finding:?}").contains("hunter2"));
    }
}
