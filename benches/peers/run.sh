#!/bin/sh
# Installs what W1 needs on Debian 12, builds every engine, runs them in turn, prints the table.
#
# usage: run.sh [ROUNDS]    (default 5)
#   NATIVE=1       builds for this very processor (default: the plain target of each compiler)
#   ENDPOINTS=n    endpoints of W1 (default 100); the simulated time shrinks as they grow
#   RESULT=file    where the runs go (default benches/runs/<date>-<processor>[-native].csv)
set -eu
rounds=${1:-5}
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
cd "$here"

say() { echo "run.sh: $*" >&2; }
fail() { say "$@"; exit 1; }

for number in "$rounds" "${ENDPOINTS:-100}"; do
    case $number in *[!0-9]* | '' | 0*) fail "\`$number\` is not a number of rounds or endpoints" ;; esac
done

# Packages of Debian. Its Python is taken even if another comes first in PATH: it is optimised, and
# the same on every such machine.
command -v dpkg-query >/dev/null || fail "needs Debian 12: the peers come as its packages"
missing=
for package in g++ libsimgrid-dev python3-venv; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q ' installed$' || missing="$missing $package"
done
if [ -n "$missing" ]; then
    install="apt-get install -y --no-install-recommends$missing"
    [ "$(id -u)" = 0 ] || fail "missing packages; as root: apt-get update && $install"
    say "installing$missing"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive $install -qq >/dev/null
fi
command -v cargo >/dev/null || fail "needs Rust: https://rustup.rs"

# Packages of Python.
if ! .venv/bin/python -c 'import simpy; assert simpy.__version__ == "4.1.2"' 2>/dev/null; then
    say "installing SimPy into .venv"
    rm -rf .venv
    /usr/bin/python3 -m venv .venv
    .venv/bin/pip install --quiet -r requirements.txt
fi

# Both targets have folders of their own, so that changing NATIVE rebuilds nothing twice.
# Flags and folders from the environment would make unlike engines: they are put aside.
unset CARGO_TARGET_DIR CARGO_BUILD_TARGET_DIR CARGO_BUILD_TARGET CARGO_ENCODED_RUSTFLAGS CARGO_BUILD_RUSTFLAGS RUSTFLAGS CXXFLAGS
target=default
cxx_flags=
if [ "${NATIVE:-0}" = 1 ]; then
    target=native
    cxx_flags=-march=native
    export RUSTFLAGS="-C target-cpu=native"
fi
build=$here/build/$target
mkdir -p "$build"

say "building the peers, target $target"
g++ -std=c++20 -O3 $cxx_flags -o "$build/w1_simgrid" w1_simgrid.cpp -lsimgrid
(cd rust && cargo build --release --locked --quiet --target-dir "$build/rust")

# Offing goes where a plain `cargo build` puts it, and so does not start from nothing.
offing=$root/target
[ $target = default ] || offing=$build/offing
say "building Offing"
if ! (cd "$root" && cargo build --release --locked --quiet -p offing-benches --bin w1 --target-dir "$offing") 2>"$build/offing.log"; then
    grep -q 'no bin target' "$build/offing.log" || { cat "$build/offing.log" >&2; fail "Offing does not build"; }
    say "Offing takes no part: its package offing-benches has no binary \`w1\` yet"
    offing=
fi

/usr/bin/python3 -m unittest --quiet 2>"$build/unittest.log" || { cat "$build/unittest.log" >&2; fail "the theory is wrong"; }
exec /usr/bin/python3 measure.py --rounds "$rounds" --endpoints "${ENDPOINTS:-100}" --target "$target" \
    --build "$build" --offing "$offing" --result "${RESULT:-}"
