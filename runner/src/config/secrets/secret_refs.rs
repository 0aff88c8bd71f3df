//! References to secrets that are kept elsewhere: whether what keeps them is defined. Only a variable is looked up; nothing is read,
//! and nothing run.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::config::pointer::readable;
use crate::config::{Problem, ProblemKind, Problems, Secret, SecretSource, SecretString, SecretSubject};
use crate::target::Environment;

/// The sources of a reference.
pub(in crate::config) const SOURCES: [&str; 4] = ["env", "file", "exec", "store"];
/// The provider that a source has by itself.
const DEFAULT: &str = "default";
/// Sources that need no definition of it.
const WITHOUT_DEFINITION: [&str; 2] = ["env", "store"];

/// A reference to a secret that is kept elsewhere: exactly `source`, `provider` and `id`, all strings.
pub(in crate::config) fn is_secret_ref(value: &Value) -> bool {
    let Some(map) = value.as_object() else { return false };
    let text = |key: &str| map.get(key).and_then(Value::as_str);
    map.len() == 3
        && text("source").is_some_and(|source| SOURCES.contains(&source))
        && text("provider").is_some()
        && text("id").is_some()
}

/// Gives references the value of the variable that they name, where that is set.
pub(in crate::config) fn look_up(config: &Value, secrets: &mut [Secret], env: &Environment) {
    for secret in secrets.iter_mut().filter(|secret| secret.source == SecretSource::Reference) {
        let SecretSubject::Pointer(pointer) = &secret.subject else { continue };
        let text = |key: &str| config.pointer(pointer)?.get(key)?.as_str();
        let (Some("env"), Some(provider), Some(id)) = (text("source"), text("provider"), text("id")) else {
            continue;
        };
        if let Some(value) = env.non_blank(id).filter(|_| is_defined(config, "env", provider)) {
            secret.value = SecretString::new(value);
        }
    }
}

/// Notes each provider that references name and `secrets.providers` does not define, once.
pub(in crate::config) fn check(config: &Value, secrets: &[Secret], problems: &mut Problems) {
    let mut undefined: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for secret in secrets.iter().filter(|secret| secret.source == SecretSource::Reference) {
        let SecretSubject::Pointer(pointer) = &secret.subject else { continue };
        let text = |key: &str| config.pointer(pointer)?.get(key)?.as_str();
        let (Some(source), Some(provider)) = (text("source"), text("provider")) else { continue };
        if !is_defined(config, source, provider) {
            undefined.entry(provider).or_default().push(pointer);
        }
    }
    for (provider, pointers) in undefined {
        let Some((first, more)) = pointers.split_first() else { continue };
        let message = format!(
            "{} refers to the secret provider \"{}\", which secrets.providers does not define: the gateway cannot get the secret.",
            readable(first),
            provider.chars().take(80).collect::<String>()
        );
        let mut problem = Problem::new(ProblemKind::UndefinedProvider, message).at(*first);
        problem.more = more.iter().map(|pointer| (*pointer).to_owned()).collect();
        problems.push(problem);
    }
}

fn is_defined(config: &Value, source: &str, provider: &str) -> bool {
    let has = |section: &str, key: &str| config.get("secrets").and_then(|all| all.get(section)?.get(key));
    has("providers", provider).is_some_and(Value::is_object)
        || (WITHOUT_DEFINITION.contains(&source)
            && (provider == DEFAULT || has("defaults", source).and_then(Value::as_str) == Some(provider)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check_at(pointer: &str, reference: &Value, secrets: &Value) -> Vec<Problem> {
        let config = json!({"x": reference, "secrets": secrets});
        let subject = SecretSubject::Pointer(pointer.to_owned());
        let secret = Secret { subject, value: SecretString::new(""), source: SecretSource::Reference };
        let mut problems = Problems::default();
        check(&config, &[secret.clone(), secret], &mut problems);
        problems.finish()
    }

    #[test]
    fn a_provider_that_is_not_defined_is_told_once_with_all_places() {
        let exec = json!({"source": "exec", "provider": "kc", "id": "tg"});
        let problems = check_at("/x", &exec, &json!({"providers": {"other": {}}}));
        assert_eq!((problems.len(), problems[0].kind), (1, ProblemKind::UndefinedProvider));
        assert_eq!(
            (problems[0].pointer.as_deref(), problems[0].more.as_slice()),
            (Some("/x"), ["/x".to_owned()].as_slice())
        );
        assert!(check_at("/x", &exec, &json!({"providers": {"kc": {"source": "exec"}}})).is_empty());
    }

    #[test]
    fn only_a_variable_is_looked_up() {
        let env: Environment = [("A", " t0p "), ("B", " ")].into_iter().collect();
        let value = |reference: Value| {
            let subject = SecretSubject::Pointer("/x".to_owned());
            let mut secrets =
                [Secret { subject, value: SecretString::new(""), source: SecretSource::Reference }];
            look_up(&json!({"x": reference}), &mut secrets, &env);
            secrets[0].value.expose().to_owned()
        };
        let reference = |source: &str, provider: &str, id: &str| json!({"source": source, "provider": provider, "id": id});
        assert_eq!(value(reference("env", "default", "A")).trim(), "t0p");
        for (source, provider, id) in [
            ("env", "default", "B"),
            ("env", "default", "C"),
            ("env", "mine", "A"),
            ("store", "default", "A"),
        ] {
            assert_eq!(value(reference(source, provider, id)), "", "{source} {provider} {id}");
        }
    }

    #[test]
    fn variables_and_the_store_need_no_definition() {
        for (source, provider, defaults, is_fine) in [
            ("env", "default", json!({}), true),
            ("store", "default", json!({}), true),
            ("env", "mine", json!({"env": "mine"}), true),
            ("env", "mine", json!({}), false),
            ("file", "default", json!({}), false),
        ] {
            let reference = json!({"source": source, "provider": provider, "id": "A"});
            let problems = check_at("/x", &reference, &json!({"defaults": defaults}));
            assert_eq!(problems.is_empty(), is_fine, "{source} {provider}");
        }
    }
}
