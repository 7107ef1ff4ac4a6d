"""`ffe-edge demo`: broker, dashboard and daemon in one process, to see the whole line work."""

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
    from ffe_edge.dashboard.demonstration import Demonstration

ARRIVAL_SECONDS: Final = 5.0
"""What the last event may take from the broker into the store."""


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
        config: the settings; where they name no broker, one is started, and three simulated residents tell there.
        port: of the pages on 127.0.0.1, 0 for any.
        seconds: how long at most, None for no limit.
        open_browser: show the pages.
        show: tells the user a line.
        guard: makes signals call what it is given.

    Returns:
        Whether events of the source arrived in the dashboard's store.

    Raises:
        FfeError: something cannot be opened; the port is taken.
    """
    demonstration = _demonstration()
    with ExitStack() as stack:
        own_broker = config.broker.url is None
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ffe-edge-")))
        config = _for_demo(config, config.broker.url or stack.enter_context(_demo_broker(show)), folder)
        shown = stack.enter_context(demonstration(config, folder, port=port, with_residents=own_broker, show=show))
        service = Service(config)
        guard(service.stop)
        show(f"the dashboard is at {shown.url} (signs in once) · faces by {service.detector_name} · Ctrl-C ends it")
        if open_browser:
            webbrowser.open(shown.url)
        with _ended_after(service.stop, seconds):
            service.run()
        show(f"{(arrived := _arrived(shown))} events arrived in the dashboard from {service.progress.frames} frames")
    return arrived > 0


def _demonstration() -> type[Demonstration]:
    try:
        from ffe_edge.dashboard.demonstration import Demonstration  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise ConfigError(f"the dashboard needs {error.name}: pip install 'ffe-edge[demo]'") from error
    return Demonstration


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


def _arrived(shown: Demonstration) -> int:
    """Events in the store; waits a little for the first."""
    deadline = time.monotonic() + ARRIVAL_SECONDS
    while not (arrived := shown.arrived()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return arrived
