"""TeminAL: an audio-language model learns the order of sounds by post-training.

Sinha et al. 2024, arXiv 2408.09269. A model that knows sounds need not know which one came first.
Pairs of labelled clips, one after the other, with captions such as "rain before thunder" teach it,
if the same pair the other way round is in the batch (`stacked_info_nce`). Stage A tells one sound
from several, stage B their order. What a user can take from it: how any audio-text model is taught
order from clips with names alone (the source `concatenated` strings them together), and that few
steps do, if batches hold the reversed pairs, or only their captions (docs/claims/teminal.md).

    python -m mmjax.main --config=configs/teminal.py            # generated sounds, a minute
    python -m mmjax.main --config=configs/teminal.py:samples    # sounds of the package, minutes
    python -m mmjax.main --config=configs/teminal.py:paper      # LAION's CLAP and ESC-50
    python -m mmjax.claims teminal                              # what the reversed pairs are worth

The numbers to look at: `choice/before/accuracy` and `choice/after/accuracy`, of pairs that are not
trained; `zero_shot/single/top_1` and `zero_shot/both/top_1`, what is kept. Left out: a loss of its
own for overlaid pairs in stage B, whose weight no source gives, and AudioCaps and Clotho.
"""

from mmjax.configs import audio_text
from mmjax.configs import common as c
from mmjax.recipe.changes import Replace

PAPER = (
    "Sinha et al. 2024, Enhancing Audio-Language Models through Self-Supervised Post-Training with "
    "Text-Audio Pairs, arXiv 2408.09269"
)
IN_ORDER, REVERSED = ("audio", "text"), ("audio@reversed", "text@reversed")
SINGLE, OVERLAID = ("audio@single", "text@single"), ("audio@overlaid", "text@both")
NO_ORDER = ("audio", "text@both")  # one after the other, "a and b"
VIEWS = (*IN_ORDER, *REVERSED, *SINGLE, *OVERLAID)


def training(*pairs: tuple[str, str], **sections: dict) -> dict:
    """InfoNCE over these pairs of views of each row, and no other views in training."""
    named = {view for pair in pairs for view in pair}
    return {
        "data": {"batch_size": 32, "views": {view: {"train": view in named} for view in VIEWS}},
        "objectives": Replace({"clip": dict(type="stacked_info_nce", pairs=pairs)}),
        **sections,
    }


def several(steps: int) -> dict:
    """Stage A: two sounds at once against one of them."""
    return {"name": "several", "steps": steps, **training(SINGLE, OVERLAID)}


def recipe(source: dict, audio: dict, text: c.Text, towers: dict, **parts: object) -> dict:
    """Stage B, after the `stages` that are given, and what it is judged by.

    Args:
      source: of single sounds.
      audio: the view.
      text: the view and its tokenizer.
      towers: of the model.
      **parts: of the recipe, and options of `concatenated`.
    """
    of = {"audio": audio, "text": text.view}
    views = {n: {**of[n.partition("@")[0]], "field": n.replace("@", "_")} for n in VIEWS}
    held = dict(examples=1225, source=parts.pop("recordings", {}))
    test, known = c.held_out("test", **held), c.held_out("all", **held)
    order = dict(query=IN_ORDER[0], right=IN_ORDER[1], wrong=(REVERSED[1],))
    single = dict(labels="first", modality=SINGLE[0], text=SINGLE[1])
    both = dict(labels=OVERLAID[1], modality=OVERLAID[0], text=OVERLAID[1], names="all")
    pairs = dict(type="concatenated", source=source, examples=6000, **parts.pop("cut", {}))
    config = c.recipe(
        PAPER,
        steps=200,
        data=c.data(pairs, 32, text.tokenizer, **views),
        towers=towers,
        evaluators=[
            c.evaluator("choice", "before", {**test, "ordered": ("{0} before {1}",)}, **order),
            c.evaluator("choice", "after", {**test, "ordered": ("{1} after {0}",)}, **order),
            c.zero_shot("single", known, **single),
            c.zero_shot("both", known, **both),
        ],
        **parts,
    )
    return c.changed(config, **training(IN_ORDER, REVERSED))


def scratch(*given: object, **more: object) -> dict:
    """What the sounds are is learned first, in the place of CLAP's pretraining."""
    fast, slow = (c.adamw(rate, weight_decay=0.0, warmup_steps=20) for rate in (1e-3, 3e-4))
    sounds = {"name": "sounds", "steps": 600, **training(NO_ORDER, SINGLE, optimizer=fast)}
    post = dict(optimizer=slow, log_every=200)
    return recipe(*given, **post, stages=(sounds, several(100), {"name": "order"}), **more)


def small() -> dict:
    """50 generated sounds."""
    words = (*(f"sound{number}" for number in range(50)), "before", "after", "and", "while")
    bag = dict(type="bag_of_tokens", vocab_size=len(words) + 4, length=3, pool="concat")
    audio = dict(type="cnn", image_size=(32, 32), channels=1, widths=(8, 16), width=128)
    return scratch(
        dict(type="named_sounds"),
        dict(type="pixels", size=32, channels=1, peak=1.0),
        c.tiny_text(words, length=3),
        c.towers(c.mlp_head(64, 128), audio=audio, text=bag),
        recordings={"split": "test"},
    )


def samples() -> dict:
    """A second each of the package's sounds, 131 captions, which take longer; needs `audio`."""
    rate, text = 8000, c.tiny_text("emoji_8k", 24, depth=2)
    spectrogram = dict(window=400, hop=400, fft=512, floor=1e-6, mean=-4.5, std=4.0)
    audio = audio_text.audio_transformer(2 * rate, spectrogram)
    config = scratch(
        dict(type="samples", split="train"),
        dict(type="audio", rate=rate, length=2 * rate),
        text,
        c.towers(c.linear_head(64), audio=audio, text=text.encoder),
        cut=dict(length=rate, rate=rate, normalize=True, cache_decoded=True),
    )
    return c.changed(config, steps=500, optimizer={"learning_rate": 1e-3})


def paper() -> dict:
    """LAION's CLAP and ESC-50, 40 epochs of 2,000 clips; the optimizer is Test of Time's."""
    folder, head, rate = "weights/clap-htsat-unfused", c.mlp_head(512, 512), 48_000
    tokenizer = c.roberta_tokenizer("data/roberta/tokenizer.json")
    sizes = dict(vocab_size=50_265, segments=1, pad_id=1, pool="pooler")
    text = c.bert_text(77, tokenizer, **sizes)
    towers = {"audio": dict(type="htsat"), "text": text.encoder}
    return recipe(
        c.manifest("data/esc50/esc50.csv", audio="filename", text="category"),
        dict(type="log_mel"),
        text,
        {name: c.pretrained(folder, each, name, head=head) for name, each in towers.items()},
        cut=dict(length=5 * rate, rate=rate),
        optimizer=c.adamw(5e-6, b2=0.98, eps=1e-9, weight_decay=0.0),
        stages=(several(1_000), {"name": "order", "steps": 2_500}),  # assumed
        checkpoints={"every": 500},
    )


get_config = c.variants("teminal", small, samples, paper)
