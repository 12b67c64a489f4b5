"""A Principled Framework for Multi-View Contrastive Learning: MV-InfoNCE and MV-DHEL.

Koromilas et al. 2025, arXiv 2507.06979. With more than two views of an example, one term for each
example instead of an average over pairs of views. MV-DHEL keeps views from repelling each other:
its embeddings use more dimensions, the more views there are.

    python -m mmjax.main --config=configs/mv_dhel.py          # emoji: two pictures, two names
    python -m mmjax.main --config=configs/mv_dhel.py:paper    # CIFAR-10, four views
    python -m mmjax.claims mv_dhel                            # the claim, on noisy instances
    python -m mmjax.claims mv_dhel:claim_multimodal           # the same of three modalities

The claim is shown, in 203 s. Effective rank (of 16) and probe accuracy, over 3 seeds:

    views                2                    4                    8
    pairs       10.45 ± .36  .363 ± .003   10.42 ± .28  .367 ± .015   10.49 ± .20  .373 ± .012
    average     (the same by definition)    9.54 ± .32  .355 ± .014    9.14 ± .12  .358 ± .017
    MV-InfoNCE  10.45 ± .36  .362 ± .004    9.64 ± .16  .357 ± .016    9.47 ± .11  .362 ± .014
    MV-DHEL     13.12 ± .08  .390 ± .006   15.60 ± .11  .406 ± .004   15.94 ± .02  .411 ± .011

With two views the ratio of ranks is 1.255, hardly above the 1.25 that is asked for.

Three modalities of `latent_blocks` (100 s, shown at τ = .5, as above): effective ranks of t, v and
a, and accuracy of probes on the encoders of t, and of v and a together:

    τ = .5    pairs (CLIP)        9.60 ± .19    9.16 ± .17    8.93 ± .16   .741 ± .026   .625 ± .038
              MV-InfoNCE          9.42 ± .19    9.31 ± .26    8.87 ± .04   .732 ± .042   .628 ± .044
              MV-DHEL            14.82 ± .15   14.65 ± .26   15.17 ± .08   .756 ± .074   .665 ± .041
    τ = .07   pairs (CLIP)       14.22 ± .21   11.61 ± .06   11.26 ± .24   .865 ± .010   .693 ± .037
              MV-DHEL            15.77 ± .04   15.74 ± .04   15.95 ± .00   .713 ± .043   .639 ± .018
    learned   pairs (CLIP)       14.25 ± .19   11.51 ± .07   11.23 ± .18   .866 ± .009   .694 ± .037

So the ranks are MV-DHEL's at any τ, and the probes only where τ is .5 for both: at its own best τ
CLIP has better ones.
"""

import itertools

from configs import base

PAPER = (
    "Koromilas et al. 2025, A Principled Framework for Multi-View Contrastive Learning, "
    "arXiv 2507.06979"
)


def small() -> dict:
    """Emoji: two crops of a picture and two of its names are four views of one concept."""
    views = ("image", "image@2", "text", "text@2")
    config = base.emoji({"mv_dhel": {"type": "mv_dhel", "views": views, "temperature": 0.1}})
    for name in views[1::2]:
        config["data"]["views"][name] = config["data"]["views"][name.partition("@")[0]]
    return {"paper": PAPER, **config}


def paper() -> dict:
    """CIFAR-10 with four views and ResNet-18, 200 epochs of 195 batches.

    The probe of the paper is trained by SGD; evaluate the encoder with `evaluators.probe`, whose
    logistic regression is exact.
    """
    view = base.simclr_view(32, (0.08, 1.0))
    views = ("image", "image@2", "image@3", "image@4")
    source = {
        "type": "tfds",
        "name": "cifar10",
        "columns": {"image": "image"},
        "labels": {"label": "label"},
    }
    encoder = base.resnet(18, 32, stem="conv3")
    head = {
        "type": "mlp",
        "dim": 128,
        "hidden": 512,
        "layers": 2,
        "norm": "batch",
        "final_norm": "no_bias",
        "bias": False,
    }
    return {
        "paper": PAPER,
        "steps": 39_062,
        "data": {
            "source": source,
            "views": dict.fromkeys(views, view),
            "batch_size": 256,
            "workers": 16,
        },
        "model": {"towers": {"image": {"encoder": encoder, "head": head}}},
        "objectives": {"mv_dhel": {"type": "mv_dhel", "views": views, "temperature": 0.5}},
        "optimizer": {
            "type": "sgd",
            "learning_rate": 1.0,
            "b1": 0.9,  # the momentum is not in the card for CIFAR; 0.9 is its ImageNet-1K value
            "weight_decay": 1e-6,
            "warmup_steps": 390,
        },
        "evaluators": {
            "probe": {"cifar10": {"source": base.held_out(), "train": base.held_out("train")}}
        },
        "checkpoints": {"every": 5000},
    }


def claim() -> dict:
    """Card 24's experiment: views are noisy instances of a latent of 16 dimensions."""

    def arm(kind: str, count: int = 2, **options: object) -> tuple[str, ...]:
        names = ("x", *(f"x@{k}" for k in range(2, count + 1)))
        spec = {"type": kind, "views": names, "temperature": 0.5, **options}
        extra = [f"data.views.{name}={base.NOISY_VIEW!r}" for name in names[2:]]
        return (f"objectives.term={spec!r}", *extra)

    rank, accuracy = "spectrum/test/effective_rank", "probe/test/accuracy"
    checks = []
    for count in (2, 4, 8):
        checks += [
            {
                "metric": rank,
                "arm": f"mv_dhel {count}",
                "compare": ">=",
                "baseline": f"pwe {count}",
                "factor": 1.25,
            },
            {
                "metric": accuracy,
                "arm": f"mv_dhel {count}",
                "compare": ">=",
                "baseline": f"pwe {count}",
                "offset": -0.01,
            },
        ]
    checks += [
        {"metric": rank, "arm": f"mv_dhel {more}", "compare": ">", "baseline": f"mv_dhel {less}"}
        for less, more in ((2, 4), (4, 8))
    ]
    losses = {
        "pwe": ("nt_xent", {}),
        "average": ("nt_xent", {"across": "average"}),
        "mv_infonce": ("mv_infonce", {}),
        "mv_dhel": ("mv_dhel", {}),
    }
    term = {"type": "mv_dhel", "views": ("x", "x@2"), "temperature": 0.5}
    return {
        "paper": PAPER,
        **base.noisy_instances({"term": term}),
        "claim": {
            "statement": "MV-DHEL has at least 1.25 times the effective rank of averaged pairs of "
            "views, the more views the higher, and a probe that is not worse by more than a point",
            "arms": {
                f"{name} {count}": arm(kind, count, **options)
                for count in (2, 4, 8)
                for name, (kind, options) in losses.items()
                if (name, count) != ("average", 2)  # by its definition what 'pwe 2' is
            },
            "checks": tuple(checks),
            "metrics": (rank, accuracy, "spectrum/test/uniformity"),
            "seed_keys": base.WORLD_SEED,
            "paper_numbers": "linear accuracy, 4 views, best baseline and MV-DHEL: CIFAR-10 88.7 "
            "and 89.5, CIFAR-100 61.1 and 62.7, ImageNet-100 74.4 and 77.2",
        },
    }


def claim_multimodal() -> dict:
    """Card 24's second check: three modalities that see overlapping parts of one latent."""
    modalities = ("t", "v", "a")
    head = {"type": "mlp", "dim": 16, "hidden": 64, "activation": "gelu"}
    tower = base.mlp(32, (128,), 32, activation="gelu", head=head)
    test = base.held_out()
    probe = {"source": test, "train": base.held_out("train")}
    ranks = {m: f"spectrum/{m}/effective_rank" for m in modalities}
    accuracies = tuple(f"probe/{name}/accuracy" for name in ("t", "others"))
    dhel = {"type": "mv_dhel", "views": modalities, "temperature": 0.5}
    clip = {
        "type": "info_nce",
        "pairs": tuple(itertools.combinations(modalities, 2)),
        "temperature": 0.5,
        "learn_temperature": False,
        "weight": 3.0,
    }
    learned = {**clip, "temperature": 0.07, "learn_temperature": True}
    checks = [
        {"metric": rank, "arm": "mv_dhel", "compare": ">=", "baseline": "clip", "factor": 1.25}
        for rank in ranks.values()
    ] + [
        {"metric": accuracy, "arm": "mv_dhel", "compare": ">=", "baseline": "clip", "offset": -0.01}
        for accuracy in accuracies
    ]
    return {
        "paper": PAPER,
        **base.latent_blocks({"term": dhel}, tower, 128),
        "steps": 600,
        "evaluators": {
            "spectrum": {m: {"source": test, "modality": m} for m in modalities},
            "probe": {
                "t": {**probe, "modalities": ("t",)},
                "others": {**probe, "modalities": ("v", "a")},
            },
        },
        "claim": {
            "statement": "between modalities, too, MV-DHEL at temperature 0.5 has at least 1.25 "
            "times the effective rank of the sum of pairs (CLIP's loss) at 0.5, and probes that "
            "are not worse by more than a point (at CLIP's own best temperature they are)",
            "arms": {
                "clip": (f"objectives.term={clip!r}",),
                "mv_infonce": (f"objectives.term={ {**dhel, 'type': 'mv_infonce'}!r}",),
                "mv_dhel": (),
                # Not at the card's temperature but as CLIP is usually trained; reported. (MV-DHEL
                # cannot learn one: its loss has no lower bound as 1/temperature grows.)
                "clip, learned temperature": (f"objectives.term={learned!r}",),
                "clip, tau 7e-2": (f"objectives.term={ {**clip, 'temperature': 0.07}!r}",),
                "mv_dhel, tau 7e-2": (f"objectives.term={ {**dhel, 'temperature': 0.07}!r}",),
            },
            "checks": tuple(checks),
            "metrics": (*ranks.values(), *accuracies),
            "seed_keys": base.WORLD_SEED,
        },
    }


VARIANTS = {"small": small, "paper": paper, "claim": claim, "claim_multimodal": claim_multimodal}
get_config = base.variants("mv_dhel", VARIANTS)
