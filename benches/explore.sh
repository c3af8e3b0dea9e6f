#!/bin/bash
# Times whole explorations, from the start of the process to the shortlist on the disk: a million deployments and ten
# thousand. Prints a row per run; RESULT=FILE appends them to a file of benches/runs. usage: explore.sh [ROUNDS]
set -euo pipefail
cd "$(dirname "$0")/.."
rounds=${1:-3}
cargo build --release --quiet -p offing
program=${CARGO_TARGET_DIR:-target}/release/offing
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
processor="$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1) (family $(sed -n 's/^cpu family[^:]*: //p' /proc/cpuinfo | head -1) model $(sed -n 's/^model\t[^:]*: //p' /proc/cpuinfo | head -1))"
version=$(git rev-parse --short HEAD 2>/dev/null || echo unknown)
rows() {
    for round in $(seq "$rounds"); do
        for scenario in scenarios/library/million.toml benches/ten-thousand.toml; do
            for way in race exact; do
                rm -rf "$out/folder"
                said=()
                [ $way = race ] || said=(--exact)
                # A pipe: no progress bar, and nothing but the time on the error output's last line.
                figures=$( { command time -f '%e,%U,%S,%M' "$program" explore "$scenario" "${said[@]}" --out "$out/folder" >/dev/null; } 2>&1 | tail -1)
                deployments=$(($(wc -l <"$out/folder/summary.csv") - 1))
                echo "$(date -u +%F),$processor,$(nproc),$version,$round,$(basename "$scenario" .toml),$way,$deployments,$figures"
            done
        done
    done
}
header=date,machine,processors,version,round,scenario,way,deployments,wall_s,user_s,system_s,memory_kb
if [ -n "${RESULT:-}" ]; then
    [ -s "$RESULT" ] || echo "$header" >"$RESULT"
    rows | tee -a "$RESULT"
else
    echo "$header"
    rows
fi
