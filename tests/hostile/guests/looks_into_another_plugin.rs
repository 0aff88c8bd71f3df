//! expect: inconclusive: saw 1 view; the others: NotFound, NotFound, NotFound
//!
//! Runs over each plugin, and looks into those that it is not to see in this run.

use chitin_hostile::{Input, Verdict, export, kept_out, manifest, name, path, state};

fn audit(input: Input) -> Verdict {
    let own: Vec<&str> = input.views.iter().map(|view| view.name.as_str()).collect();
    let others = (0..4).map(|number| format!("plugin/{number}")).filter(|view| !own.contains(&view.as_str()));
    let met: Vec<String> = others
        .map(|view| match state::read(&path(&view, "index.js"), 100) {
            Ok(_) => "content".to_owned(),
            Err(error) => name(&error),
        })
        .collect();
    kept_out(format!("saw {} view; the others: {}", own.len(), met.join(", ")))
}

manifest!(concat!(
    "[policy]\nid = \"hostile\"\nversion = \"1.0.0\"\nsummary = \"A guest that means no good\"\ndeep = true\neach = \"plugin\"\n",
    "[[check]]\nid = \"hostile.finding\"\nseverity = \"warn\"\nsummary = \"Whatever it says\"\n",
    "[capabilities]\nfiles = [\"read:plugin/**\"]\n",
));
export!(audit);
