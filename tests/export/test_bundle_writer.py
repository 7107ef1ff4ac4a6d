"""A bundle is the new one or the old one; what lies beside its files is left alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from export_parts import small_disk
from small_bundle import make_bundle

from ffe_edge.engine.bundle import read_bundle
from ffe_edge.errors import ModelError
from ffe_export.bundle_writer import STAGING, Serving, put_in_place, staged, write_file

SERVING = Serving("small", "fp32", "model.onnx", "network.onnx", "model.onnx", "golden.npz")
FILES = ("golden.npz", "model.onnx", "network.onnx")


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def export(folder: Path, names: tuple[str, ...] = FILES, content: bytes = b"new") -> Path:
    with staged(folder) as staging:
        for name in names:
            write_file(staging / name, content + name.encode())
        return put_in_place(staging, SERVING, {"by": "a test"})


def test_what_was_staged_is_a_bundle_with_its_digests(tmp_path: Path) -> None:
    bundle = read_bundle(export(tmp_path / "new" / "bundle"))
    assert (bundle.name, bundle.precision, bundle.made) == ("small", "fp32", {"by": "a test"})
    assert bundle.engine is not None
    assert [bundle.read(path).data for path in (bundle.cpu, bundle.engine)] == [b"newmodel.onnx", b"newnetwork.onnx"]
    assert sorted(path.name for path in bundle.folder.iterdir()) == sorted((*FILES, "bundle.json"))


def test_files_of_an_older_export_go_and_everything_else_stays(tmp_path: Path) -> None:
    export(tmp_path, (*FILES, "model.int8.onnx", "report.html"))
    own = ("report.docx", "model.pth", "network.txt", "golden.jpg", "notes", "engines/network-1.engine")
    (tmp_path / "engines").mkdir()
    for name in own:
        (tmp_path / name).write_bytes(b"mine")
    export(tmp_path, content=b"newer")
    assert contents(tmp_path).keys() == {*own, *FILES, "bundle.json"}
    assert all((tmp_path / name).read_bytes() == b"mine" for name in own)
    assert read_bundle(tmp_path).read(tmp_path / "model.onnx").data == b"newermodel.onnx"


def test_a_damaged_older_bundle_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "bundle.json").write_text(json.dumps({"version": 1, "files": {"../../etc/passwd": 1}}))
    export(tmp_path)
    assert read_bundle(tmp_path).name == "small"


@pytest.mark.parametrize("error", [KeyboardInterrupt, ModelError, ValueError])
def test_an_export_that_stops_leaves_the_old_bundle(tmp_path: Path, error: type[BaseException]) -> None:
    before = contents(make_bundle(tmp_path / "bundle"))

    def stopped() -> None:
        with staged(tmp_path / "bundle") as staging:
            write_file(staging / "model.onnx", b"half")
            raise error("stop")

    with pytest.raises(error):
        stopped()
    assert contents(tmp_path / "bundle") == before
    assert not (tmp_path / "bundle" / STAGING).exists()


def test_a_full_disk_leaves_the_old_bundle(tmp_path: Path) -> None:
    before = contents(make_bundle(tmp_path / "bundle"))
    with small_disk(), pytest.raises(ModelError, match=r"bundle: cannot be written .* what was there is untouched"):
        export(tmp_path / "bundle", content=bytes(10_000))
    assert contents(tmp_path / "bundle") == before


def test_a_folder_where_a_file_should_be_stops_it_before_anything_is_moved(tmp_path: Path) -> None:
    before = contents(export(tmp_path))
    (tmp_path / "report.html").mkdir()
    with pytest.raises(ModelError, match=r"report\.html is a folder"):
        export(tmp_path, (*FILES, "report.html"), b"newer")
    assert contents(tmp_path) == before


def test_leftovers_of_a_crash_are_cleared(tmp_path: Path) -> None:
    (tmp_path / STAGING).mkdir()
    (tmp_path / STAGING / "half.onnx").write_bytes(b"half")
    assert "half.onnx" not in contents(export(tmp_path))


def test_a_file_in_the_place_of_the_folder_is_told_and_kept(tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(b"mine")
    with pytest.raises(ModelError, match="out: cannot be written"):
        export(tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == b"mine"
