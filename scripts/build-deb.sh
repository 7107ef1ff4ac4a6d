#!/usr/bin/env bash
# Builds the Debian package of ffe-edge: wheel, units, rules, maintainer scripts. `make deb` calls it.
#
#   scripts/build-deb.sh [--vendor] [--version VERSION] [DIRECTORY]
#
# DIRECTORY            where the package goes [default: dist]
# --vendor             with the wheels of everything that it needs, for this machine's processor and its /usr/bin/python3:
#                      such a package installs without a network
# --version VERSION    of the package [default: that of the wheel]
#
# Needs dpkg-dev, debhelper and python3-venv, no root.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() { echo "build-deb: $*" >&2; exit 2; }

VENDOR='' VERSION='' OUTPUT=dist EXTRAS=residents,dashboard
while [ $# -gt 0 ]; do
    case $1 in
        --vendor) VENDOR=yes ;;
        --version) VERSION=${2:?} && shift ;;
        --help | -h) sed -n '2,/^$/s/^# \{0,1\}//p' "$0"; exit 0 ;;
        -*) fail "unknown word '$1'; see --help" ;;
        *) OUTPUT=$1 ;;
    esac
    shift
done
for tool in dpkg-buildpackage dh; do
    command -v "$tool" >/dev/null || fail "no $tool: apt-get install dpkg-dev debhelper"
done
mkdir -p "$OUTPUT"
OUTPUT=$(cd "$OUTPUT" && pwd)
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
STAGE=$WORK/ffe-edge
umask 022

# The day of the last commit, so that the same commit makes the same package.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}
export SOURCE_DATE_EPOCH

/usr/bin/python3 -m venv "$WORK/venv" 2>/dev/null || fail "no venv for /usr/bin/python3: apt-get install python3-venv"
PIP=("$WORK/venv/bin/python" -m pip --disable-pip-version-check --no-input -qq)
mkdir -p "$STAGE/share/wheels" "$STAGE/sbin" "$STAGE/etc/systemd" "$STAGE/etc/ffe-edge" "$STAGE/docs" "$STAGE/man"
"${PIP[@]}" wheel --no-deps -w "$STAGE/share/wheels" . || fail "the wheel cannot be built"
WHEEL=$(basename "$STAGE"/share/wheels/ffe_edge-*.whl)
ARCHITECTURE=all
if [ -n "$VENDOR" ]; then
    "${PIP[@]}" download --only-binary :all: -c constraints.txt -d "$STAGE/share/wheels" \
        "$STAGE/share/wheels/${WHEEL}[$EXTRAS]" || fail "not everything can be downloaded; see above"
    touch "$STAGE/share/wheels/COMPLETE"
    ARCHITECTURE=$(dpkg --print-architecture)
fi
# 0.2.0rc1 comes before 0.2.0.
[ -n "$VERSION" ] || VERSION=$(cut -d- -f2 <<<"$WHEEL" | sed -E 's/(\.dev|a|b|rc)([0-9]+)/~\1\2/; s/~\./~/')

cp -r deploy/debian "$STAGE/debian"
sed -i "s/@ARCHITECTURE@/$ARCHITECTURE/" "$STAGE/debian/control"
cat >"$STAGE/debian/changelog" <<END
ffe-edge ($VERSION) stable; urgency=medium

  * Release $VERSION; see CHANGELOG.md beside this file.

 -- ffe-edge maintainers <maintainers@ffe-edge.invalid>  $(LC_ALL=C date -u -R -d "@$SOURCE_DATE_EPOCH")
END
cp deploy/install.sh deploy/install-steps.sh deploy/install-system.sh deploy/settings.sh scripts/build-pycuda.sh constraints.txt \
    deploy/systemd/backoff.conf "$STAGE/share/"
cp -r deploy/broker deploy/grafana "$STAGE/share/"
cp -r deploy/completions "$STAGE/"
cp deploy/systemd/ffe-edge-node deploy/ffe-edge-join "$STAGE/sbin/"
cp deploy/systemd/dashboard.toml "$STAGE/etc/ffe-edge/"
cp deploy/systemd/journald@ffe-edge.conf "$STAGE/etc/systemd/"
cp deploy/systemd/ffe-edge.service "$STAGE/debian/ffe-edge.service"
cp deploy/systemd/ffe-dashboard.service "$STAGE/debian/ffe-edge.ffe-dashboard.service"
cp deploy/systemd/sysusers.conf "$STAGE/debian/ffe-edge.sysusers"
cp deploy/systemd/tmpfiles.conf "$STAGE/debian/ffe-edge.tmpfiles"
cp deploy/udev/70-ffe-edge.rules "$STAGE/debian/ffe-edge.udev"
cp CHANGELOG.md docs/*.md "$STAGE/docs/"
cp deploy/debian/*.8 deploy/man/ffe-edge.1 "$STAGE/man/"

(cd "$STAGE" && dpkg-buildpackage -b -us -uc >"$WORK/build.log" 2>&1) ||
    { tail -n 20 "$WORK/build.log" >&2; fail "dpkg-buildpackage failed"; }
cp "$WORK/ffe-edge_${VERSION}_$ARCHITECTURE.deb" "$OUTPUT/"
echo "$OUTPUT/ffe-edge_${VERSION}_$ARCHITECTURE.deb"
