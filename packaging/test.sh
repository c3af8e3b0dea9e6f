#!/usr/bin/env bash
# Makes the packages and uses each of them: the archive is unpacked and predicts, its pages and completions are read, the .deb
# says what is in it, and the image is loaded into a Docker engine, where its one file predicts too.
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
# Static: it needs no other file of this machine. The binary for the nodes is found beside it.
for program in offing offing-agent; do
    if ldd "$unpacked/$program" 2>&1 | grep -q '=>'; then echo "$program is not static"; exit 1; fi
done
(unset OFFING_AGENT; "$unpacked/offing" doctor >"$work/log" || true)
grep -q "^yes  *binary for the nodes" "$work/log"
for page in offing offing-emulate-run; do
    if command -v man >/dev/null; then man --warnings --local-file "$unpacked/man/$page.1" 2>&1 >"$work/log" | { ! grep .; }; fi
    [ -s "$unpacked/man/$page.1" ]
done
bash -c 'source "$1" && complete -p offing' - "$unpacked/completions/offing.bash" >"$work/log"
[ -s "$unpacked/completions/offing.zsh" ] && [ -s "$unpacked/completions/offing.fish" ]

deb=$(ls "$out"/*.deb 2>/dev/null || true)
if [ -n "$deb" ]; then
    dpkg-deb --field "$deb" Maintainer | grep -qF "$(sed -n 's/^ *- name: //p' CITATION.cff)"
    dpkg-deb --contents "$deb" >"$work/log"
    for file in usr/bin/offing usr/bin/offing-agent usr/share/man/man1/offing.1.gz usr/share/bash-completion/completions/offing; do
        grep -q "$file\$" "$work/log" || { echo "$deb holds no $file"; exit 1; }
    done
    dpkg-deb --extract "$deb" "$work/deb"
    quietly "$work/deb/usr/bin/offing" simulate "$work/deb/usr/share/offing/scenarios/video.toml" --json
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
