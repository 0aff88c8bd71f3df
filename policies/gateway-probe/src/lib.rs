//! A gateway that does not answer as its config says.

use chitin_policy_sdk::{Context, Failure, Verdict, warn};

/// How the runner begins an error where it had a reason not to ask the gateway.
const NOTHING_SENT: &str = "nothing was sent: ";

/// Looks at what the runner's live probe met.
pub fn audit(cx: &Context<'_>) -> Verdict {
    if !cx.deep() {
        return Ok(Vec::new());
    }
    let probe = cx.probe()?;
    if probe.ok {
        return Ok(Vec::new());
    }
    if let Some(reason) = probe.error.as_deref().and_then(|error| error.strip_prefix(NOTHING_SENT)) {
        let url = &probe.url;
        return Err(Failure::Inconclusive(format!("the gateway at {url} was not asked: {reason}")));
    }
    let gateway = cx.config().get("gateway");
    let is_remote = gateway.get("mode").text() == Some("remote");
    let remote = gateway.at("remote.url");
    let place = if is_remote && remote.trimmed().is_some_and(|url| !url.is_empty()) {
        remote
    } else {
        gateway.get("port")
    };
    let error = probe.error.as_deref().unwrap_or("it is not known why");
    let finding = warn("gateway.probe_failed", "The gateway does not answer the live probe")
        .detail(format!(
            "{}: {error}. This audit read what the config says of the gateway, and did not see the gateway itself.",
            probe.url
        ))
        .remediation(
            "Run `openclaw status --all` and mend what it names; then repeat `chitin audit --deep`, with --token or \
             --password where the gateway wants another one",
        )
        .at(&place);
    Ok(vec![finding])
}

chitin_policy_sdk::policy!(audit);

#[cfg(test)]
mod tests {
    use chitin_policy_sdk::Location;
    use chitin_policy_sdk::testing::MemoryHost;

    use super::*;

    fn place(config: &str) -> Location {
        let host = MemoryHost::new(config).probed(Some("timeout"));
        host.run(audit).expect("a verdict").remove(0).locations.remove(0)
    }

    #[test]
    fn a_gateway_that_answers_is_no_finding() {
        assert!(MemoryHost::new("{}").probed(None).ids(audit).is_empty());
    }

    #[test]
    fn one_that_does_not_is_named_with_what_went_wrong() {
        let host = MemoryHost::new("{}").probed(Some("timeout"));
        assert_eq!(host.ids(audit), ["gateway.probe_failed:warn"]);
        let detail = host.run(audit).expect("a verdict").remove(0).detail;
        assert!(detail.starts_with("ws://127.0.0.1:18789: timeout. "), "{detail}");
    }

    #[test]
    fn one_that_was_not_asked_is_not_judged() {
        let host = MemoryHost::new("{}").probed(Some("nothing was sent: uid 5 listens there"));
        assert!(host.inconclusive(audit).ends_with(" was not asked: uid 5 listens there"));
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
}
