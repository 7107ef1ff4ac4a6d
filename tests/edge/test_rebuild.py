"""A CPU serves until the engine is there; a build that fails, hangs or dies harms nothing."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pytest
from fake_engines import FakeEngines, FixedRunner, build, model

from ffe_edge.engine.build_process import only_one
from ffe_edge.engine.rebuild import Build, Rebuild
from ffe_edge.engine.rebuild_attempts import Attempts, Failures
from ffe_edge.engine.switching import SwitchingRunner
from ffe_edge.errors import ModelError

CROPS = np.zeros((2, 112, 112, 3), np.uint8)


class Watched:
    """A rebuild with what it told."""

    def __init__(self, folder: Path, how: Build) -> None:
        folder.mkdir(exist_ok=True)
        self.serving = SwitchingRunner(model("onnxruntime", 0))
        self.told: list[tuple[str, str]] = []
        self.rebuild = Rebuild(self.serving, FakeEngines(folder), how, self._note)

    def _note(self) -> None:
        self.told.append((self.rebuild.state, self.serving.backend))

    def wait(self, *states: str) -> None:
        until(lambda: [state for state, _ in self.told][-len(states) :] == list(states))


@contextmanager
def started(folder: Path, how: Build) -> Iterator[Watched]:
    watched = Watched(folder, how)
    watched.rebuild.start()
    yield watched
    assert watched.rebuild.stop(10)


def until(is_so: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def is_running(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def test_an_engine_that_is_there_serves_without_a_build(tmp_path: Path) -> None:
    (tmp_path / "good").touch()
    with started(tmp_path, build("raise SystemExit(1)")) as watched:
        watched.wait("ready")
    assert watched.told == [("ready", "tensorrt")]
    assert (watched.serving.backend, watched.serving.precision) == ("tensorrt", "int8")


def test_a_cpu_serves_while_a_child_builds_and_the_engine_after_it(tmp_path: Path) -> None:
    program = (
        f"while not Path({str(tmp_path / 'go')!r}).exists(): time.sleep(0.01)\nPath({str(tmp_path / 'good')!r}).touch()"
    )
    with started(tmp_path, build(program)) as watched:
        watched.wait("building")
        assert watched.serving(CROPS).argmax(axis=1).tolist() == [0, 0]
        assert "holds no engine" in watched.rebuild.reason
        (tmp_path / "go").touch()
        watched.wait("building", "rebuilt")
        assert watched.serving(CROPS).argmax(axis=1).tolist() == [1, 1]
    assert watched.told == [("building", "onnxruntime"), ("rebuilt", "tensorrt")]
    assert watched.rebuild.reason == ""
    assert not list(tmp_path.glob("*.attempts.json"))


def test_a_build_runs_at_low_priority_and_is_the_first_to_go(tmp_path: Path) -> None:
    program = f"""
while os.getpriority(os.PRIO_PROCESS, 0) < 10: time.sleep(0.01)
while Path('/proc/self/oom_score_adj').read_text().strip() != '1000': time.sleep(0.01)
if os.environ['FFE_TEST'] == 'yes': Path({str(tmp_path / "good")!r}).touch()
"""
    with started(tmp_path, build(program)) as watched:
        watched.wait("building", "rebuilt")


def test_a_build_that_fails_is_told_with_its_last_line_and_not_repeated(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    program = f"""
with open({str(tmp_path / "runs")!r}, 'a') as runs: runs.write('x')
print('0 %\\r50 %')
sys.exit('error: Conv_3 is not supported\\n')
"""
    with caplog.at_level(logging.WARNING, "ffe_edge"), started(tmp_path, build(program)) as watched:
        watched.wait("building", "failed")
        time.sleep(0.3)
    assert (tmp_path / "runs").read_text() == "x"
    assert "the build failed (Conv_3 is not supported); attempt 1, next in 10 minutes" in watched.rebuild.reason
    assert watched.serving.backend == "onnxruntime"
    assert len(caplog.records) == 1


def test_an_engine_that_fails_its_golden_check_is_built_again_once(tmp_path: Path) -> None:
    (tmp_path / "bad").touch()
    program = f"Path({str(tmp_path / 'bad')!r}).unlink(); Path({str(tmp_path / 'good')!r}).touch()"
    with started(tmp_path, build(program)) as watched:
        watched.wait("building", "rebuilt")
    (tmp_path / "bad").touch()
    with started(tmp_path, build("pass")) as watched:
        watched.wait("building", "failed")
    assert watched.rebuild.reason.startswith("tensorrt: failed the golden check; attempt 1")


def test_stopping_ends_a_build_with_all_it_has_started(tmp_path: Path) -> None:
    program = f"""
import signal, subprocess
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])
Path({str(tmp_path / "pids")!r}).write_text(f'{{os.getpid()}} {{child.pid}}\\n')
time.sleep(60)
"""
    with started(tmp_path, build(program)) as watched:
        until(lambda: (tmp_path / "pids").exists() and (tmp_path / "pids").read_text().endswith("\n"))
        assert watched.rebuild.stop(20)  # of the 60 seconds that the build would take
    pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
    until(lambda: not any(is_running(pid) for pid in pids))  # SIGKILL takes a moment
    assert not list(tmp_path.glob("*.attempts.json"))


def test_a_build_that_hangs_is_ended(tmp_path: Path) -> None:
    with started(tmp_path, build("time.sleep(60)", deadline_seconds=0.3)) as watched:
        watched.wait("building", "failed")
    assert "did not end in time" in watched.rebuild.reason


def test_a_build_that_is_killed_is_told(tmp_path: Path) -> None:
    with started(tmp_path, build(f"os.kill(os.getpid(), {int(signal.SIGKILL)})")) as watched:
        watched.wait("building", "failed")
    assert "the build failed (exit code -9)" in watched.rebuild.reason


def test_a_program_that_is_not_there_is_told(tmp_path: Path) -> None:
    with started(tmp_path, Build(["/nowhere/python"])) as watched:
        watched.wait("building", "failed")
    assert "cannot be started" in watched.rebuild.reason


def test_a_folder_that_cannot_be_written_is_told_and_waited_for(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    watched = Watched(tmp_path, build("pass"))
    watched.rebuild = Rebuild(watched.serving, FakeEngines(tmp_path / "file"), build("pass"), watched._note)
    watched.rebuild.start()
    watched.wait("failed")
    time.sleep(0.2)
    assert watched.rebuild.stop(10)
    assert watched.told == [("failed", "onnxruntime")]
    assert "model.engine_dir" in watched.rebuild.reason


def test_two_daemons_build_once(tmp_path: Path) -> None:
    program = f"""
with open({str(tmp_path / "runs")!r}, 'a') as runs: runs.write('x')
time.sleep(0.5)
Path({str(tmp_path / "good")!r}).touch()
"""
    with started(tmp_path, build(program)) as one, started(tmp_path, build(program)) as other:
        until(lambda: {one.rebuild.state, other.rebuild.state} == {"rebuilt", "ready"})
    assert (tmp_path / "runs").read_text() == "x"


def test_a_daemon_that_stops_while_another_builds_leaves_its_record(tmp_path: Path) -> None:
    record = Failures(1, time.time(), "the last build did not end")
    with only_one(tmp_path, threading.Event(), 1.0):
        Attempts(tmp_path, "network-tensorrt").write(record)
        with started(tmp_path, build("pass")) as watched:
            watched.wait("building")
    assert read(Attempts(tmp_path, "network-tensorrt")) == record
    assert watched.rebuild.reason == "another program builds"


def read(attempts: Attempts) -> Failures:
    attempts.refresh()
    return attempts.failures


def test_a_build_of_another_program_is_waited_for(tmp_path: Path) -> None:
    with ExitStack() as other:
        other.enter_context(only_one(tmp_path, threading.Event(), 1.0))
        with started(tmp_path, build("raise SystemExit(1)")) as watched:
            watched.wait("building")
            time.sleep(0.3)
            (tmp_path / "good").touch()
            other.close()
            watched.wait("building", "ready")


def test_a_build_outlives_its_daemon_under_the_same_lock(tmp_path: Path) -> None:
    child = f"import os, time; open({str(tmp_path / 'pid')!r}, 'w').write(f'{{os.getpid()}}\\n'); time.sleep(60)"
    program = f"""
import sys, threading
from pathlib import Path
from ffe_edge.engine.build_process import only_one, run_build
with only_one(Path({str(tmp_path)!r}), threading.Event(), 1) as (lock, _):
    run_build([sys.executable, "-c", {child!r}], {{}}, lock, threading.Event(), 60)
"""
    daemon = subprocess.Popen([sys.executable, "-c", program])
    until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().endswith("\n"))
    daemon.kill()
    daemon.wait()
    with pytest.raises(ModelError, match="another build"), only_one(tmp_path, threading.Event(), 0.3):
        pytest.fail("the lock was free")
    os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)
    with only_one(tmp_path, threading.Event(), 5.0):
        pass


def test_an_engine_that_fails_while_it_serves_gives_way_to_the_cpu(tmp_path: Path) -> None:
    (tmp_path / "good").touch()
    with started(tmp_path, build("pass")) as watched:
        watched.wait("ready")
        run = watched.serving.model.run
        assert isinstance(run, FixedRunner)
        run.failure = "the GPU failed"
        assert watched.serving(CROPS).argmax(axis=1).tolist() == [0, 0]
        assert watched.serving.read(CROPS).probs.argmax(axis=1).tolist() == [0, 0]
    assert watched.told == [("ready", "tensorrt"), ("failed", "onnxruntime")]
    assert watched.rebuild.reason == "the GPU failed"


def test_a_build_that_did_not_end_counts_as_failed(tmp_path: Path) -> None:
    Attempts(tmp_path, "network-tensorrt").write(Failures(1, time.time(), "power was lost"))
    with started(tmp_path, build(f"Path({str(tmp_path / 'runs')!r}).touch()")) as watched:
        watched.wait("failed")
        time.sleep(0.2)
    assert not (tmp_path / "runs").exists()
    assert watched.told == [("failed", "onnxruntime")]
    assert watched.rebuild.reason.startswith("power was lost; attempt 1, next in")
