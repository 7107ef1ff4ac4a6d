"""The whole way: a model in FP32 -> smaller files -> engines -> what they say -> the bundle that may be served."""

from __future__ import annotations

import logging
import os
import platform
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from importlib.metadata import distributions
from pathlib import Path
from typing import Any, Final

from ffe_edge import __version__
from ffe_edge.align import CROP_PX
from ffe_edge.engine.bundle import ENGINES
from ffe_edge.errors import ConfigError, ModelError
from ffe_edge.spec import PRECISIONS
from ffe_export.bundle_writer import Serving, put_in_place, staged
from ffe_export.contenders import (
    MODEL,
    OPENVINO_INT8,
    contenders,
    crops_file,
    engine_numbers,
    network_file,
    openvino_name,
    reference,
)
from ffe_export.crops_folder import DrawnCrops, draw_crops
from ffe_export.engines import built, check_runtimes
from ffe_export.gates import Gates
from ffe_export.golden_crops import golden_crops
from ffe_export.identity import with_identity
from ffe_export.labelled import Labelled, read_labelled
from ffe_export.latency import Plan
from ffe_export.quantize import Quantization, Quantized
from ffe_export.report import report_of, write_report
from ffe_export.source import Source, open_source
from ffe_export.to_engine import EngineSettings
from ffe_export.to_onnx import Difference
from ffe_export.verification import Contender, Verification
from ffe_export.verify import verify
from ffe_export.write_models import GOLDEN, write_full, write_golden_file, write_half, write_int8

logger = logging.getLogger(__name__)

PLAN: Final = Plan(seconds=4.0, least_rounds=5, warm_up=1)
"""Of latency: seconds for each batch."""

Progress = Callable[[str, float], None]
TOOLS: Final = ("onnx", "onnxruntime", "openvino", "torch", "tensorrt", "tensorrt-rtx")


@dataclass(frozen=True)
class Wish:
    """What is asked of an export."""

    precisions: tuple[str, ...] = ()
    """``fp16``, ``int8`` or both, beside FP32."""
    calibration: Path | None = None
    """Folder of crops that INT8's ranges are learned on."""
    check: Path | None = None
    """Folder of labelled crops that every file must read as FP32 does."""
    split: str | None = None
    """Of the check's rows; None takes all."""
    identities: Path | None = None
    """CSV of pairs on which is measured how well people are told apart."""
    most_checked: int = 500
    """Crops of the check, drawn evenly."""
    engines: tuple[EngineSettings, ...] = ()
    """What is built here."""
    name: str | None = None
    gates: Gates = field(default_factory=Gates)
    quantization: Quantization = field(default_factory=Quantization)
    plan: Plan = PLAN
    threads: int = 1

    def __post_init__(self) -> None:
        if unknown := [one for one in self.precisions if one not in PRECISIONS]:
            raise ConfigError(f"precision {unknown[0]!r} is none of {', '.join(PRECISIONS)}")
        if self.split is not None and self.check is None:
            raise ConfigError("a split is of labelled crops; give --check FOLDER too")
        if not set(self.precisions) - {"fp32"} and any(engine.dla_core is not None for engine in self.engines):
            raise ConfigError("a DLA computes in fp16 and int8; give --precision")
        if "int8" in self.precisions and self.calibration is None:
            raise ConfigError(
                "no calibration data: int8 learns its ranges on faces; give --calibration FOLDER of 112 x 112 crops"
            )


@dataclass(frozen=True)
class Exported:
    """What an export has made."""

    folder: Path
    serving: Serving
    verification: Verification
    is_as_wished: bool
    """Whether the precision that was asked for passed its gates."""


def export_model(path: Path, out: Path, wish: Wish, progress: Progress | None = None) -> Exported:
    """Export a model, prove it, and put the bundle in place; a failure leaves an older bundle as it was.

    Args:
        path: a stage's folder, an FP32 ONNX of ours, or a bundle.
        out: the bundle's folder.
        wish: what is asked for.
        progress: told what is done and how far it is, 0 to 1.

    Raises:
        ModelError: the model cannot be used, or one of its files says something else than it.
        DataError: a folder of crops cannot be used.
    """
    tell, cores = progress or _nobody, len(os.sched_getaffinity(0))
    source = open_source(path, wish.name)
    calibration = draw_crops(wish.calibration, wish.quantization.most_crops) if wish.calibration else None
    labelled = _labelled(wish, source)
    if (calibration or labelled or wish.identities) and source.spec.size_px != CROP_PX:
        raise ModelError(f"{path}: takes crops of {source.spec.size_px} px, those of a folder have {CROP_PX}")
    source = with_identity(source, wish.identities, tell)
    check_runtimes(wish.engines)
    golden = golden_crops(source.spec.size_px)
    with staged(out) as folder, ExitStack() as opened:
        exact = write_full(source, folder, golden if labelled is None else labelled.crops)
        found = None
        if "fp16" in wish.precisions:
            write_half(source, folder)
        if "int8" in wish.precisions and calibration is not None:
            found = write_int8(source, folder, calibration, replace(wish.quantization, threads=cores), tell)
        every = tuple(one for one in PRECISIONS if one == "fp32" or one in wish.precisions)
        write_golden_file(folder, golden, every)
        engines = list(built(folder, out / ENGINES, every, wish.engines, opened, tell))
        others = [*contenders(folder, source, wish.threads), *engines]
        verification = verify(
            reference(folder, wish.threads), others, golden=golden, labelled=labelled, gates=wish.gates, plan=wish.plan,
            workers=cores, progress=lambda what, done, total: tell(what, done / max(total, 1)),
        )  # fmt: skip
        serving, is_as_wished = _serving(verification, folder, source.spec.name, every, engines)
        notes = [*([] if exact is None else [_told(exact)]), *_in_both(calibration, labelled)]
        _report(verification, folder, source, found, None if calibration is None else calibration.record, notes)
        put_in_place(folder, serving, _made(source))
    return Exported(out, serving, verification, is_as_wished)


def _labelled(wish: Wish, source: Source) -> Labelled | None:
    if wish.check is None:
        return None
    return read_labelled(wish.check, source.spec.labels, wish.split, limit=wish.most_checked)


def _serving(
    verification: Verification, folder: Path, name: str, every: Sequence[str], engines: Sequence[Contender]
) -> tuple[Serving, bool]:
    """The smallest files that no gate refuses, and whether they are the smallest that were asked for.

    Where engines were built it is they that count; a CPU on which INT8 is not faster then keeps FP32.
    """
    accepted = {result.name for result in verification.results if result.is_accepted}
    cpu = "int8" if "int8" in every and verification.accepted("int8") else "fp32"

    def is_good(precision: str) -> bool:
        asked = {engine.name for engine in engines if engine.precision == precision and engine.runner is not None}
        return accepted >= {engine_numbers(precision), *asked}

    smallest_first = [one for one in reversed(every) if one != "fp32"]
    engine = next((one for one in smallest_first if is_good(one)), "fp32")
    counts = engine if engines or "int8" not in every else cpu
    own = (
        OPENVINO_INT8
        if cpu == "int8" and openvino_name("int8") in accepted and (folder / OPENVINO_INT8).is_file()
        else None
    )
    if own is None:
        (folder / OPENVINO_INT8).unlink(missing_ok=True)
    serving = Serving(name, counts, crops_file(cpu), network_file(engine), MODEL, GOLDEN, own)
    return serving, counts == every[-1]


def _report(
    verification: Verification,
    folder: Path,
    source: Source,
    found: Quantized | None,
    calibration: dict[str, object] | None,
    notes: Sequence[str],
) -> None:
    report = report_of(
        verification,
        model=source.spec.name,
        calibration={**(calibration or {}), **found.record()} if found else None,
        sensitivity=found.layers if found else None,
        notes=notes,
    )
    write_report(report, folder)


def _in_both(calibration: DrawnCrops | None, labelled: Labelled | None) -> list[str]:
    """What a reader should know where a file is checked on the very crops that its ranges were learned on."""
    if calibration is None or labelled is None:
        return []
    learned = {crop.tobytes() for crop in calibration.crops}
    shared = sum(crop.tobytes() in learned for crop in labelled.crops)
    if not shared:
        return []
    told = f"{shared} of the {len(labelled)} crops of --check are in --calibration too: on these INT8 has an advantage."
    logger.warning(told)
    return [told]


def _told(exact: Difference) -> str:
    return (
        f"ONNX Runtime and torch differ by at most {exact.probs:.1e} of a probability and {exact.embedding:.1e} of the"
        f" embedding on {exact.crops} crops, 8 of them fresh noise."
    )


def _made(source: Source) -> dict[str, Any]:
    """With what, and of what."""
    tools = dict(_versions())
    return {"ffe_edge": __version__, "python": platform.python_version(), **tools, "source": source.spec.parent_sha256}


def _versions() -> Iterator[tuple[str, str]]:
    installed = {found.metadata["Name"].lower(): found.version for found in distributions()}
    yield from ((tool, installed[tool]) for tool in TOOLS if tool in installed)


def _nobody(_what: str, _share: float) -> None:
    """Nobody asked how far it is."""
