"""Contrastive pretraining of inertial sensor data and exercise names.

Two towers and InfoNCE on a small real data set: seven exercises by ten people, recorded by a
smartwatch on the wrist (Burns et al. 2018, arXiv 1802.01489). Two people are held out. Equal
captions are not negatives of each other. Needs the extra `imu` (pip install 'mmjax[imu]') and its
data set converted to arrays, once: python tools/convert_watch.py.

    python -m mmjax.main --config=configs/imu_text.py                       # persons 1, 2 held out
    python -m mmjax.main --config=configs/imu_text.py --config.data.source.fold=1       # 3 and 4

A minute on two cores; results are in docs/modalities.md. Burns et al. train a convolutional
recurrent network to classify the exercise, on more people: .889.
"""

from mmjax.configs import common as c

PAPER = "Radford et al. 2021, CLIP, arXiv 2103.00020, with the data of Burns et al. 2018"
PAIR = (("imu", "text"),)


def small() -> dict:
    """Windows of 4 s from segments of 6 s, at 25 Hz."""
    imu = dict(type="signal_resnet", channels=6, stem="patch", patch=2)
    imu |= dict(blocks=(1, 1, 1), widths=(48, 64, 96))
    text = c.tiny_text("emoji_8k", 16, heads=2)
    augment = dict(rotate=15.0, scale=(0.9, 1.1), scale_channels=0.1, noise=0.05)
    view = dict(type="signal", channels=6, length=100, rate=25.0, augment=augment)
    return c.recipe(
        PAPER,
        steps=400,
        data=c.data("shoulder_exercises", 64, text.tokenizer, imu=view, text=text.view),
        towers=c.towers(c.linear_head(64), imu=imu, text=text.encoder),
        objectives={"clip": dict(type="info_nce", pairs=PAIR, temperature=0.1, duplicates="mask")},
        optimizer=c.adamw(1e-3, weight_decay=0.1, warmup_steps=40, clip_norm=1.0),
        evaluators=[c.retrieval(pairs=PAIR), c.zero_shot("exercise", modality="imu")],
        checkpoints={"every": 200},
    )


get_config = c.variants("imu_text", small)
