"""What a request of a deployment costs in a sweep, and how many times that simcore needs for one: both in turn,
several rounds, CPU time of the process divided by requests, start-up included.

usage: sweep.py SIMCORE SWEEP [ROUNDS] [RESULT]    (paths of the two programs; run.sh builds the first,
                                                    cargo build --release -p offing-benches --bin sweep the second)
RESULT is a CSV file that rows are appended to.
"""
import csv
import os
import re
import statistics
import subprocess
import sys

import measure

REPEATS = 60


def main():
    simcore, sweep, *rest = sys.argv[1:] or sys.exit(__doc__)
    rounds = int(rest[0]) if rest else 5
    # Deployments have W1's endpoints and services; each is 10,240 requests long, and each has its own speed.
    kinds = {"simcore": ([simcore, "realistic", "2000", "100", "1"], None, 1)}
    for bits in ("512", "256"):
        for workers in ("1", "4", "16"):
            command = [sweep, workers, "1024", "25.6", "down", str(REPEATS)]
            kinds[f"sweep, {workers} workers, {bits} bits"] = (command, bits, REPEATS)
    costs = {kind: [] for kind in kinds}
    for _ in range(rounds):
        for kind, (command, bits, repeats) in kinds.items():
            costs[kind].append(cost_ns(command, bits, repeats))
    machine = measure.describe_machine("default")
    commit = measure.first_line("git", "-C", measure.ROOT, "describe", "--always", "--dirty", absent="unknown")
    base = statistics.median(costs["simcore"])
    rows = [
        {**{key: machine[key] for key in ("date", "cpu", "cores", "system")}, "commit": commit, "kind": kind,
         "rounds": rounds, "least_ns": f"{min(cost):.3f}", "median_ns": f"{statistics.median(cost):.3f}",
         "simcore_times": f"{base / statistics.median(cost):.0f}"}
        for kind, cost in costs.items()
    ]
    for row in rows:
        print(f"{row['kind']:28} {row['median_ns']:>8} ns  least {row['least_ns']:>8}  simcore / it {row['simcore_times']:>6}")
    if len(rest) > 1:
        is_new = not os.path.exists(rest[1])
        with open(rest[1], "a", newline="") as file:
            sheet = csv.DictWriter(file, rows[0], lineterminator="\n")
            if is_new:
                sheet.writeheader()
            sheet.writerows(rows)


def cost_ns(command, bits, repeats):
    """CPU time of a process per request that it has simulated [ns]."""
    environment = {**os.environ, **({"VECTORS": bits} if bits else {})}
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    printed = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    requests = re.search(r"requests=(\d+)", printed)
    if child.returncode != 0 or not requests:
        raise SystemExit(f"sweep.py: {' '.join(command)}: exit code {child.returncode}\n{printed}")
    return (usage.ru_utime + usage.ru_stime) * 1e9 / (int(requests[1]) * repeats)


if __name__ == "__main__":
    main()
