#!/bin/bash
# Prints a command that runs Debian's MQTT broker: the installed one, else one that is unpacked below $LAB. Nothing is
# installed and no service is started.
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source=lab/lib.sh
. ./lib.sh

installed=$(PATH=$PATH:/usr/sbin command -v mosquitto || true)
if [ -n "$installed" ]; then echo "$installed"; exit; fi
dir=$LAB/mosquitto
if ! [ -x "$dir/run" ]; then
    unpack "$dir" mosquitto libcjson1 libdlt2 libwrap0
    cat >"$dir/run" <<END
#!/bin/sh
LD_LIBRARY_PATH=$(echo "$dir"/usr/lib/*-linux-gnu) exec "$dir/usr/sbin/mosquitto" "\$@"
END
    chmod +x "$dir/run"
fi
[[ $("$dir/run" -h 2>&1 || true) == "mosquitto version"* ]] || die "$dir/run does not run"
echo "$dir/run"
