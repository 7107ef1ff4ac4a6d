"""Devices that are not there, or do not fit, are refused before any process starts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ffe_edge.errors import ConfigError
from ffe_train.devices import Options, launched

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param({"devices": 3}, "batch 8 cannot be divided among 3", id="batch"),
        pytest.param({"devices": 8}, "batch 8 cannot be divided among 8", id="one each"),
        pytest.param({"accelerator": "cuda", "devices": 99}, "99 GPUs are asked for", id="gpus"),
    ],
)
def test_devices_that_do_not_fit_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        launched(Options(**{"accelerator": "cpu", **options}), precision="32-true", batch=8)


def test_half_precision_is_not_silently_another_one_on_a_cpu() -> None:
    with pytest.raises(ConfigError, match="16-mixed needs a GPU"):
        launched(Options(accelerator="cpu"), precision="16-mixed", batch=8)


def test_another_number_of_processes_than_asked_for_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "LOCAL_RANK", "GROUP_RANK"):
        monkeypatch.setenv(name, "0")
    for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE"):
        monkeypatch.setenv(name, "2")
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "test")
    with pytest.raises(ConfigError, match="torchrun started 2 processes for 1 devices on 1 nodes"):
        launched(Options(accelerator="cpu"), precision="32-true", batch=8)


def test_one_device_needs_no_process_group() -> None:
    fabric = launched(Options(accelerator="cpu"), precision="32-true", batch=8)
    assert (fabric.world_size, fabric.global_rank, fabric.device.type) == (1, 0, "cpu")


@pytest.mark.parametrize("job", ["slurm.sh", "age.sh"])
def test_a_job_script_starts_torchrun_on_every_node(tmp_path: Path, job: str) -> None:
    """The scheduler's commands are stand-ins that write down what they are told."""
    for name in ("srun", "qrsh"):
        (tmp_path / name).write_text(f'#!/bin/sh\necho "{name} $*" >> {tmp_path}/told\n')
    (tmp_path / "scontrol").write_text("#!/bin/sh\nprintf 'node1\\nnode2\\n'\n")
    for name in ("srun", "qrsh", "scontrol"):
        (tmp_path / name).chmod(0o755)
    (tmp_path / "hosts").write_text("node1 1 q\nnode2 1 q\n")
    slurm = {"SLURM_JOB_NODELIST": "node[1-2]", "SLURM_NNODES": "2", "SLURM_GPUS_ON_NODE": "4", "SLURM_JOB_ID": "7"}
    age = {"JOB_ID": "7", "PE_HOSTFILE": str(tmp_path / "hosts")}
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHON": sys.executable, **slurm, **age}
    command = ["bash", str(ROOT / "train" / "jobs" / job), "recipe.toml", "sets", "runs"]
    subprocess.run(command, env=environment, check=True)
    lines = (tmp_path / "told").read_text().splitlines()
    assert len(lines) == (1 if job == "slurm.sh" else 2)
    for line in lines:
        assert "-m torch.distributed.run --no-python --nnodes=2 --nproc-per-node=4" in line
        assert "--rdzv-id=7 --rdzv-endpoint=node1:29500" in line
        assert "/ffe-edge train pretrain recipe.toml --sets sets --out runs" in line
        assert "--accelerator cuda --devices 4 --nodes 2" in line
