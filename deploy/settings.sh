# shellcheck shell=bash
# Changes single values of a file of settings; install.sh and ffe-edge-join read this file. They bring `fail`.

# One line in a file of `ffe-edge config init`, in which every key stands as a comment. set_key FILE SECTION KEY VALUE
set_key() {
    rm -f "$1.part"
    (umask 077 && awk -v section="$2" -v key="$3" -v value="$4" '
        /^\[/ { at = $0; gsub(/[][]/, "", at) }
        !done && at == section && $0 ~ "^#?" key " =" { print key " = \"" value "\""; done = 1; next }
        { print }
        END { exit !done }' "$1" >"$1.part") || {
            rm -f "$1.part"
            fail "$1: no key $2.$3 to set; write it there by hand"
        }
    cat "$1.part" >"$1"
    rm "$1.part"
}
