"""The rendered person as a frame source: a whole demonstration with no camera, and with the truth beside it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Final

from ffe_edge.camera.pacing import Closing, paced
from ffe_edge.errors import SourceError
from ffe_edge.types import Frame

SIZE_PX: Final = (640, 480)


class RenderedSource:
    """``demo:`` or ``demo:SEED``, in real time; ``seconds`` is the position in the timeline."""

    def __init__(self, source: str, fps: float) -> None:
        """Read the seed.

        Args:
            source: ``demo:`` or ``demo:7``.
            fps: frames per second.

        Raises:
            SourceError: the seed is no number.
        """
        seed = source.removeprefix("demo:")
        if seed and not (seed.isascii() and seed.isdigit()):
            raise SourceError(f"{source}: the seed of a demonstration is a whole number, as demo:7")
        self._seed = int(seed or 0)
        self._fps = fps
        self._closing = Closing()

    def __iter__(self) -> Iterator[Frame]:
        return paced(self._frames(), self._closing)

    def close(self) -> None:
        """End every iteration."""
        self._closing.set()

    def _frames(self) -> Iterator[Frame]:
        from ffe_edge.rendered.timeline import demo_timeline  # noqa: PLC0415 - slow to import, for demo: only

        for index, item in enumerate(demo_timeline(self._seed, fps=self._fps, size_px=SIZE_PX)):
            if self._closing.is_set:
                return
            yield Frame(item.image, index, item.seconds, datetime.now(timezone.utc), truth=item.emotion.value)
