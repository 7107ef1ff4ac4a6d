"""What the daemon answers over HTTP: ``/metrics``, ``/healthz`` and ``/readyz``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from ffe_edge.health_server import Page
from ffe_edge.metrics import CONTENT_TYPE, Totals, of_cameras, of_node, of_steps, render
from ffe_edge.service_camera import Camera
from ffe_edge.stopwatch import Stopwatch


def pages(
    totals: Callable[[], Totals],
    cameras: Callable[[], Iterable[Camera]],
    hung: Callable[[], tuple[str, ...]],
    stopwatch: Stopwatch,
) -> Mapping[str, Callable[[], Page]]:
    """The pages by path.

    Args:
        totals: of the node.
        cameras: those of now.
        hung: the parts that make no progress.
        stopwatch: of the steps.
    """

    def metrics() -> Page:
        text = render([*of_node(totals()), *of_cameras(cameras()), *of_steps(stopwatch)])
        return Page(text, content_type=CONTENT_TYPE)

    def healthz() -> Page:
        parts = hung()
        return Page(f"no progress: {', '.join(parts)}\n", 503) if parts else Page("ok\n")

    def readyz() -> Page:
        return ready(cameras(), hung(), totals().broker_state)

    return {"/metrics": metrics, "/healthz": healthz, "/readyz": readyz}


def ready(cameras: Iterable[Camera], hung: tuple[str, ...], broker_state: str) -> Page:
    """Ready: nothing hangs, and a camera gives frames, or is meant to give none.

    An absent broker is no reason against it: events wait on disk.
    """
    lines = [f"{camera.id}: {camera.state} ({camera.reason})" for camera in cameras]
    lines.append(f"broker: {broker_state}")
    useful = [camera for camera in cameras if camera.state in ("online", "privacy", "disabled")]
    is_ready = bool(useful) and not hung
    return Page("\n".join([*lines, *(f"no progress: {part}" for part in hung)]) + "\n", 200 if is_ready else 503)
