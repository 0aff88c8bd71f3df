//! Secrets written to logs in clear.

use chitin_policy_sdk::{Context, Verdict, warn};

/// Finds redaction that was switched off.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let redact = cx.config().at("logging.redactSensitive");
    if redact.text() != Some("off") {
        return Ok(Vec::new());
    }
    let finding = warn("logging.redact_off", "Secrets are written to logs unredacted")
        .detail(
            "logging.redactSensitive is \"off\": tokens and passwords that pass through tool calls and status output \
             stand readable in log files, and in whatever collects them.",
        )
        .remediation("Set logging.redactSensitive to \"tools\"")
        .at(&redact)
        .fix_value(&redact, &"tools".into());
    Ok(vec![finding])
}

chitin_policy_sdk::policy!(audit);

#[cfg(test)]
mod tests {
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
}
