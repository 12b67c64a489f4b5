"""Do mixed inputs help a tower that has few noisy pairs, and is it more than regularization?"""

import dataclasses

from mmjax.claims import Arm, Check, Claim, Control, Tuning
from mmjax.configs import common as c
from mmjax.configs import mindeye
from mmjax.recipe.changes import Replace

VOXELS = tuple(
    f"retrieval/test/{way}/R@1[pool=300]" for way in ("voxels_to_image", "image_to_voxels")
)
FITTED = "retrieval/fitted/voxels_to_image/R@1[pool=300]"
EMOJI = c.recall("retrieval/new_concepts", ("image", "text"))


def arms(pair: tuple[str, str], steps: int, noise: float) -> dict[str, Arm]:
    """Losses of the same tower for as many steps, each with as many settings."""
    first = pair[0]
    rates, dropout = (5e-4, 1e-3), f"model.towers.{first}.encoder.dropout"
    temperatures = {"objectives.clip.temperature": (0.03, 0.05)}
    grid = {"optimizer.learning_rate": rates, **temperatures}
    whole = {"stages": {"soft": None, "mixed": {"steps": steps}}}
    plain = {"mix_inputs": {first: None}}
    info = dict(type="info_nce", pairs=(pair,), temperature=0.05, learn_temperature=False)
    clip = {"objectives": {"clip": Replace(info)}}
    views = {first: {"noise": noise}}
    return {
        "InfoNCE": Arm({**whole, **clip, "data": plain}, grid=grid),
        "mixed inputs": Arm(whole, grid=grid),
        "mixed, then soft": Arm(grid=grid),
        "InfoNCE, more dropout": Arm(
            {**whole, **clip, "data": plain},
            grid={"optimizer.learning_rate": rates, dropout: (0.3, 0.5)},
        ),
        "InfoNCE, noisy inputs": Arm(
            {**whole, **clip, "data": {**plain, "views": views}}, grid=grid
        ),
        "mixed, hard targets": Arm({**whole, **clip}, grid=grid),
    }


def claim() -> Claim:
    """1,000 pairs of 512 noisy voxels and features of an image."""
    return Claim(
        paper="mixtures of inputs with shared targets, and then soft targets, retrieve images from "
        "brain activity better than InfoNCE",
        statement="of 500 new images, searched among 300, .015 more are first with mixed inputs "
        "than with InfoNCE",
        variant="voxels",
        arms=arms(("voxels", "image"), 1500, mindeye.NOISE),
        tuning=Tuning(VOXELS, seeds=(20,)),
        checks=(
            Check(".015 more with mixed inputs", VOXELS, "mixed inputs", ">=", "InfoNCE",
                  offset=0.015),
        ),
        controls=(
            Control("more dropout", "InfoNCE, more dropout", "mixed inputs"),
            Control("more noise of the inputs", "InfoNCE, noisy inputs", "mixed inputs"),
            Control("mixed inputs whose targets are not shared", "mixed, hard targets",
                    "mixed inputs"),
        ),
        extras=(
            Check("soft targets after mixed inputs help", VOXELS, "mixed, then soft", ">=",
                  "mixed inputs"),
        ),
        metrics=(*VOXELS, FITTED),
        seed_keys=c.WORLD_SEED,
        paper_numbers="top-1 among 300, subject 1: .972 from brain to image, .947 from image to "
        "brain",
        notes="Images here have no near duplicates, of which soft targets could tell something.",
    )  # fmt: skip


def claim_emoji() -> Claim:
    """Features of emoji to vectors of their names, 1,673 concepts."""
    first = claim()
    pair = ("image", "text")
    validation = {"evaluators": Replace(mindeye.small("validation")["evaluators"])}
    linear = {"model": {"towers": {"image": {"encoder": {"hidden": ()}}}}}
    own = arms(pair, 900, 0.3)
    straight = own["InfoNCE"]
    own["InfoNCE, linear"] = dataclasses.replace(straight, changes={**straight.changes, **linear})
    return dataclasses.replace(
        first,
        statement="of unseen emoji .015 more names and images are first with mixed inputs than "
        "with InfoNCE, and a linear map does not reach that",
        config=mindeye.small("test"),
        variant="small",
        arms=own,
        tuning=Tuning(EMOJI, seeds=(20,), changes=validation),
        checks=tuple(dataclasses.replace(check, metric=EMOJI) for check in first.checks),
        controls=(*first.controls, Control("a linear map", "InfoNCE, linear", "mixed inputs")),
        extras=tuple(dataclasses.replace(check, metric=EMOJI) for check in first.extras),
        metrics=EMOJI,
        seed_keys=(),
        notes="69 unseen concepts; the features are of frozen models, whose noise is small.",
    )
