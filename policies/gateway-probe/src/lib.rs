//! A gateway that does not answer as its config says.

use chitin_policy_sdk::{Answer, Context, Finding, Node, NotAssessed, Verdict, warn};

/// How the runner begins an error where it had a reason not to ask the gateway.
const NOTHING_SENT: &str = "nothing was sent: ";

/// Looks at what the runner's live probe met.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let mut answer = Answer::new();
    answer.check("gateway.probe_failed", probe_failed(cx));
    Ok(answer)
}

fn probe_failed(cx: &Context<'_>) -> Result<Option<Finding>, NotAssessed> {
    let probe = cx.probe()?;
    if probe.ok {
        return Ok(None);
    }
    if let Some(reason) = probe.error.as_deref().and_then(|error| error.strip_prefix(NOTHING_SENT)) {
        let url = &probe.url;
        return Err(NotAssessed::unreadable(format!("the gateway at {url} was not asked: {reason}")));
    }
    let error = probe.error.as_deref().unwrap_or("it is not known why");
    let finding = warn("gateway.probe_failed", "Live probe of the gateway failed")
        .detail(format!(
            "{}: {error}. This audit judged the gateway by its config and did not see the gateway itself.",
            probe.url
        ))
        .remediation(
            "Correct what is named, with the help of `openclaw status --all`; then repeat `chitin audit --deep`, with --token \
             or --password where the gateway wants another one",
        )
        .at(&place(cx).unwrap_or_else(|_| cx.config()));
    Ok(Some(finding))
}

/// The value that says where the gateway is.
fn place<'a>(cx: &'a Context<'_>) -> Result<Node<'a>, NotAssessed> {
    let gateway = cx.config().get("gateway");
    let remote = gateway.at("remote.url");
    // A URL that is hidden is one.
    let is_said = remote.is_text()? && remote.trimmed() != Ok(None);
    let is_remote = is_said && gateway.get("mode").text()? == Some("remote");
    let place = if is_remote { remote } else { gateway.get("port") };
    // A place that is withheld cannot be named.
    place.is_present()?;
    Ok(place)
}

chitin_policy_sdk::policy!(audit);

#[cfg(test)]
mod tests {
    use chitin_policy_sdk::testing::MemoryHost;
    use chitin_policy_sdk::{Hidden, Location};

    use super::*;

    fn place(config: &str) -> Location {
        let host = MemoryHost::new(config).probed(Some("timeout"));
        host.findings(audit).remove(0).locations.remove(0)
    }

    #[test]
    fn a_gateway_that_answers_is_no_finding() {
        assert!(MemoryHost::new("{}").probed(None).ids(audit).is_empty());
    }

    #[test]
    fn one_that_does_not_is_named_with_what_went_wrong() {
        let host = MemoryHost::new("{}").probed(Some("timeout"));
        assert_eq!(host.ids(audit), ["gateway.probe_failed:warn"]);
        let detail = host.findings(audit).remove(0).detail;
        assert!(detail.starts_with("ws://127.0.0.1:18789: timeout. "), "{detail}");
    }

    #[test]
    fn one_that_was_not_asked_is_not_judged() {
        let host = MemoryHost::new("{}").probed(Some("nothing was sent: uid 5 listens there"));
        let reason = "the gateway at ws://127.0.0.1:18789 was not asked: uid 5 listens there";
        assert_eq!(host.unassessed(audit), [format!("gateway.probe_failed: unreadable: {reason}")]);
    }

    #[test]
    fn the_place_is_what_says_where_the_gateway_is() {
        let port = Location::Config("/gateway/port".to_owned());
        let url = Location::Config("/gateway/remote/url".to_owned());
        assert_eq!(place("{}"), port);
        assert_eq!(place(r#"{gateway: {mode: "remote", remote: {url: " "}}}"#), port);
        assert_eq!(place(r#"{gateway: {mode: "local", remote: {url: "wss://a"}}}"#), port);
        assert_eq!(place(r#"{gateway: {mode: "remote", remote: {url: "wss://a"}}}"#), url);
    }

    #[test]
    fn without_a_probe_nothing_is_clean() {
        let open = ["gateway.probe_failed:not assessed"];
        assert_eq!(MemoryHost::new("{}").ids(audit), open);
        assert_eq!(MemoryHost::new("{}").probed(None).ungranted("gateway").ids(audit), open);
    }

    #[test]
    fn where_the_place_is_not_known_the_finding_names_the_config() {
        let config = r#"{gateway: {mode: "remote", port: 5, remote: {url: "wss://a"}}}"#;
        let host = || MemoryHost::new(config).probed(Some("timeout"));
        let place = |host: MemoryHost| host.findings(audit).remove(0).locations.remove(0);
        let whole = Location::Config(String::new());
        for pointer in ["/gateway", "/gateway/mode", "/gateway/remote/url"] {
            assert_eq!(place(host().withhold(pointer)), whole, "{pointer}");
        }
        assert_eq!(place(host().hide("/gateway/mode", Hidden::Variable)), whole);
        let url = Location::Config("/gateway/remote/url".to_owned());
        assert_eq!(place(host().hide("/gateway/remote/url", Hidden::Variable)), url);
        assert_eq!(place(host().withhold("/gateway/port")), url);
    }
}
