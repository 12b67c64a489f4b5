"""Multimodal Contrastive Learning with Hard Negative Sampling for Human Activity Recognition.

Choi et al. 2023, arXiv 2309.01262, with the loss of Robinson et al. 2021 (arXiv 2010.04592).
Negatives close to the anchor get a higher weight (beta), and a class prior (tau_plus) corrects for
false negatives. In the claim here InfoNCE without either, at its best temperature, is not worse.

    python -m mmjax.main --config=configs/har_hardneg.py          # groups of similar classes
    python -m mmjax.main --config=configs/har_hardneg.py:paper    # UTD-MHAD
    python -m mmjax.claims har_hardneg                            # do hard negatives help?

Left out: shuffled channels, cropped and sheared skeletons, fine-tuning and few labels.
"""

from mmjax.configs import common as c

PAPER = "Choi et al. 2023, Hard Negative Sampling for Human Activity Recognition, arXiv 2309.01262"
PAIR = ("skeleton", "imu")


def objectives(beta: float, tau_plus: float, temperature: float) -> dict:
    """Hard negative sampling between the two modalities."""
    options = dict(beta=beta, tau_plus=tau_plus, temperature=temperature)
    return {"hard": dict(type="hard_info_nce", pairs=(PAIR,), **options)}


def small() -> dict:
    """100 activities in 25 groups; a minute."""
    sizes = dict(zip(PAIR, (60, 36), strict=True))
    return c.recipe(
        PAPER,
        steps=1875,  # 30 epochs
        data=c.data("grouped_classes", 64, **{m: c.vector(size) for m, size in sizes.items()}),
        towers=c.towers(
            c.mlp_head(128, 256),
            **{m: c.mlp(size, (128,), 128, final_activation=True) for m, size in sizes.items()},
        ),
        objectives=objectives(beta=1.0, tau_plus=0.05, temperature=0.5),
        optimizer=c.adamw(1e-3, schedule="constant"),
        evaluators=[
            c.retrieval(pairs=(PAIR,)),
            c.retrieval("classes", c.held_out(ids="class"), pairs=(PAIR,)),
            c.probe(train="probe", modalities=PAIR),
        ],
        log_every=500,
    )


def paper() -> dict:
    """UTD-MHAD: 27 actions, skeletons of 50 frames x 20 joints and inertial sequences of length 50.

    The paper's values are not known: beta and tau_plus are the loss's own defaults, temperature,
    towers and augmentation the base code's, whose schedule halves the rate on a plateau. Its
    skeleton tower is a co-occurrence CNN and its heads take all time steps; here both towers are a
    convolution and two transformer layers, and heads take the mean. Left out: shuffled channels,
    cropped and sheared skeletons, fine-tuning, fewer labels, probes of one modality. A table has
    the action and two .npy files of a sequence, [50, 60] (x, y, z of each joint in turn, centred
    and normalized) and [50, 6]; the subjects of `test.csv` and `train.csv` are disjoint.
    """

    def tower(channels: int) -> dict:
        sizes = dict(length=50, patch=1, width=128, depth=2, heads=2)  # assumed: the base code's
        shape = dict(positions="sincos", stem="conv")
        return dict(type="signal_transformer", channels=channels, **sizes, **shape)

    def view(channels: int, **augment: object) -> dict:
        return dict(type="signal", channels=channels, length=50, augment=augment)

    table = c.manifest(
        "data/utd_mhad/train.csv", labels={"label": "action"}, skeleton="skeleton", imu="imu"
    )
    test = c.held_out("all", path="data/utd_mhad/test.csv")
    return c.recipe(
        PAPER,
        steps=700,  # assumed: the base code's 100 epochs, of about 430 sequences
        data=c.data(
            table,
            batch_size=64,  # assumed: the base code's
            skeleton=view(60, rotate=10.0, scale=(0.7, 1.2), noise=0.1),  # assumed: the base code's
            imu=view(6, permute=0.75, scale_channels=1.0, noise=1.0),  # assumed: the base code's
            workers=4,
        ),
        towers=c.towers(c.mlp_head(128, 256), skeleton=tower(60), imu=tower(6)),  # assumed
        objectives=objectives(beta=1.0, tau_plus=0.1, temperature=0.1),  # assumed: see above
        optimizer=c.adamw(1e-3),  # assumed: the base code's rate; the schedule is ours
        evaluators=[c.probe("subjects", test, "all", modalities=PAIR)],
        checkpoints={"every": 500},
    )


get_config = c.variants("har_hardneg", small, paper)
