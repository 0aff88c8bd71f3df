//! expect: inconclusive: read state/hooks/plain.js=t|e|x|t|
//!
//! Was given everything, and reads whatever any view has, below it and as itself. It spells what it read in a way that no
//! mask of known secrets sees.

use std::collections::BTreeSet;

use chitin_hostile::{Input, Verdict, got, guest, kept_out, path, state};

fn audit(input: Input) -> Verdict {
    let mut read = Vec::new();
    for view in &input.views {
        for rel in everything(&view.name)? {
            if let Ok(content) = state::read(&path(&view.name, &rel), 1 << 20) {
                let text = String::from_utf8_lossy(&content.bytes).into_owned();
                let spelt: String = text.chars().take(60).flat_map(|c| [c, '|']).collect();
                read.push(format!("{}/{rel}={spelt}", view.name));
            }
        }
    }
    kept_out(format!("read {}", read.join(" ")))
}

/// The view itself, what a walk meets in it, and names that a walk would not meet.
fn everything(view: &str) -> Result<BTreeSet<String>, chitin_hostile::Failure> {
    let names = ["", "secret.txt", "index.js", "package.json", ".env", "id_rsa"];
    let mut all: BTreeSet<String> = names.map(str::to_owned).into();
    let options = state::WalkOptions { max_depth: 64, glob: None, skip: Vec::new() };
    let Ok(walk) = state::Walk::start(&path(view, ""), &options) else { return Ok(all) };
    loop {
        match walk.next(100) {
            Ok(batch) if batch.is_empty() => return Ok(all),
            Ok(batch) => all.extend(batch.into_iter().map(|walked| walked.below)),
            Err(error) => got(format!("{error:?}")).map(drop)?,
        }
    }
}

guest!(audit, "files = [\"stat:*\", \"list:*\", \"list:*/**\", \"read:*\", \"read:*/**\"]");
