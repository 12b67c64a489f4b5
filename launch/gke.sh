#!/usr/bin/env bash
# Runs a recipe on TPU slices of a GKE cluster that has JobSet (0.6 or newer).
#
#   BUCKET=my-bucket launch/gke.sh my-run my-registry/mmjax tpu-v5-lite-podslice 4x4 \
#     --config=configs/clip.py:paper --workdir=/runs/clip
#
# The image has this repository as its working directory, with `pip install -e '.[tpu]'`. /runs is
# the bucket, so --workdir lies there. SLICES=2 takes two slices; CHIPS=8 is for machines that have
# not four chips but eight. DRY_RUN=1 prints the JobSet instead of applying it.
#
# jax.distributed.initialize reads what GKE sets in every pod: TPU_WORKER_HOSTNAMES and
# TPU_WORKER_ID, and MEGASCALE_COORDINATOR_ADDRESS, MEGASCALE_NUM_SLICES and MEGASCALE_SLICE_ID where
# there are many slices.
set -eu

if (($# < 5)) || [[ -z ${BUCKET:-} || ! $4 =~ ^[0-9]+(x[0-9]+)+$ ]]; then
  echo "usage: BUCKET=name launch/gke.sh NAME IMAGE ACCELERATOR TOPOLOGY --config=FILE [options of mmjax.main]" >&2
  exit 2
fi
export NAME=$1 IMAGE=$2 ACCELERATOR=$3 TOPOLOGY=$4 BUCKET SLICES=${SLICES:-1} CHIPS=${CHIPS:-4}
shift 4
all=$((${TOPOLOGY//x/*}))
if ((all < CHIPS)); then
  CHIPS=$all
elif ((all % CHIPS)); then
  echo "launch/gke.sh: $TOPOLOGY has $all chips, which hosts of $CHIPS cannot make up" >&2
  exit 2
fi
export HOSTS=$((all / CHIPS))

# The words of the command as JSON, which is YAML too.
jobset=$("${PYTHON:-python3}" - "$(dirname "${BASH_SOURCE[0]}")/gke.yaml" "$@" << 'END'
import json, os, string, sys

lines = [line for line in open(sys.argv[1]) if not line.startswith("#")]
words = json.dumps(sys.argv[2:])
print(string.Template("".join(lines)).substitute(os.environ, ARGS=words), end="")
END
)
if [[ -n ${DRY_RUN:-} ]]; then
  echo "$jobset"
else
  kubectl apply -f - <<< "$jobset"
fi
