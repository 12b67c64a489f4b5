"""CLAP: contrastive audio-text pretraining.

Elizalde et al. 2023, "CLAP: Learning Audio Concepts From Natural Language Supervision", arXiv
2206.04769: CNN14 and a text transformer, trained with InfoNCE on sounds and their captions. Needs
the extra `audio`: pip install 'mmjax[audio]'; the variant `events` does not.

    python -m mmjax.main --config=configs/audio_text.py           # 175 real sounds, two minutes
    python -m mmjax.main --config=configs/audio_text.py:events    # synthetic, three minutes
    python -m mmjax.main --config=configs/audio_text.py:fillets   # spoken lines of a game
    python -m mmjax.main --config=configs/audio_text.py:paper     # CNN14 and BERT on 10 s clips
    python -m mmjax.claims audio_text                             # temporal order of events

`small` trains on 131 captions of the sound samples in the package and is evaluated on 30 others;
sounds and captions of both are disjoint. This is too little data for a claim about captions in
general; it shows zero-shot classification of the family of a sound (tabla, hi-hat, ambience, ...).
All results are in docs/modalities.md. Left out: weights of AudioSet for the audio tower of `paper`.
"""

from mmjax.configs import common as c

PAPER = "Elizalde et al. 2023, CLAP, arXiv 2206.04769"
PAIRS = (("audio", "text"),)
# For recordings: gain, time shift, and SpecAugment masks in time and frequency.
AUGMENT = dict(gain=6.0, shift=(-0.02, 0.2), time_masks=1, time_width=12, mel_masks=1, mel_width=4)


def objectives() -> dict:
    """Symmetric InfoNCE as in the paper; records with the same caption are not negatives."""
    return {"clip": dict(type="info_nce", pairs=PAIRS, temperature=0.07, duplicates="mask")}


def optimizer(warmup_steps: int = 50) -> dict:
    """The optimizer of the small variants."""
    return c.adamw(1e-3, weight_decay=0.1, warmup_steps=warmup_steps, clip_norm=1.0)


def small() -> dict:
    """The sound samples in the package, two seconds of each at 16 kHz."""
    rate, samples, text = 16_000, 32_000, c.tiny_text("emoji_8k", 12)
    audio = dict(
        type="cnn14",
        samples=samples,
        spectrogram=dict(rate=rate, window=800, hop=400, fft=1024, mels=32, high=None),
        augment={"mix": 0.2, "noise": 0.3, **AUGMENT},
        widths=(16, 32, 64),
    )
    view = dict(type="audio", rate=rate, length=samples, normalize=True, cache_decoded=True)
    source = dict(type="samples", split="train")
    return c.recipe(
        PAPER,
        steps=400,
        data=c.data(source, 32, text.tokenizer, audio=view, text=text.view),
        towers=c.towers(c.linear_head(64), audio=audio, text=text.encoder),
        objectives=objectives(),
        optimizer=optimizer(),
        evaluators=[
            c.retrieval("new_captions", pairs=PAIRS),
            c.zero_shot("family", modality="audio", labels="group"),
        ],
        checkpoints={"every": 200},
    )


def audio_transformer(samples: int, spectrogram: dict, **options: object) -> dict:
    """A small spectrogram transformer, which has access to the order of events."""
    sizes = dict(patch=8, stride=(8, 8), width=64, depth=2, heads=4, eps=1e-6, init="xavier")
    given = dict(samples=samples, spectrogram={"rate": 8000, "mels": 32, **spectrogram})
    return {"type": "audio_transformer", **given, **sizes, **options}


def recordings(seconds: int) -> tuple[dict, dict]:
    """View and encoder of 8 kHz recordings; training shifts, masks and scales them."""
    samples = 8000 * seconds
    spectrogram = dict(window=400, hop=200, fft=512, floor=1e-6, mean=-4.5, std=4.0)
    view = dict(type="audio", rate=8000, length=samples, normalize=True, cache_decoded=True)
    return view, audio_transformer(samples, spectrogram, augment=AUGMENT)


def events() -> dict:
    """Synthetic sounds of three events; held out are all orders of unseen sets of events."""
    text = c.tiny_text("emoji_8k", 24, depth=2)
    spectrogram = dict(window=256, hop=80, fft=256, low=80.0, style="centred", scale="slaney")
    spectrogram |= dict(floor=1e-6, mean=-6.0, std=4.0)
    view = dict(type="audio", rate=8000, length=8000)
    return c.recipe(
        PAPER,
        steps=800,
        data=c.data("event_audio", 64, text.tokenizer, audio=view, text=text.view),
        towers=c.towers(
            c.linear_head(64), audio=audio_transformer(8000, spectrogram), text=text.encoder
        ),
        objectives=objectives(),
        optimizer=optimizer(warmup_steps=100),
        evaluators=[
            c.retrieval("new_sets", pairs=PAIRS),
            c.retrieval("validation", "validation", pairs=PAIRS),
        ],
        checkpoints={"every": 400},
    )


def fillets() -> dict:
    """Spoken lines of Fish Fillets and their Czech texts; needs the Debian packages.

    1,290 lines for training and 417 of other levels for testing, up to four seconds of each.
    """
    text = c.tiny_text("bytes", 96, width=96, depth=2, lowercase=True)
    view, audio = recordings(4)
    source = dict(type="fillets", split="train")
    return c.recipe(
        PAPER,
        steps=240,
        data=c.data(source, 64, text.tokenizer, audio=view, text=text.view),
        towers=c.towers(c.linear_head(64), audio=audio, text=text.encoder),
        objectives=objectives(),
        optimizer=optimizer(),
        evaluators=[c.retrieval("new_levels", pairs=PAIRS)],
        checkpoints={"every": 200},
    )


def paper() -> dict:
    """CNN14 and BERT on 128,010 pairs, five seconds each, as in section 3 of the paper.

    You need a manifest of sound files and captions (FSD50k, ClothoV2, AudioCaps, MACS), and BERT's
    weights in Hugging Face's format. The audio tower here is trained from scratch; the paper's is
    pretrained on AudioSet (PANNs).
    """
    rate, samples, text = 44_100, 220_500, c.bert_text(100, lowercase=True)
    spectrogram = dict(rate=rate, window=1024, hop=320, fft=1024, mels=64, high=8000.0)
    audio = dict(type="cnn14", samples=samples, spectrogram=spectrogram, dropout=0.2)
    pairs = c.manifest("data/clap/train.csv", "train", audio="file", text="caption")
    view = dict(type="audio", rate=rate, length=samples)
    return c.recipe(
        PAPER,
        steps=40_000,
        data=c.data(pairs, 128, text.tokenizer, audio=view, text=text.view, workers=16),
        towers=c.towers(
            c.mlp_head(1024, 1024, activation="gelu"),
            audio=audio,
            text=c.pretrained("weights/bert", text.encoder, "text"),
        ),
        objectives=objectives(),
        optimizer=c.adamw(1e-3, warmup_steps=1000),
        evaluators=[c.retrieval("val", "val", pairs=PAIRS)],
        checkpoints={"every": 2000},
    )


get_config = c.variants("audio_text", small, events, fillets, paper)
