//! Code of plugins and skills for the scan of `--deep`: what its rules look for, and what only looks like it.

use serde_json::json;

use crate::installation::Installation;
use crate::rng::Rng;

/// Parts of a script. Whatever is made of them stands in a comment: the rules do not tell, and nothing of it can run.
const PARTS: [&str; 72] = [
    "exec('ls')",
    "execSync (x)",
    "spawn(a)",
    "spawnSync\t(",
    "execFile(b",
    "execFileSync(c)",
    "exec_(x)",
    "execa(x)",
    "myexec(x)",
    "$exec(x)",
    "/a/.exec(s)",
    "exec\n(x)",
    "fork(x)",
    "child_process",
    "child_proces",
    "Child_Process",
    "eval(x)",
    "eval (x)",
    "_eval(x)",
    "a.eval(x)",
    "evaluate(x)",
    "eval\n(x)",
    "new Function('x')",
    "new  Function (x)",
    "newFunction(x)",
    "new\nFunction(x)",
    "renew Function(x)",
    "new function(x)",
    "stratum+tcp",
    "STRATUM+SSL",
    "stratum+udp",
    "CoinHive",
    "xmrig",
    "cryptoNight",
    "crypto night",
    "new WebSocket('ws://h:1234')",
    "new WebSocket(\"wss://h:443/a:77\")",
    "new WebSocket('ws://[::1]/')",
    "new WebSocket('wss://h:8443')",
    "new WebSocket(`ws://h:1`)",
    "new WebSocket('WS://h:1')",
    "new WebSocket('ws://h')",
    "new WebSocket( 'ws://u:1@h:80'",
    "new WebSocket('ws://h:0443')",
    "readFile(x)",
    "readFileSync",
    "readfile(x)",
    "fs.readFile",
    "fetch(u)",
    "prefetch(u)",
    "pre-fetch",
    "_fetch",
    "FETCH",
    "axios.post(u)",
    "posts",
    "// will POST",
    "http.request(u)",
    "https.request(u)",
    "httpxrequest",
    "axios.get(u)",
    "process.env",
    "xprocess.environment",
    "process . env",
    "process.\u{65}nv",
    "\\x41\\x42\\x43\\x44\\x45\\x46",
    "\\x41\\x42\\x43\\x44\\x45",
    "\\X41\\x42\\x43\\x44\\x45\\x46\\x47",
    "atob('LONG')",
    "Buffer.from(\"LONG\", 'base64')",
    "atob( 'SHORT')",
    "atob(\n'LONG')",
    "\u{feff}\u{a0}\u{2028}",
];

/// What stands between parts.
const BETWEEN: [&str; 8] = ["\n", "\n", " ", ";", "\r\n", "\r", "\t", ""];

/// Names of files, in folders that are scanned and in others.
const NAMES: [&str; 18] = [
    "index.js",
    "a.js",
    "lib/b.ts",
    "lib/c.mjs",
    "d.cjs",
    "e.mts",
    "f.cts",
    "g.jsx",
    "h.tsx",
    "A.TS",
    "types.d.ts",
    "lib/deep/er/i.js",
    ".hidden.js",
    ".git/j.js",
    "node_modules/x/k.js",
    "l.js.txt",
    "m.py",
    "n.json",
];

/// Entry points that a package names.
const ENTRIES: [&str; 12] = [
    "index.js",
    "./lib/b.ts",
    "lib/../a.js",
    "../up.js",
    "/etc/x.js",
    ".git/j.js",
    "node_modules/x/k.js",
    "dist\\.h\\x.js",
    "missing.js",
    " ",
    "n.json",
    ".",
];

/// A script.
pub fn script(rng: &mut Rng) -> String {
    let mut text = "/*".to_owned();
    for _ in 0..rng.below(7) {
        let part = rng.text(&PARTS).replace("LONG", &"QUJD".repeat(50)).replace("SHORT", &"QUJD".repeat(49));
        text.push_str(rng.text(&BETWEEN));
        text.push_str(&part);
    }
    text + "\n*/\n"
}

/// Scripts of a folder, and files beside them.
pub fn folder(installation: &mut Installation, folder: &str, rng: &mut Rng) {
    for _ in 0..=rng.below(4) {
        let (name, text) = (rng.text(&NAMES), script(rng));
        installation.text(&format!("{folder}/{name}"), 0o644, &text);
    }
    let (name, target) = match rng.below(30) {
        0 => ("loop.js", "loop.js"),
        1 => ("out.js", "$HOME/outside.js"),
        2 => ("linked", "$HOME/outside"),
        3 => ("gone.js", "nothing.js"),
        4 => ("again.js", "index.js"),
        _ => return,
    };
    installation.text("outside.js", 0o644, "/* eval(x) */\n");
    installation.text("outside/x.js", 0o644, "/* eval(x) */\n");
    installation.link(&format!("{folder}/{name}"), target);
}

/// What a `package.json` says of the entry points: one that is there, and odd ones at times.
pub fn entries(rng: &mut Rng) -> serde_json::Value {
    if rng.chance(70) {
        return json!(["index.js"]);
    }
    let entries: Vec<&str> = (0..=rng.below(3)).map(|_| rng.text(&ENTRIES)).collect();
    json!(entries)
}
