#!/bin/bash
# Builds the static binary that runs inside the nodes, and prints where it is.
# It goes to the target folder of its own, so that other builds are left alone.
set -euo pipefail
cd "$(dirname "$0")/.."
triple=$(rustc -vV | sed -n 's/^host: //p')
target=${CARGO_TARGET_DIR:-$PWD/target}/agent
RUSTFLAGS="-C target-feature=+crt-static" CARGO_TARGET_DIR=$target \
    cargo build --quiet --release -p offing-agent --target "$triple"
echo "$target/$triple/release/offing-agent"
