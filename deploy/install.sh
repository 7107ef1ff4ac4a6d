#!/usr/bin/env bash
# Installs ffe-edge on this machine, or brings an installation up to date; what is there already is left alone.
#
#   sudo deploy/install.sh --broker mqtts://10.0.0.2:8883 --source csi://0 --site kiso --node edge-01
#   sudo deploy/install.sh --uninstall
#
# --role node|dashboard|both  what this machine is: a device with cameras [default], the pages of a home, or both
# --broker URL, --source CAMERA, --site NAME, --node NAME
#                             written into /etc/ffe-edge/ffe.toml where there is none yet; a file that is there is kept
# --detector FILE             the face detector YuNet, for a machine without a network (`ffe-edge models list`)
# --wheels DIR                wheels: ffe_edge-*.whl and, if you like, what it needs [default: built from this folder]
# --offline                   use nothing but --wheels
# --index URL                 of Python packages, instead of pip's
# --extras LIST               of pyproject.toml [default: residents,dashboard]
# --no-apt                    install no Debian package; say which are missing
# --no-start                  do not start anything
# --root DIR                  install into the root file system DIR instead of /
# --dry-run                   print each step and do none of them; needs no rights
# --uninstall [--purge]       take it away; with --purge settings, keys, events and enrolled residents, too
#
# JetPack 6 or later, or a PC: Python 3.10 is the oldest that runs it. Exit code 2: something is missing; it says what.
set -euo pipefail
export PATH=$PATH:/usr/sbin:/sbin # su leaves them out
umask 022 # the services read what is installed; what is secret gets modes of its own

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
SHARE=/usr/share/ffe-edge
OFFERED=$SHARE/.installing # wheels, for the pip of the machine that is installed
OPT=/opt/ffe-edge
CURRENT=$OPT/current
PYTHON=/usr/bin/python3 # the system's: TensorRT of JetPack is made for it
SETTINGS=/etc/ffe-edge/ffe.toml
KEYS=/etc/ffe-edge/credentials

ROOT='' DRY_RUN='' ROLE=node BROKER='' SOURCE='' SITE='' NODE='' DETECTOR='' WHEELS='' OFFLINE='' INDEX=''
EXTRAS=residents,dashboard APT=yes START=yes UNINSTALL='' PURGE='' PACKAGED=''
L4T='' WORK=''

# shellcheck source-path=SCRIPTDIR source=install-steps.sh
. "$HERE/install-steps.sh"
# shellcheck source-path=SCRIPTDIR source=install-system.sh
. "$HERE/install-system.sh"

install_all() {
    look_at_machine
    if [ -z "$PACKAGED" ]; then
        refuse_beside_package
        install_packages
        find_wheels
        install_files
    else
        find_wheels
        remove_files
    fi
    make_user_and_folders
    install_program
    if is_node; then
        write_settings
        fetch_detector
    fi
    install_backoff
    if [ -n "$PACKAGED" ]; then
        tell_next
        return
    fi
    start
    report
}

refuse_beside_package() {
    is_installed ffe-edge || return 0
    fail "the Debian package ffe-edge is installed: use apt, or remove it first"
}

uninstall() {
    refuse_beside_package
    if is_booted; then run systemctl -q disable --now ffe-edge.service ffe-dashboard.service || true; fi
    if [ -n "$ROOT" ]; then run systemctl -q --root="$ROOT" disable ffe-edge.service ffe-dashboard.service || true; fi
    say "removing the program"
    remove_files
    run rm -rf "$ROOT$OPT" "$ROOT$SHARE" "$ROOT/etc/systemd/system/ffe-edge.service.d/backoff.conf"
    if is_booted; then run systemctl daemon-reload; fi
    if [ -z "$PURGE" ]; then
        say "settings, keys and events stay in /etc/ffe-edge and /var/lib/ffe-edge; --purge removes them, too"
        return
    fi
    say "removing settings, keys, events, enrolled residents and logs; the users ffe and ffe-dashboard stay"
    run rm -rf "$ROOT/etc/ffe-edge" "$ROOT/var/lib/ffe-edge" "$ROOT/var/cache/ffe-edge" "$ROOT/var/lib/ffe-dashboard" \
        "$ROOT/etc/systemd/journald@ffe-edge.conf"
    run find "$ROOT/var/log" -maxdepth 2 -name '*.ffe-edge' -path '*journal*' -exec rm -rf {} +
}

plain() {
    case $2 in
        *[!a-zA-Z0-9:/._%+,=\&?~-]*) fail "$1: '$2' has letters that do not fit here; write it into $SETTINGS after the installation (credentials belong into files)" ;;
        *) ;;
    esac
}

parse() {
    while [ $# -gt 0 ]; do
        case $1 in
            --role | --broker | --source | --site | --node | --detector | --wheels | --index | --extras | --root)
                if [ -z "${2:-}" ]; then fail "$1 needs a value; see --help"; fi ;;&
            --role) ROLE=$2; shift ;;
            --broker) plain "$1" "$2"; BROKER=$2; shift ;;
            --source) plain "$1" "$2"; SOURCE=$2; shift ;;
            --site) plain "$1" "$2"; SITE=$2; shift ;;
            --node) plain "$1" "$2"; NODE=$2; shift ;;
            --detector) DETECTOR=$2; shift ;;
            --wheels) WHEELS=$2; shift ;;
            --index) INDEX=$2; shift ;;
            --extras) plain "$1" "$2"; EXTRAS=$2; shift ;;
            --root) ROOT=${2%/}; shift ;;
            --offline) OFFLINE=yes ;;
            --no-apt) APT=no ;;
            --no-start) START=no ;;
            --dry-run) DRY_RUN=yes ;;
            --uninstall) UNINSTALL=yes ;;
            --purge) PURGE=yes ;;
            --packaged) PACKAGED=yes ;; # by the maintainer scripts of the Debian package, which brings the files
            --help | -h) sed -n '2,/^$/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" | sed '/^set -/d'; exit 0 ;;
            *) fail "unknown word '$1'; see --help" ;;
        esac
        shift
    done
    case $ROLE in node | dashboard | both) ;; *) fail "--role is node, dashboard or both, not '$ROLE'" ;; esac
    [ -z "$ROOT" ] || [ -d "$ROOT" ] || fail "--root: $ROOT is no folder"
    [ -z "$DETECTOR" ] || [ -f "$DETECTOR" ] || fail "--detector: $DETECTOR is no file"
    [ -z "$PURGE" ] || [ -n "$UNINSTALL" ] || fail "--purge belongs to --uninstall"
    [ -n "$DRY_RUN" ] || [ "$(id -u)" = 0 ] || fail "needs root: sudo $0 …; --dry-run shows the steps without it"
}

parse "$@"
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
if [ -n "$UNINSTALL" ]; then uninstall; exit; fi
[ -z "$OFFLINE" ] || [ -n "$WHEELS" ] || [ -d "$HERE/wheels" ] || fail "--offline needs --wheels DIR"
PIP=(--disable-pip-version-check --no-input --retries 1)
if [ -n "$INDEX" ]; then PIP+=(--index-url "$INDEX"); fi
install_all
