"""Every network that can be trained goes all the way: traced, quantized, halved, and built into engines."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from export_parts import untrained

from ffe_export.agreement import compare
from ffe_export.graph import serialized
from ffe_export.half import halved
from ffe_export.quantize import Quantization, int8_spec, quantize
from ffe_export.runs import NetworkRunner, reading_of
from ffe_export.source import open_source
from ffe_export.to_engine import EngineSettings, build_engine
from ffe_export.to_onnx import TorchRunner, check_same, difference
from ffe_train.networks import DEPTHS

PRESETS = [pytest.param("tiny", id="tiny"), pytest.param("paper", id="paper", marks=pytest.mark.slow)]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("architecture", DEPTHS)
def test_it_says_the_same_in_every_form_and_becomes_an_engine(tmp_path: Path, architecture: str, preset: str) -> None:
    pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX is for x86-64 only")
    source = open_source(untrained(tmp_path / "stage", architecture, preset))
    assert source.original is not None
    crops = np.random.default_rng(0).integers(0, 256, (100, 112, 112, 3), np.uint8)
    few = crops[:8]
    full = reading_of(NetworkRunner(source.network, source.spec).read, few)
    check_same(difference(reading_of(TorchRunner(source.original, 1.0).read, few), full), architecture)
    found = quantize(source.network, source.spec, crops, Quantization(methods=("min-max",), agreement=0, threads=2))
    spec = int8_spec(source.spec, found, bits=8, calibration={})
    int8 = NetworkRunner(found.engine, spec, exact=True)
    assert compare(full, reading_of(int8.read, few)).largest < 0.1
    half = halved(source.network, architecture)
    assert compare(full, reading_of(NetworkRunner(half, source.spec).read, few)).largest < 0.02
    whole = len(serialized(source.network, source.spec))
    assert len(serialized(found.engine, spec)) < 0.31 * whole  # at full size 0.25
    for name, model in (("int8", found.engine), ("fp16", half), ("fp32", source.network)):
        path = tmp_path / f"network.{name}.onnx"
        path.write_bytes(serialized(model, spec if name == "int8" else source.spec))
        assert build_engine(path, tmp_path / "engines", EngineSettings("tensorrt-rtx")).size_bytes > 0
