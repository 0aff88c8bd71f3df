//! Browsers in containers that others can reach, or that are older than the program.

use chitin_policy_sdk::openclaw::agents;
use chitin_policy_sdk::openclaw::sandbox::Mode;
use chitin_policy_sdk::{Answer, Context, Finding, Node, NotAssessed, Verdict, all, any, listing, warn};

const BRIDGE: &str = "sandbox.browser_cdp_bridge_unrestricted";

/// What only Docker knows.
const CONTAINERS: [&str; 4] = [
    "sandbox.browser_container.hash_label_missing",
    "sandbox.browser_container.hash_epoch_stale",
    "sandbox.browser_container.non_loopback_publish",
    "sandbox.browser_container.docker_probe_timeout",
];

/// Looks at what the config says of browsers in sandboxes. Whether their containers are as they should be, only Docker
/// knows, and no policy can ask it.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let mut answer = Answer::new();
    let config = cx.config();
    let (sandboxes, open) = sandboxes(&config);
    bridges(&sandboxes, &mut answer);
    let runs = any(sandboxes.iter().map(|sandbox| all([sandbox.has_browser(), sandbox.is_on(&config)])));
    let unknown = || open.clone().map_or(Ok(false), Err);
    let containers = match any([runs, unknown()]) {
        Ok(true) => Err(NotAssessed::absent(
            "the containers of Docker, which is not asked here: look at docker ps --filter label=openclaw.sandboxBrowser=1",
        )),
        Ok(false) => Ok(None),
        Err(reason) => Err(reason),
    };
    answer.checks::<Option<Finding>>(&CONTAINERS, containers);
    if let Some(reason) = open {
        answer.leave_open(BRIDGE, reason);
    }
    Ok(answer)
}

/// The browser of a sandbox: that of all agents, or of one.
struct Sandbox<'a> {
    /// None for what holds for all.
    id: Option<&'a str>,
    /// What the agent says itself; none where one sandbox is shared.
    own: Option<Node<'a>>,
    common: Node<'a>,
}

/// The sandboxes that the config describes, and why there may be others; none where these are all.
fn sandboxes<'a>(config: &Node<'a>) -> (Vec<Sandbox<'a>>, Option<NotAssessed>) {
    let common = config.at("agents.defaults.sandbox");
    let browser = common.get("browser");
    let mut sandboxes = vec![Sandbox { id: None, own: None, common: browser.clone() }];
    let mut open = None;
    let agents = agents::each(config).unwrap_or_else(|reason| {
        open = Some(reason);
        Vec::new()
    });
    for (id, agent) in agents {
        let known = id.and_then(|id| Ok((id, is_shared(&agent.get("sandbox"), &common)?)));
        match known {
            Ok((id, shared)) => {
                let own = (!shared).then(|| agent.at("sandbox.browser"));
                sandboxes.push(Sandbox { id: Some(id), own, common: browser.clone() });
            }
            Err(reason) => open = Some(reason),
        }
    }
    (sandboxes, open)
}

/// All agents have one sandbox, so that none has settings of its own.
fn is_shared(own: &Node<'_>, common: &Node<'_>) -> Result<bool, NotAssessed> {
    for place in [own, common] {
        let scope = place.get("scope");
        if !scope.is_nullish()? {
            return Ok(scope.text()? == Some("shared"));
        }
        // The key of earlier releases: one for each session, or one for all.
        let per_session = place.get("perSession");
        if !per_session.is_nullish()? {
            return per_session.is_false();
        }
    }
    Ok(false)
}

impl<'a> Sandbox<'a> {
    /// The setting that holds, or its place.
    fn setting(&self, key: &str) -> Result<Node<'a>, NotAssessed> {
        if let Some(own) = &self.own {
            let own = own.get(key);
            if !own.is_nullish()? {
                return Ok(own);
            }
        }
        Ok(self.common.get(key))
    }

    fn has_browser(&self) -> Result<bool, NotAssessed> {
        self.setting("enabled")?.is_truthy()
    }

    fn is_on(&self, config: &Node<'_>) -> Result<bool, NotAssessed> {
        Mode::of(config, self.id)?.is_off().map(|is_off| !is_off)
    }

    /// The browser is on the network that all containers are on where nothing says otherwise, and answers all of them.
    fn is_open(&self) -> Result<bool, NotAssessed> {
        let is_bridge = || {
            let network = self.setting("network")?;
            Ok(network.trimmed()?.is_some_and(|network| network.eq_ignore_ascii_case("bridge")))
        };
        // A text that is not shown is not blank.
        let is_unlimited = || {
            let range = self.setting("cdpSourceRange")?;
            match range.hidden() {
                Some(_) => range.is_text().map(|is_text| !is_text),
                None => Ok(range.trimmed()?.is_none()),
            }
        };
        all([self.has_browser(), is_bridge(), is_unlimited()])
    }

    fn name(&self) -> String {
        match self.id {
            Some(id) => format!("sandbox.browser of the agent \"{id}\""),
            None => self.common.dotted(),
        }
    }
}

/// One finding for all of them (reference: releases/changes, 2026.2.21).
fn bridges(sandboxes: &[Sandbox<'_>], answer: &mut Answer) {
    let (mut names, mut nodes) = (Vec::new(), Vec::new());
    for sandbox in sandboxes {
        match sandbox
            .is_open()
            .and_then(|is_open| if is_open { sandbox.setting("network").map(Some) } else { Ok(None) })
        {
            Ok(Some(network)) => {
                names.push(sandbox.name());
                nodes.push(network);
            }
            Ok(None) => {}
            Err(reason) => answer.leave_open(BRIDGE, reason),
        }
    }
    if names.is_empty() {
        return;
    }
    answer.findings.push(
        warn(BRIDGE, "Other containers can reach the browser of a sandbox")
            .detail(format!(
                "The browser is on Docker's common network \"bridge\", and answers every address: {}. Any other container of \
                 this machine can drive it, with the logins that its profile holds.",
                listing::words(&names)
            ))
            .remediation(
                "Remove sandbox.browser.network, so that the browser has a network of its own, or set \
                 sandbox.browser.cdpSourceRange to the gateway's address, such as \"172.21.0.1/32\"",
            )
            .at_all(&nodes),
    );
}

chitin_policy_sdk::policy!(audit);

#[cfg(test)]
mod tests {
    use chitin_policy_sdk::Location;
    use chitin_policy_sdk::testing::MemoryHost;

    use super::*;

    const NOTHING: [&str; 0] = [];
    const REACHED: &str = "sandbox.browser_cdp_bridge_unrestricted:warn";
    const BRIDGE_OPEN: &str = "sandbox.browser_cdp_bridge_unrestricted:not assessed";

    fn host(agents: &str) -> MemoryHost {
        MemoryHost::new(&format!("{{agents: {agents}}}")).release(2026, 3, 13)
    }

    /// The findings about a browser, in a sandbox that is off.
    fn browser(browser: &str) -> Vec<String> {
        host(&format!("{{defaults: {{sandbox: {{browser: {browser}}}}}}}")).ids(audit)
    }

    fn open() -> [String; 4] {
        CONTAINERS.map(|check| format!("{check}:not assessed"))
    }

    #[test]
    fn a_browser_that_answers_everybody_on_the_common_network_is_named() {
        for network in [r#""bridge""#, r#"" Bridge ""#] {
            assert_eq!(browser(&format!("{{enabled: true, network: {network}}}")), [REACHED], "{network}");
        }
        let blank = r#"{enabled: true, network: "bridge", cdpSourceRange: " "}"#;
        assert_eq!(browser(blank), [REACHED]);
        for fine in [
            "{}",
            "5",
            "{enabled: true}",
            r#"{network: "bridge"}"#,
            r#"{enabled: false, network: "bridge"}"#,
            r#"{enabled: true, network: "own"}"#,
            "{enabled: true, network: 5}",
            r#"{enabled: true, network: "bridge", cdpSourceRange: "172.21.0.1/32"}"#,
            r#"{enabled: true, network: "bridge", cdpSourceRange: {"$hidden": "variable"}}"#,
        ] {
            assert_eq!(browser(fine), NOTHING, "{fine}");
        }
    }

    #[test]
    fn an_agents_own_settings_count_unless_the_sandbox_is_shared() {
        let agents = |scope: &str| {
            format!(
                r#"{{defaults: {{sandbox: {{{scope} browser: {{enabled: true}}}}}},
                    list: [{{id: "a", sandbox: {{browser: {{network: "bridge"}}}}}}, {{id: "b"}}, {{}}]}}"#
            )
        };
        let finding = host(&agents("")).findings(audit).remove(0);
        assert!(
            finding.detail.contains(r#"every address: sandbox.browser of the agent "a"."#),
            "{}",
            finding.detail
        );
        assert_eq!(
            finding.locations,
            [Location::Config("/agents/list/0/sandbox/browser/network".to_owned())]
        );
        for shared in [r#"scope: "shared","#, "perSession: false,"] {
            assert_eq!(host(&agents(shared)).ids(audit), NOTHING, "{shared}");
        }
        for own in [r#"scope: "agent","#, "perSession: true,", r#"scope: "session", perSession: false,"#] {
            assert_eq!(host(&agents(own)).ids(audit), [REACHED], "{own}");
        }
    }

    #[test]
    fn containers_of_a_browser_are_not_called_clean() {
        let with = |sandbox: &str| {
            host(&format!("{{defaults: {{sandbox: {sandbox}}}}}")).release(2026, 9, 6).ids(audit)
        };
        assert_eq!(with(r#"{mode: "all", browser: {enabled: true}}"#), open());
        assert_eq!(with(r#"{mode: "non-main", browser: {enabled: true}}"#), open());
        for none in [
            "{}",
            r#"{mode: "all"}"#,
            r#"{mode: "all", browser: {enabled: false}}"#,
            "{browser: {enabled: true}}",
        ] {
            assert_eq!(with(none), NOTHING, "{none}");
        }
        let own = host(r#"{list: [{id: "a", sandbox: {mode: "all", browser: {enabled: true}}}]}"#);
        assert_eq!(own.ids(audit), open());
        assert!(own.unassessed(audit)[0].contains("absent"), "{:?}", own.unassessed(audit));
    }

    #[test]
    fn what_is_not_shown_is_not_guessed() {
        let config =
            r#"{defaults: {sandbox: {mode: "all", browser: {enabled: true, network: "bridge"}}}, list: []}"#;
        let ids = |pointer: &str| host(config).withhold(pointer).ids(audit);
        let all = |first: &str| [[first.to_owned()].as_slice(), &open()].concat();
        assert_eq!(ids("/agents/defaults/sandbox/mode"), all(REACHED));
        assert_eq!(ids("/agents/defaults/sandbox/browser"), all(BRIDGE_OPEN));
        assert_eq!(ids("/agents/defaults/sandbox/browser/network"), all(BRIDGE_OPEN));
        assert_eq!(ids("/agents/defaults/sandbox/browser/cdpSourceRange"), all(BRIDGE_OPEN));
        let list = ids("/agents/list");
        assert_eq!((list.len(), list.first().map(String::as_str)), (6, Some(REACHED)), "{list:?}");
        let hidden =
            host(r#"{defaults: {sandbox: {browser: {enabled: true, network: {"$hidden": "variable"}}}}}"#);
        assert_eq!(hidden.ids(audit), [BRIDGE_OPEN]);
        let id = host(r#"{list: [{id: {"$hidden": "variable"}}]}"#).ids(audit);
        assert_eq!(id.len(), 5, "{id:?}");
    }
}
