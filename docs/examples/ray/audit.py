#!/usr/bin/env python3
"""Audits very many targets on a Ray cluster, and writes the results as Parquet.

usage: audit.py TARGETS RESULTS [--program FILE] [--fail-on SEVERITY] [--workers N] [--batch N]

TARGETS is a list as `chitin audit --targets` reads it, JSON alone: {"stateDir": ..., "id": ...} or {"config": ..., "id": ...} a line; each
id stands there once. Every worker sees the same paths, and the same program: its digest is compared. Each batch of targets is one process
of the program and one file in RESULTS. What is there already is not audited again, so that a run that was ended goes on.

RAY_ADDRESS names the cluster; without it there is one on this machine, with N workers, each on a core.
"""
import argparse
import collections
import hashlib
import json
import os
import secrets
import subprocess
import sys
import time
from pathlib import Path

import pyarrow
import pyarrow.parquet

# A cluster of one's own listens to the network, too, and whoever it obeys runs code here. Ray reads this while it is imported.
if "RAY_ADDRESS" not in os.environ:
    os.environ.update(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=secrets.token_hex(32))
import ray

FINDING = pyarrow.struct([(name, pyarrow.string()) for name in ["check", "policy", "severity", "title", "places"]])
SCHEMA = pyarrow.schema(
    [("id", pyarrow.string()), ("exit", pyarrow.int32()), ("reason", pyarrow.string()), ("assessed", pyarrow.bool_())]
    + [(severity, pyarrow.int64()) for severity in ["critical", "warn", "info"]]
    + [("findings", pyarrow.list_(FINDING))]
)


def digest(path):
    """The SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def run(command, targets):
    """The rows of some targets, by one process: a list on its standard input, NDJSON on its standard output."""
    # A target goes by its number, since the program writes out what cannot be seen in a name.
    numbered = {str(number): target["id"] for number, target in enumerate(targets)}
    lines = "".join(json.dumps({**target, "id": number}) + "\n" for number, target in zip(numbered, targets))
    done = subprocess.run(command, input=lines.encode(), capture_output=True, env={})
    if done.returncode not in range(5):
        raise RuntimeError(f"{command[0]} ended with {done.returncode}: {done.stderr.decode(errors='replace')[-1000:]}")
    findings, rows = collections.defaultdict(list), []
    # Not splitlines(): a text may have other ends of lines in it.
    for line in filter(None, done.stdout.split(b"\n")):
        line = json.loads(line)
        if line.get("kind") == "target":
            row = {"id": numbered[line["id"]], "exit": line["exit"]["code"], "reason": line["exit"]["reason"], "assessed": line["assessed"]}
            rows.append({**row, **line["summary"], "findings": findings[line["id"]]})
        else:
            finding = {"check": line["finding_info"]["types"][0], "policy": line["unmapped"]["policy"], "severity": line["severity"]}
            finding["title"] = line["finding_info"]["title"]
            finding["places"] = "\n".join(resource["name"] for resource in line["resources"])
            findings[line["unmapped"]["target"]].append(finding)
    return rows


@ray.remote(num_cpus=1, max_retries=5, retry_exceptions=True)
def audit_batch(command, expected, targets, file):
    """Audits a batch and writes its file, whole or not at all. A batch whose worker dies is begun again on another one."""
    if digest(command[0]) != expected:
        raise RuntimeError(f"{command[0]} on this machine is another program")
    begun, before, rows, left = time.time(), os.times(), [], targets
    # Two names that lead to the same place are audited once, and told by the first: the other one has a call of its own.
    while left:
        told = run(command, left)
        if not told:
            raise RuntimeError(f"no result for {left[0]['id']!r}")
        rows += told
        left = [target for target in left if target["id"] not in {row["id"] for row in rows}]
    after = os.times()
    # Readers of Parquet pass over a name that begins with a dot.
    beside = Path(file).with_name(f".{Path(file).name}.{os.getpid()}")
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows, schema=SCHEMA), beside)
    os.replace(beside, file)
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return len(rows), cpu, begun, time.time()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("targets", type=Path)
    parser.add_argument("results", type=Path)
    parser.add_argument("--program", type=Path, default=Path("/usr/bin/chitin"))
    parser.add_argument("--fail-on", default="critical", choices=["info", "warn", "critical"])
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--batch", type=int, default=100)
    chosen = parser.parse_args()
    targets = [json.loads(line) for line in chosen.targets.read_text().split("\n") if line.strip()]
    if len({target["id"] for target in targets}) < len(targets):
        sys.exit("error: an id stands in the list twice")
    program = chosen.program.resolve()
    command = [str(program), "audit", "--targets", "-", "--format", "ndjson", "--fail-on", chosen.fail_on]
    chosen.results.mkdir(mode=0o700, parents=True, exist_ok=True)
    # A file is called by what is in it: another list, or another program, gives other files.
    expected, batches = digest(program), {}
    for first in range(0, len(targets), chosen.batch):
        batch = targets[first : first + chosen.batch]
        name = hashlib.sha256(json.dumps([expected, chosen.fail_on, batch]).encode()).hexdigest()[:32]
        batches[chosen.results.resolve() / f"{name}.parquet"] = batch
    left = {file: batch for file, batch in batches.items() if not file.exists()}
    own = {}
    if "RAY_ADDRESS" not in os.environ:
        own = {"num_cpus": chosen.workers, "include_dashboard": False, "object_store_memory": 100 << 20}
    ray.init(log_to_driver=False, logging_level="error", **own)
    waiting = [audit_batch.remote(command, expected, batch, str(file)) for file, batch in left.items()]
    print(f"{len(targets)} targets, {len(batches)} batches, {len(waiting)} of them to do", flush=True)
    done = []
    while waiting:
        ready, waiting = ray.wait(waiting)
        done += ray.get(ready)
        print(f"{sum(rows for rows, *_ in done)} audited", flush=True)
    if done:
        rows, cpu, begun, ended = zip(*done)
        print(f"{sum(rows) / (max(ended) - min(begun)):.1f} targets/s, {sum(rows) / sum(cpu):.1f} for each second of a processor")
    table = pyarrow.parquet.read_table(list(batches), columns=["id", "exit"])
    codes = collections.Counter(table.column("exit").to_pylist())
    print("exit codes:", ", ".join(f"{code}: {count}" for code, count in sorted(codes.items())))
    # The worst one, in the order of the program.
    return next((code for code in [2, 3, 1, 4] if codes[code]), 0)


if __name__ == "__main__":
    sys.exit(main())
