"""Retrieval of images from brain activity: mixed inputs, then soft targets (MindEye).

Scotti et al. 2023, arXiv 2305.18274. An MLP maps voxels to the tokens of a frozen image tower by a
contrastive loss: for a third of the training of mixtures of two rows' inputs, whose targets are
both rows' images by their shares (BiMixCo), then with soft targets from the similarities of the
images (SoftCLIP). What a user can take from it: `data.mix_inputs` and `mixup_nce` with
`mix='inputs'` regularize a tower that has few pairs of high-dimensional, noisy inputs, whatever
these measure, against any frozen model.

    python -m mmjax.main --config=configs/mindeye.py          # features of emoji, a minute
    python -m mmjax.main --config=configs/mindeye.py:voxels   # generated voxels, a minute
    python -m mmjax.main --config=configs/mindeye.py:paper    # subject 1 of NSD, own files
    python -m mmjax.claims mindeye                            # what mixing adds, and soft targets
    python -m mmjax.claims mindeye:claim_emoji                # the same on features of emoji

The number to look at is `retrieval/test/voxels_to_image/R@1[pool=300]`. Left out: the diffusion
prior and all reconstruction, so that the projector is all that trains beside the backbone; SoftCLIP
has one temperature, where the paper's rises from .004 to .0075.
"""

from mmjax.configs import common as c
from mmjax.configs import lit

PAPER = "Scotti et al. 2023, MindEye, arXiv 2305.18274"
LATENT, PIXELS, VOXELS, NOISE = 12, 64, 512, 5.0


def bimixco(pair: tuple[str, str], temperature: float = 0.05) -> dict:
    """InfoNCE whose targets are the shares of mixed inputs."""
    told = dict(pairs=(pair,), mix="inputs", temperature=temperature)
    return {"clip": dict(type="mixup_nce", **told)}


def soft(pair: tuple[str, str], temperature: float) -> dict:
    """InfoNCE whose targets are similarities of images, at the same temperature."""
    told = dict(pairs=(pair,), reference=pair[1], temperature=temperature, learn_temperature=False)
    return {
        "clip": None,
        "soft": dict(type="soft_info_nce", **told, reference_temperature=temperature),
    }


def stages(pair: tuple[str, str], steps: int, temperature: float) -> tuple[dict, dict]:
    """A third of the steps with mixed inputs, and the rest with soft targets."""
    mixes = {"mix_inputs": {pair[0]: None}}
    mixed = {"name": "mixed", "steps": steps // 3}
    tuned = {"name": "soft", "steps": steps - steps // 3, "data": mixes}
    return mixed, {**tuned, "objectives": soft(pair, temperature)}


def mixing(name: str) -> dict:
    """Half of the rows keep a share of Beta(.15, .15) of themselves."""
    return {"mix_inputs": {name: dict(alpha=0.15, probability=0.5)}}


def small(half: str = "validation") -> dict:
    """Emoji: an MLP from features of images to frozen vectors of their names."""
    pair, view = ("image", "text"), c.vector(lit.DIM)
    tower = c.mlp(lit.DIM, (256, 256), lit.DIM, activation="gelu", dropout=0.1)
    return c.recipe(
        PAPER,
        steps=900,
        data={**c.data(lit.features("train"), 128, image=view, text=view), **mixing("image")},
        towers=c.towers(image=tower, text=c.identity(lit.DIM)),
        objectives=bimixco(pair),
        optimizer=c.adamw(1e-3, weight_decay=1e-2, warmup_steps=20),
        evaluators=lit.new_concepts(half, lit.features),
        stages=stages(pair, 900, 0.1),
    )


def seen(noise: float, repeats: int) -> dict:
    """12 latent factors in an image's features, and in voxels with noise of every repetition."""
    image = dict(dim=PIXELS, form="linear", noise=0.15)
    voxels = dict(dim=VOXELS, form="tanh", noise=noise, repeats=repeats)
    return {"latent": LATENT, "views": {"image": image, "voxels": voxels}}


def voxels() -> dict:
    """1,000 images with three noisy repetitions each; those of the test are averaged."""
    pair = ("voxels", "image")
    data = c.data(
        dict(type="latent_views", examples=1000, **seen(NOISE, 3)),
        64,
        voxels=c.vector(VOXELS),
        image=c.vector(PIXELS),
    )
    tower = c.mlp(VOXELS, (256, 256), PIXELS, activation="gelu", dropout=0.05)
    averaged = c.held_out(examples=500, **seen(NOISE / 3**0.5, 1))
    return c.recipe(
        PAPER,
        steps=1500,
        data={**data, **mixing("voxels")},
        towers=c.towers(voxels=tower, image=c.identity(PIXELS)),
        objectives=bimixco(pair),
        optimizer=c.adamw(1e-3, schedule="constant"),
        evaluators=[
            c.retrieval("test", averaged, pairs=(pair,), ks=(1,), pool=300),
            c.retrieval("fitted", c.held_out("train"), pairs=(pair,), ks=(1,), pool=300),
        ],
        stages=stages(pair, 1500, 0.15),
    )


def paper() -> dict:
    """Subject 1 of NSD: 15,724 voxels, and the hidden tokens of CLIP ViT-L/14, 257 x 768.

    `features/nsd` has them as the arrays `embedding`, `id` and `key`: three rows of voxels for each
    image of the training, their mean for each of the test; and the 257 tokens side by side.
    """
    pair, tokens, width = ("voxels", "image"), 257, 768

    def rows(split: str) -> dict:
        return dict(type="features", files={m: f"features/nsd/{m}-{split}.npz" for m in pair})

    backbone = dict(type="residual_mlp", inputs=15_724, tokens=tokens, width=width,
                    projector=(2048, 2048))  # fmt: skip
    steps, dim = 240 * 8859 // 32, tokens * width
    return c.recipe(
        PAPER,
        steps=steps,
        data={
            **c.data(rows("train"), 32, voxels=c.vector(15_724), image=c.vector(dim)),
            **mixing("voxels"),
        },
        towers=c.towers(voxels=backbone, image=c.identity(dim)),
        objectives=bimixco(pair, 0.006),
        optimizer=c.adamw(3e-4, weight_decay=1e-2, warmup_steps=2 * 8859 // 32),
        evaluators=[c.retrieval("test", rows("test"), pairs=(pair,), ks=(1,), pool=300)],
        stages=stages(pair, steps, 0.006),
    )


get_config = c.variants("mindeye", small, voxels, paper)
