"""What does a loss without negatives add, to a plain and to a good CLIP?"""

from mmjax.claims import Check, Claim, Replace
from mmjax.configs import common as c
from mmjax.configs.clip_rocket import STRONG, WEAK, clip, projector, rocket

TOP = "zero_shot/linear/top_1"


def barlip(*pairs: tuple) -> dict:
    """Barlow Twins between modalities; sums over the matrix are large, so the weight is small."""
    return dict(type="barlow_twins", pairs=pairs, head="barlow", off_diagonal=0.005, weight=0.025)


def siamlip(target: str = "towers") -> dict:
    """SimSiam between modalities, or BYOL where the targets are of a `teacher`."""
    sizes = dict(head="siam", dim=128, hidden=256)
    return dict(type="predictive", pairs=(WEAK,), target=target, **sizes)


def arm(objectives: dict, **heads: dict) -> dict:
    """Other objectives, and the heads that they need."""
    towers = {name: {"heads": Replace(heads)} for name in WEAK}
    return {"objectives": Replace(objectives), "model": {"towers": towers}}


def plain(objectives: dict, **heads: dict) -> dict:
    """The same without augmentations."""
    image = dict(type="pixels", size=8, channels=1, peak=16.0)
    text = dict(type="text", length=12, bos=False, eos=False)
    views = {"views": Replace({"image": image, "text": text})}
    return {**arm(objectives, **heads), "data": views}


def experiment(**parts: object) -> Claim:
    """Of the digits; plain arms have no other head than the linear ones."""
    linear_only = {"evaluators": {"zero_shot": {"local": None, "both": None}}}
    return Claim(changes=linear_only, metrics=(TOP,), seed_keys=c.WORLD_SEED, **parts)


def claim() -> Claim:
    """What the rocket's parts add, and BarLIP and SiamLIP to either."""
    weak = dict.fromkeys((f"{name}@{i}" for name in WEAK for i in (2, 3)), None)
    siam, local = projector(dim=128, final_norm="no_affine"), projector(layers=3)
    return experiment(
        statement="weak and strong augmentations, smooth labels and projectors of their own are "
        "worth 8 points of zero-shot accuracy, which BarLIP changes by no more than 2; a plain "
        "CLIP is not worse with it",
        arms={
            "clip": plain({"clip": clip()}),
            "clip, 3 x the steps": {**plain({"clip": clip()}), "steps": 900},
            "clip, weak views": {**arm({"clip": clip()}), "data": {"views": weak}},
            "clip + BarLIP": plain({"clip": clip(), "barlip": barlip(WEAK)}, barlow=projector()),
            "clip + SiamLIP": plain({"clip": clip(), "siamlip": siamlip()}, siam=siam),
            "rocket": {},
            "rocket + BarLIP": arm(
                {**rocket(), "barlip": barlip(WEAK, *STRONG)}, local=local, barlow=projector()
            ),
        },
        checks=(
            Check(TOP, "rocket", ">=", "clip", offset=0.08),
            Check(TOP, "clip + BarLIP", ">=", "clip"),
            Check(TOP, "rocket + BarLIP", "<=", "rocket", offset=0.02),
            Check(TOP, "rocket + BarLIP", ">=", "rocket", offset=-0.02),
            # Three times the steps: as many forward passes as the rocket has.
            Check(TOP, "rocket", ">", "clip, 3 x the steps"),
        ),
        paper_numbers="zero-shot ImageNet, ResNet-50, plain and rocket, from memory: CC3M 20.6 and "
        "27.4, CC12M 36.5 and 44.4",
        notes="What a loss without negatives adds to a plain CLIP is within the spread. So is what "
        "BarLIP changes of the rocket: that it is less shows nothing, and is no check. Of what the "
        "rocket adds, the weak views alone, a shift by one pixel and captions without their stop "
        "words, are nearly everything. With 300 pairs a plain CLIP learns the meaningless words of "
        "its captions by heart, the more the longer it trains.",
    )


def claim_additions() -> Claim:
    """The paper's two other losses; bounds set after a first run."""
    siam, local = projector(dim=128, final_norm="no_affine"), projector(layers=3)
    # Sinkhorn's targets between the strong views; next to it no label is smooth.
    swalip = dict(
        type="sinkhorn_swap",
        first=("image@2", "image@3"),
        second=("text@2", "text@3"),
        head="local",
        temperature="local",
        weight=0.2,
    )
    hard = rocket()
    hard["local"]["label_smoothing"] = 0.0
    byol = {"clip": clip(), "byolip": siamlip(target="teacher")}
    return experiment(
        statement="on so little data BYOLIP changes a plain CLIP, and SwALIP the rocket, by no "
        "more than 3 points",
        arms={
            "clip": plain({"clip": clip()}),
            "clip + BYOLIP": {**plain(byol, siam=siam), "teacher": c.ema(WEAK, 0.99)},
            "rocket": {},
            "rocket + SwALIP": arm({**hard, "swalip": swalip}, local=local),
        },
        checks=tuple(
            Check(TOP, f"{base} + {loss}", compare, base, offset=offset)
            for base, loss in (("clip", "BYOLIP"), ("rocket", "SwALIP"))
            for compare, offset in (("<=", 0.03), (">=", -0.03))
        ),
    )
