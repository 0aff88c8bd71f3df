//! Several people at one gateway, which is made for one (reference: 2026.9-delta 3.6).

mod groups;
mod sessions;

use chitin_policy_sdk::openclaw::exposure::{self, Found};
use chitin_policy_sdk::{Answer, Context, Node, NotAssessed, Verdict, any, listing, warn};

const PEOPLE: &str = "security.trust_model.multi_user_heuristic";

/// Looks for several people, and for what they share.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let config = cx.config();
    let mut answer = Answer::new();
    let signals = exposure::signals(cx, &config);
    groups::shared(&config, &mut answer);
    people(cx, &config, &signals, &mut answer);
    sessions::crossed(cx, &config, &signals, &mut answer);
    Ok(answer)
}

/// Several people can speak to agents.
fn people(cx: &Context<'_>, config: &Node<'_>, signals: &Found<'_>, answer: &mut Answer) {
    for reason in &signals.unseen {
        answer.leave_open(PEOPLE, reason.clone());
    }
    if signals.nodes.is_empty() {
        return;
    }
    // The finding holds whatever these people can do; that is only told as far as it is known.
    let exposed = exposure::exposed(config, cx.release()).unwrap_or_default();
    let commands = any(exposed.iter().map(|context| context.commands.clone()));
    let held = match commands {
        Ok(true) => "and agents run commands outside of a sandbox",
        Ok(false) => "and no agent runs commands outside of a sandbox",
        Err(_) => "and whether agents run commands outside of a sandbox is not known",
    };
    let risky: Vec<&str> = exposed
        .iter()
        .filter(|context| any([context.commands.clone(), context.files.clone()]) == Ok(true))
        .map(|context| context.words.as_str())
        .collect();
    let mut finding = warn(PEOPLE, "Several people can speak to agents that trust one").detail(format!(
        "{} let more than one person speak to agents, {held}. Whoever speaks to an agent has all that it has: the files, the \
         credentials, the memory. If that is what you want, nothing is wrong.",
        listing::words(&signals.names())
    ));
    if !risky.is_empty() {
        finding = finding.list(&risky, 0);
    }
    answer.findings.push(
        finding
            .remediation(
                "Run a gateway of its own, under its own account of the machine, for each group of people who do not trust \
                 each other; else set agents.defaults.sandbox.mode to \"all\" and keep private credentials away from it",
            )
            .at_all(&signals.nodes),
    );
}

/// Why something is not known, where it is not known already that it is so.
fn leave_open(answer: &mut Answer, id: &str, verdict: Result<bool, NotAssessed>) -> bool {
    match verdict {
        Ok(holds) => holds,
        Err(reason) => {
            answer.leave_open(id, reason);
            false
        }
    }
}

chitin_policy_sdk::policy!(audit);

#[cfg(test)]
mod tests;
