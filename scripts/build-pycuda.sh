#!/usr/bin/env bash
# Builds pycuda from its sdist into a Python, without cuRAND and without linking the driver, so that it also builds
# where there is no GPU: two minutes of a processor. On a Jetson `pip install pycuda` does the same and links the driver.
#
#   scripts/build-pycuda.sh [PYTHON [FOLDER]]
#
# PYTHON  the interpreter it is for, .venv/bin/python unless given; pip must be in it
# FOLDER  installs there instead, to look at the module without changing the environment
# CUDA_ROOT names the toolkit where nvcc is not on PATH: headers are enough, for example those of Debian's
# nvidia-cuda-toolkit or of PyPI's nvidia-cuda-runtime and nvidia-cuda-cccl.
set -euo pipefail

PYTHON=${1:-.venv/bin/python}
TARGET=${2:-}
VERSION=2026.1

fail() { echo "build-pycuda: $*" >&2; exit 2; }

toolkit() {
  if [ -n "${CUDA_ROOT:-}" ]; then echo "$CUDA_ROOT"; return; fi
  local root
  for root in /usr/local/cuda "$(dirname "$(readlink -f "$(command -v nvcc || echo /none/none)")")/.."; do
    if [ -f "$root/include/cuda.h" ]; then echo "$root"; return; fi
  done
  fail "no CUDA headers: install the toolkit, or set CUDA_ROOT to a folder with include/cuda.h"
}

"$PYTHON" -m pip --version > /dev/null 2>&1 || fail "$PYTHON has no pip"
command -v g++ > /dev/null || fail "no g++: sudo apt install g++"
ROOT=$(toolkit)
[ -f "$ROOT/include/cuda.h" ] || fail "$ROOT/include/cuda.h is absent: set CUDA_ROOT"

WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
"$PYTHON" -m pip download -q --no-deps --no-build-isolation --no-binary pycuda -d "$WORK" "pycuda==$VERSION" \
  2> "$WORK/download.log" || { cat "$WORK/download.log" >&2; fail "the sdist cannot be had"; }
tar -xzf "$WORK/pycuda-$VERSION.tar.gz" -C "$WORK"
cat > "$WORK/pycuda-$VERSION/siteconf.py" <<EOF
CUDA_ROOT = "$ROOT"
CUDA_INC_DIR = ["$ROOT/include"]
CUDA_ENABLE_CURAND = False
CUDADRV_LIBNAME = []
CXXFLAGS = ["-O1", "-w"]
EOF
if [ -n "$TARGET" ]; then WHERE=(--target "$TARGET"); else WHERE=(); fi
"$PYTHON" -m pip install -q --no-deps "${WHERE[@]}" "$WORK/pycuda-$VERSION" \
  > "$WORK/build.log" 2>&1 || { tail -n 20 "$WORK/build.log" >&2; fail "it does not build"; }
echo "build-pycuda: pycuda $VERSION built against $ROOT"
