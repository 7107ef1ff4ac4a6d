"""What all cameras share: model, detector, and their lines; and what a reload has made ready."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from ffe_edge.acquaintance import Acquaintances
from ffe_edge.classify import ExpressionClassifier
from ffe_edge.config import Config
from ffe_edge.engine.model import Model
from ffe_edge.engine.switching import SwitchingRunner
from ffe_edge.faces import YuNet, load_detector
from ffe_edge.faces_tiles import Tiles
from ffe_edge.mqtt import Publisher
from ffe_edge.pipeline import Cameras, Far, NearLook
from ffe_edge.service_camera import Camera
from ffe_edge.service_house import House
from ffe_edge.service_reload import APART, Difference
from ffe_edge.serving import Serving
from ffe_edge.spec import ModelSpec
from ffe_edge.stopwatch import Stopwatch
from ffe_edge.types import FaceDetector, Faces, ImageArray

MakeServing = Callable[[Config, Callable[[], None]], Serving]


@dataclass(frozen=True)
class Parts:
    """Model, detector and lines that belong together."""

    serving: Serving
    origin: tuple[ModelSpec, str]
    """Spec and SHA-256 of the file that it began with and residents are enrolled with; an engine may serve by now."""
    detector: FaceDetector
    lines: Cameras
    relay: SwitchingRunner
    """What the lines ask: while a model update is tried out the model before stands by in it."""
    acquaintance: Acquaintances | None
    """Who is known in the lines; None: nobody."""
    make_serving: MakeServing
    house: House
    stopwatch: Stopwatch

    @classmethod
    def of(
        cls,
        config: Config,
        make_serving: MakeServing,
        on_engine: Callable[[], None],
        house: House,
        stopwatch: Stopwatch,
    ) -> Parts:
        """Load what the settings ask for.

        Raises:
            FfeError: model, detector or the residents cannot be used.
        """
        serving = make_serving(config, on_engine)
        detector = load_detector(config.detector)
        origin = serving.model.spec, serving.model.sha256
        known = Acquaintances.from_config(config, *origin)
        relay = SwitchingRunner(model_of(serving))
        lines = _lines(config, relay, serving.model.spec, detector, known, house, stopwatch)
        return cls(serving, origin, detector, lines, relay, known, make_serving, house, stopwatch)

    @property
    def detector_name(self) -> str:
        """What finds faces."""
        return self.detector.name

    def changed(self, config: Config, sections: tuple[str, ...], on_engine: Callable[[], None]) -> Parts:
        """The parts of other settings, with new ones only where something differs; itself where nothing does.

        New lines number people anew, so they get to know them anew: their acquaintance is to ``take_over`` this one.

        Raises:
            FfeError: model, detector or the residents cannot be used.
        """
        has_new_model = "model" in sections or self.serving.is_outdated(config)
        if not has_new_model and not set(sections) - set(APART):
            return self
        detector = load_detector(config.detector) if "detector" in sections else self.detector
        serving = self.make_serving(config, on_engine) if has_new_model else self.serving
        origin = (serving.model.spec, serving.model.sha256) if has_new_model else self.origin
        known = Acquaintances.from_config(config, *origin)
        relay = SwitchingRunner(model_of(serving)) if has_new_model else self.relay
        lines = _lines(config, relay, serving.model.spec, detector, known, self.house, self.stopwatch)
        return Parts(serving, origin, detector, lines, relay, known, self.make_serving, self.house, self.stopwatch)


def model_of(serving: Serving) -> Model:
    """All that serves for one model, engine and runtimes, as one model."""
    return replace(serving.model, run=serving.runner)


def _lines(
    config: Config,
    relay: SwitchingRunner,
    spec: ModelSpec,
    detector: FaceDetector,
    acquaintance: Acquaintances | None,
    house: House,
    stopwatch: Stopwatch,
) -> Cameras:
    classifier = ExpressionClassifier(relay, len(spec.labels), spec.size_px, with_embeddings=config.residents.recognise)
    search, near, far = _looks(config, detector, stopwatch)
    return Cameras.from_config(
        config,
        spec.labels,
        search,
        stopwatch.timed("classify", classifier.read),
        near=near,
        far=far,
        gate=house,
        acquaintance=acquaintance,
    )


def _looks(
    config: Config, detector: FaceDetector, stopwatch: Stopwatch
) -> tuple[Callable[[ImageArray], Faces], NearLook | None, Far | None]:
    """How a whole picture is searched, a known face looked for, and far ones found."""
    if not isinstance(detector, YuNet):
        return stopwatch.timed("detect", detector), None, None
    near, far = stopwatch.timed("detect_near", detector.near), None
    if config.detector.min_face_px is not None:
        tiles = Tiles(detector.path, config.detector)
        far = Far(stopwatch.timed("detect_tile", tiles.tile), tiles.reach_px)
    return stopwatch.timed("detect", detector.near_enough), near, far


@dataclass(frozen=True)
class Prepared:
    """A reload that the loop can take over without failing."""

    config: Config
    difference: Difference
    parts: Parts
    cameras: tuple[Camera, ...]
    """New ones, not started."""
    publisher: Publisher | None
    """For another broker, not started."""
    applied: threading.Event = field(default_factory=threading.Event)
