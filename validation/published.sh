#!/usr/bin/env bash
# Predicts the two published runs of Continuum from their configurations: the table of docs/calibration.md.
# Usage: validation/published.sh [OFFING]. Skips, with exit code 0, where ../shared/continuum is absent.
set -euo pipefail
cd "$(dirname "$0")/.."
offing=${1:-target/release/offing}
shared=../shared/continuum/published.md
if [ ! -f "$shared" ]; then echo "skipped: $shared is not there"; exit 0; fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# Options as published.md states them; comments there say what differs from the families in cfg/.
cat > "$folder/p1.cfg" <<'CFG'
[infrastructure]
provider = qemu
cloud_nodes = 2
cloud_cores = 2
cloud_memory = 4
cloud_quota = 1.0
endpoint_nodes = 1
endpoint_cores = 1
endpoint_memory = 2
endpoint_quota = 0.5
network_emulation = True
wireless_network_preset = 4g
[benchmark]
resource_manager = kubernetes
application = image_classification
frequency = 5
CFG
cat > "$folder/p2.cfg" <<'CFG'
[infrastructure]
provider = qemu
endpoint_nodes = 1
endpoint_cores = 1
endpoint_memory = 2
endpoint_quota = 0.5
network_emulation = True
[benchmark]
resource_manager = none
application = image_classification
frequency = 5
CFG

# NAME FILE [--set ...]: one line of JSON of the mean over eight seeds.
predict() {
    for seed in 1 2 3 4 5 6 7 8; do "$offing" simulate "$@" --seed $seed --json 2>/dev/null; done
}
predict "$folder/p1.cfg" > "$folder/p1"
# P2: 131.605 ms of CPU time are 263.21 ms of wall time under quota 0.5; 25.9 ms more are the other process's decoding.
predict "$folder/p2.cfg" --set 'app.process=131.605 ms' > "$folder/p2"
predict "$folder/p2.cfg" --set 'app.process=157.505 ms' > "$folder/p2all"

python3 - "$folder" <<'PY'
import json, sys
folder = sys.argv[1]
def mean(name, get):
    values = [get(json.loads(line)) for line in open(f"{folder}/{name}")]
    return sum(values) / len(values)
def row(what, got, published, unit="ms"):
    print(f"| {what} | {got:.2f} | {published:.2f} | {got - published:+.2f} {unit} | {100 * (got / published - 1):+.1f} % |")
print("| quantity | predicted | published | error | relative |\n|---|---|---|---|---|")
part = lambda p: (lambda j: j["parts_ms"][p]["mean"])
trimmed = lambda j: j["latency_ms"]["trimmed_mean"]
row("P1 latency, trimmed mean", mean("p1", trimmed), 317.91)
row("P1 delay (uplink)", mean("p1", part("uplink")), 127.76)
row("P1 processing (given)", mean("p1", part("process")), 149.53)
row("P1 queue and return", mean("p1", lambda j: j["parts_ms"]["queue"]["mean"] + j["parts_ms"]["downlink"]["mean"]), 40.62)
row("P1 latency, standard deviation (all requests)", mean("p1", lambda j: j["latency_ms"]["sd"]), 37.55)
row("P2 processing, inference alone", mean("p2", part("process")), 263.21)
row("P2 latency, inference alone, trimmed mean", mean("p2", trimmed), 62203.04)
row("P2 latency, decoding in the same quota, trimmed mean", mean("p2all", trimmed), 62203.04)
row("P2 latency, decoding in the same quota, standard deviation", mean("p2all", lambda j: j["latency_ms"]["sd"]), 26674.06)
row("P2 time until the last reply, decoding in the same quota, with the 3 s pause", mean("p2all", lambda j: 303 + j["latency_ms"]["max"] / 1e3), 472.41, "s")
PY
