//! Lines and columns.

use super::*;

fn place(config: &Config, pointer: &str) -> (usize, u32, u32, bool) {
    let place = config.locate(pointer).unwrap();
    (place.file, place.line, place.column, place.exact)
}

#[test]
fn values_and_their_ancestors() {
    let config = load_text("// é\r\n{\r\n  gateway: {\n\tport: 1, 'é': 'ü', \"a/b~\": [1,\r 2]\n  }\n}\n");
    assert_eq!(place(&config, ""), (0, 2, 1, true));
    assert_eq!(place(&config, "/gateway"), (0, 3, 12, true));
    assert_eq!(place(&config, "/gateway/port"), (0, 4, 8, true));
    assert_eq!(place(&config, "/gateway/é"), (0, 4, 16, true));
    assert_eq!(place(&config, "/gateway/a~1b~0/1"), (0, 5, 2, true));
    assert_eq!(place(&config, "/gateway/a~1b~0/9"), (0, 4, 29, false));
    assert_eq!(place(&config, "/gateway/auth/mode"), (0, 3, 12, false));
    // A default has no place of its own.
    assert_eq!(place(&config, "/commands/native"), (0, 2, 1, false));
    assert_eq!(config.locate("gateway"), None);
    let (file, range) = config.range("/gateway/é").unwrap();
    assert_eq!(config.files[file].text.get(range), Some("'ü'"));
    assert_eq!(config.range("/gateway/auth"), None);
}

#[test]
fn included_values_stand_in_their_own_file() {
    let config = load_files(&[
        ("openclaw.json", "{\n $include: 'a',\n gateway: {port: 1, trustedProxies: ['x']}}"),
        ("a", "{\n\n gateway: {bind: 'lan', port: 2, trustedProxies: ['y']}, logging: {level: 'info'}}"),
    ]);
    assert_eq!(config.files.len(), 2);
    assert_eq!(place(&config, "/gateway/port"), (0, 3, 18, true));
    assert_eq!(place(&config, "/gateway/bind"), (1, 3, 18, true));
    assert_eq!(place(&config, "/gateway/trustedProxies/0"), (1, 3, 51, true));
    assert_eq!(place(&config, "/gateway/trustedProxies/1"), (0, 3, 38, true));
    assert_eq!(place(&config, "/logging/level"), (1, 3, 75, true));
    assert_eq!(place(&config, "/logging/file"), (1, 3, 67, false));
}

#[test]
fn pointers() {
    assert_eq!(segments("/a~1b/~0/"), Some(vec!["a/b".to_owned(), "~".to_owned(), String::new()]));
    assert_eq!(segments("a"), None);
    assert_eq!(escape("a/~"), "a~1~0");
    assert_eq!(pointer::readable("/agents/list/0/id"), "agents.list[0].id");
}
