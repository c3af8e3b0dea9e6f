"""Prints the table of a file of runs: cost, ratios, and whether the engines agree.

usage: table.py benches/runs/<date>-<processor>.csv
"""
import csv
import math
import statistics
import sys

from theory import Node

# Standard deviation of a run's 99th percentile of the wait and of its mean total, as shares of their
# values and times the root of its requests. Measured with 1600 seeds of `heap exponential 1000` (400 000
# requests each) on 2026-11-24; the same runs give 14.05 for the mean wait, whose theory says 14.26.
ERROR_OF_P99 = 21.2
ERROR_OF_TOTAL = 1.63

# An engine disagrees beyond this many standard deviations. With 7 engines and 3 quantities, one in
# a thousand tables would do so by chance.
LIMIT = 4.0


def main():
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    with open(sys.argv[1], newline="") as file:
        return show(list(csv.DictReader(file)))


def show(rows):
    """Prints all; returns the exit code: 1 if an engine disagrees."""
    first = rows[0]
    print(f"{first['date']}, {first['cpu']}, {first['cores']} cores, {first['system']}, target: {first['target']}")
    for variant in unique(row["variant"] for row in rows):
        show_cost(variant, [row for row in rows if row["variant"] == variant])
    agreed = [
        show_agreement(variant, [row for row in rows if row["variant"] == variant])
        for variant in unique(row["variant"] for row in rows)
    ]
    return 0 if all(agreed) else 1


def show_cost(variant, rows):
    costs = {}
    for row in rows:
        costs.setdefault(row["engine"], []).append(float(row["ns_per_request"]))
    base = "offing stations" if "offing stations" in costs else "heap"
    rounds = max(map(len, costs.values()))
    print(f"\n{variant}, {rows[0]['endpoints']} endpoints: CPU time per request, median of {rounds} rounds")
    print(f"  {'engine':34} {'ns/request':>10} {'(min to max)':>19} {'times ' + base:>22}")
    for engine, values in costs.items():
        version = next(row["version"] for row in rows if row["engine"] == engine)
        median, spread = statistics.median(values), f"({min(values):.1f} to {max(values):.1f})"
        ratio = median / statistics.median(costs[base])
        print(f"  {engine + ' ' + version:34} {median:10.1f} {spread:>19} {ratio:22.1f}")


def show_agreement(variant, rows):
    """Mean wait, 99th percentile of the wait and mean total of each engine, against what is expected."""
    endpoints = int(rows[0]["endpoints"])
    node = Node(endpoints)
    # Known for other numbers of endpoints too: only the mean wait has a formula.
    errors = {"wait_ms": node.error_of_mean_wait(1) / node.mean_wait()}
    if endpoints == 100:
        errors |= {"p99_ms": ERROR_OF_P99, "total_ms": ERROR_OF_TOTAL}
    pooled = {engine: pool([row for row in rows if row["engine"] == engine]) for engine in unique(r["engine"] for r in rows)}
    if variant == "exponential":
        name = f"M/M/{node.servers}"
        expected = {
            "wait_ms": node.mean_wait() * 1e3, "p99_ms": node.wait_quantile(0.99) * 1e3,
            "total_ms": node.mean_total() * 1e3, "requests": math.inf,
        }
    else:
        # No formula; the errors of exponential services are above those of steadier ones.
        name, expected = "the heap", pooled["heap"]
    print(
        f"\n{variant}: agreement with {name} (mean wait {expected['wait_ms']:.4f} ms, p99 {expected['p99_ms']:.3f} ms, "
        f"mean total {expected['total_ms']:.3f} ms); +- is one standard deviation of chance"
    )
    agreed = True
    for engine, seen in pooled.items():
        if seen is expected:
            continue
        cells = []
        for key, label in (("wait_ms", "wait"), ("p99_ms", "p99"), ("total_ms", "total")):
            difference = seen[key] / expected[key] - 1
            cell = f"{label} {seen[key]:8.4f} {difference * 100:+6.2f} %"
            if key in errors:
                error = errors[key] * math.sqrt(1 / seen["requests"] + 1 / expected["requests"])
                cell += f" +- {error * 100:.2f}"
                if not abs(difference) <= LIMIT * error:
                    cell += " DISAGREES"
                    agreed = False
            cells.append(cell)
        print(f"  {engine:16} {seen['requests'] / 1e6:6.2f} M   " + "   ".join(cells))
    return agreed


def pool(rows):
    """Rounds of an engine as one run; rounds that repeat the same draws count once."""
    distinct = {(row["requests"], row["wait_ms"], row["p99_ms"], row["total_ms"]): row for row in rows}.values()
    requests = sum(int(row["requests"]) for row in distinct)
    keys = ("wait_ms", "p99_ms", "total_ms")
    sums = {key: sum(int(row["requests"]) * float(row[key]) for row in distinct) for key in keys}
    return {"requests": requests} | {key: total / requests for key, total in sums.items()}


def unique(values):
    return list(dict.fromkeys(values))


if __name__ == "__main__":
    sys.exit(main())
