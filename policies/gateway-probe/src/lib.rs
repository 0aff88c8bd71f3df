//! A gateway that does not answer as its config says.

use chitin_policy_sdk::openclaw::gateway::{Credential, Gateway};
use chitin_policy_sdk::{Answer, Context, Finding, Node, NotAssessed, ProbeResult, Verdict, warn};

/// How the runner begins an error where it had a reason not to ask the gateway.
const NOTHING_SENT: &str = "nothing was sent: ";

/// Looks at what the runner's live probe met.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let mut answer = Answer::new();
    answer.check("gateway.probe_failed", probe_failed(cx));
    answer.check("gateway.probe_auth_secretref_unavailable", lacks_login(cx));
    Ok(answer)
}

fn probe_failed(cx: &Context<'_>) -> Result<Option<Finding>, NotAssessed> {
    let Some(probe) = failed(cx)? else { return Ok(None) };
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

/// The result of a probe that met something else than an answer; none where all is well.
fn failed(cx: &Context<'_>) -> Result<Option<ProbeResult>, NotAssessed> {
    let probe = cx.probe()?;
    if probe.ok {
        return Ok(None);
    }
    if let Some(reason) = probe.error.as_deref().and_then(|error| error.strip_prefix(NOTHING_SENT)) {
        let url = &probe.url;
        return Err(NotAssessed::unreadable(format!("the gateway at {url} was not asked: {reason}")));
    }
    Ok(Some(probe))
}

fn lacks_login(cx: &Context<'_>) -> Result<Option<Finding>, NotAssessed> {
    if failed(cx)?.is_none() || is_remote(cx)? {
        return Ok(None);
    }
    let Some(missing) = missing(cx, &Gateway::read(cx))? else { return Ok(None) };
    let Some(node) = &missing.node else { return Ok(None) };
    let finding = warn("gateway.probe_auth_secretref_unavailable", "Live probe had no login: its variable is not set here")
        .detail(format!(
            "{} names a variable that is set neither in the environment of this audit nor in .env: the gateway was asked without what it \
             wants to see, so that the probe says nothing of how it answers its owner.",
            node.dotted()
        ))
        .remediation(
            "Set the variable where the audit runs, or give --token or --password; then repeat `chitin audit --deep`",
        )
        .at(node);
    Ok(Some(finding))
}

/// The credential that the gateway asks for, where a variable gives it that is not set here.
fn missing<'a>(cx: &Context<'_>, gateway: &Gateway<'a>) -> Result<Option<Credential<'a>>, NotAssessed> {
    let mode = gateway.node.at("auth.mode").text()?;
    let is_unset = |credential: Credential<'a>| credential.unset.then_some(credential);
    let token = || gateway.own_token(cx).map(is_unset);
    let password = || gateway.own_password(cx).map(is_unset);
    match mode {
        Some("token") => token(),
        Some("password") => password(),
        None | Some("") => Ok(token()?.or(password()?)),
        Some(_) => Ok(None),
    }
}

/// The gateway is another one, which `gateway.remote` has the credentials of.
fn is_remote(cx: &Context<'_>) -> Result<bool, NotAssessed> {
    Ok(cx.config().at("gateway.mode").text()? == Some("remote"))
}

/// The value that says where the gateway is.
fn place<'a>(cx: &'a Context<'_>) -> Result<Node<'a>, NotAssessed> {
    let gateway = cx.config().get("gateway");
    let remote = gateway.at("remote.url");
    // A hidden URL counts as a URL.
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
        host.findings(failing).remove(0).locations.remove(0)
    }

    /// The check of the answer alone.
    fn failing(cx: &Context<'_>) -> Verdict {
        let mut answer = audit(cx)?;
        answer.findings.retain(|finding| finding.check_id != LOGIN);
        answer.unassessed.retain(|open| open.check_id != LOGIN);
        Ok(answer)
    }

    const LOGIN: &str = "gateway.probe_auth_secretref_unavailable";

    #[test]
    fn a_gateway_that_answers_is_no_finding() {
        assert!(MemoryHost::new("{}").probed(None).ids(failing).is_empty());
    }

    #[test]
    fn one_that_does_not_is_named_with_what_went_wrong() {
        let host = MemoryHost::new("{}").probed(Some("timeout"));
        assert_eq!(host.ids(failing), ["gateway.probe_failed:warn"]);
        let detail = host.findings(failing).remove(0).detail;
        assert!(detail.starts_with("ws://127.0.0.1:18789: timeout. "), "{detail}");
    }

    #[test]
    fn one_that_was_not_asked_is_not_judged() {
        let host = MemoryHost::new("{}").probed(Some("nothing was sent: uid 5 listens there"));
        let reason = "the gateway at ws://127.0.0.1:18789 was not asked: uid 5 listens there";
        assert_eq!(host.unassessed(failing), [format!("gateway.probe_failed: unreadable: {reason}")]);
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
        assert_eq!(MemoryHost::new("{}").ids(failing), open);
        assert_eq!(MemoryHost::new("{}").probed(None).ungranted("gateway").ids(failing), open);
    }

    #[test]
    fn where_the_place_is_not_known_the_finding_names_the_config() {
        let config = r#"{gateway: {mode: "remote", port: 5, remote: {url: "wss://a"}}}"#;
        let host = || MemoryHost::new(config).probed(Some("timeout"));
        let place = |host: MemoryHost| host.findings(failing).remove(0).locations.remove(0);
        let whole = Location::Config(String::new());
        for pointer in ["/gateway", "/gateway/mode", "/gateway/remote/url"] {
            assert_eq!(place(host().withhold(pointer)), whole, "{pointer}");
        }
        assert_eq!(place(host().hide("/gateway/mode", Hidden::Variable)), whole);
        let url = Location::Config("/gateway/remote/url".to_owned());
        assert_eq!(place(host().hide("/gateway/remote/url", Hidden::Variable)), url);
        assert_eq!(place(host().withhold("/gateway/port")), url);
    }

    /// What is said of the login of the probe.
    fn login(host: &MemoryHost) -> Vec<String> {
        let mut ids = host.clone().release(2026, 9, 6).ids(audit);
        ids.retain(|id| id.starts_with(LOGIN));
        ids
    }

    const FOUND: [&str; 1] = ["gateway.probe_auth_secretref_unavailable:warn"];
    const OPEN: [&str; 1] = ["gateway.probe_auth_secretref_unavailable:not assessed"];
    const NOTHING: [&str; 0] = [];

    /// A probe that failed, with a config that names a variable which is not set.
    fn unset(gateway: &str, key: &str) -> MemoryHost {
        let pointer = format!("/gateway/auth/{key}");
        MemoryHost::new(&format!("{{gateway: {gateway}}}"))
            .problem("unset-variable", "it is not set", Some(&pointer))
            .probed(Some("timeout"))
    }

    #[test]
    fn a_login_that_a_variable_is_to_give_is_missed() {
        let token = r#"{auth: {mode: "token", token: "${NONE}"}}"#;
        assert_eq!(login(&unset(token, "token")), FOUND);
        assert_eq!(login(&unset(r#"{auth: {token: "${NONE}"}}"#, "token")), FOUND);
        assert_eq!(login(&unset(r#"{auth: {mode: "password", password: "${NONE}"}}"#, "password")), FOUND);
        assert_eq!(login(&unset(r#"{auth: {mode: "none", token: "${NONE}"}}"#, "token")), NOTHING);
        let other = r#"{auth: {mode: "password", token: "${NONE}", password: "p"}}"#;
        assert_eq!(login(&unset(other, "token")), NOTHING);
        let remote = r#"{mode: "remote", auth: {token: "${NONE}"}}"#;
        assert_eq!(login(&unset(remote, "token")), NOTHING);
        assert_eq!(login(&unset(token, "token").probed(None)), NOTHING, "it was not needed");
        let kept = MemoryHost::new(r#"{gateway: {auth: {token: {"$hidden": "reference"}}}}"#);
        assert_eq!(login(&kept.probed(Some("timeout"))), NOTHING);
        let plain = MemoryHost::new(r#"{gateway: {auth: {token: "t"}}}"#).probed(Some("timeout"));
        assert_eq!(login(&plain), NOTHING);
    }

    #[test]
    fn what_is_not_shown_leaves_the_login_open() {
        let host = || unset(r#"{mode: "local", auth: {mode: "token", token: "${NONE}"}}"#, "token");
        for pointer in ["/gateway/mode", "/gateway/auth", "/gateway/auth/mode", "/gateway/auth/token"] {
            assert_eq!(login(&host().withhold(pointer)), OPEN, "{pointer}");
        }
        for name in ["problems", "gateway", "secret:/gateway/auth/token"] {
            assert_eq!(login(&host().ungranted(name)), OPEN, "{name}");
        }
        assert_eq!(login(&host().hide("/gateway/auth/mode", Hidden::Variable)), OPEN);
        assert_eq!(login(&MemoryHost::new("{}")), OPEN, "an audit that is not deep");
    }
}
