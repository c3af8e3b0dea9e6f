#!/bin/bash
# An exploration as Jobs on a cluster, one shard each, on two nodes: the merged result has the bytes of a run without
# shards. The cluster is 1.20, which has no Indexed Jobs yet: each shard is a Job of its own.
#
#   submit.sh OFFING     the command to test; its libraries must be those of this machine
#
# Starts the cluster if none is up, and then removes it again. Exits with 77 and says `skipped: ...` where it cannot be
# started, or where OFFING_KUBERNETES does not ask for it: `build` builds the server's binaries if they are missing, `lab`
# does not.
set -euo pipefail
offing=$(realpath "$1")
cd "$(dirname "$0")"
# shellcheck source=../lib.sh
. ../lib.sh
K=$LAB/kubernetes
here=$PWD
skip() { echo "skipped: kubernetes_submit ($*)"; exit 77; }
[ "$(id -u)" = 0 ] || skip "needs root"
case ${OFFING_KUBERNETES:-} in
    build) ;;
    lab) [ -e "$K/bin/kubelet" ] || skip "no server binaries; OFFING_KUBERNETES=build builds them" ;;
    *) skip "OFFING_KUBERNETES=build starts a cluster for it" ;;
esac
was_up=$(docker ps -q -f "label=$LABEL=kubernetes" 2>/dev/null || true)
W=$(mktemp -d "$LAB/submit.XXXXXX")
tidy() {
    rm -rf "$W"
    docker rmi -f lab.local/offing:1 >/dev/null 2>&1 || true
    [ -n "$was_up" ] || "$here/down.sh"
}
trap tidy EXIT
./up.sh 2 >"$LAB/kubernetes-up.log" 2>&1 || { [ -n "$was_up" ] || skip "the cluster does not start, see $LAB/kubernetes-up.log"; }
export KUBECONFIG=$K/kubeconfig
kubectl() { "$K/bin/kubectl" "$@"; }

# The program with the libraries that it loads, and a shell.
r=$W/root; mkdir -m 755 "$r"; mkdir -p "$r"/{bin,etc,tmp}; chmod 1777 "$r/tmp"
cp /bin/busybox "$r/bin/sh"; cp "$offing" "$r/bin/offing"
ldd "$offing" | awk '$2 == "=>" { print $3 } $1 ~ /^\// { print $1 }' | while read -r lib; do
    mkdir -p "$r/$(dirname "$lib")"; cp -L "$lib" "$r/$lib"
done
echo 'root:x:0:0:root:/:/bin/sh' >"$r/etc/passwd"
tar -C "$r" -c . | docker import -c 'ENV PATH=/bin' - lab.local/offing:1 >/dev/null
./load.sh lab.local/offing:1

cp ../../cli/tests/data/space.toml "$W/"
cd "$W"
set -- space.toml --set 'duration=2000 s'
"$offing" explore "$@" --out whole >/dev/null
# The claim wants a volume that all nodes write to; the lab's nodes have such a folder.
kubectl apply -f - >/dev/null <<EOF
{"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "offing-submit"},
 "spec": {"capacity": {"storage": "10Gi"}, "accessModes": ["ReadWriteMany"], "hostPath": {"path": "/shared"}}}
EOF
version=$(kubectl version -o json | jq -r .serverVersion.gitVersion)
"$offing" submit kubernetes "$@" --shards 4 --image lab.local/offing:1 --kubernetes-version "$version" -o json >manifest.json
kubectl apply -f manifest.json >/dev/null
if ! kubectl wait --for=condition=complete job -l app.kubernetes.io/name=offing --timeout=120s >/dev/null; then
    kubectl get jobs,pods -o wide >&2
    kubectl logs -l app.kubernetes.io/name=offing --tail=5 >&2 || true
    die "the jobs do not complete"
fi
nodes=$(kubectl get pods -l app.kubernetes.io/name=offing -o 'jsonpath={range .items[*]}{.spec.nodeName}{"\n"}{end}' | sort -u | wc -l)
jobs=$(kubectl get jobs -l app.kubernetes.io/name=offing -o name | wc -l)
folders=("$K"/shared/*)
cp -r "${folders[0]}" merged
kubectl delete -f manifest.json --wait=false >/dev/null
kubectl delete pods -l app.kubernetes.io/name=offing --grace-period=0 --force >/dev/null 2>&1 || true
kubectl delete persistentvolume offing-submit --wait=false >/dev/null
"$offing" merge merged >/dev/null
diff -r -x manifest.json whole merged || die "the results differ"
echo "ok: $jobs jobs on $nodes nodes of Kubernetes $version, and all bytes are the same"
