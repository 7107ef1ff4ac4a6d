"""Three residents who do not exist, and their day as a node tells it: for the demonstration and for measurements.

A day is compressed: its hours pass in minutes, while moods last as long as a reader needs to see them. Times in the
messages are those of the clock on the wall.
"""

from __future__ import annotations

import heapq
import itertools
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Final

from ffe_edge.dashboard.personas import PERSONAS, Persona
from ffe_edge.emotions import LABELS, affect, japanese
from ffe_edge.messages import utc_milliseconds
from ffe_edge.types import Change
from ffe_edge.wire import encode_camera_state, encode_status, uuid7

HOUR_MS: Final = 3_600_000
MINUTE_MS: Final = 60_000
IN_VIEW: Final = ((7.0, 8.4), (9.2, 11.6), (12.0, 13.1), (14.2, 16.8), (17.6, 19.3), (19.8, 20.9))
"""Hours of the day at which somebody sits before a camera, more or less."""
MODEL: Final = {"name": "simulated", "sha256": "0" * 64, "backend": "onnxruntime", "precision": "fp32"}


@dataclass(frozen=True, slots=True)
class Mood:
    """One emotion of one visit, in milliseconds."""

    emotion: str
    began_ms: int
    ended_ms: int


@dataclass(frozen=True, slots=True)
class Published:
    """One message, and when it is told."""

    at_ms: int
    topic: str
    payload: bytes
    retain: bool = False


def visits(persona: Persona, midnight_ms: int, mood_ms: float, chance: random.Random) -> Iterator[list[Mood]]:
    """The times of a day at which somebody is in view, each as moods that follow one another."""
    for first, last in IN_VIEW:
        at_ms = midnight_ms + round((first + chance.uniform(-0.2, 0.2)) * HOUR_MS)
        end_ms = midnight_ms + round((last + chance.uniform(-0.2, 0.2)) * HOUR_MS)
        moods: list[Mood] = []
        while at_ms < end_ms:
            weights = persona.evening if persona.evening and first > 16 else persona.moods
            others = {name: weight for name, weight in weights.items() if not moods or name != moods[-1].emotion}
            (emotion,) = chance.choices(list(others), list(others.values()))
            until_ms = min(end_ms, at_ms + round(mood_ms * chance.lognormvariate(0, 0.6)) + 1)
            moods.append(Mood(emotion, at_ms, until_ms))
            at_ms = until_ms
        yield moods


class SimulatedNode:
    """Words the messages of a node, and numbers its events."""

    def __init__(self, topic: str, boot_id: str, chance: random.Random) -> None:
        """Begin with sequence 1.

        Args:
            topic: the node's, as ``ffe/v1/home/edge-01``.
            boot_id: of this run of the machine.
            chance: of confidences and ids.
        """
        self._topic = topic
        self._boot_id = boot_id
        self._chance = chance
        self._sequence = 0

    def status(self, at_ms: int, state: Any, session: str, cameras: tuple[str, ...] = ()) -> Published:
        """A birth or a clean stop."""
        payload = encode_status(state, session, boot_id=self._boot_id, version="simulated", cameras=cameras or None)
        return Published(at_ms, f"{self._topic}/status", payload, retain=True)

    def camera(self, at_ms: int, camera: str, state: Any, reason: str = "") -> Published:
        """What a camera does."""
        payload = encode_camera_state(state, reason)
        return Published(at_ms, f"{self._topic}/camera/{camera}/state", payload, retain=True)

    def emotion(
        self,
        at_ms: int,
        camera: str,
        track: int,
        change: Change,
        emotion: str,
        *,
        previous: str | None = None,
        held_seconds: float = 0.0,
        resident: str | None = None,
    ) -> Published:
        """An event of somebody in view."""
        confidence = round(self._chance.uniform(0.55, 0.95), 4)
        rest = round((1 - confidence) / (len(LABELS) - 1), 4)
        valence, arousal = affect(emotion)
        data = {
            "change": change, "track": track, "resident": resident, "emotion": emotion,
            "emotion_ja": japanese(emotion), "confidence": confidence,
            "probabilities": {label: confidence if label == emotion else rest for label in LABELS},
            "valence": valence, "arousal": arousal, "previous": previous, "held_seconds": held_seconds,
            "face": {"xyxy": [100.0, 80.0, 260.0, 240.0], "quality": 0.9}, "model": MODEL,
        }  # fmt: skip
        return self._event(at_ms, camera, "emotion", data, subject=f"track-{track}")

    def summary(
        self, began_ms: int, camera: str, seconds: Mapping[str, float], missing_seconds: float = 0.0
    ) -> Published:
        """A minute of a camera, told when it is over."""
        began = utc_milliseconds(datetime.fromtimestamp(began_ms / 1000, timezone.utc))
        people = 1 if seconds else 0
        data = {
            "began": began, "seconds": 60.0, "emotions": dict(seconds), "people": people,
            "missing_seconds": missing_seconds,
        }  # fmt: skip
        return self._event(began_ms + MINUTE_MS, camera, "summary", data)

    def _event(self, at_ms: int, camera: str, kind: str, data: dict[str, Any], **more: str) -> Published:
        self._sequence += 1
        source = f"{self._topic}/camera/{camera}"
        event = {
            "specversion": "1.0", "id": str(uuid7(at_ms, self._chance.randbytes(10))), "source": source,
            "type": f"jp.ffe.{kind}.v1", "time": utc_milliseconds(datetime.fromtimestamp(at_ms / 1000, timezone.utc)),
            "dataschema": f"{kind}-v1.json", "sequence": self._sequence, "bootid": self._boot_id,
            "monotonic": round(at_ms % 10**9 / 1000, 3), "clocksync": True, "replayed": False, **more, "data": data,
        }  # fmt: skip
        payload = json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()
        return Published(at_ms, f"{source}/{kind}", payload, retain=kind == "summary")


def compressed_day(
    topic: str,
    began_ms: int,
    *,
    speed: float = 120.0,
    mood_seconds: float = 8.0,
    seed: int = 1,
    hours: tuple[float, float] = (0.0, 24.0),
    node: SimulatedNode | None = None,
) -> Iterator[Published]:
    """A day of the three, as a node publishes it, in the order of time.

    Args:
        topic: the node's, as ``ffe/v1/home/edge-01``.
        began_ms: when its midnight is, on the clock on the wall.
        speed: how much faster than the wall's clock the day passes.
        mood_seconds: how long a mood lasts on the wall's clock, about.
        seed: another one, another day.
        hours: of the day, from when to when it is told.
        node: goes on counting from another day; None: a new one.
    """
    chance = random.Random(seed)
    node = node or SimulatedNode(topic, f"simulated-{seed}-{began_ms}", chance)
    first_ms, last_ms = (round(hour * HOUR_MS / speed) for hour in hours)
    birth_ms = began_ms + first_ms
    yield node.status(birth_ms, "online", f"simulated-{began_ms}", tuple(each.camera for each in PERSONAS))
    for persona in PERSONAS:
        yield node.camera(birth_ms, persona.camera, "online")
    steps = [_trouble(speed)]
    for number, persona in enumerate(PERSONAS):
        found = list(visits(persona, 0, mood_seconds * 1000 * speed, chance))
        on_the_wall = [[_hastened(mood, speed) for mood in moods] for moods in found]
        steps += [_events(persona, 100 * number, on_the_wall), _minutes(persona.camera, on_the_wall, speed)]
    for offset_ms, camera, told in heapq.merge(*steps, key=lambda step: step[0]):
        if first_ms <= offset_ms <= last_ms:
            yield _worded(node, began_ms + offset_ms, camera, told)


def _worded(node: SimulatedNode, at_ms: int, camera: str, told: dict[str, Any]) -> Published:
    if "seconds" in told:
        return node.summary(at_ms - MINUTE_MS, camera, told["seconds"])
    if "state" in told:
        return node.camera(at_ms, camera, **told)
    return node.emotion(at_ms, camera, **told)


Step = tuple[int, str, dict[str, Any]]
"""Milliseconds since midnight, camera, what is told."""


def _hastened(mood: Mood, speed: float) -> Mood:
    return Mood(mood.emotion, round(mood.began_ms / speed), round(mood.ended_ms / speed))


def _events(persona: Persona, first_track: int, found: Sequence[Sequence[Mood]]) -> Iterator[Step]:
    for track, moods in enumerate(found, first_track + 1):
        told = {"track": track, "resident": persona.id}
        yield moods[0].began_ms, persona.camera, {"change": "start", "emotion": moods[0].emotion, **told}
        for before, mood in itertools.pairwise(moods):
            yield mood.began_ms, persona.camera, {"change": "change", "emotion": mood.emotion, **_after(before), **told}
        last = moods[-1]
        yield last.ended_ms, persona.camera, {"change": "end", "emotion": last.emotion, **_after(last), **told}


def _after(mood: Mood) -> dict[str, Any]:
    return {"previous": mood.emotion, "held_seconds": (mood.ended_ms - mood.began_ms) / 1000}


def _minutes(camera: str, found: Sequence[Sequence[Mood]], speed: float) -> Iterator[Step]:
    """What was seen in each minute of the wall's clock, told at its end."""
    moods = [mood for visit in found for mood in visit]
    for end_ms in range(MINUTE_MS, round(24 * HOUR_MS / speed) + 1, MINUTE_MS):
        seconds: dict[str, float] = {}
        for mood in moods:
            seen_ms = min(mood.ended_ms, end_ms) - max(mood.began_ms, end_ms - MINUTE_MS)
            if seen_ms > 0:
                seconds[mood.emotion] = round(seconds.get(mood.emotion, 0.0) + seen_ms / 1000, 3)
        yield end_ms, camera, {"seconds": seconds}


def _trouble(speed: float) -> Iterator[Step]:
    """What else happens: privacy while somebody is washed, and a camera that hangs."""
    bath, hang = PERSONAS[0].camera, PERSONAS[1].camera
    steps = (
        (8.6, bath, "privacy", "privacy switch"), (9.0, bath, "online", ""),
        (13.3, hang, "stalled", "no picture for 10 s"), (13.9, hang, "online", ""),
    )  # fmt: skip
    for hour, camera, state, reason in steps:
        yield round(hour * HOUR_MS / speed), camera, {"state": state, "reason": reason}
