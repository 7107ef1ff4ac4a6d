# shellcheck shell=bash
# shellcheck disable=SC2154,SC2034  # the settings of install.sh
# The steps of install.sh that look at the machine and bring the program and its settings.

# shellcheck source-path=SCRIPTDIR source=settings.sh
. "$HERE/settings.sh"

say() { printf 'ffe-edge: %s\n' "$*"; }
warn() { printf 'ffe-edge: warning: %s\n' "$*" >&2; }
fail() { printf 'ffe-edge: %s\n' "$*" >&2; exit 2; }
run() { if [ -n "$DRY_RUN" ]; then printf '  + %s\n' "$*"; else "$@"; fi; }
# Commands of the machine that is installed, with its own Python and its own users.
in_root() { if [ -z "$ROOT" ]; then "$@"; else chroot "$ROOT" "$@"; fi; }
is_booted() { [ -z "$ROOT" ] && [ -d /run/systemd/system ]; }
is_node() { [ "$ROLE" != dashboard ]; }
# shellcheck disable=SC2016  # dpkg's own format
is_installed() { in_root dpkg-query -Wf '${db:Status-Status}' "$1" 2>/dev/null | grep -qx installed; }

# --- What machine it is ------------------------------------------------------------------------------------------

read_l4t() {
    local told=''
    if [ -r "$ROOT/etc/nv_tegra_release" ]; then
        told=$(sed -nE 's/^# R([0-9]+) \(release\), REVISION: ([0-9.]+).*/\1.\2/p' "$ROOT/etc/nv_tegra_release")
    fi
    if [ -z "$told" ] && [ -d "$ROOT/var/lib/dpkg" ] && command -v dpkg-query >/dev/null; then
        told=$(dpkg-query --admindir="$ROOT/var/lib/dpkg" -Wf '${Version}' nvidia-l4t-core 2>/dev/null) || told=''
        told=${told%%-*}
    fi
    printf '%s' "$told"
}

jetpack_of() {
    case ${1%%.*} in
        36) echo "JetPack 6" ;;
        38) echo "JetPack 7.0 or 7.1" ;;
        39) echo "JetPack 7.2 or later" ;;
        *) echo "a JetPack that is newer than this script" ;;
    esac
}

look_at_machine() {
    L4T=$(read_l4t)
    if [ -n "$L4T" ] && [ "${L4T%%.*}" -lt 36 ]; then
        fail "this is L4T $L4T (JetPack 5 or older) with Python 3.8, and Python 3.10 is needed:" \
            "flash JetPack 6 or later, or run the container deploy/container/Dockerfile.cpu, which does without the GPU"
    fi
    in_root "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null ||
        fail "no Python 3.10 or later as $PYTHON here: install one, or use the container of deploy/container"
    local told
    told=$(in_root "$PYTHON" -c 'import platform; print(platform.machine() + ", Python " + platform.python_version())')
    if [ -n "$L4T" ]; then say "$(jetpack_of "$L4T") (L4T $L4T), $told"; else say "no Jetson: $told"; fi
}

has_cuda() { [ -f "$ROOT/usr/local/cuda/include/cuda.h" ]; }

install_packages() {
    local name wanted=(python3-venv) missing=()
    if [ -n "$L4T" ] && has_cuda; then wanted+=(g++ python3-dev); fi
    for name in "${wanted[@]}"; do
        is_installed "$name" || missing+=("$name")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    [ "$APT" = yes ] || fail "missing: ${missing[*]}; apt-get install ${missing[*]}"
    say "installing ${missing[*]}"
    run in_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "${missing[@]}" ||
        fail "apt-get could not install ${missing[*]}; run apt-get update, or see its words above"
}

# --- The program -------------------------------------------------------------------------------------------------

find_wheels() {
    if [ -z "$WHEELS" ] && [ -n "$(compgen -G "$HERE/wheels/ffe_edge-*.whl")" ]; then WHEELS=$HERE/wheels; fi
    if [ -z "$WHEELS" ]; then
        [ -f "$HERE/../pyproject.toml" ] || fail "no wheel of ffe-edge: give --wheels DIR"
        WHEELS=$WORK/wheels
        say "building the wheel"
        run in_builder "$HERE/.." "$WHEELS"
        return
    fi
    [ -n "$(compgen -G "$WHEELS/ffe_edge-*.whl")" ] || fail "$WHEELS: no ffe_edge-*.whl in it; scripts/build-deb.sh makes one"
    if [ -f "$WHEELS/COMPLETE" ]; then OFFLINE=yes; fi
    if [ -n "$OFFLINE" ]; then PIP+=(--no-index); fi
}

in_builder() {
    "$PYTHON" -m venv "$WORK/builder"
    "$WORK/builder/bin/python" -m pip wheel -q --no-deps "${PIP[@]}" -w "$2" "$1" || fail "the wheel cannot be built"
}

# Of everything that the environment is made from: the same again is not installed again.
fingerprint() {
    {
        (cd "$WHEELS" && find . -name '*.whl' -print0 | sort -z | xargs -0 sha256sum)
        cat "$(beside constraints.txt)"
        in_root "$PYTHON" --version
        echo "$EXTRAS $L4T"
    } | sha256sum | cut -c1-12
}

newest_wheel() { find "$WHEELS" -name 'ffe_edge-*.whl' -printf '%f\n' | sort -V | tail -n 1; }

install_program() {
    local wheel release before
    if [ -n "$DRY_RUN" ] && [ ! -d "$WHEELS" ]; then
        printf '  + venv with --system-site-packages in %s/releases, ffe-edge[%s] in it, %s -> it\n' "$OPT" "$EXTRAS" "$CURRENT"
        return
    fi
    wheel=$(newest_wheel)
    release=$OPT/releases/$(cut -d- -f2 <<<"$wheel")-$(fingerprint)
    before=$(readlink "$ROOT$CURRENT" || true)
    run rm -rf "$ROOT$OFFERED"
    if [ -f "$ROOT$release/.complete" ]; then
        say "$release is complete"
    else
        say "installing $wheel into $release"
        make_environment "$release" "$wheel"
    fi
    install_pycuda "$release"
    run rm -rf "$ROOT$OFFERED"
    run ln -sfn "releases/${release##*/}" "$ROOT$OPT/current.new"
    run mv -T "$ROOT$OPT/current.new" "$ROOT$CURRENT"
    remove_old_releases "$release" "${before:+$OPT/$before}"
}

# Beside the one that runs: where this fails, nothing has changed.
make_environment() {
    local release=$1
    run rm -rf "$ROOT$release"
    run install -d "$ROOT$OPT/releases"
    offer_wheels
    run in_root "$PYTHON" -m venv --system-site-packages "$release"
    run in_root "$release/bin/python" -m pip install -q --no-cache-dir --only-binary :all: "${PIP[@]}" \
        --find-links "$OFFERED" -c "$SHARE/constraints.txt" "$OFFERED/$2[$EXTRAS]" ||
        fail "pip could not install ffe-edge (see above); what was installed before is as it was." \
            "Without a network: --wheels DIR --offline, with the wheels of everything in DIR"
    run touch "$ROOT$release/.complete"
}

offer_wheels() {
    [ ! -d "$ROOT$OFFERED" ] || return 0
    run install -d "$ROOT$SHARE"
    run cp -rL "$WHEELS" "$ROOT$OFFERED"
}

# TensorRT is JetPack's, seen through --system-site-packages; the bridge to the GPU's memory is compiled here. A release
# that lacks it, since a compiler was missing, say, gets it the next time.
install_pycuda() {
    has_cuda || return 0
    ! in_root "$1/bin/python" -c 'import pycuda' 2>/dev/null || return 0
    [ -n "$L4T" ] || in_root "$1/bin/python" -c 'import tensorrt' 2>/dev/null || return 0
    say "compiling pycuda: some minutes"
    offer_wheels
    run in_root env PIP_FIND_LINKS="$OFFERED" PIP_NO_INDEX="${OFFLINE:+1}" PIP_INDEX_URL="$INDEX" \
        CUDA_ROOT=/usr/local/cuda bash "$SHARE/build-pycuda.sh" "$1/bin/python" &&
        run in_root "$1/bin/python" -m pip install -q --no-cache-dir "${PIP[@]}" --find-links "$OFFERED" \
            -c "$SHARE/constraints.txt" pycuda && return
    warn "pycuda could not be built, so the CPU serves; apt-get install g++ python3-dev, then run this again" \
        "(of the package: apt-get install --reinstall)"
}

# What ran before stays, to go back to: after a rollback that is not the newest of the others.
remove_old_releases() {
    local folder kept=$2
    [ -z "$DRY_RUN" ] || return 0
    if [ "$kept" = "$1" ] || [ ! -f "$ROOT$kept/.complete" ]; then kept=''; fi
    while read -r folder; do
        folder=${folder#"$ROOT"}
        if [ -z "$kept" ] && [ "$folder" != "$1" ] && [ -f "$ROOT$folder/.complete" ]; then kept=$folder; fi
        case $folder in "$1" | "$kept") ;; *) rm -rf "$ROOT$folder" ;; esac
    done < <(find "$ROOT$OPT/releases" -mindepth 1 -maxdepth 1 -type d -printf '%T@ %p\n' | sort -rn | cut -d' ' -f2-)
}

# --- Settings ----------------------------------------------------------------------------------------------------

write_settings() {
    if [ -e "$ROOT$SETTINGS" ]; then say "$SETTINGS is kept as it is"; return; fi
    say "writing $SETTINGS"
    if [ -n "$DRY_RUN" ]; then printf '  + ffe-edge config init %s, mode 0640 root:ffe\n' "$SETTINGS"; return; fi
    local file=$ROOT$SETTINGS.new
    rm -f "$file"
    (umask 077 && in_root "$CURRENT/bin/ffe-edge" config init "$SETTINGS.new" >/dev/null)
    set_key "$file" model engine_dir /var/cache/ffe-edge/engines
    set_key "$file" outbox state_dir /var/lib/ffe-edge
    if [ -n "$SITE" ]; then set_key "$file" '' site "$SITE"; fi
    if [ -n "$NODE" ]; then set_key "$file" '' node "$NODE"; fi
    if [ -n "$SOURCE" ]; then set_key "$file" camera source "$SOURCE"; fi
    if [ -n "$BROKER" ]; then set_key "$file" broker url "$BROKER"; fi
    in_root "$CURRENT/bin/ffe-edge" config show --config "$SETTINGS.new" >/dev/null || { rm -f "$file"; exit 2; }
    in_root chown root:ffe "$SETTINGS.new"
    chmod 0640 "$file"
    mv "$file" "$ROOT$SETTINGS"
}

fetch_detector() {
    [ -n "$DETECTOR" ] || return 0
    say "taking the face detector from $DETECTOR"
    run install -D -m 0644 "$DETECTOR" "$ROOT$SHARE/.detector.onnx"
    run in_root setpriv --reuid=ffe --regid=ffe --init-groups env FFE_MODELS=/var/lib/ffe-edge/models \
        "$CURRENT/bin/ffe-edge" models fetch yunet --from "$SHARE/.detector.onnx"
    run rm -f "$ROOT$SHARE/.detector.onnx"
}
