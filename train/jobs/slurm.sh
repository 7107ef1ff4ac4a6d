#!/usr/bin/env bash
# Pretraining on several nodes under SLURM; one torchrun a node, one process a GPU.
#
#   sbatch train/jobs/slurm.sh train/recipes/casia-adaface.toml /data/sets /data/runs
#
# A requeued job goes on where it was: the same command finds its position in the stage's folder, which every node must see.
#SBATCH --job-name=ffe-pretrain
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=32
#SBATCH --time=24:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=%x-%j.log
set -euo pipefail

recipe=${1:?recipe, a .toml} sets=${2:?folder of prepared sets} out=${3:?folder of stages}
python=${PYTHON:-.venv/bin/python}
devices=${SLURM_GPUS_ON_NODE:-1}
head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
export OMP_NUM_THREADS=1

srun --kill-on-bad-exit=1 "$python" -m torch.distributed.run --no-python \
    --nnodes="$SLURM_NNODES" --nproc-per-node="$devices" \
    --rdzv-backend=c10d --rdzv-id="$SLURM_JOB_ID" --rdzv-endpoint="$head:${PORT:-29500}" \
    "$(dirname "$python")/ffe-edge" train pretrain "$recipe" --sets "$sets" --out "$out" \
    --accelerator cuda --devices "$devices" --nodes "$SLURM_NNODES" \
    --threads "$((${SLURM_CPUS_PER_TASK:-$devices} / devices))"
