"""Values as JSON has them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ffe_edge.jsonable import jsonable


@dataclass
class Figure:
    value: float
    low: float | None


def test_values_become_json() -> None:
    values = {"a": np.float32(1.5), "b": (np.int64(2), float("nan")), 3: np.array([1.0, np.inf])}
    assert jsonable(values) == {"a": 1.5, "b": [2, None], "3": [1.0, None]}
    assert jsonable([Figure(0.5, None)]) == [{"value": 0.5, "low": None}]
