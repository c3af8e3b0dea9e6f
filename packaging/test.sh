#!/usr/bin/env bash
# Makes the packages and uses each of them: the archive is unpacked and predicts, the .deb says what is in it, and the image
# is loaded into a Docker engine, where its one file predicts too.
#   packaging/test.sh [IGNORED]
# Exits with 77, and says why, where OFFING_PACKAGING does not ask for it, and where no engine can be started; the others
# were tried by then.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
image=offing-packaging-test-$$
started=no
clean() {
    docker image rm --force "$image" >/dev/null 2>&1 || true
    [ $started = no ] || lab/docker.sh stop >/dev/null 2>&1 || true
    rm -rf "$work"
}
trap clean EXIT
skip() { echo "skipped: packaging ($1)"; exit 77; }
# A static build takes as long as all others together.
[ -n "${OFFING_PACKAGING:-}" ] || skip "OFFING_PACKAGING=1 builds and tries them"
quietly() { "$@" >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }; }

quietly packaging/archive.sh
out=${CARGO_TARGET_DIR:-target}/packages

archive=$(ls "$out"/offing-*.tar.gz)
tar -C "$work" -xzf "$archive"
unpacked=$work/$(basename "$archive" .tar.gz)
quietly "$unpacked/offing" simulate "$unpacked/scenarios/video.toml" --json
grep -q '"scenario":"video"' "$work/log"
[ -s "$unpacked/man/offing-simulate.1" ] && [ -s "$unpacked/completions/offing.bash" ]
# Static: it needs no other file of this machine.
if ldd "$unpacked/offing" 2>&1 | grep -q '=>'; then echo "the program is not static"; exit 1; fi

deb=$(ls "$out"/*.deb 2>/dev/null || true)
if [ -n "$deb" ]; then
    dpkg-deb --field "$deb" Maintainer | grep -qF "$(sed -n 's/^ *- name: //p' CITATION.cff)"
    dpkg-deb --contents "$deb" | grep -q usr/bin/offing
fi

if ! docker version >/dev/null 2>&1; then
    lab/docker.sh >"$work/log" 2>&1 || skip "no Docker engine: $(tail -1 "$work/log")"
    started=yes
fi
quietly docker import --change 'ENTRYPOINT ["/offing"]' "$out/offing-image.tar" "$image"
# The scenario comes through standard input: nothing else is in the image, and it needs no network.
docker run --rm --interactive --network none "$image" simulate - --json <scenarios/library/video.toml >"$work/told"
"$unpacked/offing" simulate - --json <scenarios/library/video.toml >"$work/expected"
cmp "$work/told" "$work/expected"
echo "packaging: $(basename "$archive")${deb:+, $(basename "$deb")} and an image of $(stat -c %s "$out/offing-image.tar") bytes work"
