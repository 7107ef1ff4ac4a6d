"""Releases of models as an operator makes them, good ones and such as fail in one way, and a node that follows them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Final, final

from e2e.daemon import NODE, Daemon
from e2e.mosquitto import Mosquitto, Subscriber, wait_for
from https_server import Site, certificate, served

from ffe_edge.engine.model_file import digest_of
from ffe_edge.updates.manifest import PHASES, Desired, Manifest, as_text, desired_from, manifest_of
from ffe_edge.updates.minisign_secret import SecretKey
from ffe_edge.updates.signing import Terms, make_release, sign_file

STATE: Final = f"{NODE}/model/state"
DESIRED: Final = f"{NODE}/model/desired"
DESIRED_OF_SITE: Final = "ffe/v1/home/model/desired"
EVENTS: Final = f"{NODE}/camera/hall/emotion"
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

    def comes(self, phase: str, counter: int | None = None, seconds: float = 120.0) -> dict[str, Any]:
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

    def says(self, reason: str, seconds: float = 90.0) -> bool:
        """Whether the last state comes to have such a reason."""
        return wait_for(lambda: any(reason in state.get("reason", "") for state in self.states()[-1:]), seconds)

    def serves(self, sha256: str, seconds: float = 90.0) -> bool:
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
