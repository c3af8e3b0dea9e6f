"""Runs W1 on every engine in turn, several rounds, keeps each run as a row of CSV, prints the table.

Called by run.sh, which has built the engines. The cost of a run is the CPU time (user and system) of
its process, start-up included; how long an engine simulates is chosen so that start-up is at most 2 %
of it. Rounds are interleaved, so that a slow phase of the machine meets all engines alike.
"""
import argparse
import csv
import datetime
import os
import re
import subprocess
import sys
from pathlib import Path

import table

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
COLUMNS = (
    "date cpu cores system target endpoints round variant engine version built_with seconds requests cpu_s "
    "ns_per_request wait_ms p99_ms total_ms"
).split()


def main():
    options = parse()
    machine = describe_machine(options.target)
    engines = find_engines(Path(options.build), options.offing)
    result = Path(options.result) if options.result else default_result(machine)
    result.parent.mkdir(parents=True, exist_ok=True)
    rows = []
    with open(result, "w", newline="") as file:
        sheet = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        sheet.writeheader()
        for number in range(1, options.rounds + 1):
            for variant in ("exponential", "realistic"):
                for engine in engines:
                    progress(f"round {number} of {options.rounds}: {variant}, {engine['engine']}")
                    row = {**machine, "endpoints": options.endpoints, "round": number, "variant": variant}
                    row |= run(engine, variant, options.endpoints, seed=number)
                    sheet.writerow(row)
                    file.flush()
                    rows.append(row)
    progress("")
    print(f"measure.py: the runs are in {result}", file=sys.stderr)
    return table.show(rows)


def find_engines(build, offing):
    """Name, version, command and simulated seconds at 100 endpoints (400 requests each) of each engine."""
    rustc = "rustc " + first_line("rustc", "--version").split()[1]
    gxx = "g++ " + first_line("g++", "-dumpfullversion")
    python = first_line("/usr/bin/python3", "--version")
    simgrid = first_line("dpkg-query", "-W", "-f", "${Version}", "libsimgrid-dev")
    rust = build / "rust/release"
    engines = []

    def add(engine, version, built_with, command, seconds, seeded=True):
        engines.append({
            "engine": engine, "version": version, "built_with": built_with,
            "command": [str(word) for word in command], "seconds": seconds, "seeded": seeded,
        })

    if offing:
        w1 = Path(offing) / "release/w1"
        commit = first_line("git", "-C", ROOT, "describe", "--always", "--dirty", absent="unknown")
        # Its seed is its own: every round repeats the same draws.
        add("offing stations", commit, rustc, [w1, "stations"], 100_000, seeded=False)
        add("offing events", commit, rustc, [w1, "events"], 10_000, seeded=False)
    add("heap", f"rand_distr {crate('rand_distr')}", rustc, [rust / "heap"], 10_000)
    add("simcore", crate("simcore"), rustc, [rust / "simcore"], 5_000)
    add("nexosim", crate("nexosim"), rustc, [rust / "nexosim"], 2_000)
    add("simgrid", simgrid, gxx, [build / "w1_simgrid"], 500)
    add("simpy", "4.1.2", python, [HERE / ".venv/bin/python", HERE / "w1_simpy.py"], 250)
    return engines


def run(engine, variant, endpoints, seed):
    """One process: what it was, what it cost, what it said."""
    seconds = max(1, engine["seconds"] * 100 // endpoints)
    command = [*engine["command"], variant, str(seconds), str(endpoints)]
    if engine["seeded"]:
        command.append(str(seed))
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    printed = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    said = dict(re.findall(r"(\w+)=([-+.\w]+)", printed))
    if child.returncode != 0 or not {"requests", "wait_ms", "p99_ms", "total_ms"} <= said.keys():
        raise SystemExit(f"measure.py: {' '.join(command)}: exit code {child.returncode}\n{printed}")
    cpu_s = usage.ru_utime + usage.ru_stime
    return {
        **{key: engine[key] for key in ("engine", "version", "built_with")},
        "seconds": seconds,
        "requests": int(said["requests"]),
        "cpu_s": f"{cpu_s:.3f}",
        "ns_per_request": f"{cpu_s * 1e9 / int(said['requests']):.2f}",
        **{key: said[key] for key in ("wait_ms", "p99_ms", "total_ms")},
    }


def describe_machine(target):
    fields = dict(
        (key.strip(), value.strip())
        for key, _, value in (line.partition(":") for line in output("lscpu").splitlines())
    )
    family, model = fields.get("CPU family", "?"), fields.get("Model", "?")
    release = dict(re.findall(r'^(\w+)="?(.*?)"?$', Path("/etc/os-release").read_text(), re.M))
    return {
        "date": datetime.date.today().isoformat(),
        # Virtual machines hide the name of the model, but not its numbers.
        "cpu": f"{fields.get('Model name', 'unknown')} (family {family} model {model})",
        "cores": os.cpu_count(),
        "system": f"{release.get('PRETTY_NAME', 'unknown')}, Linux {os.uname().release}",
        "target": target,
    }


def default_result(machine):
    processor = re.sub(r"[^a-z0-9]+", "-", machine["cpu"].split(" (family")[0].lower()).strip("-")
    native = "-native" if machine["target"] == "native" else ""
    return ROOT / "benches/runs" / f"{machine['date']}-{processor}{native}.csv"


def crate(name):
    """Version of a direct dependency; a second copy of a crate, used by another one, is older."""
    lock = (HERE / "rust/Cargo.lock").read_text()
    versions = re.findall(rf'name = "{name}"\nversion = "([\d.]+)"', lock)
    return max(versions, key=lambda version: [int(part) for part in version.split(".")])


def output(*command):
    return subprocess.run(
        command, check=True, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"}
    ).stdout


def first_line(*command, absent=None):
    try:
        return output(*map(str, command)).splitlines()[0]
    except (OSError, subprocess.CalledProcessError):
        if absent is None:
            raise
        return absent


def progress(text):
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def parse():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, required=True)
    parser.add_argument("--endpoints", type=int, required=True)
    parser.add_argument("--target", choices=("default", "native"), required=True)
    parser.add_argument("--build", required=True, help="folder with the peers")
    parser.add_argument("--offing", required=True, help="target folder of Offing, empty if it takes no part")
    parser.add_argument("--result", required=True, help="file for the runs, empty for the usual one")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
