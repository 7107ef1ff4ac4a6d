"""The devices that a stage runs on: one, several, or several nodes of a cluster."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment

from ffe_edge.errors import ConfigError
from ffe_train.recipes import Precision


def silent(_: object) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class Options:
    """Where and how a stage runs; nothing here changes what it learns."""

    accelerator: str = "auto"
    """``cpu``, ``cuda`` or ``auto``."""
    devices: int = 1
    """Of each node; a recipe's batch is divided among all."""
    nodes: int = 1
    threads: int = 1
    """Of torch on a CPU, and as many that prepare batches."""
    workers: int = 0
    """Processes that prepare batches instead of threads, on each device: about one for 2,000 images a second."""
    checkpoint_every_steps: int = 500
    """A position is written so often, and after every epoch."""
    fresh: bool = False
    """Begin anew, whatever the stage's folder holds."""
    on_epoch: Callable[[Any], None] = silent
    """Told each finished ``pretrain_loop.Epoch``, on the first rank."""
    on_step: Callable[[Any], None] = silent
    """Told a ``pretrain_loop.Step`` now and then, on the first rank."""


def device_of(device: str | torch.device) -> torch.device:
    """The device that is meant.

    Raises:
        ConfigError: there is no such device on this machine.
    """
    has_gpu = torch.cuda.is_available()
    if device == "auto":
        return torch.device("cuda" if has_gpu else "cpu")
    if torch.device(device).type == "cuda" and not has_gpu:
        raise ConfigError("device cuda: this machine has no GPU that torch can use; take cpu or auto")
    return torch.device(device)


def launched(options: Options, *, precision: Precision, batch: int) -> Fabric:
    """Fabric on the devices asked for, its processes running.

    Raises:
        ConfigError: they are not there, torchrun started another number, or the batch cannot be divided among them.
    """
    if options.accelerator in ("cuda", "gpu") and torch.cuda.device_count() < options.devices:
        raise ConfigError(f"{options.devices} GPUs are asked for, and {torch.cuda.device_count()} are here")
    if precision == "16-mixed" and (options.accelerator == "cpu" or not torch.cuda.is_available()):
        raise ConfigError("schedule.precision 16-mixed needs a GPU; use bf16-mixed or 32-true on a CPU")
    world = options.devices * options.nodes
    if TorchElasticEnvironment.detect() and TorchElasticEnvironment().world_size() != world:
        raise ConfigError(
            f"torchrun started {TorchElasticEnvironment().world_size()} processes for {options.devices} devices on "
            f"{options.nodes} nodes; give --devices and --nodes as torchrun's --nproc-per-node and --nnodes"
        )
    if batch % world or batch < 2 * world:
        raise ConfigError(f"schedule.batch {batch} cannot be divided among {world} devices, two each")
    torch.set_num_threads(options.threads)
    cv2.setNumThreads(1)
    torch.backends.cudnn.benchmark = torch.cuda.is_available()
    fabric = Fabric(
        accelerator=options.accelerator,
        devices=options.devices,
        num_nodes=options.nodes,
        precision=precision,
    )
    fabric.launch()
    return fabric
