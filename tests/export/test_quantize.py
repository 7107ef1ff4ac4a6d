"""One calibration, two files: the method is chosen by measuring, and the layers that do harm stay FP32."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from export_parts import FEW, colours, scaled, with_outlier
from small_models import SPEC, network

from ffe_edge.errors import ModelError
from ffe_export.agreement import compare
from ffe_export.graph import serialized
from ffe_export.quantize import LEAST_CROPS, Quantization, Quantized, int8_spec, quantize
from ffe_export.ranges import METHODS
from ffe_export.runs import NetworkRunner, reading_of

CROPS = colours(120)


@pytest.fixture(scope="module")
def plain() -> Quantized:
    return quantize(network(), SPEC, CROPS, Quantization(agreement=0.9))


@pytest.fixture(scope="module")
def spoilt() -> Quantized:
    return quantize(with_outlier(), SPEC, CROPS, replace(FEW, most_left_alone=0.5))


def test_both_files_say_about_the_same_on_crops_that_were_never_seen(plain: Quantized) -> None:
    fresh = colours(40, seed=9)
    exact = reading_of(NetworkRunner(network(), SPEC).read, fresh)
    for model in (plain.cpu, plain.engine):
        found = compare(exact, reading_of(NetworkRunner(model, SPEC).read, fresh))
        assert found.top1.value >= 0.8  # its two likeliest classes are near one another
        assert found.largest < 0.05


def test_the_method_nearest_to_fp32_is_taken(plain: Quantized) -> None:
    assert list(plain.trials) == list(METHODS)
    assert plain.trials[plain.method].kl_mean == min(trial.kl_mean for trial in plain.trials.values())
    assert plain.agreement == plain.trials[plain.method]
    assert (plain.left_alone, plain.sensitivity, plain.layers) == ((), {}, {})


def test_ranges_are_learned_and_judged_on_different_crops(plain: Quantized) -> None:
    assert (plain.agreement.images, plain.calibrated_on) == (40, 80)
    assert plain.record()["crops"] + plain.record()["held_out"] == len(CROPS)


def test_no_more_crops_are_looked_at_than_asked_for() -> None:
    found = quantize(network(), SPEC, CROPS, replace(FEW, most_crops=102))
    assert found.agreement.images + found.calibrated_on == 102


def test_a_layer_that_was_made_bad_is_found_worst_and_stays_fp32(spoilt: Quantized) -> None:
    assert spoilt.trials[spoilt.method].top1.value < 0.99 <= spoilt.agreement.top1.value
    assert set(spoilt.left_alone) == {"a.1", "a.2"} == set(list(spoilt.layers)[:2])
    assert [row["FP32"] for row in spoilt.layers.values()] == [True, True, False, False, False, False]
    assert {node.name: node for node in spoilt.engine.graph.node}["a.1"].input[1] == "a.1.w"


def test_layers_stand_in_the_report_by_the_harm_they_do(spoilt: Quantized) -> None:
    harm = [row["KL"] for row in spoilt.layers.values()]
    assert harm == sorted(harm, reverse=True)
    assert spoilt.record()["left_alone"] == list(spoilt.left_alone)


def test_no_more_layers_are_left_alone_than_allowed() -> None:
    found = quantize(with_outlier(), SPEC, CROPS, replace(FEW, most_left_alone=0.2))
    assert len(found.left_alone) <= 1
    assert len(found.sensitivity) == 6


def test_sensitivity_is_measured_on_demand() -> None:
    found = quantize(network(), SPEC, CROPS, replace(FEW, methods=("min-max",), sensitivity=True))
    assert set(found.layers) == {"stem", "a.1", "a.2", "a.shortcut", "b.1", "b.2"}
    assert found.left_alone == ()


def test_progress_names_what_is_done_and_rises_to_the_end() -> None:
    told: list[tuple[str, float]] = []
    quantize(network(), SPEC, CROPS, replace(FEW, agreement=0.9), lambda what, share: told.append((what, share)))
    assert list(dict.fromkeys(what for what, _ in told)) == ["learn ranges", "try min-max", "try error"]
    for what in ("learn ranges", "try error"):
        shares = [share for said, share in told if said == what]
        assert shares == sorted(shares)
        assert shares[-1] == 1


@pytest.mark.parametrize("count", [0, 1, LEAST_CROPS - 1])
def test_too_few_crops_are_refused(count: int) -> None:
    with pytest.raises(ModelError, match=f"^{count} crops to calibrate on are too few: give 100 or more"):
        quantize(network(), SPEC, CROPS[:count], FEW)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("name", ["a.1.w", "b.2.b", "head.w"])
def test_weights_that_are_no_numbers_are_refused(name: str, value: float) -> None:
    with np.errstate(invalid="ignore"):
        model = scaled({name: value})
    with pytest.raises(ModelError, match=r"small: cannot be (calibrated|quantized), a .*not finite"):
        quantize(model, SPEC, CROPS[:100], FEW)


def test_a_network_that_has_died_is_quantized_all_the_same() -> None:
    dead = scaled({"stem.w": 0.0, "stem.b": 0.0, "a.2.w": 0.0})
    found = quantize(dead, SPEC, CROPS[:100], FEW)
    assert found.agreement.top1.value == 1
    assert found.agreement.largest < 0.02


def test_a_network_with_nothing_to_quantize_is_refused() -> None:
    model = network()
    for node in model.graph.node:
        node.op_type = "Relu" if node.op_type == "Conv" else node.op_type
    with pytest.raises(ModelError, match="no convolution that could be quantized"):
        quantize(model, SPEC, CROPS[:100], FEW)


def test_the_spec_tells_how_it_was_calibrated(plain: Quantized) -> None:
    spec = int8_spec(SPEC, plain, bits=7, calibration={"folder": "faces", "sha256": "ab"})
    assert (spec.precision, spec.quantization["method"], spec.quantization["weight_bits"]) == ("int8", plain.method, 7)
    assert spec.quantization["data"] == {"folder": "faces", "sha256": "ab"}
    assert type(spec).from_json(spec.to_json(), "it").quantization["trials"].keys() == set(METHODS)
    serialized(plain.cpu, spec)
