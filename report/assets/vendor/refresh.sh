#!/usr/bin/env bash
# Fetches the plotting libraries of the page from npm, at the versions below, and writes their licences and SHA-256.
#   report/assets/vendor/refresh.sh           downloads, and fails if a file is not what SHA256SUMS says
#   report/assets/vendor/refresh.sh --accept  writes SHA256SUMS anew, after a version below was changed
set -euo pipefail
cd "$(dirname "$0")"
versions=(vega@6.4.0 vega-lite@6.5.0 vega-embed@7.3.0)

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
for package in "${versions[@]}"; do
    name=${package%@*}
    (cd "$scratch" && npm pack --silent "$package" >/dev/null)
    mkdir "$scratch/$name"
    tar -xzf "$scratch/$name-${package#*@}.tgz" -C "$scratch/$name" --strip-components=1
    cp "$scratch/$name/build/$name.min.js" "$name.min.js"
    cp "$scratch/$name/LICENSE" "$name.LICENSE"
done
if [ "${1:-}" = --accept ]; then
    sha256sum ./*.min.js ./*.LICENSE >SHA256SUMS
else
    sha256sum --check --quiet SHA256SUMS
fi
printf '%s\n' "${versions[@]}" >VERSIONS
