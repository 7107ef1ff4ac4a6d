"""No picture and no embedding leaves the daemon: every byte that it tells, logs, serves or writes is searched."""

from __future__ import annotations

import base64
import itertools
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from e2e.acting import expressions, write_acting_clip
from e2e.colour_model import write_colour_model
from e2e.conftest import Rows
from e2e.fault_table import Fault
from e2e.full_run import SEEDS, YUNET, FullRun
from e2e.leaks import SIGNATURES, Leaks
from e2e.mosquitto import wait_for
from e2e.program import environment
from e2e.test_daemon import NODE, asked

from ffe_edge.align import align
from ffe_edge.classify import ExpressionClassifier
from ffe_edge.config import DetectorSettings
from ffe_edge.engine.model import load_model
from ffe_edge.faces import load_detector
from ffe_edge.types import Faces, ImageArray

EXPRESSIONS = 4
HARMLESS = b'{"specversion":"1.0","data":{"emotion":"joy","confidence":0.71,"xyxy":[231.0,118.5,402.25,289.0]},"n":['


@dataclass(frozen=True)
class Known:
    """People in front of the cameras, and all that is known of them."""

    folder: Path
    """``hall.avi``, ``lounge.avi``, ``photos``, ``model.onnx``."""
    frames: list[ImageArray]
    """As the daemon decodes them."""
    crops: ImageArray
    embeddings: list[np.ndarray[Any, np.dtype[np.float32]]]
    faces: Faces
    leaks: Leaks


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Known:
    folder = tmp_path_factory.mktemp("known")
    (folder / "photos").mkdir()
    frames: list[ImageArray] = []
    for name, seed in SEEDS.items():
        images = expressions(seed, EXPRESSIONS)
        write_acting_clip(folder / f"{name}.avi", images)
        frames += distinct_frames(folder / f"{name}.avi", len(images))
        for number, image in enumerate(images if name == "hall" else ()):
            cv2.imwrite(str(folder / "photos" / f"{number}.png"), image)
    write_colour_model(folder / "model.onnx")
    return searched_for(folder, frames)


def distinct_frames(clip: Path, count: int) -> list[ImageArray]:
    capture = cv2.VideoCapture(str(clip))
    frames: dict[bytes, ImageArray] = {}
    while len(frames) < count:
        image = np.asarray(capture.read()[1], np.uint8)
        frames.setdefault(image.tobytes(), image)
    return list(frames.values())


def searched_for(folder: Path, frames: list[ImageArray]) -> Known:
    """Read the frames as the daemon does, with both models."""
    detect = load_detector(DetectorSettings(path=YUNET if YUNET.is_file() else None))
    leaks, crops, embeddings, found = Leaks(), [], [], []
    pictures = [(image, detect(image)) for image in frames]
    for path in (folder / "model.onnx", None):
        model = load_model(path, backend="onnxruntime")
        read = ExpressionClassifier(model.run, len(model.spec.labels), model.spec.size_px, with_embeddings=True).read
        for reading in itertools.chain.from_iterable(read([picture]) for picture in pictures):
            embeddings += [] if reading.embeddings is None else list(reading.embeddings)
    for image, faces in pictures:
        crops += list(align(image, faces))
        found.append(faces)
        leaks.add_pixels(image)
        leaks.add_pixels(np.asarray(cv2.resize(image, (320, 240), interpolation=cv2.INTER_AREA), np.uint8))
        for landmarks in faces.landmarks if faces.landmarks is not None else ():
            leaks.add_landmarks(landmarks, *image.shape[1::-1])
    for crop in crops:
        leaks.add_pixels(crop)
        leaks.add_floats(crop)
    for embedding in embeddings:
        leaks.add_embedding(embedding)
    return Known(folder, frames, np.stack(crops), embeddings, found[0], leaks)


def encoded(suffix: str) -> Callable[[Known], bytes]:
    return lambda known: cv2.imencode(suffix, known.crops[0])[1].tobytes()


def row(known: Known, length: int = 12) -> ImageArray:
    """Some pixels across a face, not at the start of a row."""
    return np.asarray(known.crops[0][56, 41 : 41 + length], np.uint8)


def grey(image: ImageArray) -> ImageArray:
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), np.uint8)


def as_npy(known: Known) -> bytes:
    file = BytesIO()
    np.save(file, known.crops[0])
    return file.getvalue()


def numbers(values: Any, digits: int) -> bytes:
    return json.dumps([round(float(value), digits) for value in np.ravel(values)]).encode()


PLANTED: dict[str, tuple[str, Callable[[Known], bytes]]] = {
    "jpeg": ("JPEG in bytes", encoded(".jpg")),
    "png": ("PNG in bytes", encoded(".png")),
    "webp": ("WebP in bytes", encoded(".webp")),
    "bmp": ("BMP in bytes", encoded(".bmp")),
    "tiff": ("TIFF in bytes", encoded(".tiff")),
    "gif": ("GIF in bytes", lambda _: b"GIF89a\x10\x00"),
    "avif": ("AVIF or HEIC in bytes", lambda _: b"\x00\x00\x00\x20ftypavif\x00"),
    "npy": ("NPY in bytes", as_npy),
    "jpeg-base64": ("JPEG in Base64", lambda known: base64.b64encode(encoded(".jpg")(known))),
    "png-base64-of-urls": ("PNG in Base64", lambda known: base64.urlsafe_b64encode(encoded(".png")(known))),
    "jpeg-hexadecimal": ("JPEG in hexadecimal", lambda known: encoded(".jpg")(known).hex().encode()),
    "bgr": ("pixels in bytes", lambda known: row(known).tobytes()),
    "rgb": ("pixels in bytes", lambda known: row(known)[:, ::-1].tobytes()),
    "grey": ("pixels in bytes", lambda known: grey(known.frames[0])[150, 300:400].tobytes()),
    "frame": ("pixels in bytes", lambda known: known.frames[-1][150, 301:320].tobytes()),
    "float": ("pixels in bytes", lambda known: (row(known, 4).astype(np.float32) / np.float32(255)).tobytes()),
    "bgr-base64": ("pixels in Base64", lambda known: base64.b64encode(b"ab" + row(known).tobytes())),
    "bgr-numbers": ("pixels in numbers", lambda known: json.dumps(row(known).ravel().tolist()).encode()),
    "embedding": ("embedding as <f4 in bytes", lambda known: known.embeddings[0][5:14].tobytes()),
    "embedding-network-order": ("embedding as >f4 in bytes", lambda known: known.embeddings[0].astype(">f4").tobytes()),
    "embedding-half": ("embedding as <f2 in bytes", lambda known: known.embeddings[-1].astype("<f2").tobytes()),
    "embedding-base64": ("embedding as <f4 in Base64", lambda known: base64.b64encode(known.embeddings[-1].tobytes())),
    "embedding-text": ("embedding as text in bytes", lambda known: numbers(known.embeddings[0], 6)),
    "embedding-short-text": ("embedding as text in bytes", lambda known: numbers(known.embeddings[0], 4)),
    "landmarks": ("landmarks as text in bytes", lambda known: numbers(landmarks(known), 1)),
    "landmarks-in-shares": ("landmarks as text in bytes", lambda known: numbers(landmarks(known) / (640, 480), 4)),
}  # fmt: skip


def landmarks(known: Known) -> np.ndarray[Any, np.dtype[np.float32]]:
    if known.faces.landmarks is None:
        pytest.skip("the Haar cascade finds no landmarks; YuNet lies in ../shared")
    return np.asarray(known.faces.landmarks[0], np.float32)


@pytest.mark.slow
@pytest.mark.parametrize(("told", "plant"), PLANTED.values(), ids=PLANTED)
def test_what_is_planted_is_found(known: Known, told: str, plant: Callable[[Known], bytes]) -> None:
    data = plant(known)
    assert told in known.leaks.found(HARMLESS + data + b"]}" + HARMLESS)


@pytest.mark.slow
def test_nothing_is_found_in_what_is_harmless(known: Known) -> None:
    rng = np.random.default_rng(9)
    payloads = (Path(__file__).parents[1] / "edge" / "golden_payloads").glob("*.json")
    harmless = b"\n".join([HARMLESS, rng.bytes(200_000), bytes(5000), *(path.read_bytes() for path in payloads)])
    assert known.leaks.found(harmless) == []


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_what_runs_the_model_writes_nothing(tmp_path: Path, backend: str) -> None:
    program = f"from ffe_edge.engine.model import load_model; load_model(None, backend='{backend}')"
    env = {**environment(tmp_path), "HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", program], env=env, cwd=tmp_path, check=True, timeout=60)
    assert list(tmp_path.iterdir()) == []


def things_that_happen(run: FullRun, resident: str) -> None:
    """Everything that makes the daemon speak or write."""
    subscriber = run.subscriber
    assert wait_for(lambda: run.resident_told(resident), 30)
    assert wait_for(lambda: bool(subscriber.last(f"{NODE}/camera/lounge/emotion")), 30)
    run.look("while it runs")
    for name, payload in (
        ("pause", {"camera": "lounge"}), ("resume", {}), ("privacy", {"state": "on"}), ("privacy", {"state": "off"}),
        ("replay", {"since_sequence": 1}), ("reload", {}), ("nonsense", {}), ("forget", {"resident": "nobody"}),
    ):  # fmt: skip
        asked(subscriber, name, payload)
    run.broker.kill()
    waiting = len(run.subscriber.messages)
    assert wait_for(lambda: b"events are kept" in run.log.read_bytes(), 20)
    run.look("without a broker")
    run.broker.start()
    assert wait_for(lambda: len(run.subscriber.messages) > waiting, 30)
    assert wait_for(lambda: bool(subscriber.last(f"{NODE}/health")), 60)
    assert asked(subscriber, "forget", {"resident": resident})["ok"]
    run.look("after somebody was forgotten")


@pytest.mark.faults
@pytest.mark.slow
@pytest.mark.timeout(240)
def test_no_byte_of_a_full_run_shows_anybody(tmp_path: Path, known: Known, fault_table: Rows) -> None:
    before = set(Path("/dev/shm").iterdir())
    with ExitStack() as stack:
        run = FullRun(tmp_path, known.folder, stack)
        resident = run.enrol()
        process = run.start()
        try:
            things_that_happen(run, resident)
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0
        finally:
            process.kill()
            process.wait()
        run.end()
    assert {path for path in Path("/dev/shm").iterdir() if path not in before and "ffe" in path.name} == set()
    assert run.elsewhere() == []
    assert [what for what, data in run.bytes.items() if b"Hanako" in data or b"form 12" in data] == []
    assert any("summary" in line for line in run.bytes["published"].decode(errors="replace").splitlines())
    assert {what: found for what, data in run.bytes.items() if (found := known.leaks.found(data))} == {}
    blocks, windows, faces = known.leaks.counts
    total = sum(map(len, run.bytes.values()))
    fault_table.add(
        Fault(
            "privacy: everything published, logged, served and written searched",
            "two clips with known frames, an RTSP camera, a resident enrolled and recognised, debug log, all commands, "
            "the broker away and back; files read while it runs, without a broker and afterwards",
            f"{total / 1e6:.1f} MB in {len(run.bytes)} places, also decoded from Base64, hexadecimal and numbers: none "
            f"of {len(SIGNATURES)} kinds of image files, {blocks} blocks of pixels, {windows} rows of embeddings, "
            f"the landmarks of {faces} faces",
        )
    )
