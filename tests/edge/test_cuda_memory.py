"""The seam to CUDA by the real pycuda, on a driver of ordinary memory where there is no GPU."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ffe_edge.engine.cuda_memory import PycudaMemory, find_gpu
from ffe_edge.errors import ModelError

HERE = Path(__file__).parent
LAZILY = """
import os, runpy, sys
sys.setdlopenflags(os.RTLD_LAZY | os.RTLD_GLOBAL)
runpy.run_path(sys.argv[1], run_name="__main__")
"""
"""pycuda links all of CUDA, the stand-in has only the calls that we make."""
PYCUDA = importlib.util.find_spec("pycuda")
needs_pycuda = pytest.mark.skipif(PYCUDA is None, reason="pycuda is not here: scripts/build-pycuda.sh builds it")
needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    library = tmp_path_factory.mktemp("driver") / "libcuda.so.1"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, HERE / "fake_libcuda.c"], check=True)
    return library


def program(driver: Path, folder: Path, *, shared: bool) -> dict[str, Any]:
    environment = os.environ | {
        "LD_PRELOAD": str(driver),
        "PYTHONPATH": os.pathsep.join([str(HERE.parent), *filter(None, sys.path)]),
    }
    environment |= {"FAKE_INTEGRATED": "1"} if shared else {}
    command = [sys.executable, "-c", LAZILY, HERE / "pycuda_program.py", driver, folder]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=100)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


@needs_pycuda
@needs_compiler
@pytest.mark.parametrize(
    ("shared", "allocations"), [pytest.param(True, 3, id="zero-copy"), pytest.param(False, 6, id="copied")]
)
def test_the_network_runs_through_pycuda_and_all_is_given_back(
    driver: Path, tmp_path: Path, shared: bool, allocations: int
) -> None:
    told = program(driver, tmp_path, shared=shared)
    assert told["gpu"] == ["Fake Orin", "8.7", shared]
    assert max(told["differences"].values()) < 1e-5
    assert sorted(told["differences"]) == ["1", "5", "6", "9"]
    assert told["used"] == allocations + 2  # and a context and a stream
    assert (told["left"], told["misuse"], told["depth"]) == (0, 0, 0)
    assert "Fake Orin" in told["refused"]
    assert "out of memory" in told["refused"]


@pytest.mark.parametrize("use", [find_gpu, PycudaMemory])
def test_without_pycuda_it_says_what_to_install(use: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pycuda", None)
    with pytest.raises(ModelError, match=r"pycuda cannot be loaded .* pip install pycuda"):
        use()
