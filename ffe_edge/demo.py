"""`ffe-edge demo`: broker, page and daemon in one process, to see the whole line work."""

from __future__ import annotations

import tempfile
import threading
import time
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ffe_edge.config import Config
from ffe_edge.demo_broker import DemoBroker
from ffe_edge.errors import ConfigError
from ffe_edge.service import Service

if TYPE_CHECKING:
    from ffe_edge.dashboard.live import LiveView
    from ffe_edge.dashboard.web.server import WebServer

ARRIVAL_SECONDS: Final = 3.0
"""What the last event may take from the broker to the page."""


def run_demo(
    config: Config,
    *,
    port: int,
    seconds: float | None,
    open_browser: bool,
    show: Callable[[str], None],
    guard: Callable[[Callable[[], None]], object],
) -> bool:
    """Run until the source ends, the time is over, or a signal comes.

    Args:
        config: the settings; where they name no broker, one is started.
        port: of the page on 127.0.0.1, 0 for any.
        seconds: how long at most, None for no limit.
        open_browser: show the page.
        show: tells the user a line.
        guard: makes signals call what it is given.

    Returns:
        Whether events arrived at the page.

    Raises:
        FfeError: something cannot be opened; the port is taken.
    """
    live_view, serve = _page()
    with ExitStack() as stack:
        url = config.broker.url or stack.enter_context(_demo_broker(show))
        config = _for_demo(config, url, Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ffe-edge-"))))
        view = live_view(url, config.broker.root_topic)
        page = serve(view, port=port)
        stack.callback(page.stop)
        stack.enter_context(view)
        service = Service(config)
        guard(service.stop)
        show(f"the page is at {page.url} · faces by {service.detector_name} · Ctrl-C ends it")
        if open_browser:
            webbrowser.open(page.url)
        with _ended_after(service.stop, seconds):
            service.run()
        arrived = _arrived(view)
        show(f"{arrived} events arrived at the page from {service.progress.frames} frames")
    return arrived > 0


def _page() -> tuple[type[LiveView], Callable[..., WebServer]]:
    try:
        from ffe_edge.dashboard.app import serve  # noqa: PLC0415 - an extra
        from ffe_edge.dashboard.live import LiveView  # noqa: PLC0415
    except ImportError as error:
        raise ConfigError(f"the page needs {error.name}: pip install 'ffe-edge[demo]'") from error
    return LiveView, serve


@contextmanager
def _demo_broker(show: Callable[[str], None]) -> Iterator[str]:
    with DemoBroker() as broker:
        trying = " (pure Python, for trying only; apt-get install mosquitto for more)" if broker.kind == "amqtt" else ""
        show(f"broker: {broker.kind}{trying} at {broker.url}")
        yield broker.url


def _for_demo(config: Config, url: str, folder: Path) -> Config:
    """The same settings with this broker, and an outbox that goes with the demo."""
    broker = config.broker.model_copy(update={"url": url})
    outbox = config.outbox.model_copy(update={"state_dir": folder})
    return config.model_copy(update={"broker": broker, "outbox": outbox})


@contextmanager
def _ended_after(stop: Callable[[], None], seconds: float | None) -> Iterator[None]:
    if seconds is None:
        yield
        return
    timer = threading.Timer(seconds, stop)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _arrived(view: LiveView) -> int:
    """Events at the page; waits a little for the first."""
    deadline = time.monotonic() + ARRIVAL_SECONDS
    while not view.snapshot()["event_count"] and time.monotonic() < deadline:
        time.sleep(0.05)
    return int(view.snapshot()["event_count"])
