//! Secrets written to logs in clear.

use chitin_policy_sdk::{Answer, Context, Finding, NotAssessed, Verdict, warn};

/// Finds redaction that was switched off.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let mut answer = Answer::new();
    answer.check("logging.redact_off", redact_off(cx));
    Ok(answer)
}

fn redact_off(cx: &Context<'_>) -> Result<Option<Finding>, NotAssessed> {
    let redact = cx.config().at("logging.redactSensitive");
    if redact.text()? != Some("off") {
        return Ok(None);
    }
    let finding = warn("logging.redact_off", "Secrets are written to logs unredacted")
        .detail(
            "logging.redactSensitive is \"off\": tokens and passwords that pass through tool calls and status output \
             stand readable in log files, and in whatever collects them.",
        )
        .remediation("Set logging.redactSensitive to \"tools\"")
        .at(&redact)
        .fix_value(&redact, &"tools".into());
    Ok(Some(finding))
}

chitin_policy_sdk::policy!(audit);

#[cfg(test)]
mod tests {
    use chitin_policy_sdk::Hidden;
    use chitin_policy_sdk::testing::MemoryHost;

    use super::*;

    #[test]
    fn only_the_exact_word_off_fires() {
        let ids = |config: &str| MemoryHost::new(config).ids(audit);
        assert_eq!(ids(r#"{logging: {redactSensitive: "off"}}"#), ["logging.redact_off:warn"]);
        for silent in [
            "{}",
            r#"{logging: {redactSensitive: "tools"}}"#,
            r#"{logging: {redactSensitive: "OFF"}}"#,
            "{logging: 5}",
        ] {
            assert!(ids(silent).is_empty(), "{silent}");
        }
    }

    #[test]
    fn a_word_that_is_not_shown_is_not_judged() {
        let host = || MemoryHost::new(r#"{logging: {redactSensitive: "tools"}}"#);
        let hidden = host().hide("/logging/redactSensitive", Hidden::Variable);
        assert_eq!(hidden.unassessed(audit), ["logging.redact_off: hidden variable"]);
        let withheld = host().withhold("/logging");
        assert_eq!(
            withheld.unassessed(audit),
            ["logging.redact_off: withheld config:/logging/redactSensitive"]
        );
    }
}
