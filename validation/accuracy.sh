#!/usr/bin/env bash
# Every table of docs/calibration.md that comes from a folder of measured runs:
#   validation/accuracy.sh DATA [OFFING]
# the fit on all but the held-out set (if sets.toml has one called `held-out`), the error on that set, leaving each
# deployment out, and the error against the number of deployments that were fitted.
set -euo pipefail
data=${1:?usage: validation/accuracy.sh DATA [OFFING]}
offing=${2:-$(dirname "$0")/../target/release/offing}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export COLUMNS=200
set_name=()
if [ -f "$data/sets.toml" ] && grep -q '^held-out' "$data/sets.toml"; then set_name=(--held-out held-out); fi
echo "## fit"
"$offing" calibrate "$data" --out "$folder/models.toml" "${set_name[@]}"
if [ ${#set_name[@]} -gt 0 ]; then
    echo "## held-out set"
    "$offing" validate "$data" --models "$folder/models.toml" "${set_name[@]}" || true
fi
echo "## leaving each deployment out"
"$offing" validate "$data" --leave-one-out || true
echo "## error against the number of runs that were fitted"
python3 - "$data" "$offing" "$folder" "${set_name[@]}" <<'PY'
import json, pathlib, random, subprocess, sys
data, offing, folder = sys.argv[1:4]
runs = sorted(p.parent for p in pathlib.Path(data).rglob("requests.csv"))
if not runs:
    runs = sorted(p for p in pathlib.Path(data).rglob("*.csv"))
random.Random(1).shuffle(runs)
print("| runs fitted | mean | p50 | p95 | p99 |\n|---|---|---|---|---|")
count = 2
while count < len(runs):
    models = f"{folder}/{count}.toml"
    subprocess.run([offing, "calibrate", *map(str, runs[:count]), "--out", models], check=True, capture_output=True)
    told = subprocess.run([offing, "validate", *map(str, runs[count:]), "--models", models, "--json"], capture_output=True)
    if told.returncode == 0:
        error = {m["metric"]: m["mape"] for m in json.loads(told.stdout)["metrics"]}
        cells = [f"{100 * error[f'latency_{q}_ms']:.1f} %" for q in ("mean", "p50", "p95", "p99") if f"latency_{q}_ms" in error]
        print(f"| {count} | " + " | ".join(cells) + " |")
    count *= 2
PY
