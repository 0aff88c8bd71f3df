//! Pages of MCP servers in the control UI.

use chitin_policy_sdk::{Answer, Context, Finding, NotAssessed, Verdict, warn};

const ID: &str = "mcp.apps.enabled";

/// Looks at the switch.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let mut answer = Answer::new();
    answer.check(ID, enabled(cx));
    Ok(answer)
}

fn enabled(cx: &Context<'_>) -> Result<Option<Finding>, NotAssessed> {
    let switch = cx.config().at("mcp.apps.enabled");
    if !switch.is_true()? {
        return Ok(None);
    }
    let finding = warn(ID, "MCP servers may show pages of their own in the control UI")
        .detail(
            "mcp.apps.enabled is true: what an MCP server sends is run as a page inside the control UI. It runs apart from that, and still \
             it can imitate what belongs there, ask for secrets, and call the tools of its server.",
        )
        .remediation(
            "Run `openclaw config set mcp.apps.enabled false`, unless every MCP server of this installation is one that you trust",
        )
        .at(&switch);
    Ok(Some(finding))
}

chitin_policy_sdk::policy!(audit);

#[cfg(test)]
mod tests {
    use chitin_policy_sdk::Hidden;
    use chitin_policy_sdk::testing::MemoryHost;

    use super::*;

    fn host(mcp: &str) -> MemoryHost {
        MemoryHost::new(&format!("{{mcp: {mcp}}}")).release(2026, 9, 6)
    }

    #[test]
    fn only_exactly_true_fires() {
        assert_eq!(host("{apps: {enabled: true}}").ids(audit), ["mcp.apps.enabled:warn"]);
        for mcp in
            ["{}", "null", "true", "{apps: true}", "{apps: {enabled: 1}}", r#"{apps: {enabled: "true"}}"#]
        {
            assert!(host(mcp).ids(audit).is_empty(), "{mcp}");
        }
    }

    #[test]
    fn a_switch_that_is_withheld_leaves_it_open_and_a_text_is_not_true() {
        for pointer in ["/mcp", "/mcp/apps", "/mcp/apps/enabled"] {
            let host = host("{apps: {enabled: true}}").withhold(pointer);
            assert_eq!(host.ids(audit), ["mcp.apps.enabled:not assessed"], "{pointer}");
        }
        let text = host(r#"{apps: {enabled: "x"}}"#).hide("/mcp/apps/enabled", Hidden::Variable);
        assert!(text.ids(audit).is_empty());
    }
}
