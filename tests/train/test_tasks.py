"""Labels are data, and what is wrong with them is told by file and key."""

from __future__ import annotations

from pathlib import Path

import pytest

from ffe_edge.errors import ConfigError
from ffe_train.tasks import NINE, Task, load_task


def labels_toml(folder: Path, *ids: str) -> Path:
    path = folder / "labels.toml"
    labels = [f'[[label]]\nid = "{name}"\njapanese = "{name}"' for name in ids]
    path.write_text("\n".join(['name = "toy"', *labels]), encoding="utf-8")
    return path


def test_labels_are_read_in_their_order(tmp_path: Path) -> None:
    assert load_task(labels_toml(tmp_path, "no-pain", "contempt")).labels == ("no-pain", "contempt")
    assert load_task(None) is NINE


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        pytest.param(("pain", "other"), "'other' is the raters' answer", id="other"),
        pytest.param(("pain", "pain"), "two or more different labels", id="twice"),
        pytest.param(("pain",), "label", id="one"),
        pytest.param(("pain", "No Pain"), "label.1.id", id="letters"),
    ],
)
def test_labels_that_cannot_be_told_apart_are_refused(tmp_path: Path, ids: tuple[str, ...], message: str) -> None:
    with pytest.raises(ConfigError, match=rf"labels\.toml: .*{message}"):
        load_task(labels_toml(tmp_path, *ids))


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml: cannot be read \(No such file"):
        load_task(tmp_path / "none.toml")


def test_a_reason_without_a_number_is_told_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def odd(*of: object, **more: object) -> str:
        raise OSError("the disk is odd")

    monkeypatch.setattr(Path, "read_text", odd)
    with pytest.raises(ConfigError, match=r"cannot be read \(the disk is odd\)"):
        load_task(tmp_path / "labels.toml")


def test_other_is_no_label_in_code_either() -> None:
    with pytest.raises(ValueError, match="'other'"):
        Task("toy", ("pain", "other"), ("a", "b"), (0.0, 0.0), (0.0, 0.0))
