//! Whatever an installation looks like, an audit answers: over generated ones, no policy traps or runs out of anything, none
//! says that it does not understand a config that is in order, and every report has the form that is published.
//!
//! `CHITIN_SEED` and `CHITIN_COUNT` choose others. A failure prints the smallest installation that still fails, as a line in
//! the form of `tests/corpus/reference/`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test makes its target, and stops where it cannot"
)]

use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use chitin::audit::{Basis, Planned, Report, Subject, Terms, evaluate};
use chitin::budget::Budget;
use chitin::config::release::Word;
use chitin::policy::catalog::BUILTIN;
use chitin::sandbox::limits::Limits;
use chitin::sandbox::{Failure, Sandbox};
use chitin::target::{Environment, Request, locate};
use chitin_parity::installation::Installation;
use chitin_parity::release::RELEASES;
use chitin_parity::shrink::shrink;
use chitin_parity::{Generator, Kind};
use jsonschema::Validator;
use serde_json::Value;

/// The policy whose findings say that a config is not in order.
const OWN_POLICY: &str = "config-problems";

/// How a policy says that a link kept it from looking.
const THROUGH_LINK: &str = "a symbolic link stands on the way";

/// What audits share.
struct World {
    sandbox: Sandbox,
    plan: Vec<Arc<Planned>>,
    schema: Validator,
    scratch: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let plan = BUILTIN
            .iter()
            .enumerate()
            .map(|(number, builtin)| Arc::new(Planned::builtin(number, builtin.manifest().unwrap())));
        let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/report.schema.json");
        let schema = serde_json::from_slice(&fs::read(schema).unwrap()).unwrap();
        // No gateway is asked here, so whoever needs its answer can say nothing.
        let plan = plan.filter(|planned| !planned.granted.gateway);
        Self {
            sandbox: Sandbox::new().unwrap(),
            plan: plan.collect(),
            schema: jsonschema::validator_for(&schema).unwrap(),
            scratch: tempfile::tempdir().unwrap(),
        }
    }

    /// What is wrong with the answer to an installation, if anything is.
    fn complaint(&self, installation: &Installation, release: Word) -> Option<String> {
        catch_unwind(AssertUnwindSafe(|| self.audit(installation, release))).unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            Some(format!("a panic: {}", text.unwrap_or_default()))
        })
    }

    fn audit(&self, installation: &Installation, release: Word) -> Option<String> {
        let home = self.scratch.path().join("home");
        installation.place(&home).expect("an installation can be made");
        let mut variables: BTreeMap<String, String> = installation.environment(&home);
        variables.insert("HOME".to_owned(), home.to_string_lossy().into_owned());
        let mut environment = Environment::from_iter(variables);
        let (located, problems) = locate(&Request::default(), &mut environment, &home).unwrap();
        let config = chitin::config::load_preview(
            &located,
            &mut environment,
            &chitin::target::Preview::default(),
            release,
        );
        let subject = Subject::new(
            located,
            environment,
            config,
            problems,
            &Basis { deep: installation.deep, ..Basis::default() },
        );
        let subject = Arc::new(subject);
        let evaluation =
            evaluate(&self.sandbox, &subject, &self.plan, &Limits::default(), &Budget::default());
        let report = Report::new(&subject, &evaluation, Terms::default(), 0);

        let form: Value = serde_json::to_value(&report).unwrap();
        if let Some(error) = self.schema.iter_errors(&form).next() {
            return Some(format!("the report has not its form: {error} at {}", error.instance_path()));
        }
        let in_order = !report.findings.iter().any(|finding| finding.policy == OWN_POLICY);
        for outcome in &evaluation.outcomes {
            let id = &outcome.manifest.policy.id;
            match &outcome.verdict {
                Err(Failure::Inconclusive(_)) if !in_order => {}
                // No policy follows a link, and none may call clean what it did not see.
                Err(Failure::Inconclusive(why)) if why.ends_with(THROUGH_LINK) => {}
                Err(failure) => return Some(format!("{id}: {failure}")),
                Ok(_) => {}
            }
        }
        None
    }
}

#[test]
fn an_audit_always_answers() {
    let number = |name: &str, default: u64| match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")),
        Err(_) => default,
    };
    let (seed, count) = (number("CHITIN_SEED", 1), number("CHITIN_COUNT", 500));
    let world = World::new();
    let generators = RELEASES.map(|release| {
        let asked = Word { asked: Some(release.to_string().parse().unwrap()), greeted: None };
        (release, asked, Generator::new(release))
    });
    for (number, (release, asked, generator)) in (0..count).zip(generators.iter().cycle()) {
        let kind = if number % 2 == 0 { Kind::Ordinary } else { Kind::Odd };
        let installation = generator.installation(seed, number, kind);
        let Some(complaint) = world.complaint(&installation, *asked) else { continue };
        let small =
            shrink(&installation, |smaller| world.complaint(smaller, *asked).as_ref() == Some(&complaint));
        let case = Value::Object(small.case(&format!("property-{release}-{seed}-{number}")));
        panic!("CHITIN_SEED={seed}, number {number}, release {release}: {complaint}\n{case}");
    }
}
