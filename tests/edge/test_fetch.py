"""A file is stored only when it is the pinned one, whatever the way to it does."""

from __future__ import annotations

import fcntl
import hashlib
import re
import resource
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from https_server import Site, certificate, served

from ffe_edge.catalogue import Entry, Release, entry_of
from ffe_edge.errors import ModelError
from ffe_edge.faces import YUNET_FILE
from ffe_edge.fetch import fetch

CONTENT = np.random.default_rng(3).bytes(700_000)
DIGEST = hashlib.sha256(CONTENT).hexdigest()
NAME = "some.onnx"


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
def site(pem: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with served(pem) as running:
        running.files["/v1/" + NAME] = CONTENT
        yield running


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "deep" / "models"
    monkeypatch.setenv("FFE_MODELS", str(folder))
    return folder


def released(address: str = "https://127.0.0.1:9", **changes: object) -> Entry:
    values = {"version": "v1", "address": address + "/{version}/{file}", "bytes": len(CONTENT), "sha256": DIGEST}
    release = Release.model_validate(values | changes)
    return Entry(name="some", kind="detector", what="a file", terms="Apache-2.0", file=NAME, release=release)


def get(site: Site, source: str | None = None, **changes: object) -> Path:
    return fetch(released(site.url, **changes), source, ca_file=site.pem)


def test_a_file_is_fetched_over_tls_and_put_where_it_is_looked_for(site: Site, models: Path) -> None:
    path = get(site)
    assert (path, path.read_bytes(), list(models.iterdir())) == (models / NAME, CONTENT, [path])


def test_what_is_here_is_not_asked_for_again(site: Site, models: Path) -> None:
    assert get(site) == get(site)
    assert len(site.asked) == 1


@pytest.mark.parametrize("by", ["address", "folder-address", "path", "folder"])
def test_another_source_may_be_named(site: Site, models: Path, tmp_path: Path, by: str) -> None:
    (tmp_path / NAME).write_bytes(CONTENT)
    site.files["/mine"] = site.files["/mine/" + NAME] = CONTENT
    sources = {"address": f"{site.url}/mine", "folder-address": f"{site.url}/mine/", "path": str(tmp_path / NAME)}
    path = fetch(released(), sources.get(by, str(tmp_path)), ca_file=site.pem)
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("body", "told"),
    [
        pytest.param(b"x" * len(CONTENT), "has SHA-256 .* not the pinned .* nothing was stored", id="another"),
        pytest.param(CONTENT[:100], "has 100 bytes, not the pinned 700000; nothing was stored", id="shorter"),
        pytest.param(CONTENT + b"x", "has 700001 bytes, not the pinned 700000; nothing was stored", id="longer"),
    ],
)
@pytest.mark.parametrize("by", ["server", "path"])
def test_another_file_than_the_pinned_one_leaves_nothing(
    site: Site, models: Path, tmp_path: Path, body: bytes, told: str, by: str
) -> None:
    site.files["/other"] = body
    (tmp_path / "other").write_bytes(body)
    with pytest.raises(ModelError, match=told):
        get(site, f"{site.url}/other" if by == "server" else str(tmp_path / "other"))
    assert list(models.iterdir()) == []


def test_a_server_that_never_ends_is_stopped_at_the_pinned_size(site: Site, models: Path) -> None:
    site.files["/v1/" + NAME], site.says_size = CONTENT * 3, False
    with pytest.raises(ModelError, match="has more than 700000 bytes"):
        get(site)
    assert list(models.iterdir()) == []


def test_an_earlier_file_survives_a_wrong_one_and_gives_way_to_the_right_one(site: Site, models: Path) -> None:
    models.mkdir(parents=True)
    (models / NAME).write_bytes(b"old")
    site.files["/other"] = b"x" * len(CONTENT)
    with pytest.raises(ModelError):
        get(site, f"{site.url}/other")
    assert (models / NAME).read_bytes() == b"old"
    assert get(site).read_bytes() == CONTENT


@pytest.mark.parametrize("says_size", [True, False])
def test_a_download_that_was_cut_goes_on_where_it_was(site: Site, models: Path, says_size: bool) -> None:
    site.cut_after, site.says_size = 300_000, says_size
    with pytest.raises(ModelError, match="was cut after 300000 of 700000 bytes; run it again"):
        get(site)
    assert not (models / NAME).exists()
    site.cut_after = None
    assert get(site).read_bytes() == CONTENT
    assert [span for _, span in site.asked] == ["", "bytes=300000-"]
    assert list(models.iterdir()) == [models / NAME]


def test_a_server_that_knows_no_ranges_begins_again(site: Site, models: Path) -> None:
    site.cut_after, site.has_ranges = 300_000, False
    with pytest.raises(ModelError, match="was cut"):
        get(site)
    site.cut_after = None
    assert get(site).read_bytes() == CONTENT


def test_a_part_of_another_file_is_not_gone_on_with_for_ever(site: Site, models: Path) -> None:
    site.cut_after, site.files["/other"] = 300_000, b"x" * len(CONTENT)
    with pytest.raises(ModelError, match="was cut"):
        get(site, f"{site.url}/other")
    site.cut_after = None
    with pytest.raises(ModelError, match="SHA-256"):
        get(site)
    assert get(site).read_bytes() == CONTENT


def test_what_a_server_cut_may_be_ended_from_a_stick(site: Site, models: Path, tmp_path: Path) -> None:
    site.cut_after = 300_000
    with pytest.raises(ModelError, match="was cut"):
        get(site)
    (tmp_path / NAME).write_bytes(CONTENT)
    assert get(site, str(tmp_path / NAME)).read_bytes() == CONTENT


def test_a_part_that_is_longer_than_what_is_served_begins_again(site: Site, models: Path) -> None:
    site.cut_after = 300_000
    with pytest.raises(ModelError, match="was cut"):
        get(site)
    site.cut_after, site.files["/v1/" + NAME] = None, CONTENT[:1000]
    with pytest.raises(ModelError, match="has 1000 bytes, not the pinned"):
        get(site)


@pytest.mark.parametrize(
    "source", ["http://127.0.0.1:1/x", "ftp://127.0.0.1/x", "file:///etc/hostname", "https://[::1/x"]
)
def test_nothing_but_tls_is_spoken(models: Path, source: str) -> None:
    with pytest.raises(ModelError, match=re.escape(f"{source}: is no https:// address")):
        fetch(released(), source)
    assert not list(models.parent.glob("**/*.onnx"))


def test_a_password_in_an_address_is_refused_and_not_shown(models: Path) -> None:
    with pytest.raises(ModelError, match=r"^home: give the address without") as told:
        fetch(released(), "https://me:secret@home/x")
    assert "secret" not in str(told.value)


def test_a_redirect_is_followed_to_tls_only(site: Site, models: Path) -> None:
    site.redirects = {"/plain": f"http://127.0.0.1:1/v1/{NAME}", "/file": "file:///etc/hostname"}
    for path, told in (("/plain", "redirects to http:.* which is no https"), ("/file", "'file:.*' is not allowed")):
        with pytest.raises(ModelError, match=told):
            get(site, site.url + path)
    site.redirects["/moved"] = f"{site.url}/v1/{NAME}"
    assert get(site, f"{site.url}/moved").read_bytes() == CONTENT


def test_a_redirect_in_a_circle_ends(site: Site, models: Path) -> None:
    site.redirects = {"/a": f"{site.url}/a"}
    with pytest.raises(ModelError, match="infinite loop"):
        get(site, f"{site.url}/a")


def test_a_certificate_that_nobody_trusts_is_refused(site: Site, models: Path) -> None:
    with pytest.raises(ModelError, match="certificate verify failed"):
        fetch(released(site.url))


@pytest.mark.parametrize("name", ["nowhere.pem", "empty.pem"])
def test_certificates_that_are_none_are_named(site: Site, models: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "empty.pem").touch()
    with pytest.raises(ModelError, match=f"{name}: holds no certificates"):
        fetch(released(site.url), ca_file=tmp_path / name)


def test_a_file_that_is_not_there_is_told(site: Site, models: Path) -> None:
    with pytest.raises(ModelError, match=r"/nowhere: cannot be fetched \(Not Found\)"):
        get(site, f"{site.url}/nowhere")


@pytest.mark.parametrize("source", ["nowhere.onnx", "/dev/null"])
def test_a_path_that_is_no_file_is_told(models: Path, source: str) -> None:
    with pytest.raises(ModelError, match=f"{source}: cannot be fetched"):
        fetch(released(), source)


def test_a_server_that_speaks_no_tls_is_told(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def greet() -> None:
            with listening.accept()[0] as peer:
                peer.sendall(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")
                peer.recv(1000)

        thread = threading.Thread(target=greet)
        thread.start()
        with pytest.raises(ModelError, match="cannot be fetched"):
            fetch(released(f"https://127.0.0.1:{listening.getsockname()[1]}"))
        thread.join()


def test_a_refused_connection_says_what_to_do(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"https://127.0.0.1:{closed.getsockname()[1]}"
    with pytest.raises(ModelError, match=r"cannot be fetched \(.*refused\).*--from"):
        fetch(released(url))


def test_a_folder_that_cannot_be_written_is_named(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("FFE_MODELS", str(tmp_path / "file"))
    with pytest.raises(ModelError, match=r"some\.onnx: cannot be written .*FFE_MODELS"):
        get(site)


def test_a_disk_that_takes_no_more_is_told_and_given_back(site: Site, models: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, before[1]))
    try:
        with pytest.raises(ModelError, match=r"some\.onnx: cannot be written"):
            get(site)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(models.iterdir()) == []


def test_a_file_that_the_disk_has_no_room_for_is_not_begun(models: Path, tmp_path: Path) -> None:
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(2**42)
    with pytest.raises(ModelError, match=r"MiB are free, \d+ are needed"):
        fetch(released(bytes=2**42), str(tmp_path / "huge"))


def test_two_do_not_fetch_the_same_file_at_once(site: Site, models: Path) -> None:
    models.mkdir(parents=True)
    with (models / f".{NAME}.{DIGEST[:16]}.part").open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(ModelError, match="is being fetched by another program"):
            get(site)
    assert get(site).read_bytes() == CONTENT


def test_a_released_file_is_not_unpinned(site: Site, models: Path) -> None:
    with pytest.raises(ModelError, match=r"is pinned, .* take --sha256 away"):
        fetch(released(site.url), sha256="0" * 64, ca_file=site.pem)


def test_what_comes_with_the_program_is_there() -> None:
    assert fetch(entry_of("ffe-small")).is_file()


def test_the_pinned_detector_is_the_one_that_was_tried(shared: Path, models: Path) -> None:
    path = fetch(entry_of("yunet"), str(shared / "detector_yunet" / YUNET_FILE))
    assert path == models / YUNET_FILE
