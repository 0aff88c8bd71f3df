//! What a release takes from the `.env` of the directory that it is started in. Whoever can write to a working directory is
//! not always the owner of the gateway, so later releases leave out more and more.

use crate::config::release::Release;
use crate::config::{Problem, ProblemKind, Problems};
use crate::target::{DOTENV, Environment, Located};

/// Variables whose presence decides whether the gateway has authentication.
const GATEWAY_CREDENTIALS: [&str; 2] = ["OPENCLAW_GATEWAY_TOKEN", "OPENCLAW_GATEWAY_PASSWORD"];

/// The first release that takes neither of them (programs 2026.3.28 and 2026.3.31).
const WITHOUT_CREDENTIALS: Release = Release::new(2026, 3, 31);
/// The first one without any variable of its own name, and without the host of IRC (programs 2026.4.15 and 2026.4.29).
const WITHOUT_OWN: Release = Release::new(2026, 4, 29);
/// The first one without the keys of providers (programs 2026.5.2 and 2026.5.28).
const WITHOUT_KEYS: Release = Release::new(2026, 5, 28);

/// Keys of providers that some check asks for.
const KEYS: [&str; 17] = [
    "BRAVE_API_KEY",
    "EXA_API_KEY",
    "FIRECRAWL_API_KEY",
    "GEMINI_API_KEY",
    "GOOGLE_API_KEY",
    "GOOGLE_CLOUD_API_KEY",
    "KIMI_API_KEY",
    "MINIMAX_API_KEY",
    "MINIMAX_CODE_PLAN_KEY",
    "MINIMAX_CODING_API_KEY",
    "MINIMAX_OAUTH_TOKEN",
    "MOONSHOT_API_KEY",
    "OLLAMA_API_KEY",
    "OPENROUTER_API_KEY",
    "PERPLEXITY_API_KEY",
    "TAVILY_API_KEY",
    "XAI_API_KEY",
];

/// The release takes this variable from there.
fn is_taken(release: Release, name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    let left_out = |since: Release, is_one: bool| release >= since && is_one;
    !(left_out(WITHOUT_CREDENTIALS, GATEWAY_CREDENTIALS.contains(&name.as_str()))
        || left_out(WITHOUT_OWN, name.starts_with("OPENCLAW_") || name == "IRC_HOST")
        || left_out(WITHOUT_KEYS, KEYS.contains(&name.as_str())))
}

/// Takes away what the release does not take from there, and tells where the gateway's credentials stand there.
pub(in crate::config) fn apply(
    release: Release,
    located: &Located,
    env: &mut Environment,
    problems: &mut Problems,
) {
    for name in env.of_current_directory() {
        let is_taken = is_taken(release, &name);
        if !is_taken {
            env.forget_of_current_directory(&name);
        }
        // Where the state directory's own says it, nothing is missing.
        if GATEWAY_CREDENTIALS.contains(&name.as_str()) && (is_taken || env.get(&name).is_none()) {
            problems.push(credentials(&name, is_taken, located));
        }
    }
}

fn credentials(name: &str, is_taken: bool, located: &Located) -> Problem {
    let path = located.cwd.join(DOTENV);
    let message = if is_taken {
        format!(
            "{name} comes from {}, which only programs read that are started in that directory. A gateway that is started \
             elsewhere has another value, or none.",
            path.display()
        )
    } else {
        format!(
            "{name} stands in {}, and from {WITHOUT_CREDENTIALS} on OpenClaw does not take it from there: wherever it is \
             started, the gateway has another value, or none.",
            path.display()
        )
    };
    Problem::new(ProblemKind::CwdCredentials, message).on(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_releases_take_less() {
        for (name, last) in [
            ("OPENCLAW_GATEWAY_TOKEN", Some((2026, 3, 28))),
            ("OPENCLAW_GATEWAY_PORT", Some((2026, 4, 22))),
            ("IRC_HOST", Some((2026, 4, 22))),
            ("BRAVE_API_KEY", Some((2026, 5, 27))),
            ("DISCORD_BOT_TOKEN", None),
            ("ANY_OTHER", None),
        ] {
            let releases = crate::config::schema::releases().iter().copied();
            let taken = releases.filter(|release| is_taken(*release, name)).max();
            let last =
                last.map_or(super::super::NEWEST, |(year, month, patch)| Release::new(year, month, patch));
            assert!(taken.is_some_and(|taken| taken <= last), "{name}: {taken:?}");
            assert!(is_taken(last, name) && is_taken(Release::new(2026, 2, 19), name), "{name}");
        }
    }
}
