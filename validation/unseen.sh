#!/usr/bin/env bash
# The tables of docs/calibration.md about measurements that the models were not made with:
#   validation/unseen.sh [OFFING]
# deployments that the fit has not seen, those of the real network, each by a fit on the others, and those on a cluster of
# Kubernetes, by both.
set -euo pipefail
here=$(dirname "$0")
offing=${1:-$here/../target/release/offing}
export COLUMNS=200
"$offing" validate "$here/data/docker-unseen" --models docker || true
"$offing" validate "$here/data/docker-network" --leave-one-out --models docker || true
"$offing" validate "$here/data/kubernetes-cluster" --models docker || true
"$offing" validate "$here/data/kubernetes-cluster" --leave-one-out --models docker || true
