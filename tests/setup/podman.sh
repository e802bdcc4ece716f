# shellcheck shell=bash
# Podman behind its Docker-compatible socket, with the image of the simulated service. Sourced by .ci/run and tests/run;
# needs root. It shares nothing with what else Podman keeps on this machine.
#
# For one test by hand:
#
#     source tests/setup/podman.sh; podman_start target/podman.log    # exports NACP_PODMAN_HOST=unix://…
#     cargo test --test engines; podman_stop

PODMAN_IMAGE=nacp/sim-service:0.1

# Installs Podman when there is none, with what a container's network and its published ports need.
podman_install() {
    local packages=()
    command -v podman >/dev/null || packages+=(podman)
    command -v runc >/dev/null || packages+=(runc)
    [[ -x /usr/lib/podman/netavark || -x /usr/lib/cni/bridge ]] || packages+=(netavark)
    [[ -x /usr/lib/podman/aardvark-dns ]] || packages+=(aardvark-dns)
    command -v iptables >/dev/null || packages+=(iptables)
    [[ ${#packages[@]} -gt 0 ]] || return 0
    apt-get update -q
    DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${packages[@]}"
}

# podman_there COMMAND...: Podman with the storage and the settings of the service.
podman_there() {
    CONTAINERS_CONF=$PODMAN_FOLDER/containers.conf podman --storage-driver vfs --runtime runc \
        --cgroup-manager cgroupfs --events-backend file --network-config-dir "$PODMAN_FOLDER/networks" \
        --root "$PODMAN_FOLDER/data" --runroot "$PODMAN_FOLDER/run" --tmpdir "$PODMAN_FOLDER/tmp" "$@"
}

podman_answers() {
    curl -sf --max-time 5 --unix-socket "$PODMAN_FOLDER/podman.sock" http://localhost/_ping >/dev/null
}

# podman_start LOG: starts a service of its own in a new folder, waits half a minute for it, gives it the image from
# Docker, and exports NACP_PODMAN_HOST. Sets PODMAN_PID and PODMAN_FOLDER for podman_stop.
podman_start() {
    local log=$1 tries
    PODMAN_FOLDER=$(mktemp -d -t nacp-podman.XXXXXX)
    # Its own defaults are above what a machine without rights to raise limits allows.
    printf '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]\n[network]\nnetwork_backend = "netavark"\n' \
        >"$PODMAN_FOLDER/containers.conf"
    mkdir "$PODMAN_FOLDER/networks"
    # exec: else the number would be that of a shell around it.
    podman() { exec "$(type -P podman)" "$@"; }
    podman_there system service --time 0 "unix://$PODMAN_FOLDER/podman.sock" >"$log" 2>&1 </dev/null &
    unset -f podman
    PODMAN_PID=$!
    for ((tries = 0; tries < 60; tries++)); do
        podman_answers && break
        if [[ $tries -eq 59 ]] || ! kill -0 "$PODMAN_PID" 2>/dev/null; then
            echo "Podman does not answer; the end of its log:" >&2
            tail -n 20 "$log" >&2
            podman_stop
            return 1
        fi
        sleep 0.5
    done
    if ! docker save "$PODMAN_IMAGE" | podman_there load >>"$log" 2>&1; then
        echo "Podman does not take the image $PODMAN_IMAGE; tests/sim-service/image makes it. The end of its log:" >&2
        tail -n 20 "$log" >&2
        podman_stop
        return 1
    fi
    export NACP_PODMAN_HOST=unix://$PODMAN_FOLDER/podman.sock
}

# Stops the service that podman_start started and removes all that it has.
podman_stop() {
    [[ -n ${PODMAN_PID:-} ]] || return 0
    podman_there rm --all --force --volumes --time 0 >/dev/null 2>&1 || true
    podman_there network prune --force >/dev/null 2>&1 || true
    kill "$PODMAN_PID" 2>/dev/null || true
    wait "$PODMAN_PID" 2>/dev/null || true
    rm -rf --one-file-system "$PODMAN_FOLDER"
    PODMAN_PID="" PODMAN_FOLDER=""
    unset NACP_PODMAN_HOST
}
