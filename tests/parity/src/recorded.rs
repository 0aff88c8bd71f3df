//! Proves the driver: over the recorded cases it must give exactly the verdicts that were recorded.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use chitin_parity::installation::Installation;
use serde_json::Value;

use crate::install::Installed;
use crate::reference::{Reference, Verdict};

const FILES: [&str; 5] =
    ["config-cases", "config-cases-rejected", "state-cases", "state-cases-rejected", "channel-cases"];

/// Runs the reference alone over all recorded cases.
pub fn run(root: &Path, installed: &Installed) -> ExitCode {
    let home = root.join("target/parity/home-0");
    let mut reference = Reference::new(root, installed, &home);
    let mut wrong = 0;
    for file in FILES {
        let text =
            fs::read_to_string(root.join(format!("tests/corpus/reference/{file}.jsonl"))).expect("cases");
        let cases: Vec<Value> =
            text.lines().map(|line| serde_json::from_str(line).expect("a case")).collect();
        for case in &cases {
            let installation = Installation::from_case(case);
            reference.ready();
            installation.place(&home).expect("an installation can be made");
            let verdict = reference.audit(&home, &installation, &texts(&case["args"]));
            if !agrees(case, &verdict) {
                wrong += 1;
                println!("{file}::{}\n  recorded {}\n  driven   {verdict}", case["name"], case["expect"]);
            }
        }
        println!("{file}: {} cases", cases.len());
    }
    println!("{wrong} differ");
    ExitCode::from(u8::from(wrong > 0))
}

fn agrees(case: &Value, verdict: &Verdict) -> bool {
    let refused = case.get("exit").or(case.get("why")).is_some();
    match verdict {
        Verdict::Findings { findings, .. } => !refused && *findings == texts(&case["expect"]),
        Verdict::Refused { why, .. } => refused && case.get("why").is_none_or(|recorded| recorded == why),
    }
}

fn texts(value: &Value) -> Vec<String> {
    let texts = value.as_array().into_iter().flatten();
    texts.filter_map(|text| text.as_str().map(str::to_owned)).collect()
}
