"""The outbox and the connection to the broker as the settings want them: will, commands, Home Assistant."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from ffe_edge import __version__
from ffe_edge.commands import Commands, Handler
from ffe_edge.config import Config
from ffe_edge.homeassistant import HomeAssistant
from ffe_edge.messages import Gap
from ffe_edge.mqtt import Publisher
from ffe_edge.mqtt_message import Incoming, Message, Node
from ffe_edge.outbox import Outbox
from ffe_edge.outbox_file import outbox_path
from ffe_edge.service_camera import Camera
from ffe_edge.serving import Serving
from ffe_edge.wire import encode_status


def home_assistant(config: Config) -> HomeAssistant:
    """The node as a device of Home Assistant."""
    return HomeAssistant(
        config.home_assistant,
        site=config.site,
        node=config.node,
        node_topic=config.node_topic,
        cameras=[camera.id for camera in config.cameras],
        version=__version__,
    )


def open_outbox(config: Config, render_gap: Callable[[int, Gap], bytes]) -> Outbox:
    """Where events wait: on disk, or in memory where the settings name no broker.

    Raises:
        StoreError: the file cannot be used, or another process uses it.
    """
    settings = config.outbox
    return Outbox(
        outbox_path(config) if config.broker.url else None,
        max_bytes=settings.max_bytes,
        gap_topic=f"{config.source_topic}/emotion",
        render_gap=render_gap,
        keep_seconds=settings.keep_seconds,
        keep_bytes=settings.keep_bytes,
    )


def make_publisher(
    config: Config,
    outbox: Outbox,
    session: str,
    birth: Callable[[], bytes],
    obey: Handler,
    on_home: Callable[[Incoming], Message | None],
    counts: Counter[str],
    wishes: Mapping[str, Callable[[Incoming], None]],
) -> Publisher | None:
    """A publisher that is not started; None where the settings name no broker.

    Args:
        config: the settings.
        outbox: what is to be delivered.
        session: name of this run.
        birth: the node's status on every connect.
        obey: does what commands ask for.
        on_home: takes the news that Home Assistant has started.
        counts: of commands, by what became of them.
        wishes: what takes retained messages, by topic.

    Raises:
        BrokerError: the password or a certificate cannot be read.
    """
    if not config.broker.url:
        return None
    home = home_assistant(config)
    commands = Commands(config.node_topic, obey, closed_topics=home.closed_topics, counts=counts)
    return Publisher(
        config.broker,
        outbox,
        Node(config.node_topic, session, f"ffe-{config.site}-{config.node}", birth, encode_status("lost", session)),
        window=config.outbox.window,
        subscriptions={commands.topic_filter: commands.take, **dict.fromkeys(home.subscriptions, on_home), **wishes},
        retained=wishes,
    )


def birth(session: str, boot_id: str, serving: Serving, detector: str, cameras: Iterable[Camera]) -> bytes:
    """The node's status while it runs."""
    return encode_status(
        "online",
        session,
        boot_id=boot_id,
        version=__version__,
        engine=serving.model.run.backend,
        engine_state=serving.engine_state,
        engine_reason=serving.engine_reason,
        detector=detector,
        cameras=tuple(camera.id for camera in cameras),
    )
