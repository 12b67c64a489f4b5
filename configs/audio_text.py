"""Sounds and what they are called, in one space (CLAP).

Elizalde et al. 2023, "CLAP: Learning Audio Concepts From Natural Language Supervision", arXiv
2206.04769: CNN14 and a text transformer, trained with InfoNCE on sounds and their captions. Needs
the extra `audio`: pip install 'mmjax[audio]'; `events` does not.

    python -m mmjax.main --config=configs/audio_text.py           # 175 real sounds, two minutes
    python -m mmjax.main --config=configs/audio_text.py:events    # generated, three minutes
    python -m mmjax.main --config=configs/audio_text.py:fillets   # Czech lines of a game, if there
    python -m mmjax.main --config=configs/audio_text.py:paper     # CNN14 and BERT on 10 s clips
    python -m mmjax.claims audio_text                             # the claim, on generated events

`small` learns from 131 captions of the embedded samples and is evaluated on 30 others, which hold
no sound and no caption of training. Those are too few to claim anything about captions in general:
what it shows is that the family of a sound (tabla, hi-hat, ambience, ...) is found by its name. The
claim is made on generated sounds: three events in one of six orders, and captions of which only the
order differs.

Measured. `events`, three seeds, among 264: sound to caption R@1 .49 ± .09, caption to sound .46 ±
.06 (chance .004, a bag of events at most .17), R@10 .99. `small`, three seeds: the family of a new
sound, zero-shot among 10, .39 ± .05 (chance .10); its caption among 30, R@5 .49 ± .12, R@10 .67 ±
.09, and back .50 ± .10 and .70 ± .13 (chance .17 and .33); R@1 .10 ± .03 and .17 ± .06 (.03).
`fillets`, three seeds, three minutes of one core each, among 417 lines of other levels: speech to
words R@1 .012 ± .006, R@10 .104 ± .001, and back .014 ± .006 and .101 ± .005 (chance .002 and
.024). The paper: zero-shot accuracy on ESC-50 .826 (chance .02).
"""

from configs import base

PAPER = "Elizalde et al. 2023, CLAP, arXiv 2206.04769"
# Of recordings: louder or softer, moved, and a part of time and of frequencies left out.
AUGMENT = {
    "gain": 6.0,
    "shift": (-0.02, 0.2),
    "time_masks": 1,
    "time_width": 12,
    "mel_masks": 1,
    "mel_width": 4,
}
PAIRS = (("audio", "text"),)


def objectives() -> dict:
    """Symmetric InfoNCE as in the paper; records of one caption are no negatives."""
    return {"clip": {"type": "info_nce", "pairs": PAIRS, "temperature": 0.07, "duplicates": "mask"}}


def text_tower(length: int, width: int, depth: int, dim: int, vocab_size: int = 8000) -> dict:
    """A small text transformer and a linear head."""
    encoder = {
        "type": "text_transformer",
        "vocab_size": vocab_size,
        "length": length,
        "width": width,
        "depth": depth,
        "heads": 4,
        "causal": False,
        "pool": "mean",
        "init": "xavier",
    }
    return {"encoder": encoder, "head": {"type": "linear", "dim": dim}}


def optimizer(**changes: object) -> dict:
    """Of the small variants."""
    return {
        "learning_rate": 1e-3,
        "weight_decay": 0.1,
        "warmup_steps": 50,
        "clip_norm": 1.0,
        **changes,
    }


def small() -> dict:
    """The embedded sound samples, two seconds of each at 16 kHz."""
    audio = {
        "type": "cnn14",
        "samples": 32_000,
        "spectrogram": {
            "rate": 16_000,
            "window": 800,
            "hop": 400,
            "fft": 1024,
            "mels": 32,
            "high": None,
        },
        "augment": {"mix": 0.2, "noise": 0.3, **AUGMENT},
        "widths": (16, 32, 64),
    }
    test = base.held_out()
    return {
        "paper": PAPER,
        "steps": 400,
        "data": {
            "source": {"type": "samples", "split": "train"},
            "tokenizer": {"type": "sentencepiece", "path": "emoji_8k"},
            "views": {
                "audio": {
                    "type": "audio",
                    "rate": 16_000,
                    "length": 32_000,
                    "normalize": True,
                    "cache_decoded": True,
                },
                "text": {"type": "text", "length": 12},
            },
            "batch_size": 32,
        },
        "model": {
            "towers": {
                "audio": {"encoder": audio, "head": {"type": "linear", "dim": 64}},
                "text": text_tower(12, 64, 1, 64),
            }
        },
        "objectives": objectives(),
        "optimizer": optimizer(),
        "evaluators": {
            "retrieval": {"new_captions": {"source": test, "pairs": PAIRS}},
            "zero_shot": {"family": {"source": test, "modality": "audio", "labels": "group"}},
        },
        "checkpoints": {"every": 200},
    }


def audio_transformer(samples: int, spectrogram: dict, dim: int, **options: object) -> dict:
    """A small spectrogram transformer and a linear head; it knows when what was heard."""
    encoder = {
        "type": "audio_transformer",
        "samples": samples,
        "spectrogram": spectrogram,
        "patch": 8,
        "stride": (8, 8),
        "width": 64,
        "depth": 2,
        "heads": 4,
        "eps": 1e-6,
        "init": "xavier",
        **options,
    }
    return {"encoder": encoder, "head": {"type": "linear", "dim": dim}}


def event_audio_tower(dim: int) -> dict:
    """For a second at 8 kHz."""
    spectrogram = {
        "rate": 8000,
        "window": 256,
        "hop": 80,
        "fft": 256,
        "mels": 32,
        "low": 80.0,
        "style": "centred",
        "scale": "slaney",
        "floor": 1e-6,
        "mean": -6.0,
        "std": 4.0,
    }
    return audio_transformer(8000, spectrogram, dim)


def recordings(seconds: int, dim: int) -> tuple[dict, dict]:
    """View and tower of recordings at 8 kHz, which training moves, masks, and makes louder."""
    spectrogram = {
        "rate": 8000,
        "window": 400,
        "hop": 200,
        "fft": 512,
        "mels": 32,
        "floor": 1e-6,
        "mean": -4.5,
        "std": 4.0,
    }
    samples = 8000 * seconds
    view = {
        "type": "audio",
        "rate": 8000,
        "length": samples,
        "normalize": True,
        "cache_decoded": True,
    }
    return view, audio_transformer(samples, spectrogram, dim, augment=AUGMENT)


def events() -> dict:
    """Generated sounds of three events; the test has all orders of sets that were never heard."""
    return {
        "paper": PAPER,
        "steps": 800,
        "data": {
            "source": {"type": "event_audio"},
            "tokenizer": {"type": "sentencepiece", "path": "emoji_8k"},
            "views": {
                "audio": {"type": "audio", "rate": 8000, "length": 8000},
                "text": {"type": "text", "length": 24},
            },
            "batch_size": 64,
        },
        "model": {"towers": {"audio": event_audio_tower(64), "text": text_tower(24, 64, 2, 64)}},
        "objectives": objectives(),
        "optimizer": optimizer(warmup_steps=100),
        "evaluators": {"retrieval": {"new_sets": {"source": base.held_out(), "pairs": PAIRS}}},
        "checkpoints": {"every": 400},
    }


def fillets() -> dict:
    """Spoken lines of Fish Fillets and their Czech words, where the Debian packages are installed.

    1,290 lines to train on and 417 of other levels to test on, up to four seconds of each.
    """
    config = small()
    test = base.held_out()
    config["data"]["source"] = {"type": "fillets", "split": "train"}
    config["data"]["tokenizer"] = {"type": "bytes"}
    config["data"]["views"]["text"] = {"type": "text", "length": 96, "lowercase": True}
    config["data"]["batch_size"] = 64
    towers = config["model"]["towers"]
    config["data"]["views"]["audio"], towers["audio"] = recordings(4, 64)
    towers["text"] = text_tower(96, 96, 2, 64, vocab_size=260)
    return {
        **config,
        "steps": 240,
        "evaluators": {"retrieval": {"new_levels": {"source": test, "pairs": PAIRS}}},
    }


def paper() -> dict:
    """CNN14 and BERT on 128,010 pairs, five seconds each, as section 3 of the paper says.

    Bring a manifest of sound files and captions (FSD50k, ClothoV2, AudioCaps, MACS), and BERT's
    weights in Hugging Face's layout. The audio tower here starts from scratch; the paper's has been
    trained on AudioSet (PANNs).
    """
    bert = base.bert(100)
    head = {"type": "mlp", "dim": 1024, "hidden": 1024, "activation": "gelu"}
    rate, length = 44_100, 220_500
    audio = {
        "type": "cnn14",
        "samples": length,
        "spectrogram": {
            "rate": rate,
            "window": 1024,
            "hop": 320,
            "fft": 1024,
            "mels": 64,
            "high": 8000.0,
        },
        "dropout": 0.2,
    }
    return {
        "paper": PAPER,
        "steps": 40_000,
        "data": {
            "source": {
                "type": "manifest",
                "path": "data/clap/train.csv",
                "split": "train",
                "columns": {"audio": "file", "text": "caption"},
            },
            "tokenizer": base.bert_tokenizer(),
            "views": {
                "audio": {"type": "audio", "rate": rate, "length": length},
                "text": {"type": "text", "length": 100, "lowercase": True},
            },
            "batch_size": 128,
            "workers": 16,
        },
        "model": {
            "towers": {
                "audio": {"encoder": audio, "head": head},
                "text": {
                    "init_from": {"path": "weights/bert", "part": "text"},
                    "encoder": bert,
                    "head": head,
                },
            }
        },
        "objectives": objectives(),
        "optimizer": {"learning_rate": 1e-3, "schedule": "cosine", "warmup_steps": 1000},
        "evaluators": {"retrieval": {"val": {"source": base.held_out("val"), "pairs": PAIRS}}},
        "checkpoints": {"every": 2000},
    }


def claim() -> dict:
    """Order in sounds and captions, of sets of events that were never trained on."""
    metrics = tuple(
        f"retrieval/new_sets/{way}/R@{k}"
        for way in ("audio_to_text", "text_to_audio")
        for k in (1, 5, 10)
    )
    return {
        **events(),
        "claim": {
            "statement": "the caption of a sound of three events in an order that was never heard "
            "is found among 264, where all six orders of a set stand: R@1 at least .4 both ways, "
            "more than twice what a bag of events can reach (1/6; chance .004)",
            "arms": {"events": ()},
            "checks": tuple(
                {"metric": metric, "arm": "events", "compare": ">=", "offset": 0.4}
                for metric in (metrics[0], metrics[3])
            ),
            "metrics": metrics,
            "seed_keys": base.WORLD_SEED,
            "paper_numbers": "zero-shot ESC-50 accuracy .826 (chance .02)",
        },
    }


get_config = base.variants(
    "audio_text",
    {"small": small, "events": events, "fillets": fillets, "paper": paper, "claim": claim},
)
