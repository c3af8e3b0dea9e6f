#!/bin/bash
# node-image.sh [NAME] - an image of the Docker engine with all that a node of `offing emulate run --node-image NAME`
# needs: the server's binaries of build.sh, and a container runtime, network tools and a shell of this machine. No
# registry is asked. Prints the name (lab.local/kubernetes-node:1).
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source=../lib.sh
. ../lib.sh
need_root
name=${1:-lab.local/kubernetes-node:1}
K=$LAB/kubernetes
../docker.sh
BIN=$(./build.sh)
need containerd:containerd runc:runc iptables:iptables ip:iproute2 conntrack:conntrack mount:mount modprobe:kmod \
    ebtables:ebtables socat:socat ipset:ipset
[ -e "$K/cni/bridge" ] || { unpack "$K/cni.x" containernetworking-plugins; mv "$K/cni.x/usr/lib/cni" "$K/cni"; rm -rf "$K/cni.x"; }

r=$(mktemp -d "$K/image.XXXXXX"); trap 'rm -rf "$r"' EXIT
chmod 755 "$r"
mkdir -p "$r"/{etc/containerd,dev,proc,sys,run,tmp,root,opt/cni/bin,state,lab,images,usr/bin,usr/sbin,usr/lib,usr/lib64,var/lib,var/log,var/tmp}
for d in bin sbin lib lib64; do ln -s usr/$d "$r/$d"; done
ln -s /run "$r/var/run"; chmod 1777 "$r/tmp" "$r/var/tmp"
echo 'root:x:0:0:root:/root:/bin/bash' >"$r/etc/passwd"; echo 'root:x:0:' >"$r/etc/group"
libraries() {   # what a program or library loads, where it is looked for
    { ldd "$@" 2>/dev/null || true; } | awk '$2 == "=>" && $3 ~ /^\// { print $3 } $1 ~ /^\// && $2 ~ /^\(/ { print $1 }' | sort -u |
        while read -r lib; do mkdir -p "$r$(dirname "$lib")"; cp -L "$lib" "$r$lib"; done
}
# Programs of many names are told apart by the name that they are called by: copies do.
for program in bash sh cat mkdir mount umount mountpoint mv rm sed sleep tail nsenter ps containerd containerd-shim-runc-v2 ctr runc ip \
    conntrack modprobe ebtables socat ipset {iptables,ip6tables}{,-save,-restore}; do
    path=$(command -v "$program") || die "this machine has no $program"
    case $path in /bin/* | /sbin/*) path=/usr$path ;; esac
    cp -L "$path" "$r$path"
    libraries "$path"
done
modules=$(dirname "$(find /usr/lib -name libxt_tcp.so -o -name libxt_standard.so | head -1)")
mkdir -p "$r$modules"; cp "$modules"/*.so "$r$modules/"
libraries "$modules"/*.so
cp "$BIN"/* "$r/usr/bin/"
cp "$K"/cni/{bridge,host-local,portmap,loopback} "$r/opt/cni/bin/"
tar -C "$r" -c . | docker import -c "LABEL $LABEL=image" - "$name" >/dev/null
echo "$name"
