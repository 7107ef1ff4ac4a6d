"""Torch, ONNX, INT8 and engines beside one another: what each reads in the same crops, how fast, and who may serve."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Final

from ffe_edge.errors import ModelError
from ffe_edge.types import ImageArray, Runner
from ffe_export.crops_folder import crops_sha256
from ffe_export.gates import BITS, Gates, Verdict, judge_latency
from ffe_export.labelled import Labelled
from ffe_export.latency import Plan, Progress, Timings, measure
from ffe_export.readings import Check, GoldenOf, file_record
from ffe_export.verification import Contender, CropsRecord, Result, Verification

TIMED_CROPS: Final = 16


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
    check = Check(golden, labelled.crops if real is None and labelled else real, labelled, gates, progress)
    first, judged = _judged(reference, contenders, check, workers)
    runners = _to_time([reference, *contenders], [first, *judged])
    timings = measure(runners, (golden if check.real is None else check.real)[:TIMED_CROPS], plan, progress=progress)
    at_gate = next(entry for entry in timings if entry.batch == gates.latency.batch)
    results = tuple(_with_latency(result, [first, *judged], at_gate, gates) for result in judged)
    records = _record(golden), None if check.real is None else _record(check.real)
    return Verification(first, results, timings, gates, *records, labelled)


def _judged(
    reference: Contender, contenders: Sequence[Contender], check: Check, workers: int
) -> tuple[Result, list[Result]]:
    """The reference's result and those of the contenders, latency not yet judged."""
    runner = _runner_of(reference)
    with ThreadPoolExecutor(workers) as pool:
        own = pool.submit(check.readings, runner, reference)
        long_first = sorted(contenders, key=lambda contender: not contender.reads_all)
        found = {contender.name: pool.submit(check.attempt, contender) for contender in long_first}
        standard, attempts = own.result(), [found[contender.name].result() for contender in contenders]
    if standard.infinite:
        raise ModelError(f"{reference.name}: gives numbers that are not finite in {standard.infinite} crops")
    golden_of: GoldenOf = {reference.precision: (reference.name, standard.golden.probs)}
    first = Result(
        reference.name, reference.precision, runner.backend, reference.device, file_record(reference, reference)
    )
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
