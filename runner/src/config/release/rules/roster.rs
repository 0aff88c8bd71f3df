//! How many agents there may be, and how they are told apart: from the structure on that has them by their names.
//! What the loader makes of a clean list, or of none, is judged the same.

use std::collections::HashMap;

use crate::config::release::roster::Form;
use crate::config::rules::Judge;
use crate::config::rules::agents::normal_id;
use crate::config::rules::spot::Spot;

/// A list that did not become entries is refused for what it is, and says nothing of a roster.
fn roster<'a>(judge: &Judge<'a>) -> Option<Vec<Spot<'a>>> {
    let is_clean = match judge.form {
        Form::Both => false,
        Form::List => judge.is_converted,
        Form::None | Form::Entries => true,
    };
    is_clean.then(|| judge.agents().collect())
}

fn is_explicit(judge: &Judge<'_>) -> bool {
    judge.root().at("agents/ownership").is_some_and(|spot| spot.text() == Some("explicit"))
}

fn defaults(agents: &[Spot<'_>]) -> usize {
    agents.iter().filter(|agent| agent.is_true("default")).count()
}

/// There is at least one agent. An empty roster becomes `main`, but where the owner says that he names them all.
pub(super) fn not_empty(judge: &mut Judge<'_>) {
    let lists = judge.at("agents/list").is_some_and(|list| list.value.is_array()) || judge.form == Form::None;
    if lists && is_explicit(judge) && roster(judge).is_some_and(|agents| agents.is_empty()) {
        judge.refuse("/agents/list", "With an explicit ownership the config must have at least one agent.");
    }
}

/// Several agents need somebody to say which of them owns what belongs to none.
pub(super) fn owner(judge: &mut Judge<'_>) {
    let Some(agents) = roster(judge) else { return };
    if judge.root().at("agents/ownership").is_some_and(|spot| spot.is_unknown()) {
        return;
    }
    match (agents.len(), defaults(&agents), is_explicit(judge)) {
        (2.., 0, false) => judge.refuse(
            "/agents/ownership",
            "Several agents need ownership: \"explicit\", or one of them with default: true.",
        ),
        (_, 2.., _) => judge.refuse("/agents/list", "Only one agent can have default: true."),
        (_, 1, true) => judge.refuse(
            "/agents/ownership",
            "An explicit ownership and an agent with default: true exclude each other.",
        ),
        _ => {}
    }
}

/// No two agents have one id once they are compared.
pub(super) fn same_ids(judge: &mut Judge<'_>) {
    let Some(agents) = roster(judge) else { return };
    let mut known: HashMap<String, &str> = HashMap::new();
    for agent in &agents {
        let Some(id) = agent.text_of("id") else { continue };
        let first = known.entry(normal_id(id)).or_insert(id);
        if *first != id {
            let message =
                format!("The agents {first} and {id} have the same id for the gateway; rename one of them.");
            judge.refuse(agent.pointer.clone(), message);
        }
    }
}

/// An agent's key is a plain name.
pub(super) fn keys(judge: &mut Judge<'_>) {
    for agent in roster(judge).into_iter().flatten() {
        if agent.text_of("id").is_some_and(|id| !is_id(id)) {
            judge.refuse(
                agent.pointer,
                "The id of an agent has 1 to 64 letters, digits, dashes and underscores, and no dash first.",
            );
        }
    }
}

/// The gateway takes it as an agent's id.
pub(super) fn is_id(id: &str) -> bool {
    const MOST: usize = 64;
    (1..=MOST).contains(&id.len())
        && !id.starts_with('-')
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}
