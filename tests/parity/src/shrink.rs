//! Makes an installation smaller as long as something still holds of it.

use serde_json::Value;

use crate::installation::{CONFIG, Installation, Kind, Object, STATE};

/// The most attempts for one installation.
const ATTEMPTS: usize = 300;

/// The smallest installation that is found by taking parts away one by one, the largest parts first.
pub fn shrink(installation: &Installation, mut holds: impl FnMut(&Installation) -> bool) -> Installation {
    let mut best = installation.clone();
    let mut attempts = 0;
    let mut number = 0;
    // Where a part could be taken away, the parts that follow have moved up to its number.
    let mut taken = false;
    while attempts < ATTEMPTS {
        let Some(smaller) = without(&best, number) else {
            if !taken {
                break;
            }
            (number, taken) = (0, false);
            continue;
        };
        attempts += 1;
        if smaller != best && holds(&smaller) {
            (best, taken) = (smaller, true);
        } else {
            number += 1;
        }
    }
    best
}

/// The installation without its part of this number; none where there are fewer parts.
fn without(whole: &Installation, number: usize) -> Option<Installation> {
    let mut smaller = whole.clone();
    let mut number = number;
    if number < whole.tree.len() {
        remove_object(&mut smaller.tree, number);
        return Some(smaller);
    }
    number -= whole.tree.len();
    if let Some(name) = whole.env.keys().nth(number) {
        smaller.env.remove(name);
        return Some(smaller);
    }
    number -= whole.env.len();
    if let Some(table) = whole.rows.keys().nth(number) {
        smaller.rows.shift_remove(table);
        return Some(smaller);
    }
    number -= whole.rows.len();
    if number < whole.tree.len() {
        let object = &mut smaller.tree[number];
        object.mode = if object.kind == Kind::Directory { 0o700 } else { 0o600 };
        return Some(smaller);
    }
    number -= whole.tree.len();
    match number {
        0 => smaller.registry = false,
        1 => smaller.deep = false,
        _ => {
            number -= 2;
            let removed = smaller.documents().find_map(|document| remove_node(document, &mut number));
            return removed.map(|()| smaller);
        }
    }
    Some(smaller)
}

/// An object goes with all that lies in it; what every case has stays.
fn remove_object(tree: &mut Vec<Object>, number: usize) {
    let path = tree[number].path.clone();
    if path != STATE && path != CONFIG {
        let inside = format!("{path}/");
        tree.retain(|object| object.path != path && !object.path.starts_with(&inside));
    }
}

/// Takes away the node of this number, counted from the top: an object's member or a list's element.
fn remove_node(value: &mut Value, number: &mut usize) -> Option<()> {
    let children = match value {
        Value::Object(object) => object.len(),
        Value::Array(list) => list.len(),
        _ => 0,
    };
    if *number < children {
        match value {
            Value::Object(object) => drop(object.shift_remove(&object.keys().nth(*number)?.clone())),
            Value::Array(list) => drop(list.remove(*number)),
            _ => return None,
        }
        return Some(());
    }
    *number -= children;
    match value {
        Value::Object(object) => object.values_mut().find_map(|child| remove_node(child, number)),
        Value::Array(list) => list.iter_mut().find_map(|child| remove_node(child, number)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nothing_is_left_but_the_cause() {
        let mut installation = Installation::default();
        installation.directory(STATE, 0o755);
        installation.json(CONFIG, 0o644, json!({"a": {"b": [1, {"c": 2, "d": 3}], "e": 4}, "f": 5}));
        installation.text("log/x", 0o644, "x");
        installation.env.insert("X".to_owned(), "y".to_owned());
        let has = |one: &Installation| one.config().and_then(|config| config.pointer("/a/b")).is_some();
        let small =
            shrink(&installation, |one| has(one) && one.config().unwrap().to_string().contains("\"d\""));
        assert_eq!(small.case("x")["config"], json!({"a": {"b": [{"d": 3}]}}));
        assert!(small.env.is_empty());
    }
}
