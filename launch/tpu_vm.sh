#!/usr/bin/env bash
# Runs a recipe on all hosts of a Cloud TPU slice.
#
#   launch/tpu_vm.sh my-v5e-64 us-west4-a --config=configs/clip.py:paper --workdir=/mnt/shared/clip
#
# Every host needs this repository in ~/mmjax, with `pip install -e '.[tpu]'`, and a folder that all
# of them see for --workdir, or gs://bucket/folder (extra `gcs`). The same command resumes after an
# interruption.
#
# jax.distributed.initialize asks the TPU's metadata who the hosts are: agent-worker-number and
# worker-network-endpoints, and MEGASCALE_COORDINATOR_ADDRESS, MEGASCALE_NUM_SLICES and
# MEGASCALE_SLICE_ID where there are many slices.
set -eu

if (($# < 3)); then
  echo "usage: launch/tpu_vm.sh TPU_NAME ZONE --config=FILE [options of mmjax.main]" >&2
  exit 2
fi
name=$1 zone=$2
shift 2

# Quoted once more, since the words pass through another shell.
words=$(printf '%q ' "$@")
gcloud compute tpus tpu-vm ssh "$name" --zone="$zone" --worker=all \
  --command="cd ~/mmjax && python3 -m mmjax.main --distributed $words"
