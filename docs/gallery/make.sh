#!/usr/bin/env bash
# Makes the pictures of docs/gallery.md from the shipped scenarios:
#   docs/gallery/make.sh path/to/offing OUT
# The test `documents` of the command does so and compares them with those that are kept.
set -euo pipefail
offing=$(realpath "$1")
mkdir -p "$2"
out=$(realpath "$2")
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Answers a question: NAME COMMAND OF OFFING
ask() {
    # Code 1 says that nothing is feasible, which is an answer too.
    "$offing" "${@:2}" --out "$work/$1" >"$work/log" 2>&1 || [ $? = 1 ] || { cat "$work/log" >&2; exit 1; }
}
# Keeps figures of answers: NAME FIGURE.. -- ANSWER..
keep() {
    local name=$1 figures=()
    shift
    while [ "$1" != -- ]; do figures+=("$1"); shift; done
    shift
    (cd "$work" && "$offing" report "$@" --out "$name.html" --figures svg >log)
    for figure in "${figures[@]}"; do cp "$work/figures/$figure.svg" "$out/$name-$figure.svg"; done
    rm -r "$work/figures"
}

library=scenarios/library
ask edge simulate $library/where.toml --set deploy.target=edge
ask cloud simulate $library/where.toml --set deploy.target=cloud
ask near-cloud simulate $library/where.toml --set deploy.target=cloud --set link.endpoint-cloud.latency="10 ms"
keep where parts tail energy -- edge cloud near-cloud
for name in load latency-cpu radio-cell bursts; do ask $name explore $library/$name.toml; done
keep load load latency_by_endpoints -- load
keep latency-cpu heatmap -- latency-cpu
keep radio-cell latency_by_endpoints -- radio-cell
keep bursts sensitivity -- bursts
for cut in 1 2; do ask "cut-$cut" simulate $library/pipeline.toml --set deploy.cut=$cut; done
keep pipeline parts utilization -- cut-1 cut-2
ask cameras invert $library/video.toml --for tier.endpoint.nodes --such-that "latency_p95_ms <= 500" --to 6
keep cameras answer -- cameras
ask break-even invert $library/video.toml --set tier.endpoint.nodes=1 \
    --break-even link.endpoint-cloud.latency --between edge cloud --from "1 ms" --to "60 ms"
keep break-even answer -- break-even
