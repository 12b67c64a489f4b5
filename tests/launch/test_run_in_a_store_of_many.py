"""Two processes share a run in a store, and one alone goes on where they were stopped."""

import re
import signal

import gcs_stand_in
import numpy as np
import pytest
from launching import RECIPE, ROOT, SETTINGS
from third_party import needs

from mmjax import places
from mmjax import recipe as recipe_lib
from mmjax.train import trainer

LOCAL = ROOT / "launch" / "local.sh"


@pytest.fixture
def bucket():
    with gcs_stand_in.store("bucket"):
        yield "gs://bucket"


def test_stopped_with_two_processes_and_resumed_by_one(
    bucket, start, finish, wait_for, losses, tmp_path, unhurried
):
    store = needs("etils.epath").Path(f"{bucket}/runs/two")
    run = start([LOCAL, 2], store, "steps=14", recipe=unhurried, DEVICES="4")
    wait_for(run, store / "checkpoints" / "6" / "commit_success.txt")
    run.send_signal(signal.SIGTERM)
    said = finish(run, 128 + signal.SIGTERM)
    stopped = re.search(rf"stopped after step (\d+) by .*saved in {store}: run the same", said)
    assert stopped, said
    assert 6 <= int(stopped[1]) < 14
    assert "Traceback" not in said
    said = finish(start([LOCAL, 1], store, "steps=14", recipe=unhurried, DEVICES="8"))
    assert f"resuming from step {stopped[1]}" in said
    alone = tmp_path / "alone"
    config = recipe_lib.load(f"{RECIPE}:latent", (*SETTINGS, "steps=14"))
    trainer.train(config, alone, quiet=True)
    np.testing.assert_allclose(losses(places.here(str(store))), losses(alone), rtol=1e-5)
