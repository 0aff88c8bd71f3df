#!/usr/bin/env python3
"""Measures whole processes over state directories as people have them, beside floors, pairwise in one run, and prints a table.

usage: tests/performance/measure.py [--files N,N,...] [--runs N] [--fleet N] [--before PROGRAM]

The program is $CHITIN: measure what `make dist` gives, not a development build. The floors are `find -printf` and `grep -rE` over the same
tree, and an audit of an empty folder. Times are medians of wall-clock milliseconds with a warm page cache; memory is the peak of the largest
process. It judges nothing.
"""
import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

parser = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1].split("\n")[0])
parser.add_argument("--files", default="0,3000,100000")
parser.add_argument("--runs", type=int, default=15)
parser.add_argument("--fleet", type=int, default=200)
parser.add_argument("--before")
chosen = parser.parse_args()
PROGRAM = str(Path(os.environ["CHITIN"]).absolute())

CONFIG = {
    "gateway": {"bind": "loopback", "port": 18789, "auth": {"mode": "token", "token": "c1f4b8e07a925d3610be47fa98d2c563"}},
    "channels": {"telegram": {"botToken": "123456:abcdefghijklmnopqrstuvwxyz", "dmPolicy": "pairing", "allowFrom": ["tg:1"]},
                 "discord": {"token": "x" * 60, "dmPolicy": "pairing"}},
    "agents": {"list": [{"id": f"agent{number}", "model": "anthropic/claude", "tools": {"profile": "coding"},
                         "workspace": f"~/work/agent{number}"} for number in range(20)]},
    "logging": {"redactSensitive": "tools"},
}


def installation(home, files):
    """A state directory with so many transcripts, which lie where the gateway puts them, credentials, and a plugin of npm."""
    state = home / ".openclaw"
    for number in range(10):
        sessions = state / f"agents/agent{number}/sessions"
        sessions.mkdir(parents=True)
        (state / f"agents/agent{number}/agent").mkdir()
        (state / f"agents/agent{number}/agent/auth-profiles.json").write_text("{}")
        (sessions / "sessions.json").write_text("{}")
        for transcript in range(number, files, 10):
            (sessions / f"{transcript:08}.jsonl").write_text('{"type":"session"}\n')
    (state / "credentials").mkdir()
    (state / "credentials/telegram-pairing.json").write_text('{"version":1,"requests":[]}')
    plugin = state / "npm/node_modules/a-plugin"
    plugin.mkdir(parents=True)
    (plugin / "package.json").write_text('{"name":"a-plugin","version":"1.0.0","openclaw":{"extensions":["./index.js"]}}')
    (plugin / "openclaw.plugin.json").write_text('{"id":"a-plugin","configSchema":{}}')
    (plugin / "index.js").write_text("module.exports = {};\n" * 200)
    (state / "openclaw.json").write_text(json.dumps(CONFIG, indent=1))
    for root, folders, names in os.walk(state):
        os.chmod(root, 0o700)
        for name in names:
            os.chmod(os.path.join(root, name), 0o600)


def run(command, home):
    """Milliseconds, and the peak memory of the largest process in MB."""
    started = time.perf_counter()
    process = subprocess.Popen(command, env={"HOME": str(home), "PATH": "/usr/bin:/bin"}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, _, used = os.wait4(process.pid, 0)
    process.returncode = 0
    return (time.perf_counter() - started) * 1000, used.ru_maxrss / 1024


def row(home):
    state = str(home / ".openclaw")
    commands = {
        "audit": [PROGRAM, "audit", "--json"],
        "--confine off": [PROGRAM, "audit", "--json", "--confine", "off"],
        "find": ["find", state, "-printf", r"%m %U %s %p\n"],
        "grep": ["grep", "-rE", "sk-[a-z]{40}", state],
    }
    if chosen.before:
        commands["before"] = [str(Path(chosen.before).absolute()), "audit", "--json"]
    times, memory = {name: [] for name in commands}, {name: 0 for name in commands}
    for turn in range(chosen.runs + 1):
        for name, command in commands.items():
            elapsed, peak = run(command, home)
            # The first turn warms the page cache.
            if turn:
                times[name].append(elapsed)
                memory[name] = max(memory[name], peak)
    return {name: (statistics.median(values), memory[name]) for name, values in times.items()}


def main():
    scratch = Path(tempfile.mkdtemp(prefix="chitin-measure-"))
    names = ["audit", "--confine off"] + (["before"] if chosen.before else []) + ["find", "grep"]
    print("| files | " + " | ".join(f"{name}, ms" for name in names) + " | audit against find | audit, MB |")
    print("| --- " * (len(names) + 3) + "|")
    try:
        for files in map(int, chosen.files.split(",")):
            home = scratch / str(files)
            home.mkdir()
            if files:
                installation(home, files)
            else:
                (home / ".openclaw").mkdir(mode=0o700)
            measured = row(home)
            cells = [f"{measured[name][0]:.1f}" for name in names]
            audit, find = measured["audit"], measured["find"]
            print(f"| {files:,} | {' | '.join(cells)} | {audit[0] / find[0]:.1f} | {audit[1]:.0f} |", flush=True)
        lines = []
        for number in range(chosen.fleet):
            home = scratch / f"fleet/{number}"
            home.mkdir(parents=True)
            installation(home, 20)
            lines.append(json.dumps({"stateDir": str(home / ".openclaw"), "id": str(number)}))
        (scratch / "list").write_text("\n".join(lines))
        started = time.perf_counter()
        subprocess.run([PROGRAM, "audit", "--targets", str(scratch / "list"), "--format", "ndjson"], stdout=subprocess.DEVNULL)
        elapsed = time.perf_counter() - started
        children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        print(f"\n{chosen.fleet} targets with {os.cpu_count()} processors: {chosen.fleet / elapsed:.0f} a second", file=sys.stdout)
        print(f"(the largest process of all of this run: {children:.0f} MB)")
    finally:
        shutil.rmtree(scratch)


main()
