#!/bin/bash
# Builds the static binary that runs inside the nodes, and prints where it is.
# It goes to a target folder of its own, so that other builds are left alone.
#
#   agent.sh             every role; worker processes can only `burn`
#   agent.sh --network   worker processes can also classify pictures
#
# The inference engine is most of the second build: see docs/emulation.md for how long both take. Each is built once
# and kept; the two do not replace each other.
set -euo pipefail
cd "$(dirname "$0")/.."

features=()
case ${1-} in
    "") kind=burn ;;
    --network)
        kind=network
        features=(--features network)
        OFFING_NETWORK=$(lab/network.sh)
        export OFFING_NETWORK
        ;;
    *) echo "usage: agent.sh [--network]" >&2; exit 2 ;;
esac

triple=$(rustc -vV | sed -n 's/^host: //p')
target=${CARGO_TARGET_DIR:-$PWD/target}/agent
RUSTFLAGS="-C target-feature=+crt-static" CARGO_TARGET_DIR=$target \
    cargo build --quiet --profile agent -p offing-agent --target "$triple" "${features[@]}"
mkdir -p "$target/$kind"
cp --update "$target/$triple/agent/offing-agent" "$target/$kind/offing-agent"
echo "$target/$kind/offing-agent"
