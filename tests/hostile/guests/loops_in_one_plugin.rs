//! expect: fuel limit: 1000000000 allowed, all used
//!
//! Runs over each plugin, and does not end where the plugin is called "bad".

use chitin_hostile::{Input, Verdict, export, harmless, manifest, say};

fn audit(input: Input) -> Verdict {
    while input.views.iter().any(|view| view.display.ends_with("/bad")) {
        std::hint::black_box(&input);
    }
    say(vec![harmless()])
}

manifest!(concat!(
    "[policy]\nid = \"hostile\"\nversion = \"1.0.0\"\nsummary = \"A guest that means no good\"\ndeep = true\neach = \"plugin\"\n",
    "[[check]]\nid = \"hostile.finding\"\nseverity = \"warn\"\nsummary = \"Whatever it says\"\n",
    "[capabilities]\nfiles = [\"stat:plugin/**\"]\n",
));
export!(audit);
