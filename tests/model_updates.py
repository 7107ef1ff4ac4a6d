"""Releases of models as an operator makes them, good ones and such as fail in one way, and a node that follows them."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import cache
from pathlib import Path
from typing import Any, Final, final

import cv2
import numpy as np
from e2e.daemon import NODE, Daemon
from e2e.mosquitto import Mosquitto, Subscriber, wait_for
from https_server import Site, certificate, served
from small_bundle import write_document

from ffe_edge.engine.golden import Golden, write_golden
from ffe_edge.engine.model import SHIPPED_MODEL
from ffe_edge.engine.model_file import ModelFile, digest_of
from ffe_edge.engine.onnxruntime_runner import load_onnxruntime
from ffe_edge.rendered.timeline import demo_timeline
from ffe_edge.types import Reading
from ffe_edge.updates.manifest import PHASES, Desired, Manifest, as_text, desired_from, manifest_of
from ffe_edge.updates.minisign_secret import SecretKey
from ffe_edge.updates.signing import Terms, make_release, sign_file

STATE: Final = f"{NODE}/model/state"
DESIRED: Final = f"{NODE}/model/desired"
DESIRED_OF_SITE: Final = "ffe/v1/home/model/desired"
EVENTS: Final = f"{NODE}/camera/hall/emotion"
CROPS: Final = np.random.default_rng(5).integers(0, 256, (4, 112, 112, 3), np.uint8)
SETTINGS: Final = """
[schedule]
trust_clock = true
[model_updates]
enabled = true
public_keys = ["{key}"]
ca_file = "{ca}"
probation_seconds = {probation}
probation_looks = {looks}
shadow_looks = {shadow}
min_fps_share = {share}
"""


def write_clip(path: Path, seconds: int) -> Path:
    """A rendered person of a dozen expressions, another one every half second."""
    images = [frame.image for frame in itertools.islice(demo_timeline(3, fps=0.4), 12)]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 8.0, (640, 480))
    for image in itertools.islice(itertools.cycle(images), 2 * seconds):
        for _ in range(4):
            writer.write(image)
    writer.release()
    return path


def changed_model(note: str) -> bytes:
    """The shipped model with a note in its metadata: another file that says the same of every face.

    Source: Protocol Buffers, Encoding: a message and another one behind it are one message.
    """
    key, value = b"note", note.encode()
    entry = b"\x0a" + bytes([len(key)]) + key + b"\x12" + bytes([len(value)]) + value
    return SHIPPED_MODEL.read_bytes() + b"\x72" + bytes([len(entry)]) + entry


@cache
def _said() -> Reading:
    return load_onnxruntime(ModelFile.read(SHIPPED_MODEL)).read(CROPS)


def bundle(folder: Path, note: str, *, golden_is_good: bool = True, times: int = 1) -> Path:
    """A bundle of the changed model.

    Args:
        folder: to be made.
        note: in the model.
        golden_is_good: else its golden outputs are another model's.
        times: how often each golden crop stands in it, so that proving it takes long.
    """
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(changed_model(note))
    said, crops = _said(), np.repeat(CROPS, times, axis=0)
    probs = np.repeat(said.probs if golden_is_good else said.probs[:, ::-1], times, axis=0)
    write_golden(folder / "golden.npz", Golden(crops, {"fp32": Reading(probs, None)}))
    write_document(folder, name="ffe-small", engine=None)
    return folder


@dataclass(frozen=True)
class Release:
    """What is published, and by what it is known."""

    payload: bytes
    counter: int
    sha256: str
    """Of the pinned file."""
    url: str


@final
class Publisher:
    """An operator: a key, and a server with models."""

    def __init__(self, folder: Path, site: Site) -> None:
        self.key = SecretKey.new()
        self.site = site
        self.url = site.url
        """Where devices find the server."""
        self._folder = folder

    def release(
        self, model: Path, counter: int, *, key: SecretKey | None = None, is_looked_over: bool = True, **to: Any
    ) -> Release:
        """Sign a model and put its files to the server, under an address of their own.

        Args:
            model: a file, or the folder of a bundle.
            counter: of the release.
            key: signs; None: the right one.
            is_looked_over: as `ffe-edge models sign` does; it signs no model that fails here already.
            to: whom it is for.
        """
        not_after = datetime.now(timezone.utc) + timedelta(days=1)
        url, output = f"{self.url}/{counter}/", self._folder / f"release-{counter}.json"
        if is_looked_over:
            make_release(model, Terms(url, counter, not_after, **to), output, key or self.key)
        else:
            self._sign_unseen(model, url, counter, not_after, output)
        for path in sorted(model.iterdir()) if model.is_dir() else [model]:
            self.site.files[f"/{counter}/{path.name}"] = path.read_bytes()
        manifest = manifest_of(output)
        return Release(desired_from(output), counter, manifest.sha256, manifest.url)

    def _sign_unseen(self, model: Path, url: str, counter: int, not_after: datetime, output: Path) -> None:
        pinned = model / "bundle.json" if model.is_dir() else model
        sizes = [path.stat().st_size for path in model.iterdir()] if model.is_dir() else [pinned.stat().st_size]
        signature = self.key.sign(pinned.read_bytes(), "unseen").to_text("unseen")
        manifest = Manifest(
            name="ffe-small", counter=counter, url=f"{url}{pinned.name}", bytes=pinned.stat().st_size,
            sha256=digest_of(pinned), all_bytes=sum(sizes), signature=signature, not_after=not_after,
        )  # fmt: skip
        output.write_text(as_text(manifest))
        sign_file(output, self.key)


@final
class Home:
    """A node that follows releases, the broker, somebody who listens."""

    def __init__(self, daemon: Daemon, subscriber: Subscriber, publisher: Publisher) -> None:
        self.daemon = daemon
        self.subscriber = subscriber
        self.publisher = publisher

    def wish(self, payload: bytes, topic: str = DESIRED) -> None:
        self.subscriber.client.publish(topic, payload, qos=1, retain=True).wait_for_publish(10)

    def states(self) -> list[dict[str, Any]]:
        return [json.loads(payload) for payload in self.subscriber.payloads(STATE)]

    def phases(self, counter: int) -> list[str]:
        """Those that were told of a release, each once, in order."""
        told = [state["phase"] for state in self.states() if state.get("release", {}).get("counter") == counter]
        return list(dict.fromkeys(told))

    def comes(self, phase: str, counter: int | None = None, seconds: float = 60.0) -> dict[str, Any]:
        """The state when such a phase is told last."""
        assert phase in PHASES

        def is_there() -> bool:
            told = self.states()[-1:]
            return (
                bool(told)
                and told[0]["phase"] == phase
                and counter in (None, told[0].get("release", {}).get("counter"))
            )

        assert wait_for(is_there, seconds), (self.states()[-5:], self.daemon.log()[-10:])
        return self.states()[-1]

    def says(self, reason: str, seconds: float = 30.0) -> bool:
        """Whether the last state comes to have such a reason."""
        return wait_for(lambda: any(reason in state.get("reason", "") for state in self.states()[-1:]), seconds)

    def serves(self, sha256: str, seconds: float = 30.0) -> bool:
        """Whether the events of from now on come to be this model's."""
        before = len(self.subscriber.payloads(EVENTS))

        def is_there() -> bool:
            told = self.subscriber.payloads(EVENTS)[before:]
            return bool(told) and json.loads(told[-1])["data"]["model"]["sha256"] == sha256

        return wait_for(is_there, seconds)


@contextmanager
def node(
    folder: Path,
    clip: Path,
    *,
    probation: float = 2,
    looks: int = 3,
    shadow: int = 3,
    share: float = 0,
    pem: Path | None = None,
) -> Iterator[Home]:
    """A daemon on a clip that is played at its own speed."""
    pem = pem or certificate(folder)
    with served(pem) as site, Mosquitto(folder) as broker, Subscriber(broker, "ffe/v1/#") as subscriber:
        publisher = Publisher(folder, site)
        daemon = Daemon(folder, broker.url)
        more = SETTINGS.format(
            key=publisher.key.public.text, ca=pem, probation=probation, looks=looks, shadow=shadow, share=share
        )
        daemon.configure(f'id = "hall"\nsource = "{clip}"\nrealtime = true', more=more)
        with daemon:
            yield Home(daemon, subscriber, publisher)


def forged(release: Release, **changes: Any) -> bytes:
    """A wish whose manifest was changed after it was signed."""
    desired = Desired.model_validate_json(release.payload)
    manifest = json.dumps({**json.loads(desired.manifest), **changes})
    return desired.model_copy(update={"manifest": manifest}).model_dump_json().encode()


def folders(daemon: Daemon, kind: str) -> Sequence[str]:
    """Names of what lies in ``models`` or ``staging`` of the node."""
    parent = daemon.state / "ffe-edge" / "model-updates" / "home.edge-01" / kind
    return sorted(path.name for path in parent.iterdir()) if parent.is_dir() else []


def shipped(folder: Path) -> Path:
    """The shipped model as a file of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    return Path(shutil.copy(SHIPPED_MODEL, folder / "model.onnx"))


def blind_to_faces(path: Path) -> Path:
    """A model that passes every look at grey crops and gives no numbers for anything else."""
    nodes = (
        ("ReduceMax", "distance", "farthest", {"axes": [1, 2, 3], "keepdims": 0}),
        ("Neg", "farthest", "below", {}),
        ("Sqrt", "below", "poison", {}),
    )
    return _with_more(path, nodes)


def slow(path: Path, side: int = 1600) -> Path:
    """A model that says the same as a good one after much arithmetic that is for nothing."""
    nodes = (
        ("ReduceMean", "distance", "mean", {"axes": [0, 1, 2, 3], "keepdims": 0}),
        ("Expand", "mean side", "square", {}),
        ("MatMul", "square square", "twice", {}),
        ("MatMul", "twice square", "thrice", {}),
        ("ReduceMean", "thrice", "much", {"axes": [0, 1], "keepdims": 0}),
        ("Mul", "much nothing", "poison", {}),
    )
    return _with_more(path, nodes, side)


def _with_more(path: Path, nodes: Sequence[tuple[str, str, str, dict[str, Any]]], side: int = 1) -> Path:
    """The shipped model, to whose answers ``poison`` is added; ``distance`` is that of a crop from grey."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    model = onnx.load(SHIPPED_MODEL)
    graph = model.graph
    for node in graph.node:
        node.output[:] = ["clean" if name == "probs" else name for name in node.output]
    constants = {"grey": np.float32(127), "side": np.array([side, side]), "nothing": np.float32(0)}
    graph.initializer.extend(numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items())
    first = (
        ("Cast", "crops", "as_numbers", {"to": TensorProto.FLOAT}),
        ("Sub", "as_numbers grey", "difference", {}),
        ("Abs", "difference", "distance", {}),
    )
    last = (("Reshape", "poison one_each", "column", {}), ("Add", "clean column", "probs", {}))
    graph.initializer.append(numpy_helper.from_array(np.array([-1, 1]), "one_each"))
    for kind, given, result, attributes in (*first, *nodes, *last):
        graph.node.append(helper.make_node(kind, given.split(), [result], **attributes))
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, path)
    return path
