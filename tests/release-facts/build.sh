#!/bin/sh
# Makes the table of keys and the table of plugins anew from the tables of single releases.
# usage: tests/release-facts/build.sh FOLDER, which has keys/keys-RELEASE.tsv, keys/plugins-RELEASE.txt, sensitive-2026.9.6.txt,
# config-schema-2026.9.6.tsv, and beside it config-schema-paths.tsv (that of 2026.2.19).
set -eu
facts=$1
here=$(dirname "$0")
out=$here/../../runner/src/config/release
tool="${CARGO:-cargo} run --quiet --locked --package chitin-release-facts --"
$tool build "$out/keys.tsv" "$facts/keys" "$facts/sensitive-2026.9.6.txt" "$here/corrections.tsv" \
  "2026.2.19=$facts/../config-schema-paths.tsv:2026.1.30..2026.3.24" \
  "2026.4.15=$here/accounts-2026.4.15.tsv:2026.3.31..2026.4.22" \
  "2026.5.28=$here/accounts-2026.5.28.tsv:2026.4.29..2026.5.28" \
  "2026.6.11=$here/accounts-2026.6.11.tsv:2026.6.1..2026.6.35" \
  "2026.7.35=$here/accounts-2026.7.35.tsv:2026.7.1..2026.7.35" \
  "2026.9.6=$facts/config-schema-2026.9.6.tsv:2026.8.1..2026.9.6"
$tool ids "$out/plugins.tsv" "$facts/keys"
