"""Separating common from salient patterns with contrastive representation learning (SepCLR).

Louiset et al. 2024, arXiv 2402.11928. Of two data sets, one of which has something that the other
lacks (patients and controls, images with and without a sign), two towers see the same augmented
images: `common` learns what all images have, `salient` what only the target set has. For that the
salient embeddings of the other set are pinned to the origin: `uniformity` pushes the target's away
from it, the information-less term (`alignment` to zero) pulls the others there, and
`joint_entropy` keeps the two spaces from saying the same. Useful where a factor is to be found of
which nothing is known but who may have it, and for spaces that are shared or of one set alone. On
the generated textures a classifier of the two sets finds as much as the salient space does.

    python -m mmjax.main --config=configs/sepclr.py          # digits on emoji, two minutes
    python -m mmjax.main --config=configs/sepclr.py:paper    # CIFAR-10 with MNIST digits
    python -m mmjax.claims sepclr                            # what each space knows, on textures
    python -m mmjax.claims sepclr:claim_emoji                # the same on emoji

The number to look at is what a linear probe finds: digits in `salient` and not in `common`, emoji
the other way round. Left out: the variant with labelled attributes, and the linear map to 32
numbers between encoder and projector in `paper`, whose probes read the encoder's 512.
"""

from mmjax.configs import common as c

PAPER = (
    "Louiset et al. 2024, Separating common from salient patterns with Contrastive Representation "
    "Learning, arXiv 2402.11928"
)
COMMON, SALIENT = ("common", "common@2"), ("salient", "salient@2")


def objectives(salient: float, nothing: float, joint: float) -> dict:
    """SepCLR at τ = 0.5, which makes every kernel exp(-|a - b|²).

    Args:
      salient: β_S, of the salient space of the target set.
      nothing: β_0, of the salient space of the other set.
      joint: λ, of the joint entropy.
    """
    raw, target, other = dict(layer="raw"), {"target": 1}, {"target": 0}
    spread = dict(type="uniformity", t=1.0)
    return {
        "common": dict(type="alignment", pairs=(COMMON,)),
        "common_spread": dict(**spread, modalities=COMMON, weight=2.0),
        "salient": dict(type="alignment", pairs=(SALIENT,), **raw, where=target, weight=salient),
        "salient_spread": dict(
            **spread, modalities=SALIENT, **raw, pinned=other, weight=2 * salient
        ),
        "nothing": dict(
            type="alignment", to="zero", pairs=(SALIENT,), **raw, where=other, weight=nothing
        ),
        "joint": dict(
            type="joint_entropy",
            pairs=tuple(zip(COMMON, SALIENT, strict=True)),
            pinned=other,
            weight=joint,
        ),
    }


def probes(labels: tuple[str, str], test: dict, train: dict) -> list[dict]:
    """What a linear probe finds of two factors in each space: `probe/digit_in_salient/accuracy`."""
    return [
        c.probe(f"{label}_in_{space}", test, train, labels=label, modalities=(space,))
        for label in labels
        for space in ("common", "salient")
    ]


def small() -> dict:
    """Handwritten digits on grey emoji of 16 x 16 pixels, half of them without a digit."""
    side = 16
    view = dict(
        type="pixels",
        size=side,
        channels=1,
        shift=2,
        border="reflect",
        brightness=0.3,
        offset=0.1,
        noise=0.05,
    )
    network = dict(type="cnn", image_size=(side, side), channels=1)
    network |= dict(widths=(48, 64), kernels=(5, 3), width=16, linear=True)
    tower = dict(encoder=network, reads="image")
    return c.recipe(
        PAPER,
        steps=310,
        data=c.data(
            dict(type="textured_digits", common="emoji"), 128, image=(view, view), target=c.LABEL
        ),
        towers=c.towers(c.mlp_head(16, 128, norm="batch"), common=tower, salient=tower),
        objectives=objectives(10.0, 10.0, 1.0),
        optimizer=c.adamw(1e-3, schedule="constant"),
        evaluators=probes(
            ("digit", "texture"), c.held_out("test", share=1.0), c.held_out("train", share=1.0)
        ),
        log_every=100,
    )


def paper() -> dict:
    """CIFAR-10 of which half has an MNIST digit, two ResNet-18, batch 512, 250 epochs."""
    view = c.simclr_view(24, (0.2, 1.0))
    tower = dict(encoder=c.resnet(18, 24, stem="conv3"), reads="image")
    labels = {name: name for name in ("target", "object", "digit")}
    folder = "data/cifar_mnist"
    source = c.manifest(f"{folder}/images.csv", "train", labels, image="file")
    test, train = (
        c.manifest(f"{folder}/images_with_digit.csv", split, labels, image="file")
        for split in ("val", "train")
    )
    return c.recipe(
        PAPER,
        steps=24_400,  # assumed: 50,000 images
        data=c.data(source, 512, image=(view, view), target=c.LABEL, workers=16),
        towers=c.towers(c.mlp_head(32, 128, norm="batch"), common=tower, salient=tower),
        objectives=objectives(1000.0, 1000.0, 10.0),
        optimizer=c.adamw(3e-4, schedule="constant"),
        evaluators=probes(("digit", "object"), test, train),
        checkpoints={"every": 5000},
    )


get_config = c.variants("sepclr", small, paper)
