#!/usr/bin/env bash
# The hook of .pre-commit-hooks.yaml: audits each config that pre-commit names, each as a target of its own. What stands before `--` are
# options for each audit: no name of a file can be taken for one.
set -euo pipefail
options=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do
    options+=("$1")
    shift
done
if [ $# = 0 ]; then
    echo 'error: args of the hook have to end with "--", such as ["--fail-on=warn", "--"]' >&2
    exit 2
fi
shift
if ! command -v chitin >/dev/null; then
    echo "error: there is no chitin on the PATH" >&2
    exit 2
fi
code=0
for file; do
    found=0
    chitin audit --short --scope=config ${options[@]+"${options[@]}"} --config="$file" || found=$?
    if [ "$found" -gt "$code" ]; then code=$found; fi
done
exit "$code"
