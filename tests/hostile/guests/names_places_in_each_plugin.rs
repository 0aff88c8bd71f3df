//! expect: answer limit: 2 MiB allowed, more with the paths of its places
//!
//! Runs over each plugin, and names thousands of places that say nothing themselves: the runner adds path, line and column
//! to each.

use chitin_hostile::{Finding, Input, Location, Verdict, export, harmless, manifest, say};

fn audit(_: Input) -> Verdict {
    let empty = || Finding { title: String::new(), detail: String::new(), ..harmless() };
    let places = || vec![Location::Config(String::new()); 100];
    say((0..350).map(|_| Finding { locations: places(), ..empty() }).collect())
}

manifest!(
    "[policy]\nid = \"hostile\"\nversion = \"1.0.0\"\nsummary = \"s\"\ndeep = true\neach = \"plugin\"\n[[check]]\nid = \"hostile.finding\"\nseverity = \"warn\"\nsummary = \"s\"\n"
);
export!(audit);
