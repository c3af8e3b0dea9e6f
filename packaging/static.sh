#!/usr/bin/env bash
# Builds `offing` as one static file that runs on any Linux of this architecture, and prints where it is.
# It has no name service and needs none: nothing in it looks up a host.
set -euo pipefail
cd "$(dirname "$0")/.."
target=$(rustc -vV | sed -n 's/^host: //p')
RUSTFLAGS="-C target-feature=+crt-static" cargo build --release --quiet --locked -p offing --target "$target" "$@"
echo "${CARGO_TARGET_DIR:-target}/$target/release/offing"
