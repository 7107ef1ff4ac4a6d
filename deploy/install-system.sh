# shellcheck shell=bash
# shellcheck disable=SC2154,SC2034  # the settings of install.sh
# The steps of install.sh that belong to the system: files, users, units.

# --- Files of the system -----------------------------------------------------------------------------------------

put() { run install -D -m "$1" "$2" "$ROOT$3"; }

install_files() {
    say "installing units, rules and this script"
    put 0755 "$HERE/install.sh" "$SHARE/install.sh"
    put 0644 "$HERE/install-steps.sh" "$SHARE/install-steps.sh"
    put 0644 "$HERE/install-system.sh" "$SHARE/install-system.sh"
    put 0755 "$(beside scripts/build-pycuda.sh)" "$SHARE/build-pycuda.sh"
    put 0644 "$(beside constraints.txt)" "$SHARE/constraints.txt"
    put 0644 "$HERE/systemd/backoff.conf" "$SHARE/backoff.conf"
    put 0644 "$HERE/settings.sh" "$SHARE/settings.sh"
    put 0755 "$HERE/systemd/ffe-edge-node" /usr/local/sbin/ffe-edge-node
    put 0755 "$HERE/ffe-edge-join" /usr/local/sbin/ffe-edge-join
    put 0644 "$HERE/systemd/ffe-edge.service" /etc/systemd/system/ffe-edge.service
    put 0644 "$HERE/systemd/ffe-dashboard.service" /etc/systemd/system/ffe-dashboard.service
    put 0644 "$HERE/broker/mosquitto.conf" "$SHARE/broker/mosquitto.conf"
    put 0644 "$HERE/systemd/sysusers.conf" /etc/sysusers.d/ffe-edge.conf
    put 0644 "$HERE/systemd/tmpfiles.conf" /etc/tmpfiles.d/ffe-edge.conf
    put 0644 "$HERE/udev/70-ffe-edge.rules" /etc/udev/rules.d/70-ffe-edge.rules
    keep 0644 "$HERE/systemd/journald@ffe-edge.conf" "/etc/systemd/journald@ffe-edge.conf"
    keep 0644 "$HERE/systemd/dashboard.toml" /etc/ffe-edge/dashboard.toml
    put 0644 "$HERE/grafana/ffe-edge.json" "$SHARE/grafana/ffe-edge.json"
    put 0644 "$HERE/man/ffe-edge.1" /usr/local/share/man/man1/ffe-edge.1
    put 0644 "$HERE/completions/ffe-edge" /usr/local/share/bash-completion/completions/ffe-edge
    run install -d "$ROOT/usr/local/bin"
    run ln -sfn "$CURRENT/bin/ffe-edge" "$ROOT/usr/local/bin/ffe-edge"
}

# In the repository these lie outside deploy/, where it is installed beside the script.
beside() { if [ -f "$HERE/${1##*/}" ]; then echo "$HERE/${1##*/}"; else echo "$HERE/../$1"; fi; }
keep() { if [ ! -e "$ROOT$3" ]; then put "$@"; fi; }

SCRIPT_FILES=(/usr/local/sbin/ffe-edge-node /usr/local/sbin/ffe-edge-join /usr/local/bin/ffe-edge
    /usr/local/share/man/man1/ffe-edge.1 /usr/local/share/bash-completion/completions/ffe-edge
    /etc/systemd/system/ffe-edge.service /etc/systemd/system/ffe-dashboard.service /etc/sysusers.d/ffe-edge.conf
    /etc/tmpfiles.d/ffe-edge.conf /etc/udev/rules.d/70-ffe-edge.rules)

remove_files() {
    local file
    for file in "${SCRIPT_FILES[@]}"; do
        if [ -e "$ROOT$file" ] || [ -L "$ROOT$file" ]; then run rm -f "$ROOT$file"; fi
    done
}

make_user_and_folders() {
    say "making user, groups and folders"
    run systemd-sysusers ${ROOT:+--root="$ROOT"} ffe-edge.conf
    run systemd-tmpfiles ${ROOT:+--root="$ROOT"} --create ffe-edge.conf
    make_residents_key
}

# The key of the residents' store, unless people were enrolled with one in the state folder before: that is taken.
make_residents_key() {
    local key=$ROOT$KEYS/residents.key before=$ROOT/var/lib/ffe-edge/residents.key
    [ ! -s "$key" ] || return 0
    if [ -s "$before" ]; then
        run install -m 0600 "$before" "$key"
        run rm -f "$before"
    elif [ -n "$DRY_RUN" ]; then
        printf '  + 32 random bytes into %s, mode 0600\n' "$key"
    else
        (umask 077 && head -c 32 /dev/urandom >"$key.new" && mv "$key.new" "$key")
    fi
}

# --- systemd -----------------------------------------------------------------------------------------------------

install_backoff() {
    local version at=/etc/systemd/system/ffe-edge.service.d/backoff.conf
    version=$(in_root systemctl --version 2>/dev/null | awk 'NR == 1 { print $2 }')
    if [ "${version:-0}" -ge 254 ]; then
        put 0644 "$(beside deploy/systemd/backoff.conf)" "$at"
    elif [ -e "$ROOT$at" ]; then
        run rm -f "$ROOT$at"
    fi
}

units() { case $ROLE in node) echo ffe-edge ;; dashboard) echo ffe-dashboard ;; both) echo ffe-edge ffe-dashboard ;; esac; }

start() {
    local name
    for name in $(units); do
        say "enabling $name.service"
        if [ -n "$ROOT" ]; then run systemctl -q --root="$ROOT" enable "$name.service"; else run systemctl -q enable "$name.service"; fi
    done
    is_booted || return 0
    run systemctl daemon-reload
    run udevadm control --reload
    run udevadm trigger --subsystem-match=video4linux --subsystem-match=media
    [ "$START" = yes ] || return 0
    for name in $(units); do run systemctl restart "$name.service"; done
}

report() {
    is_node && [ -z "$DRY_RUN$ROOT" ] || return 0
    say "what this machine has and lacks (sudo ffe-edge-node doctor):"
    /usr/local/sbin/ffe-edge-node doctor || warn "something is missing, see the table"
    tell_next
}

tell_next() {
    is_configured || say "next: name broker.url and camera.source in $SETTINGS, then systemctl restart ffe-edge"
}

is_configured() { grep -Eq '^[^#]*url *= *"mqtts?://' "$ROOT$SETTINGS" && grep -Eq '^[^#]*source *= *"' "$ROOT$SETTINGS"; }
