"""Effective rank and linear probes of MV-DHEL, MV-InfoNCE and pairwise losses."""

import itertools

from mmjax.claims import Check, Claim
from mmjax.configs import common as c
from mmjax.configs.mv_dhel import PAPER


def claim() -> Claim:
    """Views are noisy instances of a 16-dimensional latent."""
    rank, accuracy = "spectrum/test/effective_rank", "probe/test/accuracy"

    def term(kind: str, count: int = 2, **options: object) -> dict:
        views = ("x", *(f"x@{k}" for k in range(2, count + 1)))
        return {"type": kind, "views": views, "temperature": 0.5, **options}

    def arm(kind: str, count: int, **options: object) -> dict:
        more = {f"x@{k}": c.NOISY_VIEW for k in range(3, count + 1)}
        return {
            "objectives": {"term": term(kind, count, **options)},
            **({"data": {"views": more}} if more else {}),
        }

    checks = []
    for count in (2, 4, 8):
        checks += [
            Check(rank, f"mv_dhel {count}", ">=", f"pwe {count}", factor=1.25),
            Check(accuracy, f"mv_dhel {count}", ">=", f"pwe {count}", offset=-0.01),
        ]
    checks += [
        Check(rank, f"mv_dhel {more}", ">", f"mv_dhel {less}") for less, more in ((2, 4), (4, 8))
    ]
    losses = {
        "pwe": ("nt_xent", {}),
        "average": ("nt_xent", {"across": "average"}),
        "mv_infonce": ("mv_infonce", {}),
        "mv_dhel": ("mv_dhel", {}),
    }
    return Claim(
        config=c.noisy_instances(PAPER, {"term": term("mv_dhel")}),
        statement="MV-DHEL has at least 1.25 times the effective rank of the average over pairs "
        "of views, which increases with the number of views, and a probe that is not worse by "
        "more than a point",
        arms={
            f"{name} {count}": arm(kind, count, **options)
            for count in (2, 4, 8)
            for name, (kind, options) in losses.items()
            if (name, count) != ("average", 2)  # by definition the same as 'pwe 2'
        },
        checks=tuple(checks),
        metrics=(rank, accuracy, "spectrum/test/uniformity"),
        seed_keys=c.WORLD_SEED,
        paper_numbers="linear accuracy, 4 views, best baseline and MV-DHEL: CIFAR-10 88.7 and "
        "89.5, CIFAR-100 61.1 and 62.7, ImageNet-100 74.4 and 77.2",
        notes="With two views the ratio of ranks is hardly above the required 1.25.",
    )


def claim_multimodal() -> Claim:
    """Three modalities that observe overlapping parts of one latent."""
    modalities = ("t", "v", "a")
    head = c.mlp_head(16, 64, activation="gelu")
    tower = {"encoder": c.mlp(32, (128,), 32, activation="gelu"), "head": head}
    dhel = dict(type="mv_dhel", views=modalities, temperature=0.5)
    pairs = tuple(itertools.combinations(modalities, 2))
    clip = dict(type="info_nce", pairs=pairs, learn_temperature=False, weight=3.0)
    ranks = tuple(f"spectrum/{m}/effective_rank" for m in modalities)
    accuracies = tuple(f"probe/{name}/accuracy" for name in ("t", "others"))

    def arm(term: dict, **options: object) -> dict:
        return {"objectives": {"term": {**term, **options}}}

    return Claim(
        config=c.latent_blocks(
            PAPER,
            {"term": dhel},
            tower,
            128,
            steps=600,
            evaluators=[
                *(c.spectrum(m, modality=m) for m in modalities),
                c.probe("t", modalities=("t",)),
                c.probe("others", modalities=("v", "a")),
            ],
        ),
        statement="between modalities, too, MV-DHEL at temperature 0.5 has at least 1.25 times "
        "the effective rank of the sum over pairs (CLIP's loss) at 0.5, and probes that are not "
        "worse by more than a point (at CLIP's own best temperature they are)",
        arms={
            "clip": arm(clip, temperature=0.5),
            "mv_infonce": arm(dhel, type="mv_infonce"),
            "mv_dhel": {},
            # As CLIP is usually trained; reported only. (MV-DHEL cannot learn its temperature: its
            # loss has no lower bound as 1/temperature grows.)
            "clip, learned temperature": arm(clip, temperature=0.07, learn_temperature=True),
            "clip, tau 7e-2": arm(clip, temperature=0.07),
            "mv_dhel, tau 7e-2": arm({}, temperature=0.07),
        },
        checks=(
            *(Check(rank, "mv_dhel", ">=", "clip", factor=1.25) for rank in ranks),
            *(Check(metric, "mv_dhel", ">=", "clip", offset=-0.01) for metric in accuracies),
        ),
        metrics=(*ranks, *accuracies),
        seed_keys=c.WORLD_SEED,
        notes="The probes use the encoder of t, and those of v and a together. MV-DHEL has the "
        "higher ranks at any temperature, but equal probes only at .5: at its own best "
        "temperature CLIP has better ones.",
    )
