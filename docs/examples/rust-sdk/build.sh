#!/bin/sh
# Tests the policy natively, then builds target/examples/rust-sdk.wasm, and prints its path.
set -eu
. "$(dirname "$0")/../tools.sh"
rust_target wasm32-wasip2
cd "$here"
export CARGO_TARGET_DIR="$built/rust-sdk"
cargo test --quiet --locked >&2
cargo build --quiet --locked --release --target wasm32-wasip2 >&2
cp "$CARGO_TARGET_DIR/wasm32-wasip2/release/mine.wasm" "$built/rust-sdk.wasm"
echo "$built/rust-sdk.wasm"
