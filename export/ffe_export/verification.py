"""The values of ``verify``: what is compared, and what was found."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ffe_edge.types import Runner
from ffe_export.accuracy import Comparison
from ffe_export.agreement import Agreement
from ffe_export.gates import BITS, Gates, Outcome, Verdict
from ffe_export.labelled import Labelled
from ffe_export.latency import Timings

Device = Literal["cpu", "gpu"]

_GRAVEST_FIRST: tuple[Outcome, ...] = ("refused", "not run", "overridden", "not proven")


@dataclass(frozen=True)
class Contender:
    """One way to run the model."""

    name: str
    """``INT8, OpenVINO``, say: what the report calls it."""
    precision: str
    runner: Runner | None
    """None where it cannot run here."""
    file: Path | None = None
    device: Device = "cpu"
    """Latencies are compared within one device."""
    why_not_run: str = ""
    """``built, not run here: no GPU``."""
    is_timed: bool = True
    """False for torch, which nobody serves with."""
    reads_all: bool = True
    """False where another contender runs the very file: this one reads some crops, and shares the other's verdict."""

    def __post_init__(self) -> None:
        if self.precision not in BITS:
            raise ValueError(f"{self.name}: there is no precision {self.precision!r}")
        if (self.runner is None) == (not self.why_not_run):
            raise ValueError(f"{self.name}: needs a runner, or the reason why there is none")


@dataclass(frozen=True, slots=True)
class FileRecord:
    """A file of the export."""

    name: str
    size_bytes: int
    sha256: str
    ratio: float | None
    """Its size over that of the reference's file; None where that has none."""


@dataclass(frozen=True)
class Result:
    """All that is known of one contender."""

    name: str
    precision: str
    backend: str
    """Empty where it did not run."""
    device: Device
    file: FileRecord | None
    is_timed: bool = True
    golden: Agreement | None = None
    real: Agreement | None = None
    accuracy: Comparison | None = None
    verdicts: tuple[Verdict, ...] = ()

    @property
    def outcome(self) -> Outcome:
        """The gravest of its verdicts."""
        found = {verdict.outcome for verdict in self.verdicts}
        return next((outcome for outcome in _GRAVEST_FIRST if outcome in found), "passed")

    @property
    def accuracy_verdict(self) -> Verdict | None:
        """What the gate of accuracy, or of agreement in its place, says of it."""
        return next((verdict for verdict in self.verdicts if verdict.gate in {"accuracy", "agreement"}), None)

    @property
    def is_accepted(self) -> bool:
        """Whether it may serve: it ran here and no gate refuses it."""
        return all(verdict.is_accepted for verdict in self.verdicts)


@dataclass(frozen=True, slots=True)
class CropsRecord:
    """Which crops were read."""

    images: int
    sha256: str


@dataclass(frozen=True)
class Verification:
    """What ``verify`` found."""

    reference: Result
    results: tuple[Result, ...]
    """Of the contenders, in their order."""
    timings: tuple[Timings, ...]
    """One entry a batch."""
    gates: Gates
    golden: CropsRecord
    real: CropsRecord | None
    labelled: Labelled | None

    def timings_at(self, batch: int) -> Timings:
        """The rounds at a batch that was measured."""
        return next(timings for timings in self.timings if timings.batch == batch)

    def accepted(self, precision: str, device: Device = "cpu") -> Result | None:
        """The fastest result of a precision that no gate refuses; None where there is none."""
        timings = self.timings_at(self.gates.latency.batch)
        fitting = [
            result
            for result in (self.reference, *self.results)
            if (result.precision, result.device) == (precision, device) and result.is_accepted
        ]
        timed = [result for result in fitting if result.name in timings.names]
        return min(timed, key=lambda result: timings.timing(result.name).p50_ms, default=None)
