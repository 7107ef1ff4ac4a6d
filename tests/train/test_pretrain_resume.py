"""Killed in the middle of an epoch, a stage goes on as if nothing had been; two ranks learn one network."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from toy_faces import identities, recipe_of

from ffe_train.devices import Options
from ffe_train.files import load_resume, load_weights
from ffe_train.prepared import open_prepared
from ffe_train.pretrain import pretrain
from ffe_train.recipes import Pretrain

TESTS = Path(__file__).resolve().parents[1]
EVERYTHING = {"crop": 0.5, "low_resolution": 0.5, "photometric": 0.5, "jitter": 0.5, "erase": 0.5}

KILLED = """
import os, signal, sys
from pathlib import Path
import test_pretrain_resume as test
from ffe_train.pretrain_loop import Training

learn = Training._learn

def until_killed(training, *batch):
    learn(training, *batch)
    if (training.at.epoch, training.at.step) == (1, 4):
        os.kill(os.getpid(), signal.SIGKILL)

Training._learn = until_killed
test.run(Path(sys.argv[1]), Path(sys.argv[2]))
"""

RANKS = """
import sys
from pathlib import Path
import torch
import test_pretrain_resume as test
from ffe_train.pretrain_loop import Training

run_epoch = Training.run_epoch

def told(training, *rest):
    epoch = run_epoch(training, *rest)
    state = {name: value.clone() for name, value in training.learner.named_parameters()}
    torch.save(state, Path(sys.argv[2]) / f"rank{training.fabric.global_rank}.pt")
    return epoch

Training.run_epoch = told
test.run(Path(sys.argv[1]), Path(sys.argv[2]), devices=2)
"""


def recipe() -> Pretrain:
    head = {"kind": "adaface", "alpha": 0.1, "scale": 16}
    return recipe_of(augment=EVERYTHING, head=head, ema=0.9, pairs="toy", weights={"toy": 1.5})


def run(data: Path, out: Path, *, devices: int = 1) -> dict[str, torch.Tensor]:
    """Sixty pictures an epoch in batches of eight: seven steps, a position after the third and the sixth."""
    options = Options(accelerator="cpu", devices=devices, checkpoint_every_steps=3)
    pretrain(recipe(), {"toy": open_prepared(data)}, out, options=options)
    return load_weights(out / "toy" / "weights.safetensors")[0]


def started(script: str, *words: str | Path, launcher: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    file = Path(words[-1]) / "script.py"
    file.write_text(script)
    paths = os.pathsep.join([str(TESTS), str(TESTS / "train")])
    environment = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *launcher, str(file), *map(str, words)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=100)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sets") / "toy"
    identities(folder)
    return folder


def test_after_a_kill_the_weights_become_those_of_a_run_that_was_never_stopped(data: Path, tmp_path: Path) -> None:
    (tmp_path / "killed").mkdir()
    killed = started(KILLED, data, tmp_path / "killed")
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert '"epoch": 1, "step": 3' in load_resume(tmp_path / "killed" / "toy" / "resume.ckpt")["position"]
    resumed, whole = run(data, tmp_path / "killed"), run(data, tmp_path / "whole")
    assert resumed.keys() == whole.keys()
    assert all(torch.equal(resumed[name], whole[name]) for name in whole)
    assert not (tmp_path / "killed" / "toy" / "resume.ckpt").exists()


@pytest.mark.parametrize(
    "launcher",
    [
        pytest.param(("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"), id="torchrun"),
        pytest.param((), id="by itself", marks=pytest.mark.slow),
    ],
)
def test_two_ranks_end_with_the_same_weights(data: Path, tmp_path: Path, launcher: tuple[str, ...]) -> None:
    done = started(RANKS, data, tmp_path, launcher=launcher)
    assert done.returncode == 0, done.stderr
    first, second = (torch.load(tmp_path / f"rank{rank}.pt", weights_only=True) for rank in (0, 1))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert (tmp_path / "toy" / "stage.json").is_file()
