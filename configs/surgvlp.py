"""SurgVLP: learning multi-modal representations by watching hundreds of surgical video lectures.

Yuan et al. 2023, arXiv 2307.15220. A lecture's speech is transcribed twice: one transcript is
precise, of the other several sentences stand near a clip, some off topic. The clip is pulled to the
first by InfoNCE and to the bag of sentences by MIL-NCE. What a user can take from it: texts of
several sources are worth more together than the best of them; `mil_nce` takes those of which one
does not know which belongs, and a row may lack some.

    python -m mmjax.main --config=configs/surgvlp.py           # emoji, names and keywords, minutes
    python -m mmjax.main --config=configs/surgvlp.py:lectures  # generated clips, seconds
    python -m mmjax.main --config=configs/surgvlp.py:paper     # surgical clips, two transcripts
    python -m mmjax.claims surgvlp                             # both transcripts against each

Left out: ResNet-50 for frames, in whose place `paper` has a ViT; several layers of texts pooled;
and changes of colour.
"""

from mmjax.configs import common as c
from mmjax.data.synthetic.lecture_clips import WORDS

PAPER = "Yuan et al. 2023, SurgVLP, arXiv 2307.15220"
BAG = ("text@2", "text@3")


def objectives(view: str) -> dict:
    """Half InfoNCE of the precise text, half MIL-NCE of the bag."""
    precise = dict(pairs=((view, "text"),), temperature=0.1, learn_temperature=False)
    return {
        "precise": dict(type="info_nce", **precise, weight=0.5),
        "bag": dict(type="mil_nce", view=view, bag=BAG, weight=0.5),
    }


def small(half: str = "validation") -> dict:
    """Emoji of 32 pixels: the name is precise; the bag has two of name and keywords."""
    emoji = c.emoji(PAPER, objectives("image"))
    view = emoji["data"]["views"]["text"]  # one of several texts, at random
    views = {**dict.fromkeys(BAG, view), "text": {"caption": "first"}}
    return c.changed(
        emoji, steps=500,
        data={"source": {"keywords": True}, "views": {"image": {"size": 32}, **views}},
        model={"towers": {"image": {"encoder": c.tiny_resnet(32, "patch4", 64)}}},
        evaluators=[c.retrieval("new_concepts", dict(type="emoji", split=f"{half}_concepts"))],
    )  # fmt: skip


def lectures() -> dict:
    """Generated clips of 40 steps; 700 steps of training."""
    text, clip = c.bag_text(WORDS, 8), dict(type="sequence", length=4, dim=64)
    video = dict(type="token_mlp", inputs=64, hidden=(128,), width=64)
    words = {"encoder": text.encoder, "head": c.mlp_head(64, 128, activation="gelu")}
    return c.recipe(
        PAPER,
        steps=700,
        data=c.data("lecture_clips", 128, text.tokenizer, video=clip, text=(text.view,) * 3),
        towers=c.towers(c.linear_head(64), video=video, text=words),
        objectives=objectives("video"),
        optimizer=c.adamw(1e-3), log_every=100,
        evaluators=[c.zero_shot("step", modality="video"), c.retrieval(pairs=(("video", "text"),))],
    )  # fmt: skip


def paper() -> dict:
    """SVL: four frames of a clip, a sentence of one transcript and two of the other."""
    clips, text = ("video", "video@2", "video@3"), c.bert_text(77, vocab_size=28_996, pool="mean")
    clip = dict(type="video", frames=4, size=336)
    jitter = {**clip, "crop_scale": (0.08, 1.0), "flip": 0.5}
    video = dict(type="frame_transformer", frames=4, image_size=(336, 336), patch=16)  # assumed
    texts = {"text": "aws", "text@2": "whisper_1", "text@3": "whisper_2"}
    source = c.manifest("data/svl/clips.csv", "train", video="clip", **texts)
    return c.recipe(
        PAPER,
        steps=60_000,  # assumed: 150 epochs of 25,000 clips
        data=c.data(source, 64, text.tokenizer, video=(clip, jitter, jitter),  # assumed
                    text=(text.view,) * 3, workers=16),
        towers=c.towers(c.linear_head(768), video=video,
                        text=c.pretrained("weights/clinical_bert", text.encoder, "text")),
        objectives={
            # InfoNCE and NT-Xent, whose directions have other weights, are one term.
            "precise": dict(objectives("video")["precise"], direction_weights=(0.625, 0.375),
                            pairs=tuple((clip, "text") for clip in clips)),
            **{f"bag_{i}": dict(type="mil_nce", view=clip, bag=BAG, weight=1 / 12)
               for i, clip in enumerate(clips)},
            "clips": dict(type="nt_xent", views=clips[1:], temperature=0.1, weight=0.25),
        },
        optimizer=c.adamw(8e-5), evaluators=[c.retrieval("val", "val", pairs=(("video", "text"),))],
    )  # fmt: skip


get_config = c.variants("surgvlp", small, lectures, paper)
