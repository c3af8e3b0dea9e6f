#!/bin/bash
# load.sh IMAGE ... | FILE.tar - copies images of the Docker engine, or those of an
# archive (`offing emulate image`), to every node. Use a tag other than latest, or
# imagePullPolicy: IfNotPresent.
set -euo pipefail
[ -f "${1-}" ] && set -- "$(realpath "$1")"
cd "$(dirname "$0")"
# shellcheck source=../lib.sh
. ../lib.sh
[ $# -gt 0 ] || die "usage: load.sh IMAGE ... | FILE.tar"
if [ -f "$1" ]; then
    tar=$1
else
    tar=$(mktemp "$LAB/image.XXXXXX"); trap 'rm -f "$tar"' EXIT
    docker save -o "$tar" "$@"
fi
for n in $(docker ps --format '{{.Names}}' -f "label=$LABEL=kubernetes" | grep -- '-n[0-9]*$'); do
    docker exec -i "$n" ctr -n k8s.io images import - <"$tar" >/dev/null
done
