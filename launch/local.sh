#!/usr/bin/env bash
# Runs a recipe in many processes on this machine, for trying what a cluster would do.
#
#   launch/local.sh 4 --config=configs/clip_uniform.py              four processes of one CPU device
#   DEVICES=2 launch/local.sh 4 --config=configs/clip_uniform.py    of two CPU devices each
#
#   MODULE=mmjax.data.convert launch/local.sh 4 --data=captions.csv --out=shards    other commands
#
# Every line of output starts with the number of its process. Ctrl-C stops all of them after a
# save; the same command, also with another number of processes, resumes.
#
# Sets what mmjax.parallel.distributed reads: JAX_COORDINATOR_ADDRESS, JAX_NUM_PROCESSES and
# JAX_PROCESS_ID.
set -u

if [[ ! ${1:-} =~ ^[1-9][0-9]*$ ]]; then
  echo "usage: [DEVICES=n] launch/local.sh PROCESSES --config=FILE [options of mmjax.main]" >&2
  exit 2
fi
count=$1
shift

python=${PYTHON:-python}
port=$("$python" -c 'import socket; s = socket.socket(); s.bind(("localhost", 0)); print(s.getsockname()[1])') || exit
export JAX_PLATFORMS=cpu JAX_COORDINATOR_ADDRESS=localhost:$port JAX_NUM_PROCESSES=$count
export GLIBC_TUNABLES=${GLIBC_TUNABLES:-glibc.malloc.hugetlb=1} # huge pages: faster steps on a CPU
export XLA_FLAGS="${XLA_FLAGS:-} --xla_force_host_platform_device_count=${DEVICES:-1}"

pids=()
for ((p = 0; p < count; p++)); do
  JAX_PROCESS_ID=$p "$python" -m "${MODULE:-mmjax.main}" "$@" > >(sed -u "s/^/[$p] /") 2>&1 &
  pids+=($!)
done
started=("${pids[@]}")
trap 'kill -TERM "${pids[@]}" 2> /dev/null' INT TERM

# The first bad end is the result. The others end by themselves, or are made to after a minute.
result=0 deadline=0
while ((${#pids[@]})); do
  sleep 0.2
  left=()
  for pid in "${pids[@]}"; do
    if kill -0 "$pid" 2> /dev/null; then
      left+=("$pid")
      continue
    fi
    wait "$pid"
    code=$?
    if ((code && !result)); then
      for p in "${!started[@]}"; do
        [[ ${started[p]} == "$pid" ]] || continue
        ((code == 130 || code == 143)) && continue # asked to stop, all of them
        how="with code $code"
        ((code > 128)) && how="by signal $((code - 128))"
        echo "launch/local.sh: process $p ended $how; the others end, too, within a minute" >&2
      done
      result=$code deadline=$((SECONDS + 60))
    fi
  done
  if ((deadline && SECONDS > deadline && ${#left[@]})); then
    echo "launch/local.sh: ending ${#left[@]} process(es) that did not notice" >&2
    kill -KILL "${left[@]}"
    deadline=0
  fi
  pids=(${left[@]+"${left[@]}"})
done
wait # for the last lines of output
exit "$result"
