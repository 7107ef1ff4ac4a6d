"""What each way to run the model reads in the same crops, and what that says beside the reference."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from ffe_edge.errors import ModelError
from ffe_edge.types import FloatArray, ImageArray, Reading, Runner
from ffe_export.accuracy import Comparison, compare_accuracy
from ffe_export.agreement import Agreement, compare, is_finite
from ffe_export.gates import Gates, Outcome, Verdict, judge_accuracy, judge_agreement, judge_golden
from ffe_export.labelled import Labelled
from ffe_export.latency import Progress
from ffe_export.runs import reading_of
from ffe_export.verification import Contender, FileRecord, Result

READ_AT_ONCE: Final = 16
"""Crops of a batch: the most that engines are built for."""
SOME_CROPS: Final = 64
"""Read by a contender that does not read all."""

GoldenOf = dict[str, tuple[str, FloatArray]]
"""By precision: who ran first, and its probabilities (G, K) of the golden crops."""


@dataclass(frozen=True)
class Readings:
    """What one runner reads in the crops of ``Check``."""

    golden: Reading
    real: Reading | None
    labelled: Reading | None

    @property
    def infinite(self) -> int:
        """In how many crops a number is not finite."""
        parts = [part for part in (self.golden, self.real, self.labelled) if part is not None]
        return sum(int((~is_finite(part)).sum()) for part in parts)


@dataclass(frozen=True)
class Check:
    """Crops that every contender reads."""

    golden: ImageArray
    real: ImageArray | None
    labelled: Labelled | None
    gates: Gates
    progress: Progress | None

    def attempt(self, contender: Contender) -> Readings | Verdict:
        """What a contender reads, or why there is nothing to compare."""
        if contender.runner is None:
            return Verdict("run", "not run", contender.why_not_run)
        try:
            found = self.readings(contender.runner, contender)
        except ModelError as error:
            return Verdict("run", "refused", f"does not run: {error}")
        if found.infinite:
            reason = f"gives numbers that are not finite in {found.infinite} crops"
            return Verdict("run", "refused", reason, {"crops": found.infinite})
        return found

    def readings(self, runner: Runner, contender: Contender) -> Readings:
        """All crops, each set once; or some."""
        name, some = contender.name, None if contender.reads_all else SOME_CROPS
        golden = self._read(runner, self.golden, f"{name}: golden crops")
        real = None if self.real is None else self._read(runner, self.real[:some], f"{name}: crops")
        if self.labelled is None or some is not None:
            return Readings(golden, real, None)
        if self.labelled.crops is self.real:
            return Readings(golden, real, real)
        return Readings(golden, real, self._read(runner, self.labelled.crops, f"{name}: labelled crops"))

    def result(
        self,
        contender: Contender,
        found: Readings | Verdict,
        standard: Readings,
        reference: Contender,
        golden_of: GoldenOf,
    ) -> Result:
        """A contender against the reference; its latency is judged later.

        The first runner of a precision enters ``golden_of``: others of that precision must agree with it.
        """
        file = file_record(contender, reference)
        result = Result(contender.name, contender.precision, "", contender.device, file, contender.is_timed)
        if contender.runner is not None:
            result = replace(result, backend=contender.runner.backend)
        if isinstance(found, Verdict):
            return replace(result, verdicts=(found,))
        of, wanted = golden_of.setdefault(contender.precision, (contender.name, found.golden.probs))
        result = self._compared(result, standard, found)
        if not contender.reads_all and contender.precision == reference.precision:
            result = replace(result, verdicts=())  # nothing was made smaller: that it says the same is enough
        if of == contender.name:
            return result
        return replace(
            result, verdicts=(judge_golden(contender.precision, wanted, found.golden.probs, of), *result.verdicts)
        )

    def _compared(self, result: Result, standard: Readings, found: Readings) -> Result:
        golden = compare(standard.golden, found.golden)
        real = compare(_first(standard.real, found.real), found.real) if standard.real and found.real else None
        accuracy = None
        if self.labelled and standard.labelled and found.labelled:
            truth = self.labelled.class_id, self.labelled.subject
            accuracy = compare_accuracy(standard.labelled.probs, found.labelled.probs, *truth)
        return replace(result, golden=golden, real=real, accuracy=accuracy, verdicts=(self._judge(real, accuracy),))

    def _judge(self, real: Agreement | None, accuracy: Comparison | None) -> Verdict:
        if accuracy is not None:
            return judge_accuracy(self.gates.accuracy, accuracy)
        if real is not None:
            return judge_agreement(self.gates.accuracy, real)
        outcome: Outcome = "refused" if self.gates.accuracy.strict else "not proven"
        return Verdict("agreement", outcome, "no crops of real people were given: what it says of them is not known")

    def _read(self, runner: Runner, crops: ImageArray, what: str) -> Reading:
        """Crops in batches: memory for a few of them and for what is read, however many there are."""
        done = 0

        def step() -> None:
            nonlocal done
            done = min(done + READ_AT_ONCE, len(crops))
            if self.progress:
                self.progress(what, done, len(crops))

        return reading_of(runner.read, crops, step, READ_AT_ONCE)


def _first(reading: Reading, other: Reading) -> Reading:
    """As many of the crops as the other one has."""
    count = len(other.probs)
    return Reading(reading.probs[:count], None if reading.embedding is None else reading.embedding[:count])


def file_record(contender: Contender, reference: Contender) -> FileRecord | None:
    """The contender's file, its size beside the reference's; None where it has none."""
    if contender.file is None:
        return None
    size = _size(contender.file)
    ratio = None if reference.file is None else size / _size(reference.file)
    return FileRecord(contender.file.name, size, _sha256(contender.file), ratio)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror}); export it again") from error


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            digest = hashlib.sha256()
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror}); export it again") from error
    return digest.hexdigest()
