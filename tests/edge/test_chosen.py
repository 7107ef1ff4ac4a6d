"""A measured choice is believed only under the very circumstances of the measurement, and only from our own hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ffe_edge.engine import chosen
from ffe_edge.engine.chosen import NAME, Choice, circumstances, remember, remembered
from ffe_edge.errors import ModelError

FAST = Choice("openvino", "it takes 0.50 of the time")


def now(model: str = "a" * 64, own: str | None = None, threads: int = 1) -> dict[str, str | int]:
    return circumstances(model, own, threads)


def test_a_choice_is_remembered(tmp_path: Path) -> None:
    remember(FAST, now(), tmp_path / "state")
    assert remembered(now(), tmp_path / "state") == FAST


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(now("b" * 64), id="another-model"),
        pytest.param(now(own="b" * 64), id="another-file-for-openvino"),
        pytest.param(now(threads=2), id="other-threads"),
        pytest.param(now() | {"openvino": "1.0"}, id="another-openvino"),
        pytest.param(now() | {"onnxruntime": "1.0"}, id="another-onnxruntime"),
        pytest.param(now() | {"cpu": "c" * 64}, id="another-cpu"),
        pytest.param(now() | {"cores": 1000}, id="other-cores"),
    ],
)
def test_under_other_circumstances_it_is_measured_again(tmp_path: Path, other: dict[str, str | int]) -> None:
    remember(FAST, now(), tmp_path)
    assert remembered(other, tmp_path) is None


def _change(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"0.50", b"0.10"))


@pytest.mark.parametrize(
    "harm",
    [
        pytest.param(lambda state: (state / NAME).unlink(), id="gone"),
        pytest.param(lambda state: (state / NAME).write_bytes(b""), id="empty"),
        pytest.param(lambda state: _change(state / NAME), id="changed"),
        pytest.param(lambda state: (state / f"{NAME}.json").write_text("[" * 9000), id="no-sidecar"),
        pytest.param(lambda state: (state / "engine-secret").write_bytes(b"x" * 32), id="of-another-installation"),
        pytest.param(lambda state: remember(Choice("tensorrt", ""), now(), state), id="no-such-runtime"),  # type: ignore[arg-type]
    ],
)
def test_a_file_that_is_not_ours_is_not_believed(tmp_path: Path, harm: Callable[[Path], object]) -> None:
    remember(FAST, now(), tmp_path)
    harm(tmp_path)
    assert remembered(now(), tmp_path) is None


def test_where_nothing_can_be_kept_is_said(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    with pytest.raises(ModelError, match="cannot be used"):
        remember(FAST, now(), tmp_path / "state")


def test_a_cpu_is_told_by_what_it_can_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def seen(text: str) -> object:
        (tmp_path / "cpuinfo").write_text(text)
        monkeypatch.setattr(chosen, "CPU_INFO", tmp_path / "cpuinfo")
        return now()["cpu"]

    first = seen("processor\t: 0\nmodel name\t: X\ncpu MHz\t: 2000\nflags\t: avx2\n\nprocessor\t: 1\n")
    assert seen("processor\t: 0\nmodel name\t: X\ncpu MHz\t: 900\nflags\t: avx2\n") == first
    assert seen("processor\t: 0\nmodel name\t: X\ncpu MHz\t: 2000\nflags\t: avx2 avx512_vnni\n") != first
    monkeypatch.setattr(chosen, "CPU_INFO", tmp_path / "none")
    assert now()["cpu"] == ""
