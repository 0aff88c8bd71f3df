use super::*;
use crate::Release;

/// The rules that match, with their lines.
fn hits(text: impl AsRef<[u8]>) -> Vec<(&'static str, u32)> {
    scan(text.as_ref()).iter().map(|hit| (hit.rule, hit.place.line)).collect()
}

/// That one rule alone matches each of these texts, and none matches the others.
fn check(rule: &'static str, matching: &[&str], silent: &[&str]) {
    // The same at each offset that the finder tells apart.
    for before in 0..12 {
        let pad = ".".repeat(before);
        for text in matching {
            assert_eq!(hits(format!("{pad}{text}")), [(rule, 1)], "{text:?}");
        }
        for text in silent {
            assert_eq!(hits(format!("{pad}{text}")), [], "{text:?}");
        }
    }
}

#[test]
fn scripts_are_known_by_their_ending() {
    for name in ["a.js", "a.d.ts", "A.TS", ".js", "a.mjs", "a.cjs", "a.mts", "a.CTS", "a.jsx", "a.b.tsx"] {
        assert!(is_script(name), "{name}");
    }
    for name in ["a.json", "a.py", "a.sh", "a.vue", "a.md", "x.js.txt", "js", "", ".", "a.", "a.js "] {
        assert!(!is_script(name), "{name}");
    }
}

#[test]
fn dangerous_exec() {
    let with = |text: &str| format!("{text} // child_process");
    let matching = [
        "exec('a')",
        "execSync (x)",
        "spawn(",
        "spawnSync\t(",
        "execFile(",
        "execFileSync(",
        "/re/.exec(s)",
        "$exec(",
        "é.spawn(",
        "exec\u{a0}\u{feff}\u{2028}\r(",
        "exec; exec(",
    ];
    let silent = [
        "myexec(",
        "_exec(",
        "1spawn(",
        "exec_(",
        "execa(",
        "fork(",
        "Exec(",
        "EXEC(",
        "exec\n(",
        "exec",
        "exec.(",
        "spawnFile(",
        "execSyncFile(",
        "execfile(",
        "exec\u{200b}(",
        "exec\u{85}(",
    ];
    let owned: Vec<String> = matching.iter().map(|text| with(text)).collect();
    check("dangerous-exec", &owned.iter().map(String::as_str).collect::<Vec<_>>(), &matching);
    let owned: Vec<String> = silent.iter().map(|text| with(text)).collect();
    check("", &[], &owned.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(hits("a\nexec(\nexec(\nxchild_processx"), [("dangerous-exec", 2)]);
    assert_eq!(hits("fetch exec( child_process.env"), [("dangerous-exec", 1), ("env-harvesting", 1)]);
    assert_eq!(hits("exec(\nchild-process Child_process"), []);
}

#[test]
fn dynamic_code_execution() {
    check(
        "dynamic-code-execution",
        &[
            "eval(x)",
            "a.eval (",
            "-eval(",
            "new Function(",
            "new \t Function\u{3000}(",
            "renew Function(",
            "new\u{feff}Function(",
            "new\u{1680}\u{202f}\u{205f}\u{2003}\u{2029}Function(",
            "_eval( eval(",
            "new Function x; new Function(",
        ],
        &[
            "_eval(",
            "evaluate(",
            "newFunction(",
            "new function(",
            "new\nFunction(",
            "new Function\n(",
            "eval\n(",
            "Eval(",
            "New Function(",
            "new Functions(",
            "ne w Function(",
            "w Function(",
            " Function(",
            "eval.call(",
        ],
    );
    assert_eq!(hits("eval\n(\nnew\r\n Function(\r\nnew Function(\neval("), [("dynamic-code-execution", 5)]);
}

#[test]
fn crypto_mining() {
    check(
        "crypto-mining",
        &["stratum+tcp://", "STRATUM+SSL", "CoinHive", "xcryptonightx", "XMRig", "coinhive"],
        &[
            "stratum+udp",
            "stratum tcp",
            "stratum\u{b}tcp",
            "coin-hive",
            "crypto night",
            "xmri",
            "cryptonigh",
            "ſtratum+tcp",
        ],
    );
}

#[test]
fn suspicious_network() {
    check(
        "suspicious-network",
        &[
            "new WebSocket('ws://a:81')",
            "new WebSocket(\"wss://a:9999/b\")",
            "renew\tWebSocket \t( \u{a0}'ws://:1",
            "new WebSocket('wss://h:443/a:77')",
            "new WebSocket('ws://[::1]/')",
            "new WebSocket('ws://a:8\"')",
            "new WebSocket('ws://a:0')",
            "new WebSocket('ws://a:000800')",
            "new WebSocket('ws://a:18446744073709551696')",
            "new WebSocket('ws://a:443:x8:x:')\tnew WebSocket('ws://a:442')".split_once('\t').unwrap().1,
            "new WebSocket('ws://a') new WebSocket('ws://a:81')",
            "new WebSocket('ws://a\u{2028}\r:81')",
            "new WebSocket('ws://a:443 new WebSocket(:81')",
        ],
        &[
            "new WebSocket('ws://a:80')",
            "new WebSocket('ws://a:443')",
            "new WebSocket('ws://a:8080')",
            "new WebSocket('ws://a:8443')",
            "new WebSocket('ws://a:3000')",
            "new WebSocket('ws://a:0443')",
            "new WebSocket('wss://u:123@h:443')",
            "new WebSocket('ws://a:443') || new WebSocket('ws://a:81')",
            "new WebSocket('ws://a') new WebSocket('ws://a:80') new WebSocket('ws://a:81')",
            "new WebSocket(`ws://a:81`)",
            "new WebSocket('WS://a:81')",
            "new WebSocket('ws://a')",
            "new WebSocket('ws://a:')",
            "new WebSocket('ws://a\n:81')",
            "new WebSocket(\n'ws://a:81')",
            "new\nWebSocket('ws://a:81')",
            "new WebSocket('http://a:81')",
            "newWebSocket('ws://a:81')",
            "new websocket('ws://a:81')",
            "new WebSocket('ws://a':81)",
        ],
    );
    assert_eq!(
        hits("new WebSocket('ws://a:443') new WebSocket('ws://a:81')\n\nnew WebSocket('ws://a:81')"),
        [("suspicious-network", 3)]
    );
}

#[test]
fn the_network_context_joins_files_and_environment() {
    for context in [
        "fetch",
        "pre-fetch",
        "axios.post(",
        "// will POST",
        "http.request",
        "xHTTP.Requesty",
        "éfetch",
        "Post",
    ] {
        assert_eq!(hits(format!("\nreadFileSync\n{context}")), [("potential-exfiltration", 2)], "{context}");
        assert_eq!(hits(format!("{context}\n\nxprocess.environment")), [("env-harvesting", 3)], "{context}");
    }
    for context in [
        "_fetch",
        "prefetcher",
        "fetch1",
        "fetchs",
        "posts",
        "1post",
        "https.request",
        "http-request",
        "axios.get",
        "",
    ] {
        assert_eq!(hits(format!("readFile process.env\n{context}")), [], "{context}");
    }
    assert_eq!(hits("readfile ReadFile process-env Process.env fetch"), []);
    assert_eq!(hits("process.env fetch readFile")[0].0, "potential-exfiltration");
}

#[test]
fn hex_escapes() {
    let group = r"\xaF";
    for before in 0..12 {
        let pad = ".".repeat(before);
        for count in 6..30 {
            assert_eq!(hits(format!("{pad}{}", group.repeat(count))), [("obfuscated-code", 1)]);
        }
        for text in [
            group.repeat(5),
            format!("{0} {0}", group.repeat(5)),
            format!(r"{}\xag{0}", group.repeat(5)),
            format!(r"{}\XaF", group.repeat(5)),
            format!(r"{}\xa", group.repeat(5)),
            format!(r"{0}\{0}", group.repeat(5)),
        ] {
            assert_eq!(hits(format!("{pad}{text}")), [], "{text}");
        }
    }
    let text = format!("{}\n  é{}", group.repeat(5), group.repeat(9));
    let hit = &scan(text.as_bytes())[0];
    assert_eq!((hit.place.line, hit.place.column), (2, 4));
}

#[test]
fn base64() {
    let long = "aZ09+/=A".repeat(25);
    let text = |start: &str, data: &str, end: &str| format!("{start}{data}{end}");
    for start in ["atob('", "Buffer.from(\"", "xatob \u{2028}(\t'", "aBuffer.from('", "atob\r(\r\""] {
        for end in ["'", "\""] {
            assert_eq!(hits(text(start, &long, end)), [("obfuscated-code", 1)], "{start}");
            assert_eq!(hits(text(start, &format!("{long}A"), end)), [("obfuscated-code", 1)]);
            assert_eq!(hits(text(start, &long[1..], end)), []);
        }
        assert_eq!(hits(text(start, &long, "`")), []);
        assert_eq!(hits(text(start, &long, "")), []);
        assert_eq!(hits(text(start, &format!("{long}-"), "'")), []);
    }
    for start in ["btoa('", "Atob('", "atob(`", "Buffer-from('", "atob(x,'", "buffer.from('"] {
        assert_eq!(hits(text(start, &long, "'")), []);
    }
    // Over more lines it is said to be on the first one, unless another is on one.
    let lines = text("\n\natob\n(\n'", &long, "'");
    assert_eq!(hits(&lines), [("obfuscated-code", 1)]);
    assert_eq!(scan(lines.as_bytes())[0].place.column, 1);
    assert_eq!(hits(format!("{lines}\n{}", text(" atob('", &long, "'"))), [("obfuscated-code", 6)]);
}

#[test]
fn both_kinds_of_hidden_text_and_all_else_in_order() {
    let text = format!(
        "process.env fetch readFile\natob('{}')\n{}\nnew WebSocket('ws://a:1')\nxmrig\neval(\nspawn( child_process",
        "a".repeat(200),
        r"\x00".repeat(6)
    );
    let all = [
        ("dangerous-exec", 7),
        ("dynamic-code-execution", 6),
        ("crypto-mining", 5),
        ("suspicious-network", 4),
        ("potential-exfiltration", 1),
        ("obfuscated-code", 3),
        ("obfuscated-code", 2),
        ("env-harvesting", 1),
    ];
    assert_eq!(hits(&text), all);
    let severities: Vec<_> = scan(text.as_bytes()).iter().map(|hit| hit.severity).collect();
    let (critical, warn) = (Severity::Critical, Severity::Warn);
    assert_eq!(severities, [critical, critical, critical, warn, warn, warn, warn, critical]);
}

#[test]
fn lines_end_at_lf_only() {
    for (text, line, column) in [
        ("\r\n\r\neval(", 3, 1),
        ("a\rb\r eval(", 1, 6),
        ("a\u{2028}\u{85} eval(", 1, 5),
        ("\u{feff}\n\0é\u{1f600}eval(", 2, 4),
        ("new Function x\n  new Function(", 2, 3),
    ] {
        let hit = &scan(text.as_bytes())[0];
        assert_eq!((hit.place.line, hit.place.column), (line, column), "{text:?}");
    }
}

#[test]
fn odd_texts() {
    assert_eq!(hits(""), []);
    assert_eq!(hits("\0".repeat(100)), []);
    assert_eq!(hits(b"\xff\xfe e\xe2\x80eval(\xff"), [("dynamic-code-execution", 1)]);
    // Broken white space is none, and a piece of it neither.
    assert_eq!(hits(b"eval\xe2\x80("), []);
    assert_eq!(hits(b"eval\xa0("), []);
    assert_eq!(hits(b"new\xf0\xe2\x80\xa8Function("), []);
    assert_eq!(hits(b"new\xe2\x80\xa8Function("), [("dynamic-code-execution", 1)]);
    let wide: Vec<u8> = "eval( xmrig".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(hits(wide), []);
    for length in 0.."new Function(".len() {
        assert_eq!(hits(&"new Function("[..length]), []);
    }
}

#[test]
fn the_evidence_is_the_masked_line() {
    let text = "a\n  const token = 'abc'; eval(token)  \r\nb";
    assert_eq!(scan(text.as_bytes())[0].place.evidence, "const token = '***'; eval(token)");
    let text = format!("atob\n(\"{}\")", "aZ09".repeat(50));
    assert_eq!(scan(text.as_bytes())[0].place.evidence, "atob");
}

/// What is quadratic in anything does not come back from these.
#[test]
fn hostile_texts_are_read_in_one_go() {
    const SIZE: usize = 8 << 20;
    let socket = "new WebSocket('ws://";
    let spaces = " \t".repeat(500);
    for (start, unit) in [
        ("", "new "),
        ("eval", " "),
        ("new", "\u{2028}"),
        ("atob", "\n"),
        ("", "eval "),
        ("", "atob("),
        ("", "atob('"),
        ("", "Buffer.from('AAAA"),
        ("atob('", "A"),
        ("", "\\"),
        ("", "\\x"),
        ("", r"\x41\x41\x41\x41\x41"),
        ("", r"\x41\x41\x41\x41\x41z"),
        ("", "Function ("),
        ("", &format!("Function{spaces}(")),
        ("", &format!("new{spaces}Function{spaces}Function(")),
        (socket, ":"),
        (socket, "a"),
        ("", socket),
        ("new WebSocket('ws://a:80/", socket),
        ("", "new WebSocket('ws://a:80/"),
        ("", "new WebSocket('ws://a:80'\n"),
        ("", "execspawnpostfetc"),
    ] {
        let text: Vec<u8> = start.bytes().chain(unit.bytes().cycle()).take(SIZE).collect();
        let found = scan(&text).len();
        let escapes = unit == r"\x41\x41\x41\x41\x41";
        assert_eq!(found, usize::from(escapes), "{start:?} {unit:?}");
    }
    // All rules, each with the whole text before it.
    let text = format!("{}eval( xmrig child_process exec(", "é".repeat(SIZE / 2));
    let hits = scan(text.as_bytes());
    assert_eq!(hits.len(), 3);
    assert!(hits.iter().all(|hit| hit.place.column > 4_000_000 && hit.place.evidence.chars().count() < 123));
}

#[test]
fn a_rule_of_two_parts_names_both_places() {
    let lines = |text: &str| {
        let hits = scan(text.as_bytes());
        hits.iter()
            .map(|hit| (hit.place.line, hit.other.as_ref().map(|other| other.line)))
            .collect::<Vec<_>>()
    };
    assert_eq!(lines("readFile(a)\n\nfetch(b); post(c)\n"), [(1, Some(3))]);
    assert_eq!(lines("post(a)\nb = process.env\n"), [(2, Some(1))]);
    assert_eq!(lines("import 'child_process'\n\n\nspawn(a)\n"), [(4, Some(1))]);
    assert_eq!(lines("http.request(readFile(a))\n"), [(1, Some(1))]);
    assert_eq!(lines("eval(a)\nreadFile(b)\n"), [(1, None)]);
    let hits = scan(b"x = readFile(a)\nfetch(token = 'ghp_0123456789abcdefghijklmnopqrstuvwxyz')\n");
    let other = hits[0].other.as_ref().expect("it sends");
    assert_eq!((other.column, other.evidence.as_str()), (1, "fetch(token = '***')"));
}

/// The rules of a release that match.
fn by(rules: Rules, text: &str) -> Vec<&'static str> {
    scan_by(rules, text.as_bytes().to_vec()).hits.iter().map(|hit| hit.rule).collect()
}

const ALL: [Rules; 4] = [Rules::Words, Rules::Calls, Rules::Comments, Rules::Imports];

#[test]
fn a_release_has_its_rules() {
    for ((year, month, patch), rules) in [
        ((2026, 2, 9), Rules::Words),
        ((2026, 4, 2), Rules::Words),
        ((2026, 4, 5), Rules::Calls),
        ((2026, 4, 29), Rules::Calls),
        ((2026, 5, 2), Rules::Comments),
        ((2026, 7, 35), Rules::Comments),
        ((2026, 8, 1), Rules::Imports),
        ((2026, 9, 6), Rules::Imports),
    ] {
        assert_eq!(Rules::of(Release { year, month, patch }), rules);
    }
}

#[test]
fn what_sends_has_to_be_called_in_later_releases() {
    for (text, counts) in [
        ("readFile(x); fetch(y)", [true; 4]),
        ("readFile(x); a.post (y)", [true; 4]),
        ("readFile(x); FETCH\n(y)", [true; 4]),
        ("readFile(x); http.request(y)", [true; 4]),
        ("readFile(x); const how = 'fetch'", [true, false, false, false]),
        ("readFile(x); http.request", [true, false, false, false]),
        ("readFile(x); prefetch(y); repost(z)", [false; 4]),
    ] {
        for (rules, counts) in ALL.into_iter().zip(counts) {
            assert_eq!(by(rules, text) == ["potential-exfiltration"], counts, "{rules:?} {text}");
        }
    }
}

#[test]
fn comments_count_for_lines_and_not_for_the_whole_in_later_releases() {
    for (text, rule, counts) in [
        ("// eval(x)", "dynamic-code-execution", [true; 4]),
        ("readFile(x) // fetch(y)", "potential-exfiltration", [true, true, false, false]),
        ("/* process.env */ fetch(y)", "env-harvesting", [true, true, false, false]),
        ("process.env; '/*'; fetch(y); '*/'", "env-harvesting", [true; 4]),
    ] {
        for (rules, counts) in ALL.into_iter().zip(counts) {
            assert_eq!(by(rules, text) == [rule], counts, "{rules:?} {text}");
        }
    }
}

#[test]
fn the_environment_is_read_near_to_what_sends_in_later_releases() {
    let apart = |lines: usize| format!("process.env.A;{}fetch(x)", "\n".repeat(lines));
    let turned = |lines: usize| format!("fetch(x){}process.env.A", "\n".repeat(lines));
    for (lines, near) in [(0, true), (8, true), (9, false)] {
        for text in [apart(lines), turned(lines)] {
            assert_eq!(by(Rules::Calls, &text), ["env-harvesting"], "{text:?}");
            for rules in [Rules::Comments, Rules::Imports] {
                assert_eq!(by(rules, &text) == ["env-harvesting"], near, "{text:?}");
            }
        }
    }
    let second = format!("process.env.A{}process.env.B;\n fetch(x)", "\n".repeat(30));
    let hits = scan_by(Rules::Imports, second.into_bytes()).hits;
    let places: Vec<_> =
        hits.iter().map(|hit| (hit.place.line, hit.other.as_ref().map(|other| other.line))).collect();
    assert_eq!(places, [(31, Some(32))]);
}

#[test]
fn imports_tell_what_starts_a_program_in_the_latest_releases() {
    for (text, counts) in [
        ("require('child_process'); exec('ls')", [true; 4]),
        ("require('child_process'); /x/.exec('y')", [true, true, true, false]),
        ("import { exec as run } from 'node:child_process';\nrun('ls');", [false, false, false, true]),
        ("const cp = require('child_process'); cp['exec']('ls')", [false, false, false, true]),
    ] {
        for (rules, counts) in ALL.into_iter().zip(counts) {
            assert_eq!(by(rules, text) == ["dangerous-exec"], counts, "{rules:?} {text}");
        }
    }
}

#[test]
fn a_long_text_is_gone_through_once_and_judged_more_strictly() {
    let text = format!("readFile(x) // fetch(y){}", " ".repeat(MAX_TWICE));
    let scanned = scan_by(Rules::Imports, text.into_bytes());
    assert_eq!((scanned.hits.len(), scanned.passes), (1, 1));
    assert_eq!(scan_by(Rules::Imports, b"readFile(x); fetch(y)".to_vec()).passes, 3);
    assert_eq!(scan_by(Rules::Imports, b"let x = 1".to_vec()).passes, 1);
}
