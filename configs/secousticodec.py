"""SecoustiCodec: codes of speech, frame by frame, that say what the text says and not who speaks.

Qiang et al. 2025, arXiv 2508.02849. An encoder's frames are rounded to few levels in each number
(finite scalar quantization); a decoder rebuilds the speech from these codes and one vector of the
whole utterance; and a contrastive loss between all frames of a batch aligns the codes with the
phonemes of the text. What a user can take from it: the head `fsq` makes codes of the tokens of any
tower, which further heads, decoders and terms read by level='codes', without a codebook to train;
and `region_nce` with mean='parts' aligns two sequences of any kind whose steps are in time. Try
first to subtract the mean of each utterance: where speakers differ by an offset, as in the claim's
data, codes then say what is said, and the contrast gains nothing that its seeds agree on.

    python -m mmjax.main --config=configs/secousticodec.py        # generated frames, a minute
    python -m mmjax.main --config=configs/secousticodec.py:paper  # 86 frames a second, own files
    python -m mmjax.claims secousticodec                          # what the contrast adds to codes

The numbers to look at are `probe/phoneme/accuracy`, which should be high, and
`probe/speaker/accuracy`, which should be low. Left out: the decoder to sound, its adversarial
losses and PESQ, for which a decoder to mel frames stands; the noise of a VAE before the codes; the
acoustic path and stages of the training, which the paper's code does not release; transformers
behind the convolutions; and the clip of another utterance that gives the global vector.
"""

from mmjax.configs import common as c
from mmjax.data.synthetic.phoneme_speech import BANDS, FRAMES, PHONEMES

PAPER = "Qiang et al. 2025, SecoustiCodec, arXiv 2508.02849"
PAIR = ("phonemes", "speech")


def towers(speech: dict, phonemes: dict, bands: int, width: int, levels: tuple[int, ...]) -> dict:
    """Codes of speech; and of them, and of phonemes, what is compared; one vector of the voice.

    Args:
      speech, phonemes: encoders of frames.
      bands: numbers of a frame of speech.
      width: of what is compared, and of the voice.
      levels: of each number of a code.
    """
    contrast = c.linear_head(width, tokens=True)
    mean = dict(type="token_mlp", inputs=bands, hidden=(), width=width)
    return {
        "speech": {
            "encoder": speech,
            "head": dict(type="fsq", levels=levels, tokens=True),
            "heads": {
                "codes": dict(type="none", level="codes"),
                "contrast": {**contrast, "level": "codes"},
            },
        },
        "phonemes": {"encoder": phonemes, "heads": {"contrast": contrast}},
        "voice": {"reads": "speech", "encoder": mean, "head": c.mlp_head(width, width)},
    }


def objectives(bands: int, width: int, dims: int, **decoder: object) -> dict:
    """The frames from their codes and the voice; and frames of speech with those of phonemes."""
    rebuilt = dict(type="regression", view="speech", head={"speech": "codes"}, target="frames",
                   tokens=True, beside=("voice",), inputs=dims + width, size=bands, loss="l2",
                   **decoder)  # fmt: skip
    aligned = dict(type="region_nce", pair=PAIR, head="contrast", scope="batch", mean="parts")
    return {"reconstruction": rebuilt, "contrast": aligned}


def views(frames: int, bands: int, phonemes: int) -> dict:
    """Speech and phonemes side by side in time, and speech as what is to be rebuilt."""
    speech = dict(type="sequence", length=frames, dim=bands)
    return {
        "speech": speech,
        "frames": {**speech, "field": "speech", "tower": False},
        "phonemes": dict(type="sequence", length=frames, dim=phonemes),
    }


def measured(test: object, few: object, fit: object, frames: int, **probe: object) -> list[dict]:
    """What codes say of the speaker and of each frame's phoneme, how many there are, and frames.

    Args:
      test, fit: sources.
      few: of the test, those whose frames are searched for each other.
      frames: of an utterance, with padding.
      **probe: options of that of phonemes.
    """
    common, tokens = dict(source=test, train=fit, modalities=("speech",)), dict(tokens=frames)
    named = dict(labels="phoneme", **tokens)
    return [
        c.probe("speaker", **common, labels="speaker", layer="codes", c=0.01),
        c.probe("phoneme", **common, **named, layer="codes.encoder.tokens", **probe),
        c.retrieval("frames", few, pairs=(PAIR,), ks=(1,), **named, layer="contrast.tokens"),
        c.evaluator("code_usage", "speech", test, pair=("speech",)),
    ]


def small() -> dict:
    """20 phonemes by 30 speakers in frames of 24 numbers; codes of six numbers with 3 levels."""
    width, levels = 32, (3,) * 6
    conv = dict(type="temporal_conv", kernel=3)
    test, fit = (c.held_out(name, text="own") for name in ("test", "fit"))
    few = {**test, "examples": 40}
    return c.recipe(
        PAPER,
        steps=1000,
        data={**c.data("phoneme_speech", 16), "views": views(FRAMES, BANDS, PHONEMES)},
        towers=towers(
            {**conv, "channels": BANDS, "widths": (width,) * 3, "causal": True},
            {**conv, "channels": PHONEMES, "widths": (width,) * 2},
            BANDS, width, levels,
        ),
        objectives=objectives(BANDS, width, len(levels), hidden=(width,), kernel=3),
        optimizer=c.adamw(1e-2, warmup_steps=50),
        evaluators=measured(test, few, fit, FRAMES, hidden=64),
        log_every=200,
    )  # fmt: skip


def paper() -> dict:
    """Stored mel frames of 80 bands, 86 a second, and phonemes by forced alignment; 6,561 codes.

    `speech` and `phonemes` are columns of `.npy` files, f32[T, 80] and one-hot f32[T, 72].
    """
    bands, phonemes, frames, width, levels = 80, 72, 860, 512, (3,) * 8  # assumed: 10 s, phonemes
    conv = dict(type="temporal_conv", kernel=7, dilation=2, activation="elu")
    train, test = (
        c.manifest(f"data/speech/{split}.csv", None, {"speaker": "speaker"},
                   speech="mel", phonemes="phonemes")
        for split in ("train", "val")
    )  # fmt: skip
    return c.recipe(
        PAPER,
        steps=200_000,  # assumed
        data={**c.data(train, 64, workers=32), "views": views(frames, bands, phonemes)},
        towers=towers(
            {**conv, "channels": bands, "widths": (width,) * 8, "causal": True},
            {**conv, "channels": phonemes, "widths": (width,) * 4},
            bands, width, levels,
        ),
        objectives=objectives(bands, width, len(levels), hidden=(width,) * 3, kernel=7),
        optimizer=c.adamw(2e-4, weight_decay=0.01, warmup_steps=2000),  # assumed
        evaluators=[
            c.probe("speaker", test, train, labels="speaker", modalities=("speech",),
                    layer="codes", c=0.01),
            c.evaluator("code_usage", "speech", test, pair=("speech",)),
        ],
        checkpoints={"every": 5000},
    )  # fmt: skip


get_config = c.variants("secousticodec", small, paper)
