#!/usr/bin/env bash
# Runs a recipe on SLURM, one process a GPU.
#
#   sbatch --nodes=4 launch/slurm.sh --config=configs/clip.py:paper --workdir=/shared/runs/clip
#
# All nodes have to see the working directory and the run's folder. When the time is nearly over,
# or the job is preempted, the run saves; then the job is queued again and resumes.
#
# jax.distributed.initialize reads what srun sets for each process: SLURM_JOB_ID (of which it makes
# the port), SLURM_STEP_NODELIST (its first node is the coordinator), SLURM_NTASKS, SLURM_PROCID and
# SLURM_LOCALID (the GPU that the process uses).
#SBATCH --job-name=mmjax
#SBATCH --nodes=1
#SBATCH --gpus-per-node=8
#SBATCH --ntasks-per-node=8
#SBATCH --cpus-per-task=8
#SBATCH --time=24:00:00
#SBATCH --signal=TERM@300
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=mmjax-%j.log
set -u

# A proxy can make the processes miss each other.
unset http_proxy https_proxy HTTP_PROXY HTTPS_PROXY

srun --label --kill-on-bad-exit=1 "${PYTHON:-python}" -m mmjax.main --distributed "$@"
code=$?
# 143 is how a run ends that was asked to stop and has saved.
if ((code == 143)); then
  scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
