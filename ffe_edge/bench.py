"""How fast a model is on this machine: every runner found here, all in turns, against ONNX Runtime in FP32."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from rich.table import Table

from ffe_edge.engine.device_engine import EngineCache, forced_engine
from ffe_edge.engine.engine_key import RUNTIMES, RuntimeName
from ffe_edge.engine.model import ModelSource, open_source
from ffe_edge.engine.model_file import ModelFile
from ffe_edge.engine.onnxruntime_runner import load_onnxruntime
from ffe_edge.engine.openvino_runner import load_openvino
from ffe_edge.engine.timing import interleaved
from ffe_edge.errors import ModelError
from ffe_edge.types import ImageArray, Runner

BATCHES: Final = (1, 4, 16)
MAX_BATCH: Final = 256
SECONDS: Final = 12.0
MIN_ROUNDS: Final = 5
LEAST_RUNS: Final = {95: 20, 99: 100}
"""Runs below which a percentile says nothing."""


DoubleArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Row:
    """One runner with one batch."""

    file: str
    backend: str
    precision: str
    batch: int
    runs: int
    p50_ms: float
    p95_ms: float | None
    """None where there were too few runs to say."""
    p99_ms: float | None
    crops_per_second: float
    """At the median."""
    ratio: float
    """Of its time to the reference's, the median over the rounds: 0.5 is twice as fast."""


@dataclass(frozen=True, slots=True)
class Bench:
    """All that was measured."""

    model: str
    machine: str
    threads: int
    reference: str
    """What the ratios compare with."""
    rows: tuple[Row, ...]
    absent: Mapping[str, str]
    """Runners that are not here, and why."""


@dataclass(frozen=True, slots=True)
class Contender:
    """One file in one runtime."""

    file: str
    run: Runner

    def __str__(self) -> str:
        return f"{self.run.backend} {self.run.precision} {self.file}"


def bench_model(
    path: Path | None,
    *,
    threads: int = 1,
    batches: Sequence[int] = BATCHES,
    seconds: float = SECONDS,
    cache: EngineCache | None = None,
    dla_core: int | None = None,
) -> Bench:
    """Measure a model with every runner found here.

    Args:
        path: a bundle or an exported ONNX; None for the shipped model.
        threads: of the CPU runtimes.
        batches: crops at once.
        seconds: for the measurement, in all.
        cache: of this machine's engines; None: they are left out.
        dla_core: that the engines were built for.

    Raises:
        ModelError: the model cannot be used.
    """
    if not batches or not all(1 <= batch <= MAX_BATCH for batch in batches):
        raise ValueError(f"batches are from 1 to {MAX_BATCH}, not {list(batches)}")
    source = open_source(path)
    with ExitStack() as closing:
        contenders, absent = _on_cpu(source, threads)
        if cache is not None:
            more, lacking = _on_gpu(source, cache, dla_core, closing)
            contenders, absent = [*contenders, *more], {**absent, **lacking}
        rows = _measured(contenders, _crops(source, max(batches)), batches, seconds)
    return Bench(source.spec.name, _machine(), threads, str(contenders[0]), rows, absent)


def as_table(bench: Bench) -> Table:
    """For people."""
    table = Table(
        title=f"{bench.model}, {bench.machine}, threads: {bench.threads}; ratio of time to {bench.reference}",
        title_justify="left",
        box=None,
        pad_edge=False,
    )
    for name in ("runner", "precision", "file"):
        table.add_column(name, overflow="fold")
    for name in ("batch", "p50 ms", "p95 ms", "p99 ms", "crops/s", "ratio"):
        table.add_column(name, justify="right")
    for row in bench.rows:
        times = (_cell(value) for value in (row.p50_ms, row.p95_ms, row.p99_ms))
        speed, ratio = f"{row.crops_per_second:.0f}", f"{row.ratio:.2f}"
        table.add_row(row.backend, row.precision, row.file, str(row.batch), *times, speed, ratio)
    return table


def as_json(bench: Bench) -> str:
    """For programs."""
    return json.dumps(asdict(bench), ensure_ascii=False, indent=1)


def _on_cpu(source: ModelSource, threads: int) -> tuple[list[Contender], dict[str, str]]:
    files = _files(source)
    contenders = [Contender(file.path.name, load_onnxruntime(file, threads)) for file in files]
    try:
        contenders += [Contender(file.path.name, load_openvino(file, threads)) for file in _for_openvino(source, files)]
    except ModelError as error:
        return contenders, {"openvino": str(error)}
    return contenders, {}


def _for_openvino(source: ModelSource, files: list[ModelFile]) -> list[ModelFile]:
    """The same, with OpenVINO's own file in the place of the one that serves."""
    if source.openvino is None:
        return files
    load_onnxruntime(source.openvino)  # refuses weights that lie in other files, which OpenVINO would read
    return [*files[:-1], source.openvino]


def _files(source: ModelSource) -> list[ModelFile]:
    """The reference first."""
    bundle = source.bundle
    if bundle is None or bundle.reference == bundle.cpu or not bundle.reference.is_file():
        return [source.file]
    return [bundle.read(bundle.reference), source.file]


def _on_gpu(
    source: ModelSource, cache: EngineCache, dla_core: int | None, closing: ExitStack
) -> tuple[list[Contender], dict[str, str]]:
    def load(runtime: RuntimeName) -> Contender | str:
        try:
            model = forced_engine(source, runtime, cache, dla_core).load()
        except ModelError as error:
            return str(error)
        closing.callback(model.close)
        return Contender(model.path.name, model.run)

    found = {runtime: load(runtime) for runtime in RUNTIMES}
    contenders = [contender for contender in found.values() if isinstance(contender, Contender)]
    return contenders, {name: reason for name, reason in found.items() if isinstance(reason, str)}


def _measured(
    contenders: Sequence[Contender], crops: ImageArray, batches: Sequence[int], seconds: float
) -> tuple[Row, ...]:
    rows = []
    for batch in batches:
        share = seconds / len(batches)
        runners = {str(contender): contender.run for contender in contenders}
        durations = interleaved(runners, crops, (batch,), share, MIN_ROUNDS)
        reference = np.array(durations[str(contenders[0]), batch])
        rows += [
            _row(contender, batch, np.array(durations[str(contender), batch]), reference) for contender in contenders
        ]
    return tuple(rows)


def _row(contender: Contender, batch: int, seconds: DoubleArray, reference: DoubleArray) -> Row:
    p50, p95, p99 = (1000 * float(value) for value in np.percentile(seconds, (50, 95, 99)))
    runs = len(seconds)
    return Row(
        file=contender.file,
        backend=contender.run.backend,
        precision=contender.run.precision,
        batch=batch,
        runs=runs,
        p50_ms=p50,
        p95_ms=p95 if runs >= LEAST_RUNS[95] else None,
        p99_ms=p99 if runs >= LEAST_RUNS[99] else None,
        crops_per_second=1000 * batch / p50,
        ratio=float(np.median(seconds / reference)),
    )


def _crops(source: ModelSource, count: int) -> ImageArray:
    """Golden crops over and over, or noise."""
    if source.golden is not None:
        crops = source.golden.crops
        return np.resize(crops, (count, *crops.shape[1:]))
    side = source.spec.size_px
    return np.random.default_rng(0).integers(0, 256, (count, side, side, 3), np.uint8)


def _machine() -> str:
    return f"{platform.processor() or platform.machine()}, {os.cpu_count()} CPUs"


def _cell(milliseconds: float | None) -> str:
    return "–" if milliseconds is None else f"{milliseconds:.2f}"
