#!/usr/bin/env bash
# Opens reports in Chromium: of a small exploration, of the same with measured runs, of measured runs alone, and of a
# million deployments. What is checked is in look.mjs. Screenshots and a PDF of each stay in target/report-pages.
#   report/browser/test.sh path/to/offing
# Exits with 77, and says why, where there is no Chromium or no Node and they cannot be had.
set -euo pipefail
offing=$(realpath "$1")
cd "$(dirname "$0")"
pages=${CARGO_TARGET_DIR:-$PWD/../../target}/report-pages
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
skip() { echo "skipped: report_browser ($1)"; exit 77; }

chromium=$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)
if [ -z "$chromium" ]; then
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || skip "no chromium"
    { apt-get update -q && apt-get install -y -q --no-install-recommends chromium fonts-dejavu-core; } >"$work/log" 2>&1 || skip "no chromium, and apt-get has none"
    chromium=$(command -v chromium)
fi
command -v node >/dev/null && command -v npm >/dev/null || skip "no node"
if [ ! -d node_modules/puppeteer-core ] || [ ! -d node_modules/axe-core ]; then
    npm install --silent --no-audit --no-fund --no-package-lock >"$work/log" 2>&1 || skip "npm cannot install puppeteer-core and axe-core"
fi

rm -rf "$pages"
mkdir -p "$pages"
look() { node look.mjs "$chromium" "$work/$1.html" "$1" "$pages" "${@:2}"; }
quietly() { "$@" >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }; }

quietly "$offing" explore cameras.toml --out "$work/explored"
node fixture.mjs "$offing" cameras.toml "$work/explored" "$work/measured"
quietly "$offing" explore ../../scenarios/library/million.toml --out "$work/million"
quietly "$offing" report "$work/explored" --out "$work/explored.html"
quietly "$offing" report "$work/explored" "$work/measured" --out "$work/confirmed.html"
quietly "$offing" report "$work/measured" --out "$work/measured.html"
quietly "$offing" report "$work/million" --out "$work/million.html"
look explored
look confirmed
look measured
look million --fast
echo "report_browser: screenshots in $pages"
