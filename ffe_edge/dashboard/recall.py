"""The picture of the moment to begin with: what the store knew last."""

from __future__ import annotations

from typing import Any, cast, get_args

from ffe_edge.dashboard.board import Board
from ffe_edge.dashboard.known_places import PAST
from ffe_edge.dashboard.last_known import LastKnown, LastPerson
from ffe_edge.dashboard.records import Camera, Node, Person
from ffe_edge.emotions import japanese
from ffe_edge.messages import CameraState, StatusState


def recall(board: Board, known: LastKnown) -> None:
    """Tell the board of nodes, cameras and who was in view; nobody is certain before something is heard of them."""
    for node in known.nodes:
        state = cast("StatusState", _one_of(node.state, StatusState, "lost"))
        session = None if (node.session or "").startswith(PAST) else node.session
        board.know_node(f"{node.site}/{node.node}", Node(state, session, node.since_ms, node.heard_ms))
    for camera in known.cameras:
        told = cast("CameraState", _one_of(camera.state, CameraState, "offline"))
        name = f"{camera.site}/{camera.node}/{camera.name}"
        board.know_camera(name, Camera(told, camera.reason, camera.since_ms, camera.heard_ms))
    for last in known.people:
        person = _person(last)
        board.know_person(person)
        board.know_order(person.camera, last.boot_id, last.sequence)


def _one_of(state: str, states: Any, otherwise: str) -> str:
    """What a newer version may have stored is not known here."""
    return state if state in get_args(states) else otherwise


def _person(last: LastPerson) -> Person:
    camera = f"{last.site}/{last.node}/{last.camera}"
    return Person(
        person=f"{camera}#{last.track}",
        camera=camera,
        track=last.track,
        emotion=last.emotion,
        emotion_ja=japanese(last.emotion),
        confidence=last.confidence,
        probabilities={},
        since_ms=last.began_ms,
        seen_ms=last.began_ms,
        heard_ms=-1,
        resident=last.resident_id,
    )
