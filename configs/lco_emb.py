"""LCO-Emb: text alone tunes a multimodal decoder into an embedder of images, too.

Xiao et al. 2025, arXiv 2510.11693. A causal decoder reads images as prefix tokens; the embedding of
anything is what becomes of the prompt behind it. Captions come first, and then low-rank updates of
the decoder by a contrast of texts, with hard negatives and no image.
What a user can take from it: `summary` of a trunk, `pool='summary'` and the fusion `trunk_sequence`
make one decoder caption and embed any mixture of modalities; and a stage with `lora` and one-way
`info_nce` with `negatives` refines it where only texts have triplets. Look at anisotropy, mutual
k-NN and retrieval together after that: vectors that spread more do not say that pairs are found.

    python -m mmjax.main --config=configs/lco_emb.py        # generated scenes, minutes
    python -m mmjax.main --config=configs/lco_emb.py:paper  # a decoder of 3B's size, own files
    python -m mmjax.claims lco_emb                          # images before and after texts alone

`captions/...` are the numbers before the texts alone, and those without a prefix after them.
Left out: weights of a language model, for no format that is read here has one (Qwen, LLaMA), nor
are their rotary positions, grouped attention and RMS norms built: the decoder of `paper` trains
from its start, on features of a frozen image tower. Also 4-bit weights, dropout of LoRA, the 20 %
of multimodal triplets, audio, video and documents.
"""

from mmjax.configs import common as c
from mmjax.data.synthetic.fact_scenes import IMAGE, LENGTH, WORDS
from mmjax.recipe.changes import merge

PAPER = "Xiao et al. 2025, LCO-Emb, arXiv 2510.11693"
PARAPHRASE, CHANGED = "text@paraphrase", "text@changed"


def decoder(image: dict, text: c.Text, width: int, trunk: dict, **sections: object) -> dict:
    """Both modalities through one causal trunk, and captions behind an image or a paraphrase.

    `image` has the options of its tower, `trunk` those of the decoder.
    """
    shared = dict(type="trunk_tokens", trunk="decoder", width=width, pool="summary", init="xavier")
    ids = {key: value for key, value in text.encoder.items() if key != "length"}
    words = dict(type="bag_of_tokens", embedding=width, width=None, length=text.encoder["length"])
    told = dict(inputs=("image", "text"), also={"paraphrase": (PARAPHRASE, "text")})
    within = dict(text="text", within=("told", "told@paraphrase"), conditions=(), depth=0)
    recipe = c.recipe(
        PAPER,
        towers=c.towers(
            image={**shared, **image},
            text={**shared, "stem": {**words, **ids}, "length": words["length"]},
        ),
        fusions={"told": dict(type="trunk_sequence", trunk="decoder", answer=True, **told)},
        objectives={"captions": dict(type="captioning", inputs={"text": width}, **within, **ids)},
        **sections,
    )
    options = dict(width=width, causal=True, summary=1, init="xavier", **trunk)
    return c.changed(recipe, model={"trunks": {"decoder": options}})


def stages(steps: tuple[int, int], temperature: float, rank: int, first: dict, second: dict):
    """Captions, and then texts alone with all but low-rank updates of the decoder frozen.

    `first` and `second` change the data of each. A text finds its paraphrase, one way, among those
    of all rows and their hard negatives.
    """
    fixed = dict(temperature=temperature, learn_temperature=False, direction_weights=(1.0, 0.0))
    pair = dict(pairs=(("text", PARAPHRASE),), negatives={PARAPHRASE: (CHANGED,)})
    update = dict(type="lora", modules=("trunks/decoder/.*",), rank=rank, alpha=2.0 * rank)
    captions, texts = (
        {"name": name, "steps": n, "data": merge({"views": {idle: {"train": False}}}, data)}
        for name, n, idle, data in zip(
            ("captions", "texts"), steps, (CHANGED, "image"), (first, second), strict=True
        )
    )
    return captions, {
        **texts,
        "model": {"fusions": {"told": None}, "adapters": {"update": update}},
        "objectives": {"captions": None, "texts": dict(type="info_nce", **pair, **fixed)},
        "optimizer": {"freeze": ("towers/.*", "trunks/.*")},
    }


def views(image: dict, text: dict) -> dict:
    """Images and three texts of a row."""
    fields = {"text": "text", PARAPHRASE: "text_paraphrase", CHANGED: "text_changed"}
    return {"image": image, **{name: {**text, "field": field} for name, field in fields.items()}}


def evaluators(source: object, *more: dict) -> list[dict]:
    """Retrieval, and the geometry of both modalities and of one beside the other."""
    pair = dict(modality="image", reference="text", measures=("cka", "knn"))
    spectra = [c.spectrum(name, source, modality=name) for name in ("image", "text")]
    return [c.retrieval("test", source, pairs=(("image", "text"),)), *spectra,
            c.structure("both", source, **pair), *more]  # fmt: skip


def small() -> dict:
    """Scenes of three facts, said by two words each; a decoder of two blocks."""
    words = c.tiny_text(WORDS, LENGTH + 1, eos=True)
    encoder = {key: words.encoder[key] for key in ("vocab_size", "length")}
    text = c.Text(words.tokenizer, words.view, encoder)
    facts = dict(modality="image", reference="facts", measures=("nearest",))
    return decoder(
        dict(stem=c.identity(IMAGE), length=4, prefix=4),
        text,
        64,
        dict(depth=2, heads=4),
        steps=400,
        data={**c.data("fact_scenes", 96, text.tokenizer),
              "views": views(c.vector(IMAGE), text.view)},
        optimizer=c.adamw(2e-3, schedule="constant"),
        evaluators=evaluators("test", c.structure("image", **facts)),
        stages=stages((400, 200), 0.05, 8, {}, {"batch_size": 64}),
    )  # fmt: skip


def paper() -> dict:
    """COCO's captions for features of a frozen tower, then NLI: Qwen2.5-VL-3B's width and depth.

    The tables have 256 x 1,152 numbers and five captions for each image, the lines `anchor`,
    `positive` and `negative`. All of the captions' stage is assumed: the paper has a trained model.
    """
    marks = dict(eos="<|im_end|>", pad="<|endoftext|>")
    tokenizer = dict(type="huggingface", path="data/qwen/tokenizer.json", bos=None, **marks)
    encoder = dict(vocab_size=151_936, length=650, pad_id=151_643, eos_id=151_645)
    text = c.Text(tokenizer, dict(type="text", length=650, bos=False), encoder)
    columns = dict(image="features", text=tuple(f"caption_{number}" for number in range(1, 6)))
    train, test = (c.manifest(f"data/coco/{name}.parquet", **columns) for name in ("train", "val"))
    told = dict(text="anchor", text_paraphrase="positive", text_changed="negative")
    source = {"captions": train, "texts": c.manifest("data/nli/triplets.jsonl", **told)}
    short = {"text": {"length": 64}, PARAPHRASE: {"length": 64, "field": "text"}}
    return decoder(
        dict(stem=dict(type="token_mlp", inputs=1152, hidden=(), width=2048), length=256),
        text,
        2048,
        dict(depth=36, heads=16, mlp_width=11_008, activation="swiglu", remat="full"),
        steps=10_000,
        data={**c.data(source, 1056, text.tokenizer, workers=32),
              "views": views(dict(type="sequence", length=256, dim=1152), text.view)},
        optimizer=c.adamw(4e-4, schedule="linear", warmup_steps=100, weight_decay=0.0),
        evaluators=evaluators(test),
        checkpoints={"every": 1000},
        stages=stages(
            (10_000, 2 * 276_000 // 1056),  # the second two epochs
            0.03,
            64,
            {"source": {"texts": None}, "views": short},
            {"source": {"captions": None}},
        ),
    )  # fmt: skip


get_config = c.variants("lco_emb", small, paper)
