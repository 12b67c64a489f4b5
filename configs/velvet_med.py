"""Volumes and reports aligned at the levels of words, sentences and reports (VELVET-Med).

Zhang et al. 2025, arXiv 2508.12108. There are few pairs of CT scans and reports, so each pair has
to teach more: a report is aligned with its volume as a whole, and each of its sentences and words
with the patches that it attends to; and both towers are asked for what was hidden from them. Useful
where long texts describe parts of an image and pairs are rare: in the claim the levels of sentences
and words are what helps, and what was hidden only takes from it. The words are `hierarchical_text`
with the view `sentences`, heads with a `level`, `late_interaction_nce` with score='attended', and
`mask_patches` with `regression` and `classification`.

    python -m mmjax.main --config=configs/velvet_med.py        # generated volumes, a minute
    python -m mmjax.main --config=configs/velvet_med.py:paper  # CT scans, a BERT in three parts
    python -m mmjax.claims velvet_med                          # all levels against the whole alone

The losses are read from the paper's names for them; `paper` has numbers of the authors' code,
github.com/ZiyangZhang0511/VELVET-Med. Left out: a tower with windowed attention, in whose place is
a patch transformer that is tapped after some blocks; of that code the local scores by log-sum-exp
over the pieces of a text, and masked words and matching given the volume; questions and reports by
a language model.
"""

from mmjax.configs import common as c
from mmjax.data.synthetic.lesion_volumes import LONGEST, SENTENCES, SIDE, WORDS

PAPER = "Zhang et al. 2025, VELVET-Med, arXiv 2508.12108"
PAIR, MASKED, OTHER, WORDS_OF = ("volume", "text"), "volume@masked", "volume@2", "text@masked"


def objectives(width: int, dim: int, patch: int, vocab_size: int, attention: float = 0.1) -> dict:
    """The whole and its levels by one temperature, and what is hidden from each tower."""
    local = dict(type="late_interaction_nce", pair=PAIR, tokens=PAIR, dim=dim, projection=False,
                 score="attended", attention_scale=1 / attention, temperature="global")  # fmt: skip
    hidden = c.masked_words({WORDS_OF: width}, vocab_size, width, depth=0)
    return {
        "global": dict(type="info_nce", pairs=(PAIR,), temperature=0.07),
        "sentence": {**local, "head": "sentence"},
        "word": {**local, "head": "word"},
        "inpaint": dict(type="regression", view=MASKED, inputs=width, size=patch),
        "turn": dict(type="classification", modalities=(MASKED,), label=None, classes=4,
                     dim=width, hidden=(), head="pooled"),
        "views": dict(type="info_nce", pairs=((MASKED, OTHER),), temperature=0.5,
                      learn_temperature=False, head="views"),
        "words": {**hidden, "head": {WORDS_OF: "word"}},
    }  # fmt: skip


def towers(volume: dict, text: dict, dim: int, size: int, mask_id: int | None = None) -> dict:
    """Both towers with a head for each level; those of one name are compared."""
    patch, tokens = volume["patch"], c.linear_head(dim, tokens=True)
    masked = dict(type="mask_patches", patch=patch, turns=True, views=(MASKED, OTHER))
    middle = {"level": "middle"} if "middle" in volume["levels"] else {}
    of_volume = {"sentence": {**tokens, **middle}, "word": {**tokens, "level": "early"},
                 "views": c.linear_head(dim), "pooled": dict(type="none")}  # fmt: skip
    of_text = {name: {**tokens, "level": f"{name}s"} for name in ("sentence", "word")}
    volume = {"encoder": volume, "augment": masked, "heads": of_volume}
    text = {**(text if "encoder" in text else {"encoder": text}), "heads": of_text}
    special = {} if mask_id is None else {"special": (0, 101, 102)}
    return c.towers(c.linear_head(dim), volume=volume,
                    text={**text, **c.hides(WORDS_OF, size, mask_id, **special)})  # fmt: skip


def measured(test: object, fit: object, **by_sentence: object) -> list[dict]:
    """Retrieval by the whole and by the level of sentences, and where lesions are."""
    probe = dict(train=fit, modality="volume", layers=("encoder.tokens", "word.encoder.tokens"))
    same = dict(pairs=(PAIR,), labels="lesions") if by_sentence else dict(pairs=(PAIR,))
    return [
        c.retrieval("test", test, **same),
        c.retrieval("sentences", test, **same, term="sentence"),
        *([c.retrieval("lesion", test, **by_sentence)] if by_sentence else []),
        c.evaluator("token_probe", "lesions", test, **probe),
    ]


def small() -> dict:
    """600 generated volumes with lesions, and reports of five sentences."""
    size, width = len(WORDS) + 4, 32
    blocks = dict(width=width, depth=2, heads=4)
    volume = dict(type="patch_transformer", size=(SIDE,) * 3, patch=(4, 4, 4), channels=1,
                  pool="mean", levels={"early": 1}, **blocks)  # fmt: skip
    text = dict(
        type="hierarchical_text", vocab_size=size + 1, length=LONGEST, blocks=(1, 1), **blocks
    )
    scan = dict(type="volume", size=(SIDE,) * 3, window=(-3.0, 3.0))
    cropped = {**scan, "crop": 0.8, "intensity": 0.1, "field": "volume"}
    said = dict(type="sentences", sentences=SENTENCES, length=LONGEST, bos=False, eos=False)
    section = c.data("lesion_volumes", 32, dict(type="words", words=WORDS))
    section["views"] = {
        "volume": scan, MASKED: cropped, OTHER: cropped, "text": said,
        WORDS_OF: {**said, "field": "text"},
        "text@sentence": {**said, "field": "sentence", "train": False},
    }  # fmt: skip
    single = dict(pairs=(("text@sentence", "volume"),), gallery="test", labels="holding",
                  gallery_labels="lesions")  # fmt: skip
    return c.recipe(
        PAPER,
        steps=400,
        data=section,
        towers=towers(volume, text, width, size),
        objectives=objectives(width, width, 4**3, size),
        optimizer=c.adamw(2e-3, weight_decay=0.01, warmup_steps=20),
        evaluators=measured("test", "fit", **single),
        log_every=100,
    )


def paper() -> dict:
    """38,875 CT scans and reports; the text tower is a BERT in three parts of four blocks."""
    bert = c.bert_text(512, lowercase=True, dropout=0.1)
    size, options = bert.encoder["vocab_size"], dict(bert.encoder)
    for key in ("type", "causal", "pool"):
        del options[key]
    text = c.pretrained("weights/bert-base-uncased",
                        {"type": "hierarchical_text", "blocks": (4, 4), **options}, "text",
                        take_head=False)  # fmt: skip
    blocks = dict(width=768, depth=12, heads=12, levels={"early": 4, "middle": 8})  # assumed
    volume = dict(type="patch_transformer", size=(96, 96, 96), patch=(8, 16, 16), channels=1,
                  pool="mean", **blocks)  # fmt: skip
    scan = dict(type="volume", size=(96, 96, 96), window=(-1000.0, 1000.0))  # assumed
    cropped = {**scan, "crop": 0.5, "intensity": 0.1, "field": "volume"}  # assumed
    said = dict(type="sentences", sentences=50, length=32, lowercase=True)  # assumed: length
    table = dict(volume="volume", text="report")
    pairs, test = (c.manifest(f"data/ct_reports/{s}.csv", None, **table) for s in ("train", "test"))
    labelled = {s: c.manifest(f"data/ct_reports/masks_{s}.csv", None, {"mask": "patches"},
                              volume="volume") for s in ("fit", "test")}  # fmt: skip
    section = c.data(pairs, 40, bert.tokenizer, workers=32)  # assumed: 10 on each of 4 devices
    section["views"] = {"volume": scan, MASKED: cropped, OTHER: cropped, "text": said,
                        WORDS_OF: {**said, "field": "text"}}  # fmt: skip
    retrieval, by_term, probe = measured(test, labelled["fit"])
    probe["token_probe"]["lesions"]["source"] = labelled["test"]
    return c.recipe(
        PAPER,
        steps=48_600,  # 50 epochs
        data=section,
        towers=towers(volume, text, 512, size, 103),
        objectives=objectives(768, 512, 8 * 16 * 16, size),
        optimizer=c.adamw(2e-5, b2=0.98, weight_decay=0.02),
        evaluators=[retrieval, by_term, probe],
        pairwise={"tile": 4},  # of so many words and patches
        checkpoints={"every": 2000},
    )  # fmt: skip


get_config = c.variants("velvet_med", small, paper)
