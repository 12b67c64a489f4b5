"""ImageBind: images, audio and text in one embedding space, bound by images.

Girdhar et al. 2023, "ImageBind: One Embedding Space To Bind Them All", arXiv 2305.05665: every
modality is paired with images only, which also aligns modalities that were never paired.

    python -m mmjax.main --config=configs/image_audio_text.py           # synthetic, minutes
    python -m mmjax.main --config=configs/image_audio_text.py:stamps    # Tux Paint, if installed
    python -m mmjax.main --config=configs/image_audio_text.py:paper     # ViT-H and AST
    python -m mmjax.claims image_audio_text                             # the pair without a term

`small`: sequences of three events as audio, text and a musical score; half of the rows have a score
and audio, the others a score and text, so that no row has audio and text. `validation`, of other
sets of events than the training and test rows, is for choosing settings. `stamps` has images and
captions of 627 objects, of which 104 have a sound (66 for training, 19 for testing, two of each
silent); rows without a sound are skipped by the terms that need one. This is too little data for a
claim. Left out: depth, thermal images and inertial data, which are aligned in the same way.
"""

from mmjax.configs import audio_text
from mmjax.configs import common as c

PAPER = "Girdhar et al. 2023, ImageBind, arXiv 2305.05665"
BOUND = (("image", "text"), ("image", "audio"))
UNSEEN = (("audio", "text"),)


def objectives() -> dict:
    """InfoNCE of images with texts and of images with audio, each with its own temperature."""
    options = dict(type="info_nce", temperature=0.07, duplicates="mask")
    return {"_".join(pair): dict(pairs=(pair,), **options) for pair in BOUND}


def retrieval(source: dict) -> list[dict]:
    """Retrieval for the trained pairs, and for the pair that no term trains."""
    return [
        c.retrieval("bound", source, pairs=BOUND),
        c.retrieval("unseen_pair", source, pairs=UNSEEN),
    ]


def small() -> dict:
    """Synthetic events as audio, text and scores; no row has both audio and text."""
    events = audio_text.events()
    source = dict(type="event_audio", image=True, missing=0.5, disjoint=True)
    whole = dict(missing=0.0, disjoint=False)
    view = c.image(24, interpolation="bilinear")
    image = c.tiny_resnet(24, "patch2", 32, pool_width=8)
    return c.recipe(
        PAPER,
        steps=600,
        data=c.changed(events["data"], source=source, views={"image": view}),
        towers={**events["model"]["towers"], **c.towers(c.linear_head(64), image=image)},
        objectives=objectives(),
        optimizer=events["optimizer"],
        evaluators=[
            *retrieval(c.held_out(**whole)),
            c.retrieval("validation", c.held_out("validation", **whole), pairs=BOUND + UNSEEN),
        ],
        checkpoints=events["checkpoints"],
    )


def stamps() -> dict:
    """Stamps of Tux Paint with their sounds; needs the Debian package."""
    emoji, test = c.emoji(PAPER, objectives(), length=24), c.held_out()
    view, audio = audio_text.recordings(2)
    tux_paint = dict(type="tux_paint", split="train", effects=True)
    return c.recipe(
        PAPER,
        steps=200,
        data=c.changed(emoji["data"], source=tux_paint, views={"audio": view}),
        towers={**emoji["model"]["towers"], **c.towers(c.linear_head(256), audio=audio)},
        objectives=objectives(),
        optimizer=emoji["optimizer"],
        evaluators=[
            *retrieval(test),
            *(c.zero_shot(m, test, modality=m, labels="category") for m in ("image", "audio")),
        ],
        checkpoints={"every": 100},
    )


def paper() -> dict:
    """Section 4 and table 9 of the paper: frozen ViT-H image and OpenCLIP text towers; AST of 2 s.

    You need a manifest of AudioSet clips (a frame, two seconds of audio), and OpenCLIP ViT-H/14's
    weights; the text tower is loaded with them and is not trained.
    """
    samples = 3 * 32_000  # three clips of two seconds, which are averaged
    audio = dict(
        type="audio_transformer",
        samples=samples,
        spectrogram=dict(mels=128, std=9.1379948),
        patch=16,
        stride=(10, 10),
        width=768,
        depth=12,
        heads=12,
        drop_path=0.1,
        mask_padding=False,
    )
    huge = dict(width=1280, depth=32, heads=16)
    open_clip = dict(pool="cls", pre_norm=True, patch_bias=False, eps=1e-5, init="clip")
    clips = c.manifest("data/audioset/train.csv", "train", image="frame", audio="sound")
    heard = dict(type="audio", rate=16_000, length=samples)
    pairs = (("image", "audio"),)
    return c.recipe(
        PAPER,
        steps=62_500,
        data=c.data(clips, 2048, image=c.clip_image(), audio=heard, workers=32),
        towers=c.towers(
            c.linear_head(1024),
            image=c.pretrained(
                "weights/open_clip_vit_h_14", c.vit(14, **open_clip, **huge), "image"
            ),
            audio=audio,
        ),
        objectives={
            "image_audio": dict(
                type="info_nce", pairs=pairs, temperature=0.05, learn_temperature=False
            )
        },
        optimizer=c.adamw(
            1.6e-3,
            freeze=(r"towers/image/.*",),
            b2=0.95,
            weight_decay=0.2,
            warmup_steps=2000,
            clip_norm=1.0,
        ),
        evaluators=[c.retrieval("val", "val", pairs=pairs)],
        checkpoints={"every": 2000},
    )


get_config = c.variants("image_audio_text", small, stamps, paper)
