"""A model's spec survives the way into the file and back; anything else is refused and named."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ffe_edge.emotions import LABELS
from ffe_edge.errors import ModelError
from ffe_edge.spec import SPEC_VERSION, ModelSpec

FULL = ModelSpec(
    name="小さい-net",
    labels=LABELS,
    size_px=96,
    mean=(104.0, 117.0, 123.0),
    std=(1.0,),
    temperature=1.37,
    precision="int8",
    metrics={"london": {"images": 204, "accuracy": {"value": 0.77, "low": 0.7, "high": 0.83}}},
    data=("rendered people",),
    recipe="{}",
    commit="abc+",
)


@pytest.mark.parametrize(
    "spec", [pytest.param(FULL, id="full"), pytest.param(ModelSpec("small", ("joy", "other")), id="defaults")]
)
def test_a_spec_comes_back_as_it_was(spec: ModelSpec) -> None:
    assert ModelSpec.from_json(spec.to_json(), "model.onnx") == spec


def test_japanese_names_stay_readable_in_the_file() -> None:
    assert "小さい" in FULL.to_json()


def text(**changes: Any) -> str:
    return json.dumps({**json.loads(FULL.to_json()), **changes})


def text_without(key: str) -> str:
    return json.dumps({name: value for name, value in json.loads(FULL.to_json()).items() if name != key})


@pytest.mark.parametrize(
    "malformed",
    [
        pytest.param("", id="empty"),
        pytest.param("{", id="cut-off"),
        pytest.param("null", id="null"),
        pytest.param("[]", id="list"),
        pytest.param('"spec"', id="string"),
        pytest.param("[" * 100_000, id="deep"),
        pytest.param(text_without("version"), id="no-version"),
        pytest.param(text(version=SPEC_VERSION + 1), id="newer"),
        pytest.param(text_without("labels"), id="no-labels"),
        pytest.param(text_without("name"), id="no-name"),
        pytest.param(text(colour_order="RGB"), id="unknown-key"),
        pytest.param(text(labels=None), id="labels-null"),
        pytest.param(text(labels=["joy"]), id="one-label"),
        pytest.param(text(labels=["joy", "joy"]), id="same-label-twice"),
        pytest.param(text(labels=[["joy"], ["fear"]]), id="labels-nested"),
        pytest.param(text(labels="joyfear"), id="labels-are-text"),
        pytest.param(text(labels=[1, 2]), id="labels-are-numbers"),
        pytest.param(text(size_px="112"), id="size-is-text"),
        pytest.param(text(size_px=112.5), id="size-is-broken"),
        pytest.param(text(size_px=15), id="too-small"),
        pytest.param(text(temperature=0), id="no-temperature"),
        pytest.param(text(temperature=float("nan")), id="temperature-not-a-number"),
        pytest.param(text(mean=127.5), id="mean-is-a-number"),
    ],
)
def test_what_is_no_spec_is_refused_with_the_file_named(malformed: str) -> None:
    with pytest.raises(ModelError, match=r"^model\.onnx: "):
        ModelSpec.from_json(malformed, "model.onnx")


def test_a_wrong_version_is_told() -> None:
    with pytest.raises(ModelError, match=f"version 7, this program reads {SPEC_VERSION}"):
        ModelSpec.from_json(text(version=7), "model.onnx")


def test_our_own_wrong_spec_is_a_wrong_argument() -> None:
    with pytest.raises(ValueError, match="two or more different labels"):
        ModelSpec("broken", ("joy",))
