#!/usr/bin/env bash
# Pretraining on several nodes under AGE (Altair Grid Engine, UGE); one torchrun a node, one process a GPU.
#
#   qsub train/jobs/age.sh train/recipes/casia-adaface.toml /data/sets /data/runs
#
# Resources and the parallel environment are named by each site: change the lines with -l and -pe to yours (qconf -spl).
# A restarted job goes on where it was: the same command finds its position in the stage's folder, which every node must see.
#$ -N ffe-pretrain
#$ -cwd
#$ -j y
#$ -r y
#$ -l h_rt=24:00:00
#$ -l gpu=4
#$ -pe mpi 2
set -euo pipefail

recipe=${1:?recipe, a .toml} sets=${2:?folder of prepared sets} out=${3:?folder of stages}
python=$(realpath "${PYTHON:-.venv/bin/python}" --no-symlinks)
devices=${GPUS_PER_NODE:-4}
threads=${THREADS_PER_GPU:-4}
mapfile -t nodes < <(awk '!seen[$1]++ { print $1 }' "$PE_HOSTFILE")
pids=()
trap 'kill "${pids[@]}" 2>/dev/null || true' EXIT

for node in "${nodes[@]}"; do
    command=(
        env OMP_NUM_THREADS=1 "$python" -m torch.distributed.run --no-python
        --nnodes="${#nodes[@]}" --nproc-per-node="$devices"
        --rdzv-backend=c10d --rdzv-id="$JOB_ID" --rdzv-endpoint="${nodes[0]}:${PORT:-29500}"
        "$(dirname "$python")/ffe-edge" train pretrain "$recipe" --sets "$sets" --out "$out"
        --accelerator cuda --devices "$devices" --nodes "${#nodes[@]}" --threads "$threads"
    )
    printf -v line '%q ' "${command[@]}"
    qrsh -inherit -nostdin "$node" "cd $(printf %q "$PWD") && exec $line" &
    pids+=("$!")
done
for pid in "${pids[@]}"; do wait "$pid"; done
