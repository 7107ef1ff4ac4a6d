"""A bundle is fetched whole: its bundle.json is pinned, that pins the rest, and it has to answer before it is kept."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from https_server import Site, certificate, served
from small_bundle import make_bundle, write_document

from ffe_edge.catalogue import Entry, Release, entry_of
from ffe_edge.engine.model import load_model
from ffe_edge.errors import ModelError
from ffe_edge.fetch import fetch
from ffe_edge.installed import row_of, verify
from ffe_edge.release import release_lines

NAME = "ffe-r18"
UNRELEASED = Entry(name=NAME, kind="expression", what="a network", terms="none", recipes=("a.toml",))
FILES = ["bundle.json", "golden.npz", "model.onnx", "network.onnx"]


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FFE_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


@pytest.fixture
def stick(tmp_path: Path) -> Path:
    folder = make_bundle(tmp_path / "stick", name=NAME)
    (folder / "report.html").write_text("for reading")
    return folder


def digest(folder: Path) -> str:
    return hashlib.sha256((folder / "bundle.json").read_bytes()).hexdigest()


def lying(models: Path) -> list[str]:
    return sorted(str(path.relative_to(models)) for path in models.rglob("*") if path.is_file())


def released(folder: Path, address: str = "https://127.0.0.1:9") -> Entry:
    size = (folder / "bundle.json").stat().st_size
    release = Release(version="1", address=address + "/{file}", bytes=size, sha256=digest(folder))
    return UNRELEASED.model_copy(update={"release": release})


def test_what_has_not_been_released_says_how_it_is_made(models: Path) -> None:
    with pytest.raises(ModelError, match=r"no file of it has been released; its recipe is a\.toml .*--from") as told:
        fetch(UNRELEASED)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("sha256", [None, "abc"])
def test_without_a_release_the_digest_must_be_given(models: Path, stick: Path, sha256: str | None) -> None:
    with pytest.raises(ModelError, match="--from needs --sha256 with 64 hexadecimal digits"):
        fetch(UNRELEASED, str(stick), sha256=sha256)


def test_a_bundle_comes_from_a_stick_and_serves_by_its_name(
    models: Path, stick: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert fetch(UNRELEASED, str(stick), sha256=digest(stick)) == models / NAME
    assert lying(models) == [f"{NAME}/{name}" for name in FILES]
    monkeypatch.chdir(tmp_path)
    assert load_model(Path(NAME)).path == models / NAME / "model.onnx"
    assert verify(UNRELEASED).told.startswith("whole, 3 files, gives its golden answers; no release")


def test_another_bundle_than_the_pinned_one_is_not_taken(models: Path, stick: Path, tmp_path: Path) -> None:
    other = make_bundle(tmp_path / "other", name=NAME, seed=1)
    with pytest.raises(ModelError, match=r"bundle\.json: has SHA-256 .* not the pinned"):
        fetch(UNRELEASED, str(other), sha256=digest(stick))
    assert lying(models) == []


def test_a_bundle_of_another_name_is_not_taken(models: Path, tmp_path: Path) -> None:
    other = make_bundle(tmp_path / "other", name="someone-elses")
    with pytest.raises(ModelError, match="holds someone-elses, not ffe-r18; nothing was changed"):
        fetch(UNRELEASED, str(other), sha256=digest(other))
    assert list(models.iterdir()) == []


def test_a_file_that_the_bundle_does_not_name_so_is_not_taken(models: Path, stick: Path) -> None:
    (stick / "network.onnx").write_bytes((stick / "network.onnx").read_bytes()[:-1] + b"x")
    with pytest.raises(ModelError, match=r"network\.onnx: has SHA-256"):
        fetch(UNRELEASED, str(stick), sha256=digest(stick))
    assert not (models / NAME).exists()


def test_a_bundle_that_is_no_model_is_not_kept(models: Path, stick: Path) -> None:
    (stick / "model.onnx").write_bytes(b"a letter, not a network")
    write_document(stick, name=NAME)
    with pytest.raises(ModelError, match="is no ONNX model"):
        fetch(UNRELEASED, str(stick), sha256=digest(stick))
    assert list(models.iterdir()) == []


def test_one_that_answers_otherwise_than_it_should_is_not_kept(models: Path, tmp_path: Path) -> None:
    wrong = make_bundle(tmp_path / "wrong", name=NAME, golden_seed=1)
    with pytest.raises(ModelError, match="golden"):
        fetch(UNRELEASED, str(wrong), sha256=digest(wrong))
    assert list(models.iterdir()) == []


def test_a_new_release_takes_the_place_of_the_old_one_whole(models: Path, stick: Path, tmp_path: Path) -> None:
    fetch(UNRELEASED, str(stick), sha256=digest(stick))
    new = make_bundle(tmp_path / "new", name=NAME, seed=1)
    before, damaged = digest(models / NAME), (new / "network.onnx").read_bytes()
    (new / "network.onnx").write_bytes(b"x")
    with pytest.raises(ModelError, match=r"network\.onnx"):
        fetch(UNRELEASED, str(new), sha256=digest(new))
    assert digest(models / NAME) == before
    (new / "network.onnx").write_bytes(damaged)
    fetch(UNRELEASED, str(new), sha256=digest(new))
    assert (digest(models / NAME), lying(models)) == (digest(new), [f"{NAME}/{name}" for name in FILES])


def test_what_was_damaged_here_is_seen_and_mended(models: Path, stick: Path) -> None:
    entry = released(stick)
    fetch(entry, str(stick))
    assert verify(entry).is_good
    (models / NAME / "network.onnx").write_bytes(b"x")
    assert not verify(entry).is_good
    assert verify(entry).told.startswith(f"{models / NAME / 'network.onnx'}: is not the file that bundle.json names")
    fetch(entry, str(stick))
    assert verify(entry).is_good


def test_one_that_is_whole_but_not_the_released_one_is_told(models: Path, stick: Path, tmp_path: Path) -> None:
    other = make_bundle(tmp_path / "other", name=NAME, seed=1)
    fetch(UNRELEASED, str(other), sha256=digest(other))
    assert "is not the released file; `ffe-edge models fetch ffe-r18`" in verify(released(stick)).told


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
def site(pem: Path, stick: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with served(pem) as running:
        running.files = {f"/{path.name}": path.read_bytes() for path in stick.iterdir()}
        yield running


def test_a_release_is_fetched_and_goes_on_after_a_cut(models: Path, stick: Path, site: Site) -> None:
    entry = released(stick, site.url)
    longest = max(site.files.values(), key=len)
    site.cut_after = len(longest) - 10
    with pytest.raises(ModelError, match="run it again"):
        fetch(entry, ca_file=site.pem)
    assert not (models / NAME).exists()
    site.cut_after = None
    assert fetch(entry, ca_file=site.pem) == models / NAME
    assert lying(models) == [f"{NAME}/{name}" for name in FILES]
    whole = [path for path, span in site.asked if not span]
    assert len(whole) == len(set(whole))
    assert "/report.html" not in whole


def test_the_lines_of_a_release_are_those_that_fetch_it(models: Path, stick: Path, site: Site) -> None:
    lines = release_lines(stick, "v1", site.url + "/{file}").splitlines()
    assert [line for line in lines if line.startswith("# https")] == [
        f"# {site.url}/{name}" for name in ("bundle.json", "model.onnx", "network.onnx", "golden.npz")
    ]
    values = dict(line.split(" = ") for line in lines if " = " in line)
    release = Release.model_validate({key: json.loads(value) for key, value in values.items()})
    entry = UNRELEASED.model_copy(update={"release": release})
    assert row_of(entry)["bytes"] == sum((stick / name).stat().st_size for name in FILES)
    fetch(entry, ca_file=site.pem)
    assert row_of(entry)["bytes"] == release.all_bytes


@pytest.mark.parametrize(
    ("version", "address", "told"),
    [
        pytest.param("v1", "http://here/{file}", "--address: ", id="no-tls"),
        pytest.param("v1", "https://here/file", "--address: ", id="no-file"),
        pytest.param("a b", "https://here/{file}", "--version: ", id="version"),
    ],
)
def test_a_release_that_could_not_be_fetched_is_not_packed(stick: Path, version: str, address: str, told: str) -> None:
    with pytest.raises(ModelError, match=told):
        release_lines(stick, version, address)


def test_a_bundle_that_lacks_a_file_or_a_name_is_not_packed(stick: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="other: is no model of the catalogue"):
        release_lines(make_bundle(tmp_path / "other", name="other"), "v1", "https://here/{file}")
    shutil.copy(stick / "model.onnx", stick / "network.onnx")
    with pytest.raises(ModelError, match=r"network\.onnx: is not the file"):
        release_lines(stick, "v1", "https://here/{file}")


def test_the_catalogue_says_of_ffe_r18_what_is_true_today(models: Path) -> None:
    entry = entry_of(NAME)
    assert (entry.release, row_of(entry)["path"]) == (None, None)
    assert "not released: its recipe is train/recipes/model/r18-identity.toml" in row_of(entry)["state"]
