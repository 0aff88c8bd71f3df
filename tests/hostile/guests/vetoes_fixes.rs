//! expect: no failure
//!
//! Says something new as soon as it sees what a fix would make of the config: `runner/tests/attacks/fixes.rs` shows that
//! this drops nobody else's proposal.

use chitin_hostile::{Input, Verdict, guest, harmless, info, say};

fn audit(input: Input) -> Verdict {
    // An audit of the target as it is finds something harmless, one of what a fix would make of it more.
    let fixed = input.config.contains("\"tools\"");
    let new = info("hostile.finding", "Guest sees a preview").detail("It objects to whatever is proposed.");
    say(if fixed { vec![harmless(), new.at_env("NEW")] } else { vec![harmless()] })
}

guest!(audit, "config = [\"/logging\"]");
