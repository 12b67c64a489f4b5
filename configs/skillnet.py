"""SkillNet: one transformer for text, sound, image, video and code, sparsely activated.

Dai et al. 2022, arXiv 2205.06126. All modalities run through one transformer whose blocks have a
feed-forward layer for each skill; which of them an input uses is said by hand, by its modality.
What a user can take from it: `model.trunks` is one network for towers of any kind, whose `skills`
keep a modality out of the others' way at the cost of a dense network; and with
`optimizer.keep_idle` a skill that a batch has no use for stays as it is to the last bit.

    python -m mmjax.main --config=configs/skillnet.py        # emoji, sounds, furniture, molecules
    python -m mmjax.main --config=configs/skillnet.py:pairs  # generated pairs, a minute
    python -m mmjax.main --config=configs/skillnet.py:paper  # Chinese text, images, speech, video
    python -m mmjax.claims skillnet                          # skills against one dense network

A modality that comes later is a tower and a skill, and `optimizer.freeze` may keep all others.
Left out: speech recognition, classification of texts, masked units of sounds, skills of tasks.
"""

from mmjax.configs import common as c
from mmjax.data.synthetic.skill_pairs import OTHERS, WORDS

PAPER = "Dai et al. 2022, One Model, Multiple Modalities (SkillNet), arXiv 2205.06126"
SETS = {"image": "emoji", "audio": "samples", "points": "furniture", "graph": "molecules"}


def tower(name: str, stem: dict, length: int, width: int, **options: object) -> dict:
    """A stem, and the trunk with the skill of this name."""
    shared = dict(type="trunk_tokens", trunk="shared", width=width, skills=(name,), init="xavier")
    encoder = {**shared, "stem": stem, "length": length, **options}
    return {"encoder": encoder, "head": c.linear_head(width)}


def tokens(text: c.Text, width: int) -> dict:
    """The vectors of token ids."""
    sizes = {key: text.encoder[key] for key in ("vocab_size", "length")}
    return dict(type="bag_of_tokens", **sizes, embedding=width, width=None)


def patches(width: int, *patch: int, channels: int = 3) -> dict:
    """Patches of images, clips or spectrograms."""
    return dict(type="patch_tokens", patch=patch, channels=channels, width=width)


def joined(data: dict, towers: dict, trunk: dict, optimizer: dict, **more: object) -> dict:
    """Batches of one kind of pairs after the other; texts are searched for each other modality.

    Sources are named as the modality that each has beside texts; `splits` are searched, or 'test'.
    """
    splits = {**dict.fromkeys(data["source"], "test"), **more.pop("splits", {})}
    found = [
        c.retrieval(name, {"like": f"data.source.{name}", "split": split}, pairs=(("text", name),))
        for name, split in splits.items()
    ]
    each = dict(type="info_nce", temperature=0.07, max_scale=100.0, duplicates="mask")
    recipe = c.recipe(
        PAPER,
        data={**data, "mix": "batches"},
        towers=towers,
        objectives={name: {**each, "pairs": (("text", name),)} for name in splits},
        optimizer={**optimizer, "keep_idle": True},
        evaluators=found,
        **more,
    )
    return c.changed(recipe, model={"trunks": {"shared": {"skills": tuple(towers), **trunk}}})


def small() -> dict:
    """Emoji, sound samples, furniture and molecules with their names: five real modalities."""
    text, width = c.tiny_text("emoji_8k", 24), 64
    (audio, sounds), (points, cloud) = c.small_audio(2), c.small_points()
    sounds = {**sounds, "norm": "layer"}  # most batches have no sounds, and no statistics of them
    graph = dict(type="graph_network", categories=(119, 9, 9), edges=4, width=width, depth=2)
    crop = dict(crop_scale=(0.8, 1.2), interpolation="bilinear", cache_decoded=True)
    sources = {name: dict(type=kind, split="train") for name, kind in SETS.items()}
    sources["graph"]["most_atoms"] = 32
    views = dict(image=c.image(48, **crop), audio=audio, points=points, text=text.view)
    return joined(
        c.data(sources, 32, text.tokenizer, **views, graph=dict(type="graph", nodes=32)),
        {
            "text": tower("text", tokens(text, width), 24, width, pool="mean"),
            "image": tower("image", patches(width, 8, 8), 36, width),
            "audio": tower("audio", sounds, 4, width, prefix=4),
            "points": tower("points", cloud, 4, width, prefix=4),
            "graph": tower("graph", graph, 0, width),
        },
        dict(width=width, depth=2, heads=4, init="xavier"),
        c.adamw(1e-3, weight_decay=0.1, warmup_steps=50, clip_norm=1.0),
        splits={"image": "new_style_new_concepts"},
        steps=1600,
    )


def pairs() -> dict:
    """Generated texts with an image, a sound or code, by two blocks of 32 numbers."""
    text, width, lengths = c.bag_text(WORDS, 8), 32, {"image": 8, "sound": 16}
    vectors = {name: dict(type="sequence", length=n, dim=8) for name, n in lengths.items()}
    stem = dict(type="token_mlp", inputs=8, hidden=(), width=width)
    words = {name: tower(name, tokens(text, width), 8, width) for name in ("text", "code")}
    sources = {name: dict(type="skill_pairs", pair=name) for name in OTHERS}
    return joined(
        c.data(sources, 64, text.tokenizer, text=text.view, **vectors, code=text.view),
        {**words, **{name: tower(name, stem, n, width) for name, n in lengths.items()}},
        dict(width=width, depth=2, heads=4, mlp_width=128, init="xavier", scan=False),
        c.adamw(2e-3, weight_decay=0.01, warmup_steps=50),
        steps=1500,
        log_every=300,
    )


def paper() -> dict:
    """A transformer of BERT's size with five skills: web images, speech, VATEX, code."""
    width, ids = 768, 21_128
    text = c.bert_text(128, c.bert_tokenizer("data/bert_chinese/tokenizer.json"), vocab_size=ids)
    sources = {"image": {**c.webdataset("data/wukong/*.tar"), "split": "train"}}
    for name, column in (("audio", "file"), ("video", "file"), ("code", "code")):
        sources[name] = c.manifest(f"data/{name}.csv", "train", text="text", **{name: column})
    weights = dict(image=10_000.0, audio=350.0, video=510.0, code=1_400.0)  # assumed: size^0.5
    sources = {name: {**source, "weight": weights[name]} for name, source in sources.items()}
    mel = dict(type="log_mel", rate=16_000, window=400, hop=160, mels=80, high=8000.0)
    views = dict(image=c.image(), audio=mel, video=dict(type="video", frames=8, size=224))
    views |= dict.fromkeys(("text", "text@masked", "code", "code@masked"), text.view)
    towers = {
        "image": tower("image", patches(width, 16, 16), 196, width),
        "audio": tower("audio", patches(width, 4, channels=80), 251, width),
        "video": tower("video", patches(width, 2, 16, 16), 784, width),
    }
    words = {}
    for name in ("text", "code"):
        hides = c.hides(f"{name}@masked", ids, 103, special=(0, 101, 102))
        towers[name] = {**tower(name, tokens(text, width), 128, width, pool="first"), **hides}
        words[f"{name}_words"] = c.masked_words({f"{name}@masked": width}, ids, width, depth=0)
    recipe = joined(
        c.data(sources, 512, text.tokenizer, **views, workers=32),
        towers,
        dict(norm="post", eps=1e-12),
        c.adamw(1e-4, weight_decay=0.01, schedule="linear", warmup_steps=10_000),
        splits=dict.fromkeys(sources, "val"),
        steps=400_000,  # assumed
        checkpoints={"every": 10_000},
    )
    return c.changed(recipe, objectives=words)


get_config = c.variants("skillnet", small, pairs, paper)
