#!/bin/sh
# Makes the rows of one release from its npm package, and lists what needs a person.
# usage: tests/release-facts/take.sh RELEASE
set -eu
release=${1:?name a release, such as RELEASE=2026.9.6}
root=$(cd "$(dirname "$0")/../.." && pwd)
scratch=${CARGO_TARGET_DIR:-$root/target}/release-facts/$release
tables=$root/runner/src/config/release
mkdir -p "$scratch/home"
cd "$scratch"
[ -f package.json ] || echo '{"private": true}' > package.json
# No script of a package is run. The runtime comes from npm, too: the program asks for a newer one than many machines have.
npm install --ignore-scripts --no-audit --no-fund --silent \
  "openclaw@$release" "node-linux-$(node -p process.arch)@24.21.0"
node=$(echo "$scratch"/node_modules/node-linux-*/bin/node)
# The program prints its own schema. It gets an empty home, and nothing of this environment.
env -i HOME="$scratch/home" PATH=/usr/bin:/bin \
  "$node" node_modules/openclaw/openclaw.mjs config schema > schema.json
cd "$root"
tool() { ${CARGO:-cargo} run --quiet --locked --package chitin-release-facts -- "$@"; }
tool take "$tables/keys.tsv" "$release=$scratch/schema.json" | tee "$scratch/report.txt"
tool package docs/checks.md "$tables/plugins.tsv" "$release=$scratch/node_modules/openclaw" | tee -a "$scratch/report.txt"
echo "The list is kept in $scratch/report.txt; docs/releases.md says what to do with it."
