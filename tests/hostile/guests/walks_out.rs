//! expect: inconclusive: met 0 objects beyond a link
//!
//! Walks through everything and looks for what lies beyond a symbolic link.

use chitin_hostile::{Input, Verdict, got, guest, kept_out, path, state};

fn audit(_: Input) -> Verdict {
    let options = state::WalkOptions { max_depth: 64, glob: None, skip: Vec::new() };
    let walk = match state::Walk::start(&path("state", ""), &options) {
        Ok(walk) => walk,
        Err(error) => return got(format!("no walk: {error:?}")),
    };
    let (mut met, mut beyond) = (Vec::new(), 0);
    loop {
        match walk.next(7) {
            Ok(batch) if batch.is_empty() => break,
            Ok(batch) => met.extend(batch.into_iter().map(|walked| walked.below)),
            Err(error) => return got(format!("{error:?}")),
        }
    }
    for rel in &met {
        let below = |link: &str| rel.strip_prefix(link).is_some_and(|rest| rest.starts_with('/'));
        beyond += u32::from(["out", "outside", "way", "self", "circle"].into_iter().any(below));
    }
    if !met.iter().any(|rel| rel == "%FF%FE") {
        return got(format!("no odd name among {met:?}"));
    }
    kept_out(format!("met {beyond} objects beyond a link"))
}

guest!(audit, "files = [\"list:state/**\", \"list:state\"]");
