# shellcheck shell=bash
# Docker Engine with CDI on a Debian machine without systemd. Sourced by .ci/run; needs root.

# Installs the engine when there is none, or only one without CDI (before 25), or no Compose v2 beside it. Bookworm's is 20.10, so there it comes
# from trixie, pinned so low that nothing else on the machine changes.
docker_install() {
    local major
    major=$(dockerd --version 2>/dev/null | sed -n 's/^Docker version \([0-9]*\).*/\1/p')
    if [[ ${major:-0} -ge 25 ]] && docker compose version >/dev/null 2>&1; then
        return 0
    fi
    local release=""
    if grep -q '^VERSION_CODENAME=bookworm' /etc/os-release; then
        docker_trixie_source
        release=/trixie
    fi
    apt-get update -q
    DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends \
        "docker.io$release" "docker-cli$release" "docker-buildx$release" "docker-compose$release"
}

docker_trixie_source() {
    local preferences=/etc/apt/preferences.d/nacp-trixie sources=/etc/apt/sources.list.d/nacp-trixie.sources
    if grep -qsw trixie /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; then
        return 0
    fi
    local mirror key
    mirror=$(sed -n 's/^URIs: *//p' /etc/apt/sources.list.d/debian.sources 2>/dev/null | head -n 1)
    key=$(sed -n 's/^Signed-By: *//p' /etc/apt/sources.list.d/debian.sources 2>/dev/null | head -n 1)
    printf 'Package: *\nPin: release n=trixie\nPin-Priority: 50\n' >"$preferences"
    printf 'Types: deb\nURIs: %s\nSuites: trixie\nComponents: main\nSigned-By: %s\n' \
        "${mirror:-http://deb.debian.org/debian}" "${key:-/usr/share/keyrings/debian-archive-keyring.gpg}" >"$sources"
}

# Turns CDI on, which engines before 28.2 do not do by themselves. The runtime named nvidia is runc: it lets the path
# of the NVIDIA runtime be tested where there is none.
docker_configure() {
    if [[ -e /etc/docker/daemon.json ]]; then
        grep -q '"cdi"' /etc/docker/daemon.json || echo "note: /etc/docker/daemon.json is yours and is left alone; it does not turn CDI on"
        return 0
    fi
    mkdir -p /etc/docker
    cat >/etc/docker/daemon.json <<'JSON'
{
  "features": { "cdi": true },
  "cdi-spec-dirs": ["/etc/cdi", "/var/run/cdi"],
  "runtimes": { "nvidia": { "path": "runc" } }
}
JSON
}

docker_answers() {
    timeout 5 docker version >/dev/null 2>&1
}

# forget_dead PIDFILE PROGRAM: removes the file when its process is gone, also when another one has its number by now:
# a daemon that was killed leaves the file, and the next one would not start.
forget_dead() {
    [[ -e $1 ]] || return 0
    [[ $(cat "/proc/$(cat "$1")/comm" 2>/dev/null) == "$2" ]] || rm -f "$1"
}

# docker_start LOG: starts a daemon when none answers, in a session of its own, and waits up to a minute for it. Sets
# DOCKERD_PID only when it started one.
docker_start() {
    local log=$1 tries
    DOCKERD_PID=""
    docker_answers && return 0
    forget_dead /var/run/docker.pid dockerd
    forget_dead /var/run/docker/containerd/containerd.pid containerd
    setsid dockerd >"$log" 2>&1 </dev/null &
    DOCKERD_PID=$!
    for ((tries = 0; tries < 120; tries++)); do
        docker_answers && return 0
        kill -0 "$DOCKERD_PID" 2>/dev/null || break
        sleep 0.5
    done
    echo "the Docker daemon does not answer; the end of its log:" >&2
    tail -n 20 "$log" >&2
    return 1
}

# Stops the daemon that docker_start started, and no other.
docker_stop() {
    [[ -n ${DOCKERD_PID:-} ]] || return 0
    kill "$DOCKERD_PID" 2>/dev/null || return 0
    local tries
    for ((tries = 0; tries < 60; tries++)); do
        kill -0 "$DOCKERD_PID" 2>/dev/null || return 0
        sleep 0.5
    done
    kill -KILL "$DOCKERD_PID" 2>/dev/null || true
}
