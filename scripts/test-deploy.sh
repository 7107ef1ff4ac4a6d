#!/usr/bin/env bash
# What `make test-deploy` runs: the tests of deploy/, those that take minutes too. Packages are brought by
# scripts/bootstrap.sh; what is missing all the same makes its tests skip, with the reason.
#
#   scripts/test-deploy.sh [WORDS FOR PYTEST]
#
# The machine that a package is installed into is a root of mmdebstrap booted by systemd-nspawn: both need root.
set -euo pipefail
cd "$(dirname "$0")/.."

PYTHON=${PYTHON:-.venv/bin/python}
[ -x "$PYTHON" ] || { echo "test-deploy: no $PYTHON: run make test-deploy" >&2; exit 2; }
if [ "$(id -u)" != 0 ]; then
    echo "test-deploy: not root, so nothing is installed into a clean root: those tests are skipped" >&2
fi
export PATH=$PATH:/usr/sbin:/sbin
"$PYTHON" -m pytest tests/deploy tests/test_docs_install.py "$@"
# Those of the device that take part: 5 says that there are none of them.
"$PYTHON" -m pytest tests --ignore tests/deploy -m deploy "$@" || [ $? = 5 ]
