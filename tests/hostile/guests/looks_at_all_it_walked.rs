//! expect: no failure
//!
//! Walks the state directory and looks once more at everything that it met, however much that is.

use chitin_hostile::{Input, Verdict, guest, harmless, kept_out, path, say, state};

fn audit(_: Input) -> Verdict {
    let options = state::WalkOptions { max_depth: 9, glob: None, skip: Vec::new() };
    let walk = match state::Walk::start(&path("state", ""), &options) {
        Ok(walk) => walk,
        Err(error) => return kept_out(format!("{error:?}")),
    };
    let mut met = 0;
    loop {
        match walk.next(u32::MAX) {
            Ok(batch) if batch.is_empty() => break,
            Ok(batch) => {
                for walked in &batch {
                    if let Err(error) = state::stat(&path("state", &walked.below)) {
                        return kept_out(format!("{}: {error:?}", walked.below));
                    }
                }
                met += batch.len();
            }
            Err(error) => return kept_out(format!("{error:?}")),
        }
    }
    say(vec![harmless().detail(format!("{met} objects"))])
}

guest!(audit, "files = [\"list:state\", \"list:state/**\", \"stat:state/**\"]");
