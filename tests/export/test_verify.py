"""Every way to run a model is compared with the reference, timed beside it, and judged; nothing unknown passes."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from verify_parts import BusyRunner, FakeRunner, some_crops

from ffe_edge.emotions import LABELS
from ffe_edge.engine.model import load_model
from ffe_edge.errors import ModelError
from ffe_edge.types import ImageArray
from ffe_export.gates import AccuracyGate, Gates, LatencyGate
from ffe_export.labelled import Labelled, read_labelled
from ffe_export.latency import Plan
from ffe_export.readings import READ_AT_ONCE, SOME_CROPS
from ffe_export.verification import Contender, Result, Verification
from ffe_export.verify import verify

GOLDEN, REAL = some_crops(6, seed=8), some_crops(50, seed=9)
PLAN = Plan((1, 2), 0.0, least_rounds=25, warm_up=0)


def runner(precision: str = "fp32", shift: float = 0.0, turns: float = 3.0, broken: str = "") -> BusyRunner:
    return BusyRunner(precision, shift=shift, milliseconds=[turns], broken=broken)


def contender(
    name: str, precision: str = "fp32", shift: float = 0.0, turns: float = 3.0, broken: str = ""
) -> Contender:
    return Contender(name, precision, runner(precision, shift, turns, broken))


def labelled(crops: ImageArray) -> Labelled:
    truth = FakeRunner().read(crops).probs.argmax(axis=1)
    labels = tuple(f"label{k}" for k in range(9))
    return Labelled(Path("people"), crops, labels, truth, None, {})


def checked(*contenders: Contender, **more: object) -> Verification:
    return verify(contender("FP32"), contenders, golden=GOLDEN, **{"real": REAL, "plan": PLAN, **more})  # type: ignore[arg-type]


def outcomes(result: Result) -> dict[str, str]:
    return {verdict.gate: verdict.outcome for verdict in result.verdicts}


def test_a_faster_file_that_says_the_same_passes() -> None:
    found = checked(contender("INT8", "int8", 1e-4, turns=1), labelled=labelled(REAL))
    (result,) = found.results
    assert outcomes(result) == {"accuracy": "passed", "latency": "passed"}
    assert (result.outcome, result.is_accepted, found.accepted("int8")) == ("passed", True, result)
    assert (found.golden.images, found.real.images if found.real else 0) == (6, 50)


def test_a_file_that_loses_accuracy_is_refused() -> None:
    found = checked(contender("INT8", "int8", 2.0, turns=1), labelled=labelled(REAL))
    assert outcomes(found.results[0]) == {"accuracy": "refused", "latency": "passed"}
    assert found.accepted("int8") is None


def test_without_labels_the_same_answer_counts_and_few_crops_prove_nothing() -> None:
    (result,) = checked(contender("INT8", "int8", 1e-4, turns=1)).results
    assert outcomes(result) == {"agreement": "not proven", "latency": "passed"}
    assert result.accuracy is None
    (strict,) = checked(contender("I", "int8", 1e-4), gates=Gates(AccuracyGate(strict=True))).results
    assert outcomes(strict)["agreement"] == "refused"


def test_without_real_crops_nothing_is_proven() -> None:
    (result,) = checked(contender("INT8", "int8", turns=1), real=None).results
    assert outcomes(result)["agreement"] == "not proven"
    assert "no crops of real people were given" in result.verdicts[0].reason
    (strict,) = checked(contender("I", "int8"), real=None, gates=Gates(AccuracyGate(strict=True))).results
    assert outcomes(strict)["agreement"] == "refused"


def test_labelled_crops_are_the_real_ones_where_there_are_no_others_and_are_read_once() -> None:
    people, candidate = labelled(REAL), runner("int8")
    found = checked(Contender("INT8", "int8", candidate), real=None, labelled=people)
    assert found.real is not None
    assert found.results[0].real is not None
    assert sum(candidate.batches) == len(GOLDEN) + len(REAL)
    assert max(candidate.batches) == READ_AT_ONCE


def test_a_smaller_file_must_beat_the_fastest_larger_one_on_its_device() -> None:
    found = checked(contender("FP32, quick", turns=1), contender("INT8", "int8", turns=2), labelled=labelled(REAL))
    quick, int8 = found.results
    assert outcomes(quick) == {"golden": "passed", "accuracy": "passed"}
    assert outcomes(int8)["latency"] == "refused"
    assert "FP32, quick" in int8.verdicts[-1].reason


def test_a_larger_file_that_was_refused_is_nothing_to_beat() -> None:
    wrong = contender("FP16, wrong", "fp16", 3.0, turns=1)
    found = checked(wrong, contender("INT8", "int8", turns=2), labelled=labelled(REAL))
    assert [outcomes(result)["latency"] for result in found.results] == ["passed", "passed"]
    assert "FP16" not in found.results[1].verdicts[-1].reason


def test_latencies_of_a_gpu_are_not_compared_with_those_of_a_cpu() -> None:
    engine = Contender("INT8 engine", "int8", runner("int8", turns=9), device="gpu")
    (result,) = checked(engine, labelled=labelled(REAL)).results
    assert outcomes(result)["latency"] == "not proven"
    assert "no larger precision runs on this gpu" in result.verdicts[-1].reason


def test_a_slower_file_is_taken_on_demand_and_that_is_kept() -> None:
    gates = Gates(latency=LatencyGate(allow_slower=True))
    (result,) = checked(contender("INT8", "int8", turns=9), labelled=labelled(REAL), gates=gates).results
    assert (result.outcome, result.is_accepted) == ("overridden", True)


def test_runners_of_one_precision_must_agree_on_the_golden_crops() -> None:
    first, same, other = (contender(f"INT8 {k}", "int8", k / 2, turns=1) for k in (0, 0.01, 4))
    found = checked(first, same, other)
    golden = [outcomes(result).get("golden") for result in found.results]
    assert golden == [None, "passed", "refused"]
    assert "from those of INT8 0 by" in found.results[1].verdicts[0].reason


def test_what_cannot_run_here_is_listed_and_never_passed() -> None:
    engine = Contender("FP16 engine", "fp16", None, device="gpu", why_not_run="built, not run here: no GPU")
    found = checked(engine)
    (result,) = found.results
    assert (result.outcome, result.is_accepted, found.accepted("fp16", "gpu")) == ("not run", False, None)
    assert result.verdicts[0].reason == "built, not run here: no GPU"
    assert "FP16 engine" not in found.timings[0].names


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        pytest.param("nan", "gives numbers that are not finite in 5 crops", id="nan"),
        pytest.param("fails", "does not run: engine.bin: does not run", id="fails"),
    ],
)
def test_a_runner_that_breaks_is_refused_and_the_others_go_on(broken: str, told: str) -> None:
    found = checked(contender("FP16", "fp16", broken=broken), contender("INT8", "int8", turns=1))
    assert (found.results[0].outcome, found.results[0].verdicts[0].reason) == ("refused", told)
    assert outcomes(found.results[1])["latency"] == "passed"
    assert found.timings[0].names == ("FP32", "INT8")


@pytest.mark.parametrize("broken", ["nan", "fails"])
def test_a_reference_that_breaks_ends_it(broken: str) -> None:
    with pytest.raises(ModelError, match=r"not finite|does not run"):
        verify(contender("FP32", broken=broken), [], golden=GOLDEN, plan=PLAN)


def test_torch_is_compared_and_not_timed() -> None:
    torch = Contender("torch", "fp32", runner(), is_timed=False)
    found = checked(torch, labelled=labelled(REAL))
    assert found.timings[0].names == ("FP32",)
    assert found.results[0].real is not None
    assert found.results[0].real.largest == 0


def test_files_are_recorded_with_their_digest_and_size(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"x" * 100)
    (tmp_path / "model.int8.onnx").write_bytes(b"y" * 26)
    reference = Contender("FP32", "fp32", runner(), tmp_path / "model.onnx")
    int8 = Contender("INT8", "int8", runner("int8"), tmp_path / "model.int8.onnx")
    found = verify(reference, [int8], golden=GOLDEN, plan=PLAN)
    file = found.results[0].file
    assert file is not None
    assert (file.name, file.size_bytes, file.ratio) == ("model.int8.onnx", 26, pytest.approx(0.26))
    assert file.sha256 == hashlib.sha256(b"y" * 26).hexdigest()
    with pytest.raises(ModelError, match=r"gone\.onnx: cannot be read"):
        verify(reference, [Contender("I", "int8", runner(), tmp_path / "gone.onnx")], golden=GOLDEN, plan=PLAN)


def test_progress_is_told_for_every_runner() -> None:
    told: list[str] = []
    checked(contender("INT8", "int8"), progress=lambda what, done, of: told.append(f"{what} {done}/{of}"))
    assert {"FP32: golden crops 6/6", "INT8: crops 16/50", "INT8: crops 50/50"} <= set(told)
    assert "latency, batch 2 25/400" in told


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="different names"):
        checked(contender("FP32"))
    with pytest.raises(ValueError, match="asks for batch 4"):
        checked(gates=Gates(latency=LatencyGate(batch=4)))
    with pytest.raises(ValueError, match="needs a runner, or the reason"):
        Contender("a", "int8", None)
    with pytest.raises(ValueError, match="no precision 'int4'"):
        contender("a", "int4")
    with pytest.raises(ModelError, match="cannot run here"):
        verify(Contender("FP32", "fp32", None, why_not_run="no GPU"), [], golden=GOLDEN, plan=PLAN)


def test_the_shipped_model_agrees_with_itself_on_real_people(shared: Path) -> None:
    model = load_model(None, backend="onnxruntime")
    people = read_labelled(shared / "data" / "london", LABELS)
    one, two = (Contender(name, "fp32", model.run, model.path) for name in ("FP32", "again"))
    found = verify(one, [two], golden=GOLDEN, labelled=people, plan=Plan((1,), 0.0, least_rounds=5))
    (result,) = found.results
    assert (result.outcome, result.backend) == ("passed", "onnxruntime")
    assert result.accuracy is not None
    assert result.accuracy.people == 102
    assert result.accuracy.reference.accuracy.value > 0.8
    assert result.real is not None
    assert (result.real.largest, result.real.images) == (0, 204)


def test_another_runtime_of_the_same_file_reads_some_crops_and_shares_the_verdict(tmp_path: Path) -> None:
    path = tmp_path / "model.int8.onnx"
    path.write_bytes(b"int8")
    crops, runner = some_crops(SOME_CROPS + 40), FakeRunner("int8", "openvino")
    twins = [
        Contender("INT8, ORT", "int8", FakeRunner("int8"), path),
        Contender("INT8, OpenVINO", "int8", runner, path, reads_all=False),
    ]
    found = verify(
        Contender("FP32", "fp32", FakeRunner()), twins, golden=some_crops(4), real=crops, plan=PLAN, workers=2
    )
    first, second = found.results
    assert (first.real.images, second.real.images) == (SOME_CROPS + 40, SOME_CROPS)  # type: ignore[union-attr]
    assert second.accuracy_verdict is not None
    assert second.accuracy_verdict.outcome == first.accuracy_verdict.outcome  # type: ignore[union-attr]
    assert second.accuracy_verdict.reason.startswith("as INT8, ORT: no labelled crops")
