#!/bin/bash
# Removes the cluster's containers with their volumes, its network, and puts the
# sysctls back that the kubelet changed. Safe to run twice, and after a broken up.sh.
# `down.sh --all` removes the images too; the built binaries stay.
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source=../lib.sh
. ../lib.sh
need_root
K=$LAB/kubernetes
if command -v docker >/dev/null && docker version >/dev/null 2>&1; then
    docker ps -aq -f "label=$LABEL=kubernetes" | xargs -r docker rm -f -v >/dev/null
    docker network ls -q -f "label=$LABEL=kubernetes" | xargs -r docker network rm >/dev/null
    if [ "${1:-}" = --all ]; then
        docker image ls -q -f "label=$LABEL=image" | sort -u | xargs -r docker rmi -f >/dev/null
        rm -f "$K/images.tar"
    fi
fi
if [ -s "$K/sysctl.saved" ]; then
    xargs sysctl -q -w <"$K/sysctl.saved"
    rm "$K/sysctl.saved"
fi
rm -rf "$K/kubeconfig" "$K/state" "$K/shared"
say "down"
