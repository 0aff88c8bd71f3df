//! Starts of programs through `child_process`, as later releases look for them: what an import calls them counts, and what
//! only shares their name does not (reference: 2026.9-delta 4.14).

use std::collections::BTreeSet;

use super::find::{Word, places};
use super::rules::{is_called, is_word, sync, variant};
use super::space::{Space, skip, skip_back};

/// What starts a program.
const METHODS: [&[u8]; 6] = [b"exec", b"execSync", b"spawn", b"spawnSync", b"execFile", b"execFileSync"];
/// What the module is called by custom.
const NAMESPACES: [&[u8]; 3] = [b"cp", b"childProcess", b"child_process"];

/// Most imports of the module that are read, and the longest of them. A script has one, of a line.
const MAX_IMPORTS: usize = 200;
const MAX_IMPORT_BYTES: usize = 2_000;
/// Most calls of which is found out whether they are of the module. One that is left over counts.
const MAX_CALLS: usize = 20_000;

/// Where a program is started, and where the module is named; none where either is not.
pub(super) fn find(text: &[u8]) -> Option<(usize, usize)> {
    let (mut module, mut imports, mut calls, mut too_many) = (None, Vec::new(), Vec::new(), None);
    places(text, |word, at, rest| match word {
        Word::ChildProcess => {
            let start =
                at.checked_sub(3).filter(|_| rest.get(8..).is_some_and(|rest| rest.starts_with(b"ss")));
            if let Some(start) = start.filter(|start| text.get(*start..at) == Some(b"chi")) {
                module = module.or(Some(start));
                imports.push(start);
            }
        }
        Word::Exec | Word::Spawn if too_many.is_none() => {
            if let Some(call) = Call::read(text, word, at, rest) {
                match calls.len() {
                    MAX_CALLS => too_many = Some(at),
                    _ => calls.push((at, call)),
                }
            }
        }
        _ => {}
    });
    let module = module?;
    let mut bindings = Bindings::default();
    let is_known = imports.len() <= MAX_IMPORTS;
    if is_known {
        for at in &imports {
            bindings.read(text, *at);
        }
    }
    let of_module = |call: &Call<'_>| match call {
        Call::Plain => true,
        Call::Member(receiver) => !is_known || receiver.is_some_and(|name| bindings.is_namespace(name)),
    };
    let called = calls.iter().find(|(_, call)| of_module(call)).map(|(at, _)| *at).or(too_many);
    let at = called.or_else(|| bindings.call(text))?;
    Some((at, module))
}

/// How something that is called like a method of the module is called.
enum Call<'t> {
    /// By its name.
    Plain,
    /// As a member of this name, which something else can have, too.
    Member(Option<&'t [u8]>),
}

impl<'t> Call<'t> {
    fn read(text: &'t [u8], word: Word, at: usize, rest: &'t [u8]) -> Option<Self> {
        let after = if word == Word::Exec { variant(rest.get(4..)?) } else { sync(rest.get(5..)?) };
        let before = text.get(..at)?;
        match before.last() {
            Some(b'"' | b'\'') => {
                let [b'"' | b'\'', after @ ..] = after else { return None };
                let after = skip(after, Space::Line).strip_prefix(b"]")?;
                is_called(after).then(|| {
                    let object = skip_back(before.get(..at - 1).unwrap_or_default()).strip_suffix(b"[");
                    Self::Member(object.and_then(|object| last_word(skip_back(object))))
                })
            }
            Some(byte) if is_word(*byte) => None,
            _ if !is_called(after) => None,
            Some(b'.') if rest.len() - after.len() == 4 => {
                Some(Self::Member(last_word(skip_back(before.get(..at - 1)?))))
            }
            _ => Some(Self::Plain),
        }
    }
}

/// What imports of the module call it and its methods.
#[derive(Default)]
struct Bindings<'t> {
    namespaces: BTreeSet<&'t [u8]>,
    aliases: BTreeSet<&'t [u8]>,
}

impl<'t> Bindings<'t> {
    fn is_namespace(&self, name: &[u8]) -> bool {
        NAMESPACES.contains(&name) || self.namespaces.contains(name)
    }

    /// Reads the import whose text in quotes is at a place, if it is one.
    fn read(&mut self, text: &'t [u8], at: usize) {
        let head = text.get(at.saturating_sub(MAX_IMPORT_BYTES)..at).unwrap_or_default();
        let head = head.strip_suffix(b"node:").unwrap_or(head);
        let [head @ .., b'"' | b'\''] = head else { return };
        let head = trim(head);
        if let Some(head) = head.strip_suffix(b"from") {
            let head = trim(head);
            if let Some((names, before)) = in_braces(head) {
                if trim(before).ends_with(b"import") {
                    self.read_names(names);
                }
            } else if let Some(name) = last_word(head) {
                let before = trim(head.get(..head.len() - name.len()).unwrap_or_default());
                let is_default = before.ends_with(b"import");
                let is_all =
                    before.strip_suffix(b"as").map(trim).is_some_and(|before| before.ends_with(b"*"));
                if is_default || is_all {
                    self.namespaces.insert(name);
                }
            }
            return;
        }
        let assigned = head.strip_suffix(b"(").map(trim).and_then(|head| head.strip_suffix(b"require"));
        let Some(head) = assigned.map(trim).and_then(|head| head.strip_suffix(b"=")).map(trim) else {
            return;
        };
        let is_declared = |before: &[u8]| {
            let before = trim(before);
            [b"const".as_slice(), b"let", b"var"].iter().any(|word| before.ends_with(word))
        };
        if let Some((names, before)) = in_braces(head) {
            if is_declared(before) {
                self.read_names(names);
            }
        } else if let Some(name) = last_word(head)
            && is_declared(head.get(..head.len() - name.len()).unwrap_or_default())
        {
            self.namespaces.insert(name);
        }
    }

    /// `exec as run` and `exec: run` give a method another name.
    fn read_names(&mut self, names: &'t [u8]) {
        for name in names.split(|byte| *byte == b',') {
            let name = trim(name.trim_ascii_start());
            let Some(alias) = last_word(name) else { continue };
            let before = trim(name.get(..name.len() - alias.len()).unwrap_or_default());
            let method = before.strip_suffix(b":").map(trim).or_else(|| {
                before.strip_suffix(b"as").filter(|method| trim(method).len() < method.len()).map(trim)
            });
            if method.is_some_and(|method| METHODS.contains(&method)) {
                self.aliases.insert(alias);
            }
        }
    }

    /// The first call of a method by another name, and not as a member of something.
    fn call(&self, text: &[u8]) -> Option<usize> {
        if self.aliases.is_empty() {
            return None;
        }
        let mut at = 0;
        while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
            let length = rest.iter().position(|byte| !is_word(*byte)).unwrap_or(rest.len());
            let (word, after) = rest.split_at_checked(length)?;
            let is_member = at.checked_sub(1).and_then(|before| text.get(before)) == Some(&b'.');
            if length > 0 && !is_member && is_called(after) && self.aliases.contains(word) {
                return Some(at);
            }
            at += length.max(1);
        }
        None
    }
}

/// Without the white space that it ends with, of line ends, too.
fn trim(text: &[u8]) -> &[u8] {
    text.trim_ascii_end()
}

/// The word that a text ends with.
fn last_word(text: &[u8]) -> Option<&[u8]> {
    let length = text.iter().rev().take_while(|byte| is_word(**byte)).count();
    text.get(text.len() - length..).filter(|word| !word.is_empty())
}

/// What stands in the braces that a text ends with, and what before them.
fn in_braces(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let inner = text.strip_suffix(b"}")?;
    let open = inner.iter().rposition(|byte| matches!(byte, b'{' | b'}'))?;
    (inner.get(open) == Some(&b'{'))
        .then(|| (inner.get(open + 1..).unwrap_or_default(), inner.get(..open).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Option<usize> {
        find(text.as_bytes()).map(|(at, _)| at)
    }

    #[test]
    fn what_shares_a_name_with_a_method_is_none() {
        let with = |text: &str| at(&format!("{text}; // child_process"));
        for call in [
            "exec('a')",
            "execSync (x)",
            "spawn(",
            "x.spawn(",
            "x.execSync(",
            "cp.exec(",
            "child_process . exec(",
            "child_process .exec(",
        ] {
            assert!(with(call).is_some(), "{call}");
        }
        for other in [
            "/x/.exec('y')",
            "regex.exec(s)",
            "a().exec(",
            ".exec(",
            "x['exec'](",
            "exec",
            "myexec(",
            "'exec'(",
        ] {
            assert_eq!(with(other), None, "{other}");
        }
        for member in ["cp['exec'](", "childProcess[ \"spawn\" ] (", "child_process['execFileSync']("] {
            assert!(with(member).is_some(), "{member}");
        }
        assert_eq!(at("exec('a')"), None, "nothing names the module");
    }

    #[test]
    fn the_first_call_of_the_module_is_found_behind_others() {
        let text = "const p = require('child_process');\n/x/.exec('y'); p.exec('z')";
        assert_eq!(at(text), text.find("exec('z')"));
    }

    #[test]
    fn imports_say_what_the_module_is_called() {
        for import in [
            "import p from 'child_process'",
            "import * as p from \"node:child_process\"",
            "const p = require('node:child_process')",
            "let p=require( \"child_process\")",
            "var p =\n require ('child_process')",
        ] {
            assert!(at(&format!("{import}\np.exec('a')")).is_some(), "{import}");
            assert!(at(&format!("{import}\np['exec']('a')")).is_some(), "{import}");
            assert_eq!(at(&format!("{import}\nq.exec('a')")), None, "{import}");
        }
        for other in
            ["p = require('child_process')", "import p from 'x'; // 'child_process'", "'child_process'"]
        {
            assert_eq!(at(&format!("{other}\np.exec('a')")), None, "{other}");
        }
    }

    #[test]
    fn a_method_by_another_name_is_one() {
        for import in [
            "import { exec as run } from 'node:child_process';",
            "import {fork, spawn  as  run} from 'child_process';",
            "const { exec: run } = require('child_process');",
            "let {fork,\n execFile : run, } = require('child_process');",
        ] {
            assert!(at(&format!("{import}\nrun('ls')")).is_some(), "{import}");
            for other in ["x.run('ls')", "rerun('ls')", "run", "run.x("] {
                assert_eq!(at(&format!("{import}\n{other}")), None, "{import} {other}");
            }
        }
        for other in [
            "import { fork as run } from 'child_process';",
            "import { exec as run } from 'x'; // child_process",
        ] {
            assert_eq!(at(&format!("{other}\nrun('ls')")), None, "{other}");
        }
    }

    #[test]
    fn a_text_made_to_be_slow_is_not_called_clean() {
        let many = "x.exec(".repeat(MAX_CALLS + 1);
        assert_eq!(at(&format!("child_process {}", "x.exec(".repeat(100))), None);
        assert!(at(&format!("child_process {many}")).is_some());
        let imports = "const p = require('child_process');".repeat(MAX_IMPORTS + 1);
        assert!(at(&format!("{imports} x.exec(")).is_some());
    }

    #[test]
    fn broken_texts_end_somewhere() {
        for text in [
            "child_process",
            "'child_process'",
            "}'child_process'",
            "from 'child_process'",
            "{} from 'child_process'",
            "import {,} from 'child_process' exec",
            "[\"exec\"](child_process",
            "= require('child_process') exec",
        ] {
            assert_eq!(at(text), None, "{text}");
        }
    }
}
