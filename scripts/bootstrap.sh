#!/usr/bin/env bash
# What the Makefile needs before it can run anything.
#
#   bootstrap.sh install demo|dev|deploy   .venv with ffe-edge[demo], [dev] or [dev,deploy], at the versions of
#                                   constraints.txt
#   bootstrap.sh packages           Debian packages that some tests use; what cannot be had is told, never an error
#   bootstrap.sh packages-deploy    likewise, for tests of deploy/ and for `make deb`
#   bootstrap.sh threads            how many threads this machine runs at once
#   bootstrap.sh constraints        constraints.txt anew, with the newest releases; $TORCH holds the pair of PyTorch
#
# PYTHON=/path/to/python chooses the interpreter of a new .venv; APT=no leaves the system's packages alone.
set -euo pipefail
cd "$(dirname "$0")/.."

VENV=.venv
LOG=$(mktemp)
trap 'rm -f "$LOG"' EXIT
missing=()
apt_is_updated=

say() { printf 'ffe-edge: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }
quietly() { "$@" >"$LOG" 2>&1; }
last_words() { grep -v '^ *$' "$LOG" | tail -n "${1:-5}" | sed 's/^/    /' >&2 || true; }

# --- Debian packages ---------------------------------------------------------------------------------------------

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi; }
can_apt() { [ "${APT:-yes}" != no ] && command -v apt-get && as_root true; } >/dev/null 2>&1

apt_get() {
    quietly as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq \
        -o Acquire::Retries=1 -o Acquire::http::Timeout=20 -o DPkg::Lock::Timeout=60 "$@"
}

apt_install() {
    can_apt || return 1
    if [ -z "$apt_is_updated" ]; then
        apt_get update || say "apt-get update failed; going on with the package lists as they are"
        apt_is_updated=yes
    fi
    apt_get install -y --no-install-recommends "$@" || { last_words 3; return 1; }
}

has_broker() { command -v mosquitto && command -v mosquitto_pub; }
has_minisign() { command -v minisign; }
has_browser() { command -v chromium; }
has_axe() { [ -s "$VENV/axe-core/axe.min.js" ]; }
has_postgresql() { compgen -G '/usr/lib/postgresql/*/bin/initdb'; }
has_font() { [ -n "$(fc-list :lang=ja)" ] || compgen -G '/usr/share/fonts/*/*/*CJK*'; }
has_rtsp() {
    local element
    /usr/bin/python3 -c 'import gi; gi.require_version("GstRtspServer", "1.0")' || return 1
    for element in videotestsrc rtph264pay h264parse x264enc; do gst-inspect-1.0 --exists "$element" || return 1; done
}

# axe-core (MPL 2.0) comes from npm's registry and stays in .venv: it is no part of the repository.
fetch_axe() {
    local archive
    if has_axe || [ ! -d "$VENV" ]; then return; fi
    archive=$(cd "$VENV" && npm pack --silent axe-core@4 2>/dev/null | tail -n 1) || archive=
    if [ -n "$archive" ] && mkdir -p "$VENV/axe-core" &&
        tar -xzOf "$VENV/$archive" package/axe.min.js >"$VENV/axe-core/axe.min.js"; then
        rm -f "${VENV:?}/$archive"
    else
        say "missing: axe-core, for tests of accessibility; these are skipped (npm fetches it)"
    fi
}

# need WHAT PURPOSE PROBE PACKAGE...
need() {
    local what=$1 purpose=$2 probe=$3
    shift 3
    "$probe" >/dev/null 2>&1 && return
    if can_apt; then
        say "installing $what for $purpose ($*)"
        if apt_install "$@" && "$probe" >/dev/null 2>&1; then return; fi
    fi
    say "missing: $what, for $purpose; these tests are skipped"
    missing+=("$@")
}

packages() {
    PATH=$PATH:/usr/sbin:/sbin
    need "the MQTT broker mosquitto" "tests against a real broker" has_broker mosquitto mosquitto-clients
    need "minisign" "tests that it takes our signatures, and we its" has_minisign minisign
    need "PostgreSQL" "tests of the dashboard's store" has_postgresql postgresql
    need "Chromium" "tests of the dashboard in a browser" has_browser chromium
    need "a Japanese font" "tests of what the dashboard shows" has_font fonts-noto-cjk
    need "GStreamer's RTSP server" "tests with a network camera" has_rtsp gir1.2-gst-rtsp-server-1.0 python3-gi \
        gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad \
        gstreamer1.0-plugins-ugly
    need "shellcheck" "tests of scripts" has_shellcheck shellcheck
    packages_deb
    fetch_axe
    if [ ${#missing[@]} -gt 0 ]; then say "to run them too: apt-get install ${missing[*]}"; fi
}

has() { local program; for program in "$@"; do command -v "$program" || return 1; done; }
has_shellcheck() { has shellcheck; }
has_systemd() { has systemd-analyze systemd-nspawn; }
has_debhelper() { has dpkg-buildpackage dh lintian; }
has_clean_root() { has mmdebstrap; }
has_buildah() { has buildah crun; }
has_compose() { has docker-compose; }
has_system_venv() { /usr/bin/python3 -c 'import venv; from ensurepip import version'; }

packages_deb() {
    need "tools of Debian packages" "make deb and its tests" has_debhelper dpkg-dev debhelper fakeroot lintian
    need "venv of /usr/bin/python3" "make deb" has_system_venv python3-venv
}

packages_deploy() {
    PATH=$PATH:/usr/sbin:/sbin
    packages_deb
    need "systemd's tools" "tests of units, and a machine to install" has_systemd systemd systemd-container
    need "mmdebstrap" "a clean machine to install" has_clean_root mmdebstrap
    need "buildah" "building the container image" has_buildah buildah crun
    need "docker-compose" "checking compose.yaml" has_compose docker-compose
    if [ ${#missing[@]} -gt 0 ]; then say "to run them too: apt-get install ${missing[*]}"; fi
}

# --- Python ------------------------------------------------------------------------------------------------------

candidates=(python3.13 python3.12 python3.11 python3.10 python3)
if [ -n "${PYTHON:-}" ]; then candidates=("$PYTHON"); fi

# A version manager's shim exists and fails, so each is run. Debian's Python has venv, but not what fills it.
is_new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 10))' >/dev/null 2>&1; }
makes_venvs() { "$1" -c 'import venv; from ensurepip import version' >/dev/null 2>&1; }

find_python() {
    local name
    for name in "${candidates[@]}"; do
        if is_new_enough "$name" && makes_venvs "$name"; then echo "$name"; return; fi
    done
    return 1
}

explain_no_python() {
    local name
    for name in "${candidates[@]}"; do
        if is_new_enough "$name"; then
            die "$name has no venv module: run 'apt-get install python3-venv' as root (on another system, its" \
                "package of the same purpose), or choose another Python with 'make PYTHON=/path/to/python3 …'"
        fi
    done
    die "no Python >= 3.10 runs here (tried ${candidates[*]}): install one, or name it with" \
        "'make PYTHON=/path/to/python3 …'"
}

venv_is_sound() {
    is_new_enough "$VENV/bin/python" && grep -qF "$(pwd -P)/$VENV" "$VENV/bin/activate" 2>/dev/null &&
        { "$VENV/bin/python" -m pip --version || "$VENV/bin/python" -m ensurepip; } >/dev/null 2>&1
}

ensure_venv() {
    local python
    if venv_is_sound; then return; fi
    [ -w . ] || die "cannot write to $(pwd -P): make a copy of the folder that belongs to you"
    if [ -e "$VENV" ]; then say "$VENV is broken or was moved here; making it anew"; fi
    if ! python=$(find_python); then
        if { [ -z "${PYTHON:-}" ] || is_new_enough "$PYTHON"; } && can_apt; then say "installing python3-venv"; apt_install python3-venv || true; fi
        python=$(find_python) || explain_no_python
    fi
    say "making $VENV with $("$python" --version 2>&1)"
    quietly "$python" -m venv --clear "$VENV" || { last_words; rm -rf "$VENV"; die "$python could not make $VENV"; }
}

# uv in .venv, told what it would else warn about or stumble over.
prepare_uv() {
    local cache probe=$VENV/.link-probe
    if [ ! -x "$VENV/bin/uv" ]; then
        quietly "$VENV/bin/python" -m pip install --disable-pip-version-check uv || return 1
    fi
    # Without this a network with its own certificate authority stays closed to uv.
    if [ -r /etc/ssl/certs/ca-certificates.crt ] || [ -r /etc/pki/tls/certs/ca-bundle.crt ]; then
        export UV_SYSTEM_CERTS=${UV_SYSTEM_CERTS:-true}
    fi
    cache=$("$VENV/bin/uv" cache dir)
    if ! mkdir -p "$cache" 2>/dev/null || [ ! -w "$cache" ]; then
        cache=$PWD/$VENV/.uv-cache
        export UV_CACHE_DIR=$cache
        mkdir -p "$cache"
    fi
    # Hard links share the files between the cache and .venv, but not across file systems.
    if ! { touch "$cache/.link-probe" && ln -f "$cache/.link-probe" "$probe"; } 2>/dev/null; then
        export UV_LINK_MODE=${UV_LINK_MODE:-copy}
    fi
    rm -f "$cache/.link-probe" "$probe"
}

install_with_uv() {
    prepare_uv || { say "uv cannot be installed here; pip does the same, more slowly"; return 1; }
    quietly "$VENV/bin/uv" pip install --python "$VENV/bin/python" "$@" && return
    last_words
    say "uv did not manage; trying pip"
    return 1
}

install_with_pip() {
    if quietly "$VENV/bin/python" -m pip install --disable-pip-version-check "$@"; then return; fi
    last_words 10
    return 1
}

# What an install depends on: the place, the interpreter and all of pyproject.toml but the settings of tools.
signature() {
    {
        pwd -P
        "$VENV/bin/python" --version
        awk '/^\[/ { skip = /^\[+tool\.(ruff|mypy|pytest)/ } !skip' pyproject.toml
        cat constraints.txt
    } | cksum
}

install() {
    local extra=$1 extras=$1 expectation stamp wanted
    case $extra in
        demo) expectation="about 400 MB, most often in less than a minute" ;;
        dev) expectation="about 6 GB with PyTorch, one minute on a fast line, twenty on a slow one" ;;
        deploy) extras=dev,deploy expectation="as for the tests, and some 100 MB for those of deploy/" ;;
        *) die "install demo, dev or deploy, not '$extra'" ;;
    esac
    ensure_venv
    wanted=$(signature)
    for stamp in "$VENV/.installed-$extra" "$VENV/.installed-dev" "$VENV/.installed-deploy"; do
        if [ "$extra:$stamp" = "deploy:$VENV/.installed-dev" ]; then continue; fi
        if [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then return; fi
    done
    say "installing ffe-edge[$extras] into $VENV: $expectation"
    set -- -e ".[$extras]" -c constraints.txt
    install_with_uv "$@" || install_with_pip "$@" || die "ffe-edge[$extras] could not be installed; see above"
    if [ "$extra" != demo ] && ! quietly "$VENV/bin/python" -c 'import torch, torchvision'; then
        last_words 3
        die "PyTorch and torchvision do not fit each other here: 'make clean', then try again"
    fi
    echo "$wanted" >"$VENV/.installed-$extra"
}

constraints() {
    install demo
    prepare_uv || { last_words; die "constraints.txt is made by uv, and uv cannot be installed here"; }
    tr ' ' '\n' <<<"${TORCH:?is set by the Makefile}" >"$VENV/torch.txt"
    {
        echo "# Versions that were tested together, for every Python from 3.10 on. Written by 'make constraints'"
        echo "# from the extra 'dev' of pyproject.toml; the versions of torch and torchvision stand in the Makefile."
        "$VENV/bin/uv" pip compile --quiet --universal --python-version 3.10 --extra dev --strip-extras \
            --no-header --no-annotate --constraints "$VENV/torch.txt" pyproject.toml
    } >"$VENV/constraints.txt"
    mv "$VENV/constraints.txt" constraints.txt
    say "constraints.txt is new: run 'make test-all' before it is committed"
}

# --- threads -----------------------------------------------------------------------------------------------------

# A container's quota counts as well as the cores.
threads() {
    local cores quota=
    cores=$(nproc 2>/dev/null || getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
    if [ -r /sys/fs/cgroup/cpu.max ]; then
        quota=$(awk '$1 != "max" { print int(($1 + $2 - 1) / $2) }' /sys/fs/cgroup/cpu.max)
    fi
    if [ -n "$quota" ] && [ "$quota" -lt "$cores" ]; then cores=$quota; fi
    echo "$cores"
}

case ${1:-} in
    install) install "${2:-}" ;;
    packages) packages ;;
    packages-deploy) packages_deploy ;;
    threads) threads ;;
    constraints) constraints ;;
    *) die "usage: scripts/bootstrap.sh install demo|dev|deploy, packages, packages-deploy, threads or constraints" ;;
esac
