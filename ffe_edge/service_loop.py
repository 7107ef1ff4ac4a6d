"""The loop: frames of all cameras in, events into the outbox, in one thread."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from ffe_edge.config import CameraSettings
from ffe_edge.errors import SourceError
from ffe_edge.pipeline import Progress, Told
from ffe_edge.service_camera import Camera, Tell
from ffe_edge.service_health import Latencies
from ffe_edge.service_house import House
from ffe_edge.service_minutes import MinuteTeller
from ffe_edge.service_parts import Parts, Prepared
from ffe_edge.service_watch import Pulse
from ffe_edge.stopwatch import Stopwatch
from ffe_edge.types import EmotionEvent

REPORT_SECONDS: Final = 0.2
"""How often the progress line is told something new."""
IDLE_SECONDS: Final = 1.0
"""The loop begins another round at least this often."""


class Loop:
    """Takes a frame of each camera that has one, over and over. For the thread that runs it but where said."""

    def __init__(
        self,
        parts: Parts,
        house: House,
        minutes: MinuteTeller,
        settings: tuple[CameraSettings, ...],
        store: Callable[[str, EmotionEvent], None],
        tell: Tell,
        stopwatch: Stopwatch,
    ) -> None:
        """Open what is a file; cameras are opened by ``start``.

        Args:
            parts: what all cameras share.
            house: whether cameras may look.
            minutes: counts what happens.
            settings: of the cameras.
            store: puts an event with the id of its camera into the outbox.
            tell: told each change of a camera's state, from any thread.
            stopwatch: of the steps.

        Raises:
            SourceError: a file cannot be opened, or no camera at all.
        """
        self.parts = parts
        self.pulse = Pulse()
        """A beat for each round."""
        self.latencies = Latencies()
        self.stopping = threading.Event()
        self._news = threading.Condition()
        self._prepared: Prepared | None = None
        self._tasks: deque[Callable[[], None]] = deque()
        self._house, self._minutes = house, minutes
        self._looked_seconds = float("-inf")
        self._tell, self._stopwatch = tell, stopwatch
        self._store_one = stopwatch.timed("publish", store)
        self._cameras = {each.id: self.camera(each) for each in settings}
        failures = [camera.open() for camera in self._cameras.values() if camera.feed]
        if failures and all(failures):
            raise failures[0] or SourceError("no camera")

    @property
    def cameras(self) -> tuple[Camera, ...]:
        """Those of now. For any thread."""
        return tuple(self._cameras.values())

    @property
    def progress(self) -> Progress:
        """What was done so far, over all cameras. For any thread."""
        each = [self.parts.lines.progress(camera.id) for camera in self.cameras]
        frames = sum(camera.feed.frames for camera in self.cameras if camera.feed)
        return Progress(frames, sum(done.faces for done in each), sum(done.people for done in each))

    def camera(self, settings: CameraSettings) -> Camera:
        """A camera of this loop, not in it yet. For any thread."""
        return Camera(settings, self._news, self._tell, self._stopwatch)

    def wake(self, prepared: Prepared | None = None) -> None:
        """There is something new: a reload, or the end. For any thread."""
        with self._news:
            self._prepared = prepared or self._prepared
            self._news.notify_all()

    def call(self, task: Callable[[], None], seconds: float) -> bool:
        """Have something quick done between two rounds; False where none began in time, and it was not. Any thread."""
        with self._news:
            if self.stopping.is_set():
                task()
                return True
            self._tasks.append(task)
            self._news.notify_all()
            if self._news.wait_for(lambda: task not in self._tasks, seconds):
                return True
            self._tasks.remove(task)
            return False

    def run(
        self, apply: Callable[[Prepared], None], tend: Callable[[], None], on_progress: Callable[[], None] | None
    ) -> None:
        """Until every source has ended, or ``stopping`` is set; then everybody has left.

        Args:
            apply: takes over a reload; it uses ``change``.
            tend: called about once a second, first before a camera is started.
            on_progress: called some five times a second while frames come.
        """
        self._look_after_cameras(tend)
        for camera in self.cameras:
            camera.start()
        told = 0.0
        while not self.stopping.is_set() and not self._is_over():
            self.pulse.beat()
            if self._prepared:
                prepared, self._prepared = self._prepared, None
                apply(prepared)
            self._do_tasks()
            if not self._work():
                self._sleep()
            self._end_cameras()
            self._look_after_cameras(tend)
            if on_progress and time.monotonic() - told > REPORT_SECONDS:
                told = time.monotonic()
                on_progress()
        self._finish_all()
        for camera in self.cameras:
            self._minutes.finish(camera)

    def change(self, prepared: Prepared) -> None:
        """Take over cameras and parts of a reload. For ``apply``."""
        if prepared.parts is not self.parts:
            self._finish_all()
            self.parts = prepared.parts
        coming = {camera.id for camera in prepared.cameras}
        for settings in prepared.difference.removed:
            self._remove(settings.id, comes_back=settings.id in coming)
        for camera in prepared.cameras:
            self._cameras[camera.id] = camera
            camera.start()

    def _remove(self, camera_id: str, *, comes_back: bool) -> None:
        self._store(self.parts.lines.finish(camera_id))
        camera = self._cameras.pop(camera_id)
        self._minutes.finish(camera)
        if self.parts.acquaintance is not None:
            self.parts.acquaintance.leave(camera_id)
        if comes_back:
            camera.close("its settings have changed")
        else:
            camera.retire()

    def close_cameras(self) -> None:
        """Release all, side by side, since each may have to kill its reader. For any thread, more than once."""
        closing = [threading.Thread(target=camera.close, args=("ffe-edge stops",)) for camera in self.cameras]
        for thread in closing:
            thread.start()
        for thread in closing:
            thread.join()

    def _work(self) -> bool:
        """One round: at most one frame of each camera. Returns whether there was any."""
        taken = [(camera, frame) for camera in self.cameras if (frame := camera.take())]
        if not taken:
            return False
        began = time.monotonic()
        self._minutes.frames(taken)
        told = self.parts.lines.step([(camera.id, frame) for camera, frame in taken])
        self._store(told)
        since = {camera.id: frame.seconds if camera.is_live else began for camera, frame in taken}
        for camera_id, _ in told:
            self.latencies.note(time.monotonic() - since[camera_id])
        for camera, _ in taken:
            camera.release()
        return True

    def _do_tasks(self) -> None:
        with self._news:
            while self._tasks:
                self._tasks.popleft()()
            self._news.notify_all()

    def _sleep(self) -> None:
        with self._news:
            self._news.wait_for(self._has_news, IDLE_SECONDS)

    def _has_news(self) -> bool:
        is_asked = self._prepared is not None or bool(self._tasks)
        return self.stopping.is_set() or is_asked or any(camera.has_news for camera in self.cameras)

    def _look_after_cameras(self, tend: Callable[[], None]) -> None:
        """Once a second: who may look, who is known, and whose minute is over."""
        now = time.monotonic()
        if now - self._looked_seconds < IDLE_SECONDS:
            return
        self._looked_seconds = now
        for camera in self.cameras:
            camera.hide(self._house.hidden(camera.id))
        tend()
        self._minutes.poll(self.cameras)

    def _end_cameras(self) -> None:
        for camera in self.cameras:
            if camera.has_ended:
                self._store(self.parts.lines.finish(camera.id))
                self._minutes.finish(camera)
                camera.ended()
            elif camera.is_live and camera.state == "offline" and not camera.has_news:
                self._store(self.parts.lines.finish(camera.id))  # nobody is known to be there any more

    def _is_over(self) -> bool:
        """Whether every source has ended. Cameras that are switched off wait for a reload when there is no other."""
        read = [camera for camera in self.cameras if camera.feed]
        return bool(read) and all(camera.is_finished for camera in read)

    def _store(self, told: Told) -> None:
        for camera_id, event in told:
            self._store_one(camera_id, event)
            self._minutes.told(camera_id, event)
            self._cameras[camera_id].events += 1

    def _finish_all(self) -> None:
        for camera in self.cameras:
            self._store(self.parts.lines.finish(camera.id))
