#!/usr/bin/env bash
# Makes target/packages/offing-VERSION-TARGET.tar.gz: the static program, the binary for the nodes of measurements, manual
# pages, completions, the shipped scenarios and the licences. Then a .deb of the same if cargo-deb is installed, and an image
# of the program alone to import:
#   docker import --change 'ENTRYPOINT ["/offing"]' target/packages/offing-image.tar offing
set -euo pipefail
cd "$(dirname "$0")/.."
offing=$(packaging/static.sh)
agent=$(lab/agent.sh)
out=${CARGO_TARGET_DIR:-target}/packages
version=$("$offing" --version | cut -d' ' -f2)
triple=$(rustc -vV | sed -n 's/^host: //p')
name=offing-$version-$triple
rm -rf "${out:?}"
mkdir -p "$out/$name/completions"
# Where `offing` looks for the other one.
cp "$offing" "$agent" LICENSE-APACHE LICENSE-MIT README.md "$out/$name/"
strip "$out/$name/offing" "$out/$name/offing-agent"
cp -r scenarios/library "$out/$name/scenarios"
"$offing" man "$out/$name/man"
for shell in bash zsh fish; do "$offing" completions $shell >"$out/$name/completions/offing.$shell"; done
# The same bytes whenever it is made of the same files.
pack() { tar --sort=name --owner=0 --group=0 --numeric-owner --mtime=@"$(git log -1 --format=%ct)" "$@"; }
pack -C "$out" -czf "$out/$name.tar.gz" "$name"
# An image FROM scratch holds one file.
pack -C "$out/$name" -cf "$out/offing-image.tar" offing
if cargo deb --version >/dev/null 2>&1; then
    packed=$(dirname "$offing")/packed
    rm -rf "$packed"
    cp -r "$out/$name" "$packed"
    # As Debian wants it; not every version of cargo-deb does it.
    gzip -9 -n "$packed"/man/*.1
    cargo deb --quiet --no-build --target "$triple" -p offing --output "$out/"
fi
ls -l "$out" | awk 'NR > 1 { print $5, $9 }'
