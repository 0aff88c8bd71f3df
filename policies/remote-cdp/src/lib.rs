//! Browsers on other machines that are controlled over plain HTTP.

use chitin_policy_sdk::openclaw::browser::{self, Profile, Trouble};
use chitin_policy_sdk::{Answer, Context, Finding, NotAssessed, Verdict, warn};

const ID: &str = "browser.remote_cdp_http";

/// Looks at where each browser profile leads. What does not resolve is for `browser-control` to report: no browser is
/// controlled by it.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let mut answer = Answer::new();
    let is_enabled = browser::is_enabled(&cx.config());
    if is_enabled == Ok(false) {
        return Ok(answer);
    }
    match browser::profiles(cx) {
        Ok(profiles) => {
            for profile in &profiles {
                let verdict = match remote_http(profile) {
                    Ok(Some(finding)) => is_enabled.clone().map(|_| Some(finding)),
                    other => other,
                };
                answer.check(ID, verdict);
            }
        }
        Err(Trouble::Defect(_)) => {}
        Err(Trouble::NotAssessed(reason)) => answer.leave_open(ID, reason),
    }
    Ok(answer)
}

fn remote_http(profile: &Profile<'_>) -> Result<Option<Finding>, NotAssessed> {
    let endpoint = match &profile.endpoint {
        Ok(endpoint) => endpoint,
        Err(Trouble::Defect(_)) => return Ok(None),
        Err(Trouble::NotAssessed(reason)) => return Err(reason.clone()),
    };
    if endpoint.url.is_encrypted || endpoint.url.host.is_loopback() {
        return Ok(None);
    }
    let finding = warn(ID, "Remote browser is controlled over plain HTTP")
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
    Ok(Some(finding))
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
        let findings = host(browser).findings(audit);
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
        let ids = host(browser).hide("/browser/profiles/b/cdpUrl", Hidden::Variable).ids(audit);
        assert_eq!(ids, [REMOTE, OPEN]);
    }

    #[test]
    fn a_hidden_url_of_the_section_leaves_all_open() {
        let hidden = |browser: &str| host(browser).hide("/browser/cdpUrl", Hidden::Variable).ids(audit);
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
            assert_eq!(remote().withhold(pointer).ids(audit), ids, "{pointer}");
        }
        let local = || host(r#"{profiles: {a: {cdpUrl: "https://h"}}}"#);
        assert_eq!(local().withhold("/browser/enabled").ids(audit), NOTHING);
        assert_eq!(local().withhold("/gateway").ids(audit), [OPEN], "the section may not resolve");
    }
}
