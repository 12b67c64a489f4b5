"""Vision-Language Pre-Training with Triple Contrastive Learning (TCL).

Yang et al. 2022, arXiv 2202.10401. Alignment across modalities alone drops what captions leave out.
TCL adds, with keys of a momentum teacher and a queue, a contrast within each modality (two views of
one example) and one of wholes with their parts.

    python -m mmjax.main --config=configs/tcl.py          # generated scenes, a minute on two cores
    python -m mmjax.main --config=configs/tcl.py:paper    # COCO, VG, CC3M and SBU
    python -m mmjax.claims tcl                            # the claim, on the same scenes

The scenes have a coloured shape, which the caption names, and a grey glyph, which it does not. The
paper's matching is in `paper` and left out of the contrastive half that `small` and the claim are
about; its loss of masked words is nowhere here. The temperature is learned by its logarithm.

The claim is shown, in 217 s. Accuracy zero-shot (60 classes), of the glyph of the ten nearest
pictures (chance .13) and of a probe for it, over 3 seeds, after the 600 steps that are asked about
and after 400, the most that card 26 has (400 for its seed 0, 300 for two more):

    600 steps    in the batch, no teacher or queue    .996 ± .001   .186 ± .013   .635 ± .047
                 across modalities                    .995 ± .001   .243 ± .008   .673 ± .011
                 and within each                      .964 ± .010   .927 ± .043   .991 ± .009
                 and wholes with their parts          .950 ± .010   .923 ± .047   .990 ± .007
    400 steps    across modalities                    .982 ± .008   .236 ± .005   .658 ± .009
                 and within each                      .926 ± .024   .880 ± .063   .970 ± .019
                 and wholes with their parts          .903 ± .024   .867 ± .073   .972 ± .016

So the contrast within a modality keeps the glyph, and that with parts (`small`) adds nothing here.
It costs some of the zero-shot accuracy, the more, the shorter the training: .031 after 600 steps,
and after 400 .056, more than the .05 that the card allows: by the card's own steps the last of the
three inequalities fails. Most of it is by the pairs of texts, whose meaningless words have to be
told apart (without these pairs .01, in one earlier run). The paper's zero-shot retrieval on COCO,
with all five losses: 71.4 text and 53.5 image R@1, where ALBEF has 68.7 and 50.1 (the latter from
memory).
"""

from configs import base
from mmjax.data.synthetic.glyphs import SIDE, WORDS

PAPER = (
    "Yang et al. 2022, Vision-Language Pre-Training with Triple Contrastive Learning, "
    "arXiv 2202.10401"
)
CROSS = (("image", "text"), ("text", "image@2"))
WITHIN = (("image", "image@2"), ("text", "text"))
TAUGHT = ("image@2", "text")


def momentum(pairs: tuple, warmup: float) -> dict:
    """Contrast with the teacher's keys; targets across modalities become soft by `warmup`."""
    return {
        "type": "momentum_nce",
        "pairs": pairs,
        "soft": {"type": "linear", "start": 0.0, "end": 0.4, "end_at": warmup},
        "temperature": 0.07,
        "min_scale": 2.0,  # temperatures in [0.001, 0.5]
        "max_scale": 1000.0,
    }


def objectives(warmup: float, kernel: int, skip: dict | None = None) -> dict:
    """The mean of six losses: two across modalities, two within, two of wholes and parts."""
    local = {
        "type": "local_global_nce",
        "pairs": WITHIN,
        "grids": {"image@2": kernel},
        "skip": skip,
        "temperature": "contrast",
    }
    return {
        "contrast": {**momentum(CROSS + WITHIN, warmup), "weight": 4 / 6},
        "local": {**local, "weight": 2 / 6},
    }


def small() -> dict:
    """Scenes of 16 x 16 pixels, a network of two convolutions, a transformer of one layer."""
    head = {"type": "linear", "dim": 64, "tokens": True}
    image = {
        "type": "cnn",
        "image_size": (SIDE, SIDE),
        "widths": (16, 32),
        "width": 128,
        "tokens": True,
    }
    text = {
        "type": "text_transformer",
        "vocab_size": len(WORDS) + 4,
        "length": 5,
        "width": 64,
        "depth": 1,
        "heads": 4,
        "causal": False,
        "pool": "mean",
        "init": "xavier",
    }
    view = {"type": "pixels", "size": SIDE}
    test = base.held_out()
    # Of a training record one of its eight pictures, the first.
    about = {"train": base.held_out("train"), "layer": "unit", "source": test}
    return {
        "paper": PAPER,
        "steps": 600,
        "data": {
            "source": {"type": "glyph_scenes"},
            "tokenizer": {"type": "words", "words": WORDS},
            "views": {
                "image": view,
                "image@2": view,
                "text": {"type": "text", "length": 5, "bos": False, "eos": False},
            },
            "batch_size": 128,
        },
        "model": {
            "towers": {
                "image": {"encoder": image, "head": head},
                "text": {"encoder": text, "head": head},
            }
        },
        "objectives": objectives(warmup=1 / 3, kernel=2),
        "teacher": {"type": "ema", "views": TAUGHT, "momentum": 0.99},
        "queue": {"size": 512, "views": TAUGHT, "delay": 100},
        "optimizer": {"learning_rate": 1e-3, "weight_decay": 0.05, "warmup_steps": 20},
        "evaluators": {
            "zero_shot": {"name": {"source": test, "labels": "name"}},
            "knn": {name: {**about, "labels": name} for name in ("shape", "glyph")},
            "probe": {"glyph": {**about, "labels": "glyph"}},
        },
        "log_every": 100,
    }


def paper() -> dict:
    """4 million pictures at 256 pixels, 5 million pairs, 30 epochs; BERT's first six layers.

    The picture tower starts from DeiT. The paper's text tower starts from BERT's first six layers,
    and its fusion, which here is that of the term `matching`, from the last six: give the tower
    `init_from` where a folder has a BERT that is cut so. Of the paper's five losses masked words
    are left out.
    """
    head = {"type": "linear", "dim": 256, "tokens": True}
    image = base.vit(16, image_size=256, pool="cls", eps=1e-6)
    text = base.bert(25, depth=6, dropout=0.1, eos_id=102)
    view = base.simclr_view(256, (0.2, 1.0), blur=0.5, random_ops=2, magnitude=7.0)
    return {
        "paper": PAPER,
        "steps": 293_000,
        "data": {
            "source": base.webdataset("data/coco_vg_cc3m_sbu/*.tar"),
            "tokenizer": base.bert_tokenizer(
                "weights/bert-base-uncased/tokenizer.json", unk="[UNK]"
            ),
            "views": {
                "image": view,
                "image@2": view,
                "text": {"type": "text", "length": 25, "lowercase": True},
            },
            "batch_size": 512,
            "workers": 64,
        },
        "model": {
            "towers": {
                "image": {
                    "init_from": {"path": "weights/deit-base-patch16-224", "head": False},
                    "encoder": image,
                    "head": head,
                },
                "text": {"encoder": text, "head": head},
            }
        },
        "objectives": {
            # The targets are soft after the first epoch; 16 x 16 patches make 4 x 4 locals.
            **objectives(1 / 30, kernel=4, skip={"text": 1, "image@2": 1}),
            "matching": {
                "type": "matching",
                "inputs": {"text": 768, "image": 768},
                "width": 768,
                "depth": 6,
                "heads": 12,
                "keys": "teacher",
                "temperature": "contrast",
            },
        },
        "teacher": {"type": "ema", "views": TAUGHT, "momentum": 0.995},
        "queue": {"size": 65_536, "views": TAUGHT},
        "optimizer": {
            "learning_rate": 1e-4,
            "weight_decay": 0.02,
            "warmup_steps": 2000,
            "final_fraction": 0.1,
        },
        "evaluators": base.coco_evaluators(),
        "evaluate_every": 9766,
        "checkpoints": {"every": 5000},
    }


def claim() -> dict:
    """Card 26's experiment: is the glyph, which no caption names, in the picture's embedding?"""
    zero_shot = "zero_shot/name/top_1"
    of_shape, of_glyph = (f"knn/{name}/accuracy" for name in ("shape", "glyph"))
    probe = "probe/glyph/accuracy"

    def contrast(pairs: tuple, warmup: float = 1 / 3) -> tuple[str, ...]:
        return (f"objectives={ {'contrast': momentum(pairs, warmup)}!r}",)

    in_batch = {"clip": {"type": "info_nce", "temperature": 0.07}}
    checks = [
        {
            "metric": metric,
            "arm": "and within",
            "compare": ">=",
            "baseline": "across",
            "offset": more,
        }
        for metric, more in ((of_glyph, 0.4), (probe, 0.2), (zero_shot, -0.05))
    ]
    return {
        **small(),
        "claim": {
            "statement": "the contrast within each modality keeps what captions leave out: +.40 in "
            "the glyph of the nearest neighbours and +.20 in a probe for it, at a zero-shot "
            "accuracy that is not worse by more than .05",
            "arms": {
                # In the batch, without teacher and queue: the data can be learned.
                "clip": (f"objectives={in_batch!r}", "teacher=None", "queue=None"),
                "across": contrast(CROSS),
                "and within": contrast(CROSS + WITHIN),
                "and local": (),
                # The card's 400 steps, of which 200 make the targets soft; reported.
                "across, 400 steps": (*contrast(CROSS, 1 / 2), "steps=400"),
                "and within, 400 steps": (*contrast(CROSS + WITHIN, 1 / 2), "steps=400"),
                "and local, 400 steps": (
                    f"objectives={objectives(1 / 2, kernel=2)!r}",
                    "steps=400",
                ),
            },
            "checks": tuple(checks),
            "metrics": (zero_shot, of_shape, of_glyph, probe),
            "seed_keys": base.WORLD_SEED,
            "paper_numbers": "zero-shot COCO R@1: 71.4 text, 53.5 image; ALBEF 68.7 and 50.1 (from "
            "memory)",
        },
    }


get_config = base.variants("tcl", {"small": small, "paper": paper, "claim": claim})
