"""Forecasts of a series from its patches and from a text of its statistics (BALM-TSF).

Zhou et al. 2025, arXiv 2509.00622. A frozen language model with learned prompts reads the least,
greatest and median value, the trend and the strongest periods of a series; its last tokens, brought
to the scale of those of a patch embedding and aligned with it by a one-way InfoNCE, are one half of
what a linear forecast reads. What a user can take from it: the source `series` makes windows and
such texts of any table of series, and the fusion `concat_tokens` with `balance` keeps the larger of
two towers' tokens from drowning the other's in a layer that reads both.

    python -m mmjax.main --config=configs/balm_tsf.py        # generated series, a minute
    python -m mmjax.main --config=configs/balm_tsf.py:paper  # ETTh1 and GPT-2, own files
    python -m mmjax.claims balm_tsf                          # balance, alignment, and series alone

The number to look at is `regression/test/MSE`, beside `baseline/MSE` of repeating the last value;
`share/text` is how much of the forecast comes from the text. Errors are in units of the series, and
the training's in units of each past. The text's tokens are the last of the text itself, padding
left out, and the InfoNCE is the plain one: `repeat_positive=True` is the authors' code's. It
compares means of linear patch tokens, which know no period: where series shall find their texts,
give their tower the head `token_projector`, an MLP of each token.
Left out: the circular convolution over patches with its bottleneck and dropout, the alignment of
rescaled text, which would hold its own series' deviations, and training in bfloat16 with ZeRO-2.
"""

from mmjax.configs import common as c
from mmjax.data.synthetic.statistic_series import WORDS

PAPER = "Zhou et al. 2025, BALM-TSF, arXiv 2509.00622"
PAST, HORIZON, PATCH, STRIDE = 512, 96, 16, 8
PATCHES = PAST // STRIDE
TOKENS = PATCHES * HORIZON // PAST  # of the text: the share that the future is of the past
MARK = "<|endoftext|>"  # of GPT-2, which has no other


def forecaster(data: dict, text: dict, width: int, features: int, gain: float, **more) -> dict:
    """Patches of a series and the last tokens of a text, side by side, and a linear forecast.

    Args:
      data: the section.
      text: its tower, frozen.
      width: of both towers' tokens.
      features: of each token that the forecast reads.
      gain: factor of the text's tokens.
      **more: of `recipe`.
    """
    patches = dict(type="patch_tokens", patch=(PATCH,), stride=(STRIDE,), channels=1, width=width)
    sizes = {"series": PATCHES * features, "text": TOKENS * features}
    fusion = dict(type="concat_tokens", inputs=("series", "text"), tokens=(PATCHES, TOKENS),
                  features=features, weights=(1.0, gain), balance=True)  # fmt: skip
    forecast = dict(type="regression", view="both", inputs=sum(sizes.values()), target="future",
                    size=HORIZON, loss="l2")  # fmt: skip
    align = dict(type="info_nce", pairs=(("series", "text"),), direction_weights=(1.0, 0.0),
                 max_scale=None)  # fmt: skip
    measured = c.evaluator("regression", "test", target="future", modality="both", term="forecast",
                           baseline="last", unit="spread", parts=tuple(sizes.items()))  # fmt: skip
    recipe = c.recipe(
        PAPER,
        data=data,
        towers=c.towers(series=patches, text=text),
        fusions={"both": fusion},
        objectives={"forecast": forecast, "align": align},
        evaluators=[measured, c.retrieval("test", pairs=(("series", "text"),), ks=(1, 10))],
        **more,
    )
    prompt = dict(type="prompts", towers=("text",), length=TOKENS)
    return c.changed(recipe, model={"adapters": {"prompt": prompt}})


def views(text: dict) -> dict:
    """The past, its statistics, and the future."""
    past = dict(type="signal", channels=1, length=PAST)
    return dict(series=past, text=text, future=dict(type="array", shape=(HORIZON,), tower=False))


def small() -> dict:
    """2,000 generated series, and a random transformer whose tokens are 20 times as large."""
    text, width = c.tiny_text(WORDS, 14, width=64, depth=2), 64
    tower = {**text.encoder, "causal": True, "keep_last": TOKENS}
    return forecaster(
        c.data("statistic_series", 64, text.tokenizer, **views(text.view)),
        tower,
        width,
        features=32,
        gain=20.0,
        steps=600,
        optimizer=c.adamw(1e-3, freeze=("towers/text/.*",)),
        log_every=100,
    )


def paper() -> dict:
    """ETTh1, all seven channels, and the first 6 blocks of GPT-2 (`n_layer` of its config.json)."""
    width, end = 768, 50_256
    tokenizer = dict(type="huggingface", path="weights/gpt2/tokenizer.json", bos=MARK, eos=MARK,
                     pad=MARK)  # fmt: skip
    gpt2 = dict(type="text_transformer", vocab_size=50_257, length=64, width=width, depth=6,
                heads=12, causal=True, activation="gelu_tanh", eps=1e-5, pool="mean",
                keep_last=TOKENS, pad_id=end, eos_id=end)  # fmt: skip
    source = dict(type="series", path="data/ETTh1.csv", past=PAST, future=HORIZON,
                  ends=(8640, 11_520, 14_400))  # fmt: skip
    text = dict(type="text", length=64, eos=False)
    return forecaster(
        c.data(source, 24 * 4 * 7, tokenizer, workers=16, **views(text)),
        c.pretrained("weights/gpt2", gpt2, head=dict(type="none")),
        width,
        features=128,
        gain=1.0,
        steps=8400,  # 100 epochs
        optimizer=c.adamw(1e-2, freeze=("towers/text/.*",)),
    )


get_config = c.variants("balm_tsf", small, paper)
