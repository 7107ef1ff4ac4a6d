"""Who is enrolled is kept encrypted, told by nothing but a number of chance, and refused when anything is amiss."""

from __future__ import annotations

import os
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

from ffe_edge.config_people import ResidentSettings
from ffe_edge.errors import DataError, StoreError
from ffe_edge.residents import Resident, new_resident_id
from ffe_edge.residents_enrol import Looks, agreed, enrolled, forgotten
from ffe_edge.residents_file import MAGIC, ResidentStore
from ffe_edge.residents_key import create_key, key_path, read_key
from ffe_edge.types import Faces, FloatArray, ImageArray, Reading

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=timezone.utc)
MODEL = "ab" * 32
CONSENT = "herself, 2026-11-24, signed form 12"


def unit(*values: float) -> tuple[float, ...]:
    return tuple(float(value) for value in np.array(values) / np.linalg.norm(values))


def resident(name: str = "花子", *values: float, model: str = MODEL) -> Resident:
    looks = (unit(*(values or (1, 0, 0))),)
    return Resident(id=new_resident_id(), name=name, consent=CONSENT, enrolled_at=NOW, model=model, embeddings=looks)


def store(folder: Path) -> ResidentStore:
    return ResidentStore(folder / "state" / "residents.ffe", create_key(folder / "state" / "residents.key"))


def test_nobody_is_enrolled_at_first(tmp_path: Path) -> None:
    assert store(tmp_path).load() == ()


def test_what_is_stored_comes_back_and_only_its_user_can_read_the_files(tmp_path: Path) -> None:
    hanako = resident()
    store(tmp_path).change(lambda known: (*known, hanako))
    assert store(tmp_path).load() == (hanako,)
    files = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "state").iterdir()}
    assert files == dict.fromkeys(("residents.ffe", "residents.ffe.lock", "residents.key"), 0o600)


def test_neither_name_nor_consent_nor_embedding_can_be_read_in_the_file(tmp_path: Path) -> None:
    hanako = resident("Hanako", 0.6, 0.8, 0)
    store(tmp_path).change(lambda _: (hanako,))
    data = (tmp_path / "state" / "residents.ffe").read_bytes()
    secrets = [b"Hanako", b"signed form", hanako.id.encode(), b"0.6", np.float32(0.6).tobytes(), b"{"]
    assert [secret for secret in secrets if secret in data.removeprefix(MAGIC)] in ([], [b"{"])


def test_two_writes_of_the_same_residents_differ(tmp_path: Path) -> None:
    kept, path = store(tmp_path), tmp_path / "state" / "residents.ffe"
    kept.change(lambda _: (resident(),))
    before = path.read_bytes()
    kept.change(lambda known: known)
    assert path.read_bytes() != before


@pytest.mark.parametrize("place", [0, len(MAGIC), len(MAGIC) + 12, -1])
def test_a_damaged_store_is_refused_and_left_alone(tmp_path: Path, place: int) -> None:
    store(tmp_path).change(lambda _: (resident(),))
    path = tmp_path / "state" / "residents.ffe"
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)
    with pytest.raises(StoreError, match=r"residents\.ffe: is (damaged|no residents' store)"):
        store(tmp_path).change(lambda _: ())
    assert path.read_bytes() == data


@pytest.mark.parametrize("content", [b"", b"SQLite format 3\x00" * 9, MAGIC, MAGIC + bytes(30)])
def test_what_is_no_store_is_refused(tmp_path: Path, content: bytes) -> None:
    kept = store(tmp_path)
    (tmp_path / "state" / "residents.ffe").write_bytes(content)
    with pytest.raises(StoreError, match="move it away and enrol again"):
        kept.load()


def test_a_store_of_another_key_is_refused(tmp_path: Path) -> None:
    store(tmp_path).change(lambda _: (resident(),))
    (tmp_path / "state" / "residents.key").unlink()
    with pytest.raises(StoreError, match="another key"):
        store(tmp_path).load()


def test_a_failed_change_leaves_everything_as_it_was(tmp_path: Path) -> None:
    kept = store(tmp_path)
    kept.change(lambda _: (resident(),))
    before = kept.load()
    with pytest.raises(DataError):
        kept.change(lambda known: forgotten(known, "nobody"))
    assert kept.load() == before
    assert {path.suffix for path in (tmp_path / "state").iterdir()} == {".ffe", ".lock", ".key"}


def test_a_change_by_another_program_is_noticed(tmp_path: Path) -> None:
    ours, theirs = store(tmp_path), store(tmp_path)
    before = ours.stamp()
    theirs.change(lambda _: (resident(),))
    after = ours.stamp()
    assert before != after == ours.stamp()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_key_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "key"
    create_key(path)
    path.chmod(mode)
    with pytest.raises(StoreError, match="others can read"):
        read_key(path)


def test_what_is_no_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "short").write_bytes(bytes(31))
    (tmp_path / "long").write_bytes(bytes(33))
    os.mkfifo(tmp_path / "pipe", 0o600)
    for name, reason in {"short": "32 bytes", "long": "32 bytes", "pipe": "regular", "none": "cannot be read"}.items():
        if (tmp_path / name).is_file():
            (tmp_path / name).chmod(0o600)
        with pytest.raises(StoreError, match=reason):
            read_key(tmp_path / name)


def test_the_key_is_the_setting_then_the_credential_then_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, named = tmp_path / "state", tmp_path / "named"
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    assert key_path(ResidentSettings(), state) == state / "residents.key"
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert key_path(ResidentSettings(), state) == state / "residents.key"
    credential = tmp_path / "residents.key"
    credential.write_bytes(bytes(32))
    credential.chmod(0o440)
    assert key_path(ResidentSettings(), state) == credential
    assert read_key(credential) == bytes(32)
    assert key_path(ResidentSettings(key_file=named), state) == named


def test_a_resident_shows_neither_name_nor_face_in_a_log() -> None:
    shown = f"{resident('Hanako', 0.6, 0.8)!r} {resident('Hanako', 0.6, 0.8)}"
    assert not [secret for secret in ("Hanako", "signed", "0.6", "0.8") if secret in shown]


def test_a_resident_needs_a_name_and_a_consent_that_says_something() -> None:
    for name, consent in (("", CONSENT), ("Hanako", "yes"), ("Hanako\n", "\x00" * 20), ("x" * 129, CONSENT)):
        with pytest.raises(DataError, match="say who gave the consent"):
            agreed(name, consent)
    assert agreed(" 花子 ", CONSENT).name == "花子"


def add(known: tuple[Resident, ...], name: str, *values: float, model: str = MODEL) -> tuple[Resident, ...]:
    looks = np.array([unit(*values)], np.float32)
    return enrolled(known, agreement=agreed(name, CONSENT), model=model, embeddings=looks, threshold=0.5, now=NOW)


def test_a_name_or_a_face_is_enrolled_once() -> None:
    known = add((), "Hanako", 1, 0)
    with pytest.raises(DataError, match="this name"):
        add(known, "Hanako", 0, 1)
    with pytest.raises(DataError, match=f"already enrolled as {known[0].id}"):
        add(known, "Taro", 0.9, 0.1)
    assert [person.name for person in add(add(known, "Taro", 0, 1), "Jiro", 1, 0, model="cd" * 32)] == [
        "Hanako",
        "Taro",
        "Jiro",
    ]


def test_a_resident_is_forgotten_by_id_or_name() -> None:
    known = add(add((), "Hanako", 1, 0), "Taro", 0, 1)
    assert forgotten(known, "Hanako") == known[1:]
    assert forgotten(known, known[1].id) == known[:1]
    with pytest.raises(DataError, match="no such resident"):
        forgotten(known, "Jiro")


class Faced:
    """Pictures are 1 x n: n faces, the brightness of a pixel is the angle of its embedding."""

    backend, precision = "onnxruntime", "fp32"

    def __init__(self) -> None:
        self.angle = 0.0

    def detect(self, image: ImageArray) -> Faces:
        count = image.shape[1] - 1
        self.angle = float(image[0, 0, 0]) / 100
        boxes = np.tile(np.array([0, 0, 80, 80], np.float32), (count, 1))
        return Faces(boxes, np.full(count, 0.9 if image[0, 0, 1] else 0.1, np.float32), None)

    def __call__(self, crops: ImageArray) -> FloatArray:
        return np.ones((len(crops), 1), np.float32)

    def read(self, crops: ImageArray) -> Reading:
        return Reading(self(crops), np.array([[np.cos(self.angle), np.sin(self.angle)]], np.float32))


def picture(faces: int = 1, angle: int = 0, good: int = 1) -> ImageArray:
    return np.tile(np.array([angle, good, 0], np.uint8), (1, faces + 1, 1))


def looks(*pictures: ImageArray) -> Looks:
    faced = Faced()
    taken = Looks(faced.detect, faced, 16)
    taken.take(pictures)
    return taken


def test_looks_are_taken_of_one_good_face_and_no_more_than_wanted() -> None:
    assert looks(*[picture()] * 4).embeddings(threshold=0.9).shape == (4, 2)
    assert len(looks(*[picture()] * 40)) == 12


def test_too_few_good_looks_are_refused_with_what_was_wrong() -> None:
    taken = looks(picture(), picture(0), picture(2), picture(2), picture(good=0))
    with pytest.raises(DataError, match=r"1 good .*2 with several faces, 1 without a face, 1 small, unsure") as caught:
        taken.embeddings(threshold=0.9)
    assert "\n" not in str(caught.value)


def test_pictures_of_several_people_are_refused() -> None:
    with pytest.raises(DataError, match="do not all show one person"):
        looks(picture(), picture(angle=10), picture(angle=150)).embeddings(threshold=0.9)


def added(new: Resident, known: tuple[Resident, ...]) -> tuple[Resident, ...]:
    return (*known, new)


def test_two_programs_that_enrol_at_once_lose_nobody(tmp_path: Path) -> None:
    create_key(tmp_path / "state" / "residents.key")

    def enrol_ten(letter: str) -> None:
        for number in range(10):
            new = resident(f"{letter}{number}")
            store(tmp_path).change(partial(added, new))

    threads = [Thread(target=enrol_ten, args=(letter,)) for letter in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    names = [person.name for person in store(tmp_path).load()]
    assert sorted(names) == sorted(f"{letter}{number}" for letter in "ab" for number in range(10))
