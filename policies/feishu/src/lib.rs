//! Feishu documents that whoever talks to the agent can be given access to.

use chitin_policy_sdk::openclaw::channels::{self, Account, judge, told};
use chitin_policy_sdk::{Answer, Context, Node, NotAssessed, Verdict, all, warn};

const CHECK: &str = "channels.feishu.doc_owner_open_id";

/// Looks at each account that can log in, whether its agent has the tool for documents.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let mut answer = Answer::new();
    match channels::find(cx, "feishu") {
        Ok(None) => {}
        Ok(Some(channel)) => judge(
            &mut answer,
            CHECK,
            &channel.accounts,
            |account| documents(cx, account),
            |doc, sharing| {
                let (path, (who, note)) = (doc.dotted(), told(sharing));
                let state = if doc.is_nullish() == Ok(true) { "on by default" } else { "on" };
                warn(CHECK, "The agent can give Feishu users access to documents")
                    .detail(format!(
                        "{path} is {state}{who}: where the agent creates a document it can make the one who asked for it a party to \
                         it, so that a trick in a message ends in access to what is written there.{note}"
                    ))
                    .remediation(format!("Set {path} to false where nobody needs documents from the agent"))
                    .at(&doc)
            },
        ),
        Err(reason) => answer.leave_open(CHECK, reason),
    }
    Ok(answer)
}

/// The switch of the tool, where it is on for an account that is in use and can log in.
fn documents<'a>(cx: &Context<'_>, account: &Account<'a>) -> Result<Option<Node<'a>>, NotAssessed> {
    let doc = account.get("tools").map(|tools| tools.get("doc"));
    let is_on = all([
        account.is_off().map(|is_off| !is_off),
        doc.as_ref().map_err(Clone::clone).and_then(Node::is_false).map(|is_off| !is_off),
        account.get("appId").and_then(|id| names_app(cx, &id)),
        account.get("appSecret").and_then(|secret| is_set(cx, &secret)),
    ])?;
    if is_on { doc.map(Some) } else { Ok(None) }
}

fn names_app(cx: &Context<'_>, id: &Node<'_>) -> Result<bool, NotAssessed> {
    match id.trimmed() {
        Ok(id) => Ok(id.is_some()),
        Err(reason) => Ok(cx.measures(id, reason)?.units > 0),
    }
}

fn is_set(cx: &Context<'_>, secret: &Node<'_>) -> Result<bool, NotAssessed> {
    match secret.trimmed() {
        Ok(text) => Ok(text.is_some()),
        Err(_) => Ok(cx.config_secret(secret)?.is_some_and(|facts| facts.is_set())),
    }
}

chitin_policy_sdk::policy!(audit);

#[cfg(test)]
mod tests {
    use chitin_policy_sdk::testing::MemoryHost;
    use chitin_policy_sdk::{Hidden, Location};

    use super::audit;

    const FOUND: [&str; 1] = ["channels.feishu.doc_owner_open_id:warn"];
    const OPEN: [&str; 1] = ["channels.feishu.doc_owner_open_id:not assessed"];
    const NOTHING: [&str; 0] = [];

    fn host(section: &str) -> MemoryHost {
        MemoryHost::new(&format!("{{channels: {{feishu: {section}}}}}")).release(2026, 3, 2)
    }

    fn ids(section: &str) -> Vec<String> {
        host(section).ids(audit)
    }

    #[test]
    fn an_account_that_can_log_in_has_documents_unless_they_are_off() {
        let login = r#"appId: "a", appSecret: "s""#;
        for section in [
            format!("{{{login}}}"),
            format!("{{{login}, tools: {{doc: true}}}}"),
            format!(r#"{{{login}, tools: {{doc: "no"}}}}"#),
            format!(r"{{{login}, accounts: {{a: {{}}}}}}"),
            r#"{accounts: {a: {appId: "a", appSecret: "s"}}}"#.to_owned(),
            format!("{{{login}, tools: {{doc: false}}, accounts: {{a: {{tools: {{}}}}}}}}"),
        ] {
            assert_eq!(ids(&section), FOUND, "{section}");
        }
        for section in [
            "{}".to_owned(),
            r#"{appId: "a"}"#.to_owned(),
            r#"{appId: " ", appSecret: "s"}"#.to_owned(),
            format!("{{{login}, enabled: false}}"),
            format!("{{{login}, tools: {{doc: false}}}}"),
            format!("{{{login}, tools: {{doc: false}}, accounts: {{a: {{}}}}}}"),
            format!("{{{login}, accounts: {{a: {{enabled: false}}}}}}"),
        ] {
            assert_eq!(ids(&section), NOTHING, "{section}");
        }
    }

    #[test]
    fn the_finding_points_at_the_switch() {
        let section = r#"{appId: "a", appSecret: "s", accounts: {a: {}, b: {tools: {doc: true}}}}"#;
        let findings = host(section).findings(audit);
        let at = |pointer: &str| Location::Config(pointer.to_owned());
        assert_eq!(findings[0].locations, [at("/channels/feishu/tools/doc")]);
        assert!(findings[0].detail.contains("on by default (account \"a\")"));
        assert_eq!(findings[1].locations, [at("/channels/feishu/accounts/b/tools/doc")]);
    }

    #[test]
    fn a_secret_that_is_kept_elsewhere_logs_in_as_well() {
        let section = r#"{appId: "a", appSecret: "s"}"#;
        let secret = "/channels/feishu/appSecret";
        for hidden in [Hidden::Secret, Hidden::Reference] {
            assert_eq!(host(section).hide(secret, hidden).ids(audit), FOUND);
        }
        assert_eq!(host(section).hide("/channels/feishu/appId", Hidden::Variable).ids(audit), FOUND);
        let refused = host(section).hide(secret, Hidden::Secret).ungranted(&format!("secret:{secret}"));
        assert_eq!(refused.ids(audit), OPEN);
    }

    #[test]
    fn what_is_not_shown_leaves_open_what_it_decides() {
        let section = r#"{appId: "a", appSecret: "s", tools: {"$hidden": "withheld"}}"#;
        assert_eq!(ids(section), OPEN);
        assert_eq!(ids(r#"{tools: {"$hidden": "withheld"}}"#), NOTHING, "nobody can log in");
        assert_eq!(host(section).withhold("/channels").ids(audit), OPEN);
    }
}
