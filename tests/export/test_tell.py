"""What verify found, in a table for a terminal: every way to run the model, and the reasons of refusals."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from rich.console import Console
from verify_parts import FakeRunner, some_crops

from ffe_edge.errors import ModelError
from ffe_edge.types import ImageArray, Reading
from ffe_export.gates import AccuracyGate, Gates
from ffe_export.labelled import Labelled
from ffe_export.latency import Plan
from ffe_export.tell import table
from ffe_export.verification import Contender, Verification
from ffe_export.verify import verify

PLAN = Plan(batches=(1,), seconds=0, least_rounds=30, most_rounds=30)
CROPS = some_crops(40)


class Broken(FakeRunner):
    """Fails with words that are a terminal's markup, too."""

    def read(self, crops: ImageArray) -> Reading:
        raise ModelError("takes [/x] [bold]")


def verified(*contenders: Contender, labelled: Labelled | None = None, gates: Gates | None = None) -> Verification:
    exact = Contender("FP32", "fp32", FakeRunner())
    return verify(exact, contenders, golden=CROPS[:6], labelled=labelled, gates=gates, plan=PLAN)


def told(verification: Verification) -> str:
    console = Console(file=io.StringIO(), width=200)
    console.print(table(verification))
    text = console.file
    assert isinstance(text, io.StringIO)
    return text.getvalue()


def row(text: str, name: str) -> list[str]:
    return next(line for line in text.splitlines() if line.startswith(name)).split()


def test_the_reference_stands_first_and_everyone_after_it() -> None:
    text = told(verified(Contender("INT8", "int8", FakeRunner("int8")), Contender("FP16", "fp16", FakeRunner("fp16"))))
    names = [line.split()[0] for line in text.splitlines()[1:4]]
    assert names == ["FP32", "INT8", "FP16"]
    assert row(text, "FP32")[1] == "reference"
    assert row(text, "FP32")[-1] == "1.00x"


def test_accuracy_stands_with_labelled_crops() -> None:
    truth = FakeRunner()(CROPS).argmax(axis=1).astype(np.int64)
    labels = tuple(map(str, range(9)))
    labelled = Labelled(Path(), CROPS, labels, truth, None, {})
    text = told(verified(Contender("FP16", "fp16", FakeRunner("fp16")), labelled=labelled))
    assert row(text, "FP32")[2] == "100.0%"
    assert {"100.00%", "100.0%"} <= set(row(text, "FP16"))


def test_a_refusal_stands_below_with_its_reason() -> None:
    gates = Gates(AccuracyGate(strict=True))
    text = told(verified(Contender("INT8", "int8", FakeRunner("int8")), gates=gates))
    assert row(text, "INT8")[1] == "refused"
    assert "INT8: agreement refused: no crops of real people were given" in " ".join(text.split())


def test_what_did_not_run_says_so_and_a_bracket_is_no_markup() -> None:
    text = told(
        verified(Contender("INT8", "int8", None, why_not_run="no GPU"), Contender("FP16", "fp16", Broken("fp16")))
    )
    assert row(text, "INT8")[1:3] == ["not", "run"]
    assert "FP16: run refused: does not run: takes [/x] [bold]" in " ".join(text.split())
