#!/usr/bin/env bash
# Runs the Python of docs/python.md, and redraws the figures of a report, with the packages from PyPI.
#   plots/test.sh path/to/offing
# Exits with 77, and says why, where there is no Python or no package index.
set -euo pipefail
offing=$(realpath "$1")
cd "$(dirname "$0")/.."
root=$PWD
target=${CARGO_TARGET_DIR:-$root/target}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
skip() { echo "skipped: python_recipe ($1)"; exit 77; }

command -v python3 >/dev/null || skip "no python3"
venv=$target/python-recipe
if ! "$venv/bin/python" -c "import pandas, duckdb, matplotlib" 2>/dev/null; then
    python3 -m venv "$venv" >"$work/log" 2>&1 || skip "python3 has no venv"
    "$venv/bin/pip" install --quiet pandas duckdb matplotlib >"$work/log" 2>&1 || skip "pip cannot install pandas, duckdb and matplotlib"
fi

mkdir -p "$work/results"
"$offing" explore report/browser/cameras.toml --out "$work/results/cameras" >"$work/log"
"$offing" simulate report/browser/cameras.toml --trace "$work/requests.csv" --json >"$work/run.json"
"$offing" report "$work/results/cameras" --figures svg >"$work/log"
sed -n '/^```python$/,/^```$/{/^```/d;p}' docs/python.md >"$work/recipe.py"
[ -s "$work/recipe.py" ]
(cd "$work" && "$venv/bin/python" recipe.py >recipe.txt) || { tail -20 "$work/recipe.txt"; exit 1; }
grep -q "lowest cost_usd_per_hour" "$work/recipe.txt"

"$offing" invert report/browser/cameras.toml --for tier.endpoint.nodes --such-that "load < 0.9" --out "$work/results/inverse" >"$work/log"
"$offing" report "$work/results/inverse" --figures svg >"$work/log"
"$offing" validate validation/data/docker-unseen --models docker --out "$work/results/validation" >"$work/log"
"$offing" report "$work/results/validation" --figures svg >"$work/log"
for result in cameras inverse validation; do
    "$venv/bin/python" plots/redraw.py "$work/results/$result/figures" "$work/redrawn" >"$work/log"
    for csv in "$work/results/$result"/figures/*.csv; do
        grep -q "<path" "$work/redrawn/$(basename "$csv" .csv).svg"
    done
done
echo "python_recipe: $(grep -c . "$work/recipe.py") lines of docs/python.md, $(ls "$work/redrawn" | wc -l) figures redrawn"
