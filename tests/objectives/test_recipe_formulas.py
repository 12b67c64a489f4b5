"""The losses of whole recipes, stage by stage, equal those that their papers state."""

from pathlib import Path

import jax
import numpy as np
import objective_formulas as formulas
import pytest
from cases.multi_view import two_views
from cases.multiple_instance import mil_nce
from flax import nnx
from term_harness import embeddings, plan_of, vectors

from mmjax import recipe as recipe_lib
from mmjax.objectives import Context, Objectives

CONFIGS = Path(__file__).parents[2] / "configs"
IDS = np.arange(12) // 2  # every concept twice


def nce(x, y, temperature, weights=(0.5, 0.5), ids=None):
    counted = None if ids is None else formulas.not_duplicate(ids)
    return formulas.info_nce(x, y, -np.log(temperature), weights=weights, counted=counted)


def clip(raws):
    return nce(raws["image"], raws["text"], 0.07)


def clean(raws):
    """L_MMCL + L_SS; the rows of the matrix are the originals, its columns the augmented."""
    within = (nce(raws[m], raws[f"{m}@2"], 0.07, (1, 0)) for m in ("image", "text"))
    return clip(raws) + sum(within) / 2


def two_transcripts(clip, raws):
    bag = [raws["text@2"], raws["text@3"]]
    return nce(clip, raws["text"], 0.1) / 2 + mil_nce(clip, bag) / 2


def surgical(raws):
    """(L_vl(v) + L_vl(v1) + L_vl(v2) + L_ssl(v1, v2)) / 4, as the authors' configuration sums."""
    clips, bag = [raws[name] for name in ("video", "video@2", "video@3")], ["text@2", "text@3"]
    total = two_views(*map(formulas.normalize, clips[1:]), 10.0)
    for clip in clips:
        whole = nce(clip, raws["text"], 0.1) + nce(clip, raws["text"], 0.1, (0.75, 0.25))
        total = total + (whole + mil_nce(clip, [raws[name] for name in bag])) / 3
    return total / 4


def anchored(raws):
    """The report with each signal, both ways, summed."""
    return sum(nce(raws["text"], raws[signal], 0.02) for signal in ("xray", "ecg"))


def definitions(raws):
    return nce(raws["text"], raws["text@definition"], 0.07, ids=IDS)


def regions(raws):
    return definitions(raws) + nce(raws["region"], raws["text"], 0.07, ids=IDS)


PAPERS = {
    ("cleanclip:small", "poisoned"): clip,
    ("cleanclip:small", "clean"): clean,
    ("surgvlp:small", None): lambda raws: two_transcripts(raws["image"], raws),
    ("surgvlp:lectures", None): lambda raws: two_transcripts(raws["video"], raws),
    ("surgvlp:paper", None): surgical,
    ("more:paper", None): anchored,
    ("sat:small", "knowledge"): definitions,
    ("sat:small", "regions"): regions,
}


@pytest.mark.parametrize(("variant", "stage"), PAPERS)
def test_the_loss_is_that_of_the_paper(variant, stage):
    recipe, _, name = variant.partition(":")
    loaded = recipe_lib.load(f"{CONFIGS / recipe}.py:{name}", ())
    (whole,) = (whole for of, whole in recipe_lib.each(loaded) if of.name == stage)
    raws = embeddings(whole.data.views, len(IDS))
    want = PAPERS[variant, stage]({name: raw.astype(float) for name, raw in raws.items()})
    objectives = Objectives(whole.objectives, rngs=nnx.Rngs(0))
    batch = {"id": IDS, "concept": IDS}
    context = Context(plan=plan_of("dense", 1, 1), progress=0.5)
    value, _ = jax.jit(lambda raws: objectives(vectors(raws, batch), batch, context))(raws)
    np.testing.assert_allclose(value, want, rtol=2e-6)
