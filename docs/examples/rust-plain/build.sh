#!/bin/sh
# Builds target/examples/rust-plain.wasm, and prints its path.
set -eu
. "$(dirname "$0")/../tools.sh"
rust_target wasm32-wasip2
cd "$here"
export CARGO_TARGET_DIR="$built/rust-plain"
cargo build --quiet --locked --release --target wasm32-wasip2 >&2
cp "$CARGO_TARGET_DIR/wasm32-wasip2/release/mine.wasm" "$built/rust-plain.wasm"
echo "$built/rust-plain.wasm"
