"""One step of the filter, whatever the time between looks."""

from __future__ import annotations

import numpy as np
import pytest

from ffe_edge.tracks_filter import exponential

JOY, SAD = np.array([0.9, 0.1], np.float32), np.array([0.2, 0.8], np.float32)


@pytest.mark.parametrize("elapsed", [0.0, 0.1, 0.6, 5.0])
def test_it_is_the_exponential(elapsed: float) -> None:
    expected = SAD + (JOY - SAD) * np.exp(-elapsed / 0.6)
    np.testing.assert_allclose(exponential(JOY, SAD, elapsed, 0.6), expected, atol=1e-6)


def test_without_a_time_constant_the_look_counts_alone() -> None:
    np.testing.assert_array_equal(exponential(JOY, SAD, 0.0, 0.0), SAD)


def test_a_clock_that_goes_back_counts_as_standing_still() -> None:
    np.testing.assert_array_equal(exponential(JOY, SAD, -1.0, 0.6), JOY)
