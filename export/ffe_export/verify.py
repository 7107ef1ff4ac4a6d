"""Torch, ONNX, INT8 and engines beside one another: what each reads in the same crops, how fast, and who may serve."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from ffe_edge.errors import ModelError
from ffe_edge.types import FloatArray, ImageArray, Reading, Runner
from ffe_export.accuracy import Comparison, compare_accuracy
from ffe_export.agreement import Agreement, compare, is_finite
from ffe_export.crops_folder import crops_sha256
from ffe_export.gates import BITS, Gates, Outcome, Verdict, judge_accuracy, judge_agreement, judge_golden, judge_latency
from ffe_export.labelled import Labelled
from ffe_export.latency import Plan, Progress, Timings, measure
from ffe_export.verification import Contender, CropsRecord, FileRecord, Result, Verification

READ_AT_ONCE: Final = 16
"""Crops of a batch: the most that engines are built for."""
TIMED_CROPS: Final = 16
SOME_CROPS: Final = 128
"""Read by a contender that does not read all."""

_GoldenOf = dict[str, tuple[str, FloatArray]]
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


def verify(
    reference: Contender,
    contenders: Sequence[Contender],
    *,
    golden: ImageArray,
    real: ImageArray | None = None,
    labelled: Labelled | None = None,
    gates: Gates | None = None,
    plan: Plan | None = None,
    workers: int = 1,
    progress: Progress | None = None,
) -> Verification:
    """Compare contenders with the reference, time them in turn, and ask the gates.

    Args:
        reference: FP32, which the others must agree with.
        contenders: every other way to run the model.
        golden: (G, S, S, 3) uint8 BGR crops that travel with the model.
        real: (N, S, S, 3) crops of real people; the labelled ones where None.
        labelled: crops with their expression; without them the accuracy gate asks for the same likeliest class.
        gates: what a smaller file must show.
        plan: how long latency is measured.
        workers: how many runners read crops at a time; they are timed one after the other in any case.
        progress: told what is done, how far, of how many.

    Raises:
        ModelError: the reference cannot run, or gives numbers that are not finite.
        ValueError: two names are equal, or the plan lacks the latency gate's batch.
    """
    gates, plan = gates or Gates(), plan or Plan()
    _check_arguments(reference, contenders, gates, plan)
    check = _Check(golden, labelled.crops if real is None and labelled else real, labelled, gates, progress)
    first, judged = _judged(reference, contenders, check, workers)
    runners = _to_time([reference, *contenders], [first, *judged])
    timings = measure(runners, (golden if check.real is None else check.real)[:TIMED_CROPS], plan, progress=progress)
    at_gate = next(entry for entry in timings if entry.batch == gates.latency.batch)
    results = tuple(_with_latency(result, [first, *judged], at_gate, gates) for result in judged)
    records = _record(golden), None if check.real is None else _record(check.real)
    return Verification(first, results, timings, gates, *records, labelled)


def _judged(
    reference: Contender, contenders: Sequence[Contender], check: _Check, workers: int
) -> tuple[Result, list[Result]]:
    """The reference's result and those of the contenders, latency not yet judged."""
    runner = _runner_of(reference)
    with ThreadPoolExecutor(workers) as pool:
        own = pool.submit(check.readings, runner, reference)
        found = pool.map(check.attempt, contenders)
        standard, attempts = own.result(), list(found)
    if standard.infinite:
        raise ModelError(f"{reference.name}: gives numbers that are not finite in {standard.infinite} crops")
    golden_of: _GoldenOf = {reference.precision: (reference.name, standard.golden.probs)}
    first = Result(reference.name, reference.precision, runner.backend, reference.device, _file(reference, reference))
    results: list[Result] = []
    for contender, attempt in zip(contenders, attempts, strict=True):
        result = check.result(contender, attempt, standard, reference, golden_of)
        results.append(result if contender.reads_all else _sharing(result, results))
    return first, results


def _sharing(result: Result, before: Sequence[Result]) -> Result:
    """The result with the verdict on accuracy of the contender that read all crops with the same file."""
    twin = next((one for one in before if one.file == result.file and one.accuracy_verdict), None)
    if twin is None or twin.accuracy_verdict is None or result.accuracy_verdict is None:
        return result
    shared = replace(twin.accuracy_verdict, reason=f"as {twin.name}: {twin.accuracy_verdict.reason}")
    verdicts = tuple(shared if verdict is result.accuracy_verdict else verdict for verdict in result.verdicts)
    return replace(result, verdicts=verdicts)


@dataclass(frozen=True)
class _Check:
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
        golden_of: _GoldenOf,
    ) -> Result:
        """A contender against the reference; its latency is judged later.

        The first runner of a precision enters ``golden_of``: others of that precision must agree with it.
        """
        file = _file(contender, reference)
        result = Result(contender.name, contender.precision, "", contender.device, file, contender.is_timed)
        if contender.runner is not None:
            result = replace(result, backend=contender.runner.backend)
        if isinstance(found, Verdict):
            return replace(result, verdicts=(found,))
        of, wanted = golden_of.setdefault(contender.precision, (contender.name, found.golden.probs))
        result = self._compared(result, standard, found)
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
        parts = []
        for start in range(0, len(crops), READ_AT_ONCE):
            parts.append(runner.read(np.ascontiguousarray(crops[start : start + READ_AT_ONCE])))
            if self.progress:
                self.progress(what, min(start + READ_AT_ONCE, len(crops)), len(crops))
        embeddings = [part.embedding for part in parts if part.embedding is not None]
        embedding = np.concatenate(embeddings) if len(embeddings) == len(parts) else None
        return Reading(np.concatenate([part.probs for part in parts]), embedding)


def _first(reading: Reading, other: Reading) -> Reading:
    """As many of the crops as the other one has."""
    count = len(other.probs)
    return Reading(reading.probs[:count], None if reading.embedding is None else reading.embedding[:count])


def _with_latency(result: Result, all_results: Sequence[Result], timings: Timings, gates: Gates) -> Result:
    """The result with the latency gate's verdict, where its precision is smaller than the reference's."""
    larger_exist = BITS[result.precision] < BITS[all_results[0].precision]
    if result.name not in timings.names or not larger_exist:
        return result
    rivals = [
        rival.name
        for rival in all_results
        if rival.device == result.device
        and BITS[rival.precision] > BITS[result.precision]
        and rival.name in timings.names
        and rival.is_accepted
    ]
    if not rivals:
        reason = f"no larger precision runs on this {result.device}: nothing to be faster than"
        return replace(result, verdicts=(*result.verdicts, Verdict("latency", "not proven", reason)))
    fastest = min(rivals, key=lambda name: timings.timing(name).p50_ms)
    return replace(result, verdicts=(*result.verdicts, judge_latency(gates.latency, timings, result.name, fastest)))


def _to_time(contenders: Sequence[Contender], results: Sequence[Result]) -> dict[str, Runner]:
    """Runners that ran, by name; without those that nobody serves with."""
    ran = {result.name for result in results if all(verdict.gate != "run" for verdict in result.verdicts)}
    return {c.name: c.runner for c in contenders if c.runner is not None and c.is_timed and c.name in ran}


def _check_arguments(reference: Contender, contenders: Sequence[Contender], gates: Gates, plan: Plan) -> None:
    names = [contender.name for contender in (reference, *contenders)]
    if len(set(names)) < len(names):
        raise ValueError(f"contenders need different names, not {names}")
    if gates.latency.batch not in plan.batches:
        raise ValueError(f"the latency gate asks for batch {gates.latency.batch}, measured are {plan.batches}")
    if not reference.is_timed:
        raise ValueError(f"{reference.name}: the reference is what latencies are compared with, so it is timed")


def _runner_of(reference: Contender) -> Runner:
    if reference.runner is None:
        raise ModelError(
            f"{reference.name}: cannot run here ({reference.why_not_run}), so nothing can be compared to it"
        )
    return reference.runner


def _record(crops: ImageArray) -> CropsRecord:
    return CropsRecord(len(crops), crops_sha256(crops))


def _file(contender: Contender, reference: Contender) -> FileRecord | None:
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
