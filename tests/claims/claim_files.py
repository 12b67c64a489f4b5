"""A tiny recipe and its experiment, as files in a folder."""

RECIPE = """
from mmjax.configs import clip_uniform
from mmjax.configs import common as c


def small():
    source = dict(type="gaussian_latent", dim=8, split="train", examples=64)
    test = {**source, "split": "test", "noise": 0.5}
    views, tower = c.vector(8, noise=0.5), c.mlp(8, (), 4)
    return {
        **clip_uniform.latent(),
        "steps": 4,
        "data": c.data(source, 16, a=views, b=views),
        "model": {"towers": c.towers(a=tower, b=tower)},
        "evaluators": c.geometry(source=test, pair=("a", "b")),
    }


get_config = c.variants("tiny", small)
"""

EXPERIMENT = '''
"""A claim that is tried in seconds."""

from mmjax.claims import Arm, Check, Claim, Control, Tuning

COSINE = "geometry/test/positive_cosine"
RATES = {"optimizer.learning_rate": (1e-3, 1e-2)}


def claim():
    return Claim(
        paper="alignment aligns",
        statement="numbers are numbers",
        arms={
            "plain": Arm({"objectives": {"alignment": None}}, grid=RATES),
            "aligned": Arm({"objectives": {"alignment": {"weight": 2.0}}}, grid=RATES),
        },
        tuning=Tuning(COSINE, seeds=(20,)),
        checks=(
            Check("it is aligned", COSINE, "aligned", ">=", "plain", offset=BOUND),
            Check("it is no worse", COSINE, "aligned", ">=", "plain", factor=0.0, offset=-2.0),
        ),
        metrics=(COSINE,),
        seeds=(0, 1),
    )
'''


def put(folder, name, experiment=EXPERIMENT, recipe=RECIPE, bound="0.0"):
    """A recipe and its experiment in a folder; the first check's bound is above the baseline."""
    (folder / "claims").mkdir(exist_ok=True)
    (folder / f"{name}.py").write_text(recipe.replace('"tiny"', f'"{name}"'))
    (folder / "claims" / f"{name}.py").write_text(experiment.replace("BOUND", bound))
