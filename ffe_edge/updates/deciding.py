"""Whether what is wished is to be done: signed by whom, for whom, newer than what was seen, now or later. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Literal
from urllib.parse import urlsplit

from ffe_edge.clock import clock_is_synchronised
from ffe_edge.config import Config
from ffe_edge.config_people import ScheduleSettings
from ffe_edge.errors import ModelError
from ffe_edge.schedule import Schedule
from ffe_edge.updates.ledger import State
from ffe_edge.updates.manifest import Manifest, Opened, Release, opened
from ffe_edge.updates.minisign import PublicKey

Kind = Literal["nothing", "same", "wait", "refuse", "begin"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do about the wishes of now."""

    kind: Kind
    """``same``: that model serves already, and its counter is remembered where it is higher."""
    reason: str = ""
    wish: Opened | None = None

    @property
    def release(self) -> Release | None:
        """What it is about, where that is known."""
        return self.wish.release if self.wish else None


@dataclass(frozen=True)
class Rules:
    """What the settings say about wishes."""

    config: Config
    now: Callable[[], datetime] = lambda: datetime.now(timezone.utc)
    is_synchronised: Callable[[], bool] = clock_is_synchronised
    keys: tuple[PublicKey, ...] = field(init=False)

    def __post_init__(self) -> None:
        keys = tuple(PublicKey.from_text(text) for text in self.config.model_updates.public_keys)
        object.__setattr__(self, "keys", keys)

    def opened(self, payload: bytes) -> Opened:
        """A wish whose signature is good, and which is meant for us.

        Raises:
            ModelError: any other.
        """
        return opened(payload, self.keys, site=self.config.site, node=self.config.node)

    def allows_http(self, url: str) -> bool:
        """Whether this may be fetched without TLS."""
        return self.config.model_updates.allow_http or _is_here(urlsplit(url).hostname or "")

    def why_never(self, manifest: Manifest) -> str | None:
        """Why a release is not taken at all, whatever the state; None where it may be."""
        settings = self.config.model_updates
        if not manifest.url.startswith("https://") and not self.allows_http(manifest.url):
            return "its address is no https:// one; set model_updates.allow_http to fetch it all the same"
        if manifest.all_bytes > settings.max_bytes:
            return f"its {manifest.all_bytes} bytes are more than model_updates.max_bytes, {settings.max_bytes}"
        if self.config.residents.recognise:
            return (
                "residents are recognised by the present model's embedding; install another one by hand, and enrol anew"
            )
        return None

    def why_not_now(self, manifest: Manifest) -> Verdict | None:
        """Wait, or refuse because it is too late; None where it may begin."""
        config, now = self.config, self.now()
        if not (config.schedule.trust_clock or self.is_synchronised()):
            return Verdict("wait", "waits: the clock is not set, so it is not known whether the release is still valid")
        if now > manifest.not_after:
            return Verdict("refuse", f"it was to be begun by {manifest.not_after:%Y-%m-%d %H:%M} UTC; sign it anew")
        hours = config.model_updates.hours
        schedule = ScheduleSettings(time_zone=config.schedule.time_zone, hours=hours)
        if not Schedule(schedule, config.node).allows(now):
            return Verdict("wait", "waits for the hours of model_updates.hours")
        return None


def decide(wishes: Sequence[bytes], state: State, rules: Rules) -> Verdict:
    """What to do; the first wish that is signed and meant for us counts.

    Args:
        wishes: this node's own, then the site's; those that there are.
        state: what is remembered.
        rules: the settings.
    """
    wrong = ""
    for payload in wishes:
        try:
            wish = rules.opened(payload)
        except ModelError as error:
            wrong = wrong or str(error)
            continue
        found = _judged(wish, state, rules)
        return Verdict(found.kind, found.reason, wish)
    return Verdict("refuse", wrong) if wrong else Verdict("nothing")


def _judged(wish: Opened, state: State, rules: Rules) -> Verdict:
    release, current = wish.release, state.current
    goes_on = current is not None and (current.counter, current.sha256) == (release.counter, release.sha256)
    if release.counter < state.counter and not goes_on:
        return Verdict("refuse", f"its counter {release.counter} is lower than {state.counter}, which was seen already")
    if release.counter == state.counter and release.sha256 != state.counter_sha256:
        return Verdict("refuse", f"its counter {release.counter} was another model's; sign it with a higher one")
    if state.has_failed(release):
        return Verdict("nothing")
    if current is not None and current.sha256 == release.sha256:
        return Verdict("same")
    if reason := rules.why_never(wish.manifest):
        return Verdict("refuse", reason)
    return rules.why_not_now(wish.manifest) or Verdict("begin")


def _is_here(host: str) -> bool:
    """Whether a host is this machine by its very name."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
