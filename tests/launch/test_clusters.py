"""The launchers of clusters, with stand-ins for what only a cluster has."""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import yaml
from launching import ROOT

# Two tasks on this machine, with the environment that SLURM gives them.
SRUN = """#!/usr/bin/env bash
while [[ $1 == --* ]]; do shift; done
pids=()
for p in 0 1; do
  SLURM_STEP_NODELIST=localhost SLURM_NTASKS=2 SLURM_PROCID=$p SLURM_LOCALID=$p "$@" &
  pids+=($!)
done
result=0
for pid in "${pids[@]}"; do
  wait "$pid" || result=$?
done
exit "$result"
"""


def program(folder, name, text):
    """Writes a script that is found before any program of its name; returns the PATH for it."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    (folder / name).chmod(0o755)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


@pytest.mark.slow
def test_slurm_saves_when_its_time_is_over_queues_again_and_goes_on(
    start, finish, wait_for, workers, losses, tmp_path, unhurried
):
    called = tmp_path / "scontrol.txt"
    program(tmp_path / "bin", "srun", SRUN)
    path = program(tmp_path / "bin", "scontrol", f'#!/bin/sh\necho "$@" >> {called}\n')
    environment = {"PATH": path, "SLURM_JOB_ID": "4242", "JAX_PLATFORMS": "cpu"}
    words, folder = [ROOT / "launch" / "slurm.sh"], tmp_path / "run"

    job = start(words, folder, "steps=30", recipe=unhurried, **environment)
    wait_for(job, folder / "checkpoints" / "6")
    for pid in workers(job.pid, "SLURM_PROCID"):
        os.kill(pid, signal.SIGTERM)  # as --signal=TERM@300 has it
    said = finish(job, 128 + signal.SIGTERM)
    assert "run the same command to resume" in said
    assert called.read_text() == "requeue 4242\n"

    said = finish(start(words, folder, "steps=30", recipe=unhurried, **environment))
    assert "2 x cpu in 2 process(es)" in said
    assert "resuming from step " in said
    assert len(losses(folder)) == 30
    assert np.isfinite(losses(folder)).all()
    assert called.read_text() == "requeue 4242\n"


def gke(path, *words, **environment):
    return subprocess.run(
        [ROOT / "launch" / "gke.sh", *words],
        text=True,
        capture_output=True,
        check=False,
        env={**os.environ, "PATH": path, "PYTHON": sys.executable, **environment},
    )


@pytest.mark.parametrize(
    ("topology", "chips", "hosts", "a_host"),
    [
        ("4x4", "4", 4, 4),
        ("4x4x8", "4", 32, 4),
        ("2x2", "4", 1, 4),
        ("1x1", "4", 1, 1),
        ("2x4", "8", 1, 8),
    ],
)
def test_gke_applies_a_job_set_of_all_hosts(tmp_path, topology, chips, hosts, a_host):
    path = program(tmp_path, "kubectl", f'#!/bin/sh\necho "$@" > {tmp_path}/words\ncat\n')
    words = ["--config=configs/clip.py:paper", """--config.data.source.path=a "b" $c's"""]
    done = gke(
        path,
        "try-1",
        "registry/mmjax:1",
        "tpu-v5-lite-podslice",
        topology,
        *words,
        BUCKET="pictures",
        SLICES="2",
        CHIPS=chips,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "words").read_text() == "apply -f -\n"
    job_set = yaml.safe_load(done.stdout)
    assert (job_set["kind"], job_set["metadata"]["name"]) == ("JobSet", "try-1")
    (slices,) = job_set["spec"]["replicatedJobs"]
    job = slices["template"]["spec"]
    assert (slices["replicas"], job["parallelism"], job["completions"]) == (2, hosts, hosts)
    pod = job["template"]["spec"]
    assert pod["nodeSelector"]["cloud.google.com/gke-tpu-topology"] == topology
    (container,) = pod["containers"]
    assert container["args"] == words
    assert container["resources"]["limits"] == {"google.com/tpu": a_host}
    # A wrong config ends the set, anything else starts it again.
    (rule,) = job["podFailurePolicy"]["rules"]
    assert rule["onExitCodes"]["containerName"] == container["name"]
    assert rule["onExitCodes"]["values"] == [2]
    assert pod["restartPolicy"] == "Never"
    assert "$" not in json.dumps({**job_set, "args": None}).replace("$c's", "")


def test_gke_explains_itself(tmp_path):
    path = program(tmp_path, "kubectl", "#!/bin/sh\nexit 9\n")
    words = ("a", "b", "c", "4x4", "--config=x")
    assert "usage: BUCKET=name" in gke(path, *words, BUCKET="").stderr
    assert "usage: BUCKET=name" in gke(path, "a", "b", "c", "16", "--config=x", BUCKET="d").stderr
    done = gke(path, "a", "b", "c", "3x2", "--config=x", BUCKET="d")
    assert (done.returncode, "3x2 has 6 chips" in done.stderr) == (2, True)
    assert gke(path, *words, BUCKET="d").returncode == 9


@pytest.mark.parametrize("script", sorted(p.name for p in (ROOT / "launch").glob("*.sh")))
def test_scripts_are_valid_and_executable(script):
    file = ROOT / "launch" / script
    assert os.access(file, os.X_OK)
    assert subprocess.run(["bash", "-n", file], check=False).returncode == 0
    done = subprocess.run(
        [file],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PATH": "/usr/bin:/bin"},
    )
    if script != "slurm.sh":  # whose words are all mmjax.main's
        assert (done.returncode, done.stderr.startswith("usage: ")) == (2, True)
