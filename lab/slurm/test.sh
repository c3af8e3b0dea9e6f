#!/bin/bash
# An exploration as a Slurm job array, one task of which is killed in the middle: what is missing is named, a
# second array computes it, and the result has the bytes of a run without shards.
#
#   test.sh OFFING     the command to test; it must run on Debian 12
#
# Starts the cluster if none is up, and then removes it again. Exits with 77 and says `skipped: ...` where it
# cannot be started.
set -euo pipefail
offing=$(realpath "$1")
cd "$(dirname "$0")"
# shellcheck source=../lib.sh
. ../lib.sh
skip() { echo "skipped: slurm ($*)"; exit 77; }
[ "$(id -u)" = 0 ] || skip "needs root"
was_up=$(docker ps -q -f "name=^$LABEL-slurm\$" 2>/dev/null || true)
./up.sh >"$LAB/slurm-up.log" 2>&1 || skip "the cluster does not start, see $LAB/slurm-up.log"
export PATH=$LAB/slurm/bin:$PATH
J=$(mktemp -d "$LAB/slurm/jobs/explore.XXXXXX")
tidy() {
    squeue --noheader --format=%F 2>/dev/null | sort -u | xargs -r scancel || true
    rm -rf "$J"
    [ -n "$was_up" ] || ./down.sh
}
trap tidy EXIT
cp "$offing" "$J/offing"
cp ../../cli/tests/data/space.toml "$J/space.toml"
units() { find "$J/run/units" -name '*.bin' 2>/dev/null | wc -l; }
some_units() { [ "$(units)" -ge 3 ]; }
job() { squeue --noheader --array --format=%F | head -n 1; }

(
    cd "$J"
    # Long enough that a task is still running when it is killed.
    set -- space.toml --set 'duration=20000 s' --set 'goal.require=["queue_p95_ms <= 200", "load < 3"]'
    ./offing explore "$@" --out whole >/dev/null

    ./offing submit slurm "$@" --shards 3 --out "$J/run" >first.log 2>&1 &
    first=$!
    wait_for 60 some_units || { cat first.log >&2; die "no unit appears"; }
    scancel --signal=KILL "$(job)_2"
    code=0; wait $first || code=$?
    [ $code = 2 ] || { cat first.log >&2; die "the killed task was not missed: exit code $code"; }
    grep -q 'they are of the shards 2/3' first.log || { cat first.log >&2; die "shard 2/3 is not named"; }
    before=$(units)

    ./offing submit slurm "$@" --shards 3 --out "$J/run" >second.log 2>&1 ||
        { cat second.log run/slurm/*.log >&2; die "the second array failed"; }
    diff -r -x manifest.json -x slurm whole run || die "the results differ"
    echo "ok: $before units survived the kill, the rest came from a second array, and all bytes are the same"
)
