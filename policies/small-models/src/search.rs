//! Whether web search is on: by the config's word, or by a key for it where the config does not say.

use chitin_policy_sdk::openclaw::facts::{self, Number};
use chitin_policy_sdk::{Context, Facts, Node, NotAssessed, any, js};

/// What switches web search on in a release, besides `enabled`.
#[derive(Clone, Copy)]
struct Keys {
    settings: Settings,
    /// Environment variables, in groups.
    variables: &'static [&'static [&'static str]],
    /// A variable of nothing but white space counts.
    blank_counts: bool,
}

/// Which settings switch it on.
#[derive(Clone, Copy)]
enum Settings {
    /// These of `tools.web.search`.
    Named(&'static [&'static str]),
    /// Any of `tools.web.search`, and any that a plugin has for it.
    Any,
}

/// Up to 2026.3.2 (reference: config-checks 12; run: 2026.2.26).
const FIRST: Keys = Keys {
    settings: Settings::Named(&["apiKey", "perplexity.apiKey"]),
    variables: &[&["BRAVE_API_KEY", "PERPLEXITY_API_KEY", "OPENROUTER_API_KEY"]],
    blank_counts: true,
};

/// Later ones. The key of `OpenRouter` goes in 2026.3.7 (reference: changes) and comes back with the providers' plugins.
const LATER: [(Number, Keys); 6] = [
    (
        (2026, 3, 7),
        Keys {
            settings: Settings::Named(&["apiKey", "perplexity.apiKey"]),
            variables: &[&["BRAVE_API_KEY", "PERPLEXITY_API_KEY"]],
            blank_counts: true,
        },
    ),
    // Run: 2026.3.24.
    (
        (2026, 3, 22),
        Keys {
            settings: Settings::Named(&[]),
            variables: &[&["BRAVE_API_KEY", "PERPLEXITY_API_KEY"]],
            blank_counts: true,
        },
    ),
    // Run: 2026.4.15, for the keys of Brave, OpenRouter and Gemini; the others as in 2026.5.12.
    (
        (2026, 3, 31),
        Keys { settings: Settings::Any, variables: &[BRAVE, GONE, BUNDLED], blank_counts: false },
    ),
    // Run: 2026.5.12.
    ((2026, 5, 12), Keys { settings: Settings::Any, variables: &[GONE, BUNDLED], blank_counts: false }),
    // Run: 2026.5.28.
    (
        (2026, 5, 28),
        Keys { settings: Settings::Any, variables: &[GONE, BUNDLED, CLOUD], blank_counts: false },
    ),
    // Run: 2026.6.11, 2026.7.35, 2026.8.2 and 2026.9.6.
    ((2026, 6, 1), Keys { settings: Settings::Any, variables: &[BUNDLED, CLOUD], blank_counts: false }),
];

/// Those of the providers whose plugins are part of the package in all releases from 2026.4.15 on (2026.9-delta 4.12).
const BUNDLED: &[&str] = &[
    "GEMINI_API_KEY",
    "GOOGLE_API_KEY",
    "MINIMAX_CODE_PLAN_KEY",
    "MINIMAX_CODING_API_KEY",
    "MINIMAX_API_KEY",
    "MINIMAX_OAUTH_TOKEN",
    "OLLAMA_API_KEY",
    "XAI_API_KEY",
];

/// Those of the providers whose plugins left it with 2026.6.1.
const GONE: &[&str] = &[
    "PERPLEXITY_API_KEY",
    "OPENROUTER_API_KEY",
    "KIMI_API_KEY",
    "MOONSHOT_API_KEY",
    "TAVILY_API_KEY",
    "FIRECRAWL_API_KEY",
    "EXA_API_KEY",
];

/// That of a provider whose plugin left it before 2026.5.12.
const BRAVE: &[&str] = &["BRAVE_API_KEY"];

/// One that counts from 2026.5.28 on.
const CLOUD: &[&str] = &["GOOGLE_CLOUD_API_KEY"];

/// Web search is on.
pub fn is_on(cx: &Context<'_>, config: &Node<'_>) -> Result<bool, NotAssessed> {
    let search = config.at("tools.web.search");
    let enabled = search.get("enabled");
    if enabled.is_true()? || enabled.is_false()? {
        return enabled.is_true();
    }
    let keys = facts::at(cx.release(), FIRST, &LATER);
    let settings: Vec<Result<bool, NotAssessed>> = match keys.settings {
        Settings::Named(keys) => keys.iter().map(|key| search.at(key).is_truthy()).collect(),
        Settings::Any => vec![says_something(cx, &search), a_plugin_says(cx, config)],
    };
    let counts: fn(&Facts) -> bool = if keys.blank_counts { Facts::is_truthy } else { Facts::is_set };
    let variables = keys.variables.iter().copied().flatten();
    let variables = variables.map(|name| Ok(cx.env_secret(name)?.as_ref().is_some_and(counts)));
    any(settings.into_iter().chain(variables))
}

/// A section has a setting besides `enabled`.
fn says_something(cx: &Context<'_>, section: &Node<'_>) -> Result<bool, NotAssessed> {
    let says = |(key, value): (&str, Node<'_>)| {
        if key == "enabled" || value.is_nullish()? {
            return Ok(false);
        }
        Ok(match value.text() {
            Ok(text) => text.is_none_or(|text| !js::trim(text).is_empty()),
            // A text that is not shown is not empty, and may be blank.
            Err(_) => cx.config_secret(&value).ok().flatten().as_ref().is_none_or(Facts::is_set),
        })
    };
    any(section.entries()?.map(says))
}

fn a_plugin_says(cx: &Context<'_>, config: &Node<'_>) -> Result<bool, NotAssessed> {
    let plugins = config.at("plugins.entries").entries()?;
    any(plugins.map(|(_, plugin)| says_something(cx, &plugin.at("config.webSearch"))))
}
