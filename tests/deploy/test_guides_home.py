"""Commands of the guides that need a camera, a broker, a daemon or a dashboard: real ones, on loopback."""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path

import cv2
import pytest
from dashboard.test_running import dashboard
from deploy.guide_blocks import CAMERA, DAEMON, DASHBOARD, RESIDENTS, commands_of
from deploy.guide_desk import Desk
from deploy.test_guides_terminal import require
from e2e.acting import expressions
from e2e.colour_model import write_colour_model
from e2e.daemon import Daemon, write_busy_clip
from e2e.mosquitto import Mosquitto, wait_for
from e2e.rtsp_server import RtspServer, require_rtsp

from ffe_edge.dashboard.database import Database
from ffe_edge.dashboard.passwords import Passwords
from ffe_edge.dashboard.users import all_users, change_password, ensure_admin

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
PASSWORD = "a walk in the garden at ten"


def test_a_network_camera_is_looked_at_as_the_page_says(tmp_path: Path) -> None:
    require_rtsp()
    looked, watched = commands_of(CAMERA, "cameras.md")
    with RtspServer() as server:
        instead = {"rtsp://10.0.0.7/live": server.url, "timeout 20": "timeout 30"}
        assert re.search(r"Camera +ok .*first frame after", Desk(tmp_path).type_in(looked.text, instead))
        said = Desk(tmp_path / "watched").type_in(watched.text, instead)
    assert "online" in said


def test_what_a_running_daemon_tells(tmp_path: Path) -> None:
    require("curl", "curl")
    require("mosquitto_sub", "mosquitto-clients")
    clip = write_busy_clip(tmp_path / "clip.avi", seconds=240)
    (tmp_path / "broker").mkdir()
    with Mosquitto(tmp_path / "broker") as broker:
        daemon = Daemon(tmp_path, broker.url)
        daemon.configure(f'source = "{clip}"\nrealtime = true')
        with daemon:
            assert wait_for(lambda: "broker: connected" in daemon.get("/readyz"), 120)
            assert wait_for(lambda: "online" in daemon.get("/readyz"), 120)
            desk = Desk(tmp_path / "desk")
            instead = {"9464": str(daemon.port), "-h 127.0.0.1": f"-h 127.0.0.1 -p {broker.port}"}
            said = "".join(desk.type_in(block.text, instead) for block in commands_of(DAEMON))
    assert "ok\n" in said
    assert "ffe_outbox_entries 0" in said
    assert '"name": "camera emotion"' in said
    assert '"state":"online"' in said


def test_the_dashboard_starts_and_programs_may_ask_it(tmp_path: Path) -> None:
    require("curl", "curl")
    (starting,) = commands_of(DASHBOARD, "dashboard.md")
    (asking,) = commands_of(DASHBOARD, "access.md")
    assert re.search(r"^ffe-edge dashboard --broker \S+ --database \S+ --port 8080$", starting.text, re.MULTILINE)
    (tmp_path / "broker").mkdir()
    with closing(Database(f"sqlite:///{tmp_path / 'store.sqlite'}")) as database:
        database.migrate()
        with database.writing() as connection:
            ensure_admin(connection, Passwords(), 0)
            change_password(connection, all_users(connection)[0], PASSWORD, Passwords())
    with Mosquitto(tmp_path / "broker") as broker, dashboard(tmp_path, broker.url) as program:
        desk = Desk(tmp_path / "desk")
        instead = {"http://127.0.0.1:8080/": program.url, '"name": "…"': '"name": "admin"'}
        instead |= {'"password": "…"': f'"password": "{PASSWORD}"'}
        signing_in, floor, acknowledging = asking.text.splitlines()
        token = re.findall(r'"csrf": ?"([^"]+)"', desk.type_in(signing_in, instead))
        assert '"rooms"' in desk.type_in(floor, instead)
        refused = desk.type_in(acknowledging, {**instead, "<csrf of the first answer>": token[0]})
    assert "not-found" in refused


def test_residents_are_enrolled_listed_and_forgotten(tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="the model of this test is made with onnx: pip install 'ffe-edge[export]'")
    desk, (block,) = Desk(tmp_path), commands_of(RESIDENTS, "people.md")
    model = write_colour_model(tmp_path / "colours.onnx")
    settings = f'[model]\npath = "{model}"\n[residents]\nrecognise = true\n'
    (tmp_path / "ffe.toml").write_text(settings, encoding="utf-8")
    (tmp_path / "photos").mkdir()
    for number, image in enumerate(expressions(3)):
        cv2.imwrite(str(tmp_path / "photos" / f"{number}.png"), image)
    adding, listing, forgetting = block.text.splitlines()
    of_consent = [each.text for each in commands_of(RESIDENTS, "consent.md")]
    for list_them, forget in ((listing, forgetting), (of_consent[0], of_consent[1])):
        resident = desk.type_in(adding).split()[0]
        assert "Hanako Sato" in desk.type_in(list_them)
        assert "forgotten" in desk.type_in(forget, {"resident-1a2b3c4d": resident})
        assert "0 residents" in desk.type_in(list_them)
