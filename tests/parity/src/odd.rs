//! Spoils an installation: values that nobody expects, texts that are no config, objects of the wrong kind.

use serde_json::{Value, json};

use crate::installation::{CONFIG, Installation, Kind, STATE};
use crate::rng::Rng;

/// Does one to three odd things to it.
pub fn spoil(installation: &mut Installation, rng: &mut Rng) {
    for _ in 0..=rng.below(3) {
        match rng.below(10) {
            0 => installation.env.clear(),
            1 => replace_object(installation, rng),
            2 => break_text(installation, rng),
            _ => {
                let mut documents: Vec<&mut Value> = installation.documents().collect();
                if !documents.is_empty() {
                    let document = rng.below(documents.len());
                    spoil_value(documents[document], rng);
                }
            }
        }
    }
}

/// Goes down to some node and puts something else there.
fn spoil_value(value: &mut Value, rng: &mut Rng) {
    let children = match value {
        Value::Object(object) => object.len(),
        Value::Array(list) => list.len(),
        _ => 0,
    };
    if children > 0 && rng.chance(85) {
        let child = rng.below(children);
        match value {
            Value::Object(object) => {
                let name = object.keys().nth(child).cloned().unwrap_or_default();
                match rng.below(12) {
                    0 => drop(object.insert(odd_text(rng), odd_value(rng))),
                    1 => drop(object.shift_remove(&name)),
                    _ => spoil_value(&mut object[&name], rng),
                }
            }
            Value::Array(list) => match rng.below(8) {
                0 => list.push(odd_value(rng)),
                1 => drop(list.remove(child)),
                _ => spoil_value(&mut list[child], rng),
            },
            _ => {}
        }
    } else {
        *value = odd_value(rng);
    }
}

fn odd_value(rng: &mut Rng) -> Value {
    match rng.below(14) {
        0 => Value::Null,
        1 => json!(true),
        2 => json!([]),
        3 => json!({}),
        4 => json!(["*", 5, null, {"x": []}]),
        5 => json!({"enabled": "true", "0": [null], "": {}}),
        6 => json!(rng.pick(&[-1, 0, 1, 65_536, i64::MAX, i64::MIN])),
        7 => json!(rng.pick(&[0.5, -0.0, 1e300])),
        8 => json!({"$include": odd_text(rng)}),
        9 => (0..400).map(|number| json!({"id": format!("agent-{number}")})).collect(),
        10 => (0..60).fold(json!("deep"), |inner, _| json!([inner])),
        _ => odd_text(rng).into(),
    }
}

fn odd_text(rng: &mut Rng) -> String {
    let long = "x".repeat(20_000);
    let texts = [
        "",
        " ",
        "*",
        "open",
        "off",
        "all",
        "host",
        "unconfined",
        "__proto__",
        "constructor",
        "../../etc/passwd",
        "~",
        "~/",
        "~bob/x",
        "/",
        "\u{0}",
        "\u{1b}[31mred",
        "\u{202e}gnp",
        "\u{feff}",
        "a\nb",
        "${",
        "${}",
        "$${X}",
        "${PARITY_UNSET}",
        "[secret]",
        "\u{10ffff}",
        "ﷺ",
        "\u{d7ff}",
        "1e3",
        "NaN",
        "a/b~c~0",
        "a.b.c",
        "%00",
        "İ",
        &long,
    ];
    (*rng.pick(&texts)).to_owned()
}

/// The config as a text with something odd in it.
fn break_text(installation: &mut Installation, rng: &mut Rng) {
    // Decisions about channels look into the config; they could not be told from this one.
    installation.registry = false;
    for object in installation.tree.iter_mut().filter(|object| object.path == CONFIG) {
        let Kind::Json(value) = &object.kind else { continue };
        let text = value.to_string();
        let half: String = text.chars().take(text.chars().count() / 2).collect();
        let inner = text.trim_start_matches('{');
        object.kind = Kind::Text(match rng.below(9) {
            0 => half,
            1 => String::new(),
            2 => "[]".to_owned(),
            3 => format!("// a comment\n{text}"),
            4 => format!("\u{feff}{text}\n/* the end */"),
            5 => format!("{{ logging: {{ redactSensitive: 'tools', }}, {inner}"),
            6 => format!("{{ __proto__: {{ gateway: {{ bind: 'lan' }} }}, x: NaN, {inner}"),
            7 => text.replace('"', "'"),
            _ => text.replace("true", "+0x1f"),
        });
    }
}

/// Something else where an object was.
fn replace_object(installation: &mut Installation, rng: &mut Rng) {
    let number = rng.below(installation.tree.len());
    let path = installation.tree[number].path.clone();
    if path == STATE {
        return;
    }
    let inside = format!("{path}/");
    installation.tree.retain(|object| object.path != path && !object.path.starts_with(&inside));
    match rng.below(6) {
        0 => {}
        1 => installation.directory(&path, 0o755),
        2 => installation.text(&path, 0o644, "\u{0}\u{1}"),
        3 => installation.link(&path, "$HOME"),
        4 => installation.link(&path, path.rsplit('/').next().unwrap_or("loop")),
        _ => installation.link(&path, "/dev/null"),
    }
}
