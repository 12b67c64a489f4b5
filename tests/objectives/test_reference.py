"""What is special to references of a prior."""

import dataclasses

import cases
import numpy as np
import pytest
from cases.reference import reference
from term_harness import make

from mmjax.errors import ConfigError
from mmjax.objectives import TermError


def test_references_may_be_distributed_as_features_are(tmp_path):
    mean, std = np.array([1.0, -2.0, 0.0, 5.0]), np.array([0.1, 3.0, 1.0, 0.0])
    np.savez(tmp_path / "stats.npz", mean=mean, std=std)
    rafa = cases.CASES["rafa"]
    spec = {**rafa.spec, "prior": "stats", "stats": str(tmp_path / "stats.npz")}

    def references(size):
        return {"z": mean + std * reference(size)["z"]}

    dataclasses.replace(rafa, spec=spec, extra=references).check(("dense", 1, 1))


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"type": "rafa", "modalities": ()}, r"should name modalities"),
        ({"type": "rafa", "prior": "stats"}, r"'stats' needs a file"),
        ({"type": "rafa", "stats": "stats.npz"}, r"'stats' needs a file"),
    ],
)
def test_options_that_make_no_sense_are_refused(spec, said):
    with pytest.raises((TermError, ConfigError), match=said):
        make(spec)
