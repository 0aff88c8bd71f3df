//! The list of plugins that may load, and which ones come with OpenClaw itself (reference: releases/keys, the plugins of each release).

use crate::{Node, NotAssessed, Release, any};

/// `plugins.allow` names something. The gateway passes over blank entries: a list of nothing else lets every plugin load.
///
/// # Errors
/// Where the list is not shown.
pub fn has_allowlist(config: &Node<'_>) -> Result<bool, NotAssessed> {
    let names = |item: Node<'_>| match item.trimmed() {
        Ok(text) => Ok(text.is_some() || !item.is_text()?),
        // What is hidden is not blank; what is withheld may be.
        Err(_) => item.is_truthy(),
    };
    any(config.at("plugins.allow").items()?.map(names))
}

/// Plugins that came with the same releases.
struct Bundle {
    /// The first release that has them.
    since: (u16, u8, u16),
    /// The first release that was looked at and has them no more; none where the newest has them.
    gone: Option<(u16, u8, u16)>,
    /// Their ids, one space between them.
    ids: &'static str,
}

/// The bundled plugins from 2026.4.15 on, the first release in which a check asks for them; what an earlier release has is not
/// told apart from it. A release between two that were looked at counts as the earlier one.
const BUNDLES: &[Bundle] = &[
    Bundle {
        since: (2026, 4, 15),
        gone: Some((2026, 5, 2)),
        ids: "acpx bluebubbles brave codex diagnostics-otel diffs discord feishu googlechat line lobster \
             memory-lancedb msteams nextcloud-talk nostr qqbot synology-chat tlon twitch voice-call whatsapp zalo \
             zalouser",
    },
    Bundle {
        since: (2026, 4, 15),
        gone: Some((2026, 5, 12)),
        ids: "amazon-bedrock amazon-bedrock-mantle anthropic-vertex matrix openshell slack",
    },
    Bundle {
        since: (2026, 4, 15),
        gone: Some((2026, 6, 9)),
        ids: "arcee chutes cloudflare-ai-gateway deepseek exa firecrawl groq kilocode kimi perplexity qianfan qwen \
             stepfun",
    },
    Bundle {
        since: (2026, 4, 15),
        gone: Some((2026, 6, 11)),
        ids: "fireworks irc mattermost moonshot searxng signal tavily venice vercel-ai-gateway zai",
    },
    Bundle {
        since: (2026, 4, 15),
        gone: Some((2026, 8, 1)),
        ids: "byteplus comfy duckduckgo imessage mistral open-prose opencode phone-control synthetic \
             thread-ownership volcengine vydra xiaomi",
    },
    Bundle {
        since: (2026, 4, 15),
        gone: None,
        ids: "active-memory alibaba anthropic browser copilot-proxy deepgram device-pair elevenlabs fal \
             github-copilot google huggingface litellm llm-task lmstudio memory-core memory-wiki microsoft \
             microsoft-foundry minimax nvidia ollama openai opencode-go openrouter runway sglang talk-voice \
             telegram together vllm webhooks xai",
    },
    Bundle { since: (2026, 4, 22), gone: Some((2026, 5, 28)), ids: "tokenjuice" },
    Bundle { since: (2026, 4, 22), gone: Some((2026, 6, 1)), ids: "skill-workshop" },
    Bundle { since: (2026, 4, 22), gone: Some((2026, 6, 11)), ids: "tencent" },
    Bundle { since: (2026, 4, 22), gone: Some((2026, 8, 1)), ids: "voyage" },
    Bundle { since: (2026, 4, 29), gone: Some((2026, 5, 2)), ids: "diagnostics-prometheus google-meet" },
    Bundle { since: (2026, 4, 29), gone: Some((2026, 6, 9)), ids: "cerebras deepinfra gradium inworld" },
    Bundle {
        since: (2026, 4, 29),
        gone: None,
        ids: "azure-speech bonjour document-extract file-transfer migrate-claude migrate-hermes senseaudio \
             tts-local-cli web-readability",
    },
    Bundle { since: (2026, 5, 12), gone: Some((2026, 6, 11)), ids: "clickclack" },
    Bundle { since: (2026, 5, 12), gone: None, ids: "canvas oc-path" },
    Bundle { since: (2026, 5, 18), gone: None, ids: "admin-http-rpc" },
    Bundle { since: (2026, 5, 20), gone: None, ids: "policy" },
    Bundle { since: (2026, 5, 28), gone: Some((2026, 8, 1)), ids: "codex-supervisor" },
    Bundle { since: (2026, 5, 28), gone: None, ids: "workboard" },
    Bundle { since: (2026, 6, 1), gone: Some((2026, 6, 9)), ids: "gmi" },
    Bundle { since: (2026, 6, 1), gone: Some((2026, 6, 11)), ids: "sms" },
    Bundle { since: (2026, 6, 1), gone: Some((2026, 8, 1)), ids: "novita" },
    Bundle { since: (2026, 6, 5), gone: Some((2026, 6, 9)), ids: "parallel" },
    Bundle { since: (2026, 6, 9), gone: Some((2026, 8, 1)), ids: "cohere" },
    Bundle { since: (2026, 7, 1), gone: Some((2026, 8, 1)), ids: "meta" },
    Bundle { since: (2026, 7, 1), gone: None, ids: "clawrouter logbook" },
    Bundle {
        since: (2026, 8, 1),
        gone: None,
        ids: "a2a beam crabbox cua-computer geolocation imap linux-node onepassword reef vault",
    },
    Bundle {
        since: (2026, 9, 6),
        gone: None,
        ids: "apple-fm code-mode-quickjs github image-generation-core session-share",
    },
];

/// The plugin of this id, in any case, comes with the release.
#[must_use]
pub fn is_bundled(release: Release, id: &str) -> bool {
    let since = |(year, month, patch): (u16, u8, u16)| release.since(year, month, patch);
    let is_first = !since((2026, 4, 15));
    BUNDLES.iter().any(|bundle| {
        let is_in = if is_first { bundle.since == (2026, 4, 15) } else { since(bundle.since) };
        is_in
            && !bundle.gone.is_some_and(since)
            && bundle.ids.split(' ').any(|known| known.eq_ignore_ascii_case(id))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn at(year: u16, month: u8, patch: u16) -> Release {
        Release { year, month, patch }
    }

    #[test]
    fn plugins_come_and_go_with_releases() {
        for (id, release, is_there) in [
            ("telegram", at(2026, 2, 19), true),
            ("telegram", at(2026, 9, 6), true),
            ("Telegram", at(2026, 9, 6), true),
            ("discord", at(2026, 4, 29), true),
            ("discord", at(2026, 5, 1), true),
            ("discord", at(2026, 5, 2), false),
            ("discord", at(2026, 9, 6), false),
            ("imessage", at(2026, 7, 35), true),
            ("imessage", at(2026, 8, 1), false),
            ("signal", at(2026, 6, 10), true),
            ("signal", at(2026, 6, 35), false),
            ("imap", at(2026, 7, 35), false),
            ("imap", at(2026, 8, 1), true),
            ("apple-fm", at(2026, 9, 5), false),
            ("github", at(2026, 9, 6), true),
            ("image-generation-core", at(2026, 9, 6), true),
            ("policy", at(2026, 10, 1), true),
            ("", at(2026, 9, 6), false),
            ("git", at(2026, 9, 6), false),
        ] {
            assert_eq!(is_bundled(release, id), is_there, "{id}");
        }
    }

    #[test]
    fn no_plugin_stands_twice() {
        let mut known = BTreeSet::new();
        for bundle in BUNDLES {
            assert!(bundle.gone.is_none_or(|gone| gone > bundle.since));
            for id in bundle.ids.split(' ') {
                assert!(known.insert(id) && !id.is_empty(), "{id}");
            }
        }
    }
}
