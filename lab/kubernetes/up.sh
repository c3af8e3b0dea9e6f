#!/bin/bash
# A Kubernetes cluster: the control plane in one container, each node in another,
# on a private docker network that nothing leaves.
#
#   up.sh [--registry] [NODES | SPEC ...]
#
#   up.sh                      two nodes without limits
#   up.sh 4                    four
#   up.sh edge:0.5:2g cloud    n1: label tier=edge, half a CPU, 2 GiB; n2: tier=cloud
#   --registry                 also a registry: push to and pull from 127.0.0.1:5000/...
#
# Writes $OFFING_LAB/kubernetes/{kubeconfig,bin/kubectl}. Images: lab.local/busybox:1
# is on every node; load.sh puts others there. All nodes have the folder /shared, which
# is $OFFING_LAB/kubernetes/shared here. Run down.sh first to change the nodes.
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source=../lib.sh
. ../lib.sh
need_root
K=$LAB/kubernetes
NET=${OFFING_K8S_NET:-172.30.0}          # a free /24
NETWORK=$LABEL-k8s
registry='' specs=()
while [ $# -gt 0 ]; do
    case $1 in
    --registry) registry=1 ;;
    [1-9] | [1-9][0-9]) for ((i = 0; i < $1; i++)); do specs+=(''); done ;;
    [a-z]*) specs+=("$1") ;;
    *) die "unknown argument $1" ;;
    esac
    shift
done
[ ${#specs[@]} -gt 0 ] || specs=('' '')
NODES=${#specs[@]}

../docker.sh
BIN=$(./build.sh)
need containerd:containerd runc:runc iptables:iptables ip:iproute2 conntrack:conntrack mount:mount modprobe:kmod ps:procps \
    ebtables:ebtables socat:socat ipset:ipset
need_busybox
[ -e "$K/cni/bridge" ] || { unpack "$K/cni.x" containernetworking-plugins; mv "$K/cni.x/usr/lib/cni" "$K/cni"; rm -rf "$K/cni.x"; }

export KUBECONFIG=$K/kubeconfig
kubectl() { "$BIN/kubectl" --request-timeout=5s "$@"; }
ready() { [ "$(kubectl get nodes --no-headers 2>/dev/null | awk '$2 == "Ready"' | wc -l)" = "$NODES" ]; }
if [ -n "$(docker ps -q -f "label=$LABEL=kubernetes")" ]; then
    ready && { say "already up"; exit 0; }
    die "another or a broken cluster is there: run down.sh first"
fi
./down.sh

# Node root file system: 20 kB of directories; /usr comes from the machine.
if ! docker image inspect $LABEL/node:1 >/dev/null 2>&1; then
    r=$(mktemp -d "$K/node.XXXXXX"); chmod 755 "$r"
    mkdir -p "$r"/{etc/containerd,dev,proc,sys,run,tmp,root,opt,state,lab,usr,var/lib,var/log,var/tmp}
    for d in bin sbin lib lib64; do ln -s usr/$d "$r/$d"; done
    ln -s /run "$r/var/run"; chmod 1777 "$r/tmp" "$r/var/tmp"
    echo 'root:x:0:0:root:/root:/bin/bash' >"$r/etc/passwd"; echo 'root:x:0:' >"$r/etc/group"
    tar -C "$r" -c . | docker import -c "LABEL $LABEL=image" - $LABEL/node:1 >/dev/null
    rm -rf "$r"
fi
# The pods' images. The pause process needs no more than to sleep.
if ! [ -e "$K/images.tar" ]; then
    r=$(mktemp -d "$K/bb.XXXXXX"); chmod 755 "$r"
    mkdir -p "$r"/{bin,etc,tmp,www}; cp /bin/busybox "$r/bin/"
    for c in $(/bin/busybox --list); do [ -e "$r/bin/$c" ] || ln -s busybox "$r/bin/$c"; done
    echo 'root:x:0:0:root:/:/bin/sh' >"$r/etc/passwd"; echo ok >"$r/www/index.html"
    tar -C "$r" -c . | docker import -c "LABEL $LABEL=image" -c 'CMD ["/bin/sh"]' - lab.local/busybox:1 >/dev/null
    tar -C "$r" -c ./bin/busybox | docker import -c "LABEL $LABEL=image" -c 'ENTRYPOINT ["/bin/busybox","sleep","2147483647"]' - lab.local/pause:1 >/dev/null
    rm -rf "$r"
    docker save -o "$K/images.tar.part" lab.local/busybox:1 lab.local/pause:1
    mv "$K/images.tar.part" "$K/images.tar"
fi

# The kubelet changes these for the whole machine; down.sh puts them back.
for s in kernel.panic kernel.panic_on_oops vm.overcommit_memory vm.panic_on_oom kernel.keys.root_maxkeys kernel.keys.root_maxbytes; do
    echo "$s=$(sysctl -n $s)"
done >"$K/sysctl.saved"

docker network create --label "$LABEL=kubernetes" --subnet "$NET.0/24" --gateway "$NET.1" "$NETWORK" >/dev/null
rm -rf "$K/state" "$K/shared"; mkdir -p "$K/state"; mkdir -m 1777 "$K/shared"

# All that --privileged gives except CAP_SYS_RESOURCE: where the machine itself lacks
# that capability, --privileged and --cap-add ALL fail.
caps=()
for c in AUDIT_CONTROL AUDIT_READ AUDIT_WRITE BLOCK_SUSPEND CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID IPC_LOCK IPC_OWNER KILL \
    LEASE LINUX_IMMUTABLE MAC_ADMIN MAC_OVERRIDE MKNOD NET_ADMIN NET_BIND_SERVICE NET_BROADCAST NET_RAW SETFCAP SETGID SETPCAP SETUID \
    SYSLOG SYS_ADMIN SYS_BOOT SYS_CHROOT SYS_MODULE SYS_NICE SYS_PACCT SYS_PTRACE SYS_RAWIO SYS_TIME SYS_TTY_CONFIG WAKE_ALARM; do
    caps+=(--cap-add "$c")
done
start() {   # start NAME ADDRESS [DOCKER OPTION ...] -- COMMAND ...
    local name=$1 addr=$2 opts=(); shift 2
    while [ "$1" != -- ]; do opts+=("$1"); shift; done; shift
    docker run -d --name "$LABEL-$name" --hostname "$name" --label "$LABEL=kubernetes" --network "$NETWORK" --ip "$addr" \
        "${caps[@]}" --security-opt seccomp=unconfined --security-opt apparmor=unconfined --security-opt systempaths=unconfined \
        --device-cgroup-rule 'a *:* rwm' --device /dev/kmsg --cgroupns private \
        -e PATH=/opt/k8s:/usr/sbin:/usr/bin -e "NET=$NET" -e "NODES=$NODES" \
        -v /usr:/usr:ro -v /etc/alternatives:/etc/alternatives:ro -v /etc/ssl:/etc/ssl:ro -v /etc/ld.so.cache:/etc/ld.so.cache:ro \
        -v "$BIN:/opt/k8s:ro" -v "$PWD:/lab:ro" "${opts[@]}" $LABEL/node:1 "$@" >/dev/null
}
start cp "$NET.2" -v "$K/state:/state" -v /var/lib/etcd -- bash /lab/cp.sh
mem=$(awk '/^MemTotal/ { print int($2 / 1024) }' /proc/meminfo)
for ((i = 1; i <= NODES; i++)); do
    IFS=: read -r tier cpus memory <<<"${specs[i - 1]}"
    opts=(-v "$K/state:/state:ro" -v "$K/shared:/shared" -v "$K/images.tar:/images.tar:ro" -v "$K/cni:/opt/cni:ro" -v /var/lib/containerd -v /var/lib/kubelet)
    args=${tier:+--node-labels=tier=$tier}
    # Docker enforces the size, but the kubelet sees the whole machine: reserve the rest.
    reserved=''
    if [ -n "${cpus:-}" ]; then
        opts+=(--cpus "$cpus")
        reserved+=cpu=$(awk -v a="$(nproc)" -v b="$cpus" 'BEGIN { printf "%d", (a - b) * 1000 }')m
    fi
    if [ -n "${memory:-}" ]; then
        mib=$(numfmt --from=iec "${memory^^}"); mib=$((mib / 1048576))
        opts+=(--memory "$memory"); reserved+=${reserved:+,}memory=$((mem - mib))Mi
    fi
    args+=${reserved:+ --system-reserved=$reserved}
    start "n$i" "$NET.$((10 + i))" "${opts[@]}" -e "KUBELET_ARGS=$args" -- bash /lab/node.sh "$i"
done

if [ -n "$registry" ]; then
    [ -e "$K/registry/docker-registry" ] || {
        unpack "$K/registry.x" docker-registry; mkdir -p "$K/registry"
        mv "$K/registry.x/usr/bin/docker-registry" "$K/registry/"; rm -rf "$K/registry.x"
    }
    printf 'version: 0.1\nstorage: {filesystem: {rootdirectory: /var/lib/registry}}\nhttp: {addr: "0.0.0.0:5000"}\n' >"$K/registry/config.yml"
    docker run -d --name "$LABEL-registry" --label "$LABEL=kubernetes" --network "$NETWORK" --ip "$NET.5" -p 127.0.0.1:5000:5000 \
        -v /usr:/usr:ro -v "$K/registry:/opt/registry:ro" -v /var/lib/registry $LABEL/node:1 \
        /opt/registry/docker-registry serve /opt/registry/config.yml >/dev/null
fi

wait_for 90 test -e "$K/state/kubelet-n$NODES.conf" || die "no control plane: docker exec $LABEL-cp tail /var/log/k8s/*.log"
(umask 077; cp "$K/state/admin.conf" "$KUBECONFIG")
wait_for 120 ready || { kubectl get nodes >&2 || true; die "nodes not ready: docker exec $LABEL-n1 tail /var/log/k8s/*.log"; }
wait_for 60 kubectl get serviceaccount default || die "no default service account"
kubectl get nodes --show-labels=false -L tier >&2
say "up after $SECONDS s: export KUBECONFIG=$KUBECONFIG PATH=$K/bin:\$PATH"
