"""What a model on probation may not do, and what counts as too slow."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from fake_engines import FixedRunner

from ffe_edge.errors import ModelError
from ffe_edge.types import FloatArray, ImageArray, Reading
from ffe_edge.updates.trial import Checked, Lending, Rates, collapsed

CROPS = np.zeros((2, 112, 112, 3), np.uint8)


class Saying:
    """Says this of whatever it sees, or raises it."""

    backend, precision = "onnxruntime", "fp32"

    def __init__(self, answer: object) -> None:
        self._answer = answer

    def __call__(self, crops: ImageArray) -> FloatArray:
        if isinstance(self._answer, Exception):
            raise self._answer
        return np.asarray(self._answer, np.float32)

    def read(self, crops: ImageArray) -> Reading:
        return Reading(self(crops), None)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param([[np.nan, 1.0]] * 2, id="not-a-number"),
        pytest.param([[0.5, 0.5]], id="a-row-too-few"),
        pytest.param([[0.2, 0.2, 0.6]] * 2, id="a-class-too-many"),
        pytest.param([[1.5, -0.5]] * 2, id="negative"),
        pytest.param([[0.9, 0.9]] * 2, id="sums-to-more"),
        pytest.param(RuntimeError("out of memory\nat 0x1234"), id="its-runtime-fails"),
        pytest.param(MemoryError(), id="no-memory"),
    ],
)
def test_anything_but_probabilities_is_a_failure(answer: object) -> None:
    with pytest.raises(ModelError):
        Checked(Saying(answer), 2)(CROPS)
    with pytest.raises(ModelError):
        Checked(Saying(answer), 2).read(CROPS)


def test_good_answers_pass_and_are_counted() -> None:
    run = FixedRunner("onnxruntime", 3)
    checked = Checked(run, 9)
    np.testing.assert_array_equal(checked(CROPS), run(CROPS))
    checked.read(CROPS)
    assert checked.looks == 2


def test_crops_are_lent_as_a_copy_and_once() -> None:
    lending, crops = Lending(FixedRunner("onnxruntime", 3)), CROPS.copy()
    assert lending.borrow(0.0) is None
    taken: list[ImageArray | None] = []
    asking = threading.Thread(target=lambda: taken.append(lending.borrow(10)))
    asking.start()
    lending(crops)
    crops += 1
    asking.join(10)
    np.testing.assert_array_equal(taken[0], CROPS)
    assert lending.borrow(0.0) is None


def test_rates_are_those_of_cameras_that_gave_pictures_all_the_while() -> None:
    rates = Rates()
    for second in range(11):
        frames = {"hall": 8 * second, "door": 4 * second} if second != 5 else {"hall": 8 * second}
        rates.add(float(second), frames)
    assert rates.over(10.0) == {"hall": 8.0}
    assert rates.over(4.0) == {"hall": 8.0, "door": 4.0}
    assert rates.over(60.0) == {}
    rates.add(11.0, {"hall": 3})
    assert rates.over(10.0) == {}


@pytest.mark.parametrize(
    ("before", "now", "is_slow"),
    [
        pytest.param({"hall": 8.0}, {"hall": 3.9}, True, id="less-than-half"),
        pytest.param({"hall": 8.0}, {"hall": 4.0}, False, id="half"),
        pytest.param({"hall": 8.0, "door": 8.0}, {"hall": 8.0}, False, id="a-camera-went-away"),
        pytest.param({}, {"hall": 0.1}, False, id="nothing-to-compare"),
        pytest.param({"hall": 8.0}, {}, False, id="no-picture-now"),
    ],
)
def test_too_slow_is_less_than_a_share_of_what_it_was(
    before: dict[str, float], now: dict[str, float], is_slow: bool
) -> None:
    assert (collapsed(before, now, 0.5) is not None) == is_slow
