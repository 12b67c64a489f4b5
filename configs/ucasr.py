"""Self-supervised contrastive learning for robust audio and sheet-music retrieval.

Carvalho et al. 2023, arXiv 2309.12134. Aligned audio and sheet music exists for synthetic piano
only, so that retrieval fails on real recordings and scans. Each encoder is first trained by itself
on unlabelled real items (SimCLR), then both on the synthetic pairs by a hinge loss. What a user can
take from it: where pairs are few or clean and unpaired items are plenty, a stage of `nt_xent` for
each modality comes first, as far as its augmentations redraw what differs between both worlds.

    python -m mmjax.main --config=configs/ucasr.py          # generated domains, half a minute
    python -m mmjax.main --config=configs/ucasr.py:paper    # MAESTRO, scans, and MSMD's pairs
    python -m mmjax.claims ucasr                            # which pre-training helps where

The score is the anchor of the hinge loss. Left out: the layer of canonical correlations, for which
the evaluator `linear_map` (`solver='cca'`) fits a map after training; votes for whole pieces;
several augmentations.
"""

from mmjax.configs import common as c

PAPER = "Carvalho et al. 2023, Robust Audio-Sheet Music Retrieval, arXiv 2309.12134"
PAIR = ("score", "audio")
UNUSED = {f"{name}@2": {"train": False} for name in PAIR}  # by pairs


def objectives(**temperature: float) -> dict:
    """SimCLR of each modality, by a head of its own, and the hinge loss of pairs."""
    alone = {name: dict(type="nt_xent", views=(name, f"{name}@2"), temperature=t, head="alone")
             for name, t in temperature.items()}  # fmt: skip
    hinge = dict(type="hinge", pairs=(PAIR,), margin=0.6, direction_weights=(1.0, 0.0))
    return {**alone, "pairs": hinge}


def tower(encoder: dict, hidden: int) -> dict:
    """An encoder, its linear head for pairs, and an MLP head for itself."""
    return dict(encoder=encoder, head=c.linear_head(32), heads={"alone": c.mlp_head(32, hidden)})


def found(*splits: str) -> list[dict]:
    """Retrieval among pairs of splits."""
    return [c.retrieval(s, s, ks=(1, 5, 25), pairs=(PAIR,), more=("MRR",)) for s in splits]


def small() -> dict:
    """Generated pairs without distortion, and distorted items without pairs."""
    wide = tower(c.mlp(80, (256,), 64, final_activation=True), 128)
    unlabelled = {"source": {"split": "unlabelled"}}
    return c.recipe(
        PAPER, steps=800,
        data=c.data("domain_gap", 128, **dict.fromkeys(PAIR, (c.vector(80),) * 2)),
        towers=c.towers(audio=wide, score=wide),
        objectives=objectives(audio=0.5, score=0.5), optimizer=c.adamw(5e-4),
        evaluators=found("synthetic", "real_audio", "real"),
        stages=(
            c.stage("alone", 1000, without=("pairs",), data=unlabelled,
                    evaluators={"retrieval": None}, optimizer={"learning_rate": 1e-3}),
            c.stage("pairs", 800, without=PAIR, data={"views": UNUSED}),
        ),
    )  # fmt: skip


def paper() -> dict:
    """4.2 s of audio and parts of scores; 300 epochs of audio, 180 of scores, then pairs."""
    widths, audio = (24, 48, 96, 96), dict(type="audio", rate=22_050, length=92_610)
    bands = dict(rate=22_050, window=2048, hop=1103, fft=2048, mels=96, low=30.0, high=6000.0)
    masks = dict(gain=6.0, noise=0.4, shift=(-1.26, 1.26), mel_masks=1, mel_width=19)
    sounds = dict(type="cnn14", samples=92_610, spectrogram=bands, widths=widths, augment=masks)
    blocks = dict(block="basic", blocks=(1,) * 4, widths=widths, stem="patch2")  # assumed: residual
    scores = dict(type="resnet", image_size=(80, 96), **blocks)
    score = c.image((80, 96), crop_scale=(0.8, 1.2), crop_ratio=(0.9, 1.1))

    def alone(name: str, other: str, steps: int, batch: int, rate: float) -> dict:
        data = {"source": c.manifest(f"data/{name}s.csv", "train", **{name: "file"})}
        idle = dict(without=("pairs", other), idle=(other, f"{other}@2"))
        data["batch_size"], idle["optimizer"] = batch, {"learning_rate": rate}
        return c.stage(name, steps, data=data, **idle)

    return c.recipe(
        PAPER, steps=100_000,  # assumed
        data=c.data(c.manifest("data/msmd.csv", "train", audio="audio", score="score"), 128,
                    audio=(audio,) * 2, score=(score,) * 2, workers=16),
        towers=c.towers(audio=tower(sounds, 512), score=tower(scores, 512)),
        objectives=objectives(audio=0.6, score=0.5), evaluators=found("val"),
        optimizer=c.adamw(4e-4, weight_decay=1e-5),
        stages=(alone("audio", "score", 153_600, 128, 1e-3),
                alone("score", "audio", 23_040, 256, 5e-4),
                c.stage("pairs", 100_000, without=PAIR, data={"views": UNUSED})),
    )  # fmt: skip


get_config = c.variants("ucasr", small, paper)
