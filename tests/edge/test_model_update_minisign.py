"""Signatures that the program minisign takes, and that it made; keys likewise."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from ffe_edge.errors import ModelError
from ffe_edge.updates.minisign import PublicKey, Signature, read_public_key, read_signature, verify
from ffe_edge.updates.minisign_secret import SecretKey, comment_of, needs_password, read_key, unlocked, write_key

KEY = SecretKey.new()
needs_minisign = pytest.mark.skipif(shutil.which("minisign") is None, reason="needs minisign: apt-get install minisign")


def minisign(*words: object, given: str = "") -> None:
    subprocess.run(["minisign", *map(str, words)], input=given, text=True, check=True, capture_output=True)


def signed(data: bytes, key: SecretKey = KEY) -> str:
    return key.sign(data, comment_of("model.onnx")).to_text("signature of a test")


@needs_minisign
@pytest.mark.parametrize("password", [None, "geheim"])
def test_minisign_takes_what_we_sign_and_signs_with_our_key(tmp_path: Path, password: str | None) -> None:
    file = tmp_path / "model.onnx"
    file.write_bytes(b"a model")
    public = write_key(tmp_path / "release.key", KEY, password)
    (tmp_path / "model.onnx.minisig").write_text(signed(b"a model"))
    minisign("-V", "-p", public, "-m", file)
    minisign("-S", "-s", tmp_path / "release.key", "-m", file, given=f"{password or ''}\n")
    theirs = Signature.from_text(read_signature(tmp_path / "model.onnx.minisig"))
    assert verify(b"a model", theirs, [KEY.public]) == KEY.public


@needs_minisign
def test_we_take_what_minisign_signs_and_sign_with_its_key(tmp_path: Path) -> None:
    file, key, public = tmp_path / "model.onnx", tmp_path / "minisign.key", tmp_path / "minisign.pub"
    file.write_bytes(b"a model")
    minisign("-G", "-W", "-s", key, "-p", public)
    minisign("-S", "-s", key, "-m", file, "-t", "release 7, for the day room")
    theirs = Signature.from_text(read_signature(tmp_path / "model.onnx.minisig"))
    assert verify(b"a model", theirs, [read_public_key(public)]).text == public.read_text().splitlines()[1]
    assert theirs.trusted_comment == "release 7, for the day room"
    ours = unlocked(read_key(key), None).sign(b"a model", "ours")
    (tmp_path / "model.onnx.minisig").write_text(ours.to_text("ours"))
    minisign("-V", "-p", public, "-m", file)


@needs_minisign
@pytest.mark.slow  # minisign asks for a GiB and seconds
def test_a_key_under_minisign_s_own_password_is_unlocked(tmp_path: Path) -> None:
    minisign("-G", "-s", tmp_path / "k", "-p", tmp_path / "k.pub", given="geheim\ngeheim\n")
    assert unlocked(read_key(tmp_path / "k"), "geheim").public == read_public_key(tmp_path / "k.pub")


@needs_minisign
def test_minisign_s_old_kind_is_refused_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"a model")
    minisign("-G", "-W", "-s", tmp_path / "k", "-p", tmp_path / "k.pub")
    minisign("-S", "-l", "-s", tmp_path / "k", "-m", tmp_path / "f")
    with pytest.raises(ModelError, match="without -l"):
        read_signature(tmp_path / "f.minisig")


def test_a_changed_file_comment_or_signature_is_refused() -> None:
    text = signed(b"a model")
    with pytest.raises(ModelError, match="was changed after"):
        verify(b"b model", Signature.from_text(text), [KEY.public])
    with pytest.raises(ModelError, match="was changed after"):
        verify(b"a model", Signature.from_text(text.replace("model.onnx", "other.onnx")), [KEY.public])
    with pytest.raises(ModelError, match="does not name"):
        verify(b"a model", Signature.from_text(text), [SecretKey.new().public])


@pytest.mark.parametrize(
    "text", ["", "RW", "untrusted comment: x\nAAAA\ntrusted comment: y\nAAAA\n", "a\nb\nc\nd\n", "\0" * 300]
)
def test_anything_else_is_no_signature(text: str) -> None:
    with pytest.raises(ModelError):
        Signature.from_text(text)
    with pytest.raises(ModelError):
        PublicKey.from_text(text)


def test_a_key_is_private_and_opens_with_its_password_only(tmp_path: Path) -> None:
    path = tmp_path / "release.key"
    assert read_public_key(write_key(path, KEY, "geheim")) == KEY.public
    assert path.stat().st_mode & 0o077 == 0
    assert needs_password(read_key(path))
    assert unlocked(read_key(path), "geheim") == KEY
    with pytest.raises(ModelError, match="password is wrong"):
        unlocked(read_key(path), "Geheim")
    with pytest.raises(ModelError, match="is there already"):
        write_key(path, KEY, None)
    path.chmod(0o644)
    with pytest.raises(ModelError, match="others can read"):
        read_key(path)


def test_a_secret_is_in_no_repr() -> None:
    assert KEY.seed.hex() not in repr(KEY)
    assert repr(KEY.seed) not in repr(KEY)
