//! Whose a name is. A finding says only its check and its policy, so that no two policies of one audit may claim one of either.

use super::manifest::Manifest;

/// A name that two manifests claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name<'m> {
    /// The id of the policy.
    Policy(&'m str),
    /// The id of a check.
    Check(&'m str),
}

/// The name that both claim, as the first one writes it.
#[must_use]
pub fn shared_name<'m>(one: &'m Manifest, other: &Manifest) -> Option<Name<'m>> {
    if one.policy.id.eq_ignore_ascii_case(&other.policy.id) {
        return Some(Name::Policy(&one.policy.id));
    }
    let claimed = |id: &str| other.checks.iter().any(|check| overlap(&check.id, id));
    one.checks.iter().find(|check| claimed(&check.id)).map(|check| Name::Check(&check.id))
}

/// Two check ids, either with a `*`, can name the same check.
fn overlap(one: &str, other: &str) -> bool {
    // One that differs in case alone would be read as the same.
    let (one, other) = (&one.to_lowercase(), &other.to_lowercase());
    let ends = |id: &str| {
        let (head, tail) = (id.split('*').next(), id.rsplit('*').next());
        (head.unwrap_or_default().to_owned(), tail.unwrap_or_default().to_owned())
    };
    let ((a_head, a_tail), (b_head, b_tail)) = (ends(one), ends(other));
    let heads = a_head.starts_with(&b_head) || b_head.starts_with(&a_head);
    let tails = a_tail.ends_with(&b_tail) || b_tail.ends_with(&a_tail);
    if one.contains('*') || other.contains('*') { heads && tails } else { one == other }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(id: &str, check: &str) -> Manifest {
        let text = format!(
            "[policy]\nid = \"{id}\"\nversion = \"1.0.0\"\nsummary = \"s\"\n[[check]]\nid = \"{check}\"\n\
             severity = \"warn\"\nsummary = \"s\"\n"
        );
        text.parse().unwrap()
    }

    #[test]
    fn a_name_has_one_owner() {
        let own = manifest("a", "mine.x");
        assert_eq!(shared_name(&own, &manifest("a", "mine.y")), Some(Name::Policy("a")));
        for (check, is_shared) in [
            ("mine.x", true),
            ("Mine.X", true),
            ("mine.*", true),
            ("*.x", true),
            ("*", true),
            ("mine.y", false),
            ("mine.x.y", false),
        ] {
            let shared = shared_name(&own, &manifest("b", check));
            assert_eq!(shared, is_shared.then_some(Name::Check("mine.x")), "{check}");
        }
    }
}
