"""Pictures, sounds and texts in one space, where most sounds are missing (ImageBind).

Girdhar et al. 2023, "ImageBind: One Embedding Space To Bind Them All", arXiv 2305.05665: every
modality is paired with pictures alone, and those that never met are bound by them.

    python -m mmjax.main --config=configs/image_audio_text.py           # generated, minutes
    python -m mmjax.main --config=configs/image_audio_text.py:stamps    # Tux Paint, if installed
    python -m mmjax.main --config=configs/image_audio_text.py:paper     # ViT-H and AST
    python -m mmjax.claims image_audio_text                             # the claim

`small`: three events in a row, heard, written and drawn as a score; half of the rows have no sound,
and no term pairs sounds with texts. `stamps` has pictures and captions of 627 things, of which 104
have a sound (66 to train on, 20 to test, two of each silent): the row of a thing without one takes
part in no pair of sounds. So few are there to try, not to claim anything.

Measured, three seeds, R@1 among 264 (chance .004; a bag of events at most .17): sound to text, the
pair that no term trains, .49 ± .04, and text to sound .46 ± .03; picture to sound .76 ± .02,
picture to text .93 ± .01. The paper: emergent zero-shot ESC-50 .669, AudioCaps text-to-audio .093.

`stamps`, three seeds, some three minutes of one core each: among 125 captions picture to text R@1
.04 ± .01, R@10 .21 ± .03, and back .04 ± .01, .17 ± .04 (chance .008, .08). Of sounds it learns
nothing that chance could not do (picture to sound among 18, R@5 .24 ± .03, chance .28): 64 are too
few.
"""

from configs import audio_text, base

PAPER = "Girdhar et al. 2023, ImageBind, arXiv 2305.05665"
BOUND = (("image", "text"), ("image", "audio"))
UNSEEN = (("audio", "text"),)


def objectives() -> dict:
    """InfoNCE of pictures with texts and of pictures with sounds, each with its temperature."""
    return {
        f"image_{other}": {
            "type": "info_nce",
            "pairs": (("image", other),),
            "temperature": 0.07,
            "duplicates": "mask",
        }
        for other in ("text", "audio")
    }


def retrieval(source: dict) -> dict:
    """The bound pairs, and the pair that no term trains."""
    return {
        "retrieval": {
            "bound": {"source": source, "pairs": BOUND},
            "unseen_pair": {"source": source, "pairs": UNSEEN},
        }
    }


def small() -> dict:
    """Generated events, heard, written and drawn; half of the sounds are missing."""
    config = audio_text.events()
    config["data"]["source"] = {"type": "event_audio", "image": True, "missing": 0.5}
    config["data"]["views"]["image"] = {"type": "image", "size": 24, "interpolation": "bilinear"}
    image = {
        "type": "resnet",
        "block": "basic",
        "blocks": (1,),
        "widths": (32,),
        "stem": "patch2",
        "pool": "flatten",
        "pool_width": 8,
        "image_size": (24, 24),
    }
    config["model"]["towers"]["image"] = {"encoder": image, "head": {"type": "linear", "dim": 64}}
    return {
        **config,
        "paper": PAPER,
        "objectives": objectives(),
        "steps": 600,
        "evaluators": retrieval(base.held_out(missing=0.0)),
    }


def stamps() -> dict:
    """Stamps of Tux Paint with their sounds, where the Debian package is installed."""
    emoji = base.emoji(objectives())
    data = emoji["data"]
    data["source"] = {"type": "tux_paint", "split": "train", "effects": True}
    data["views"]["text"]["length"] = 24
    data["batch_size"] = 128
    towers = emoji["model"]["towers"]
    towers["text"]["encoder"]["length"] = 24
    data["views"]["audio"], towers["audio"] = audio_text.recordings(2, 256)
    source = base.held_out()
    return {
        **emoji,
        "paper": PAPER,
        "steps": 200,
        "evaluators": {
            **retrieval(source),
            "zero_shot": {
                m: {"source": source, "modality": m, "labels": "category"}
                for m in ("image", "audio")
            },
        },
        "checkpoints": {"every": 100},
    }


def paper() -> dict:
    """Section 4 and table 9 of the paper: ViT-H pictures and OpenCLIP's texts, frozen; AST of 2 s.

    Bring a manifest of AudioSet clips (a frame, two seconds of sound), and OpenCLIP ViT-H/14's
    weights; texts come with the weights and are not trained.
    """
    audio = {
        "type": "audio_transformer",
        "samples": 3 * 32_000,  # three clips of two seconds, whose mean is taken
        "spectrogram": {"mels": 128, "std": 9.1379948},
        "patch": 16,
        "stride": (10, 10),
        "width": 768,
        "depth": 12,
        "heads": 12,
        "drop_path": 0.1,
        "mask_padding": False,
    }
    image = base.vit(
        14,
        size="large",
        pool="cls",
        pre_norm=True,
        patch_bias=False,
        eps=1e-5,
        init="clip",
        width=1280,
        depth=32,
        heads=16,
    )
    head = {"type": "linear", "dim": 1024}
    return {
        "paper": PAPER,
        "steps": 62_500,
        "data": {
            "source": {
                "type": "manifest",
                "path": "data/audioset/train.csv",
                "split": "train",
                "columns": {"image": "frame", "audio": "sound"},
            },
            "views": {
                "image": {
                    "type": "image",
                    "size": 224,
                    "mean": base.CLIP_MEAN,
                    "std": base.CLIP_STD,
                },
                "audio": {"type": "audio", "rate": 16_000, "length": 3 * 32_000},
            },
            "batch_size": 2048,
            "workers": 32,
        },
        "model": {
            "towers": {
                "image": {
                    "init_from": {"path": "weights/open_clip_vit_h_14", "part": "image"},
                    "encoder": image,
                    "head": head,
                },
                "audio": {"encoder": audio, "head": head},
            }
        },
        "objectives": {
            "image_audio": {
                "type": "info_nce",
                "pairs": (("image", "audio"),),
                "temperature": 0.05,
                "learn_temperature": False,
            }
        },
        "optimizer": {
            "freeze": (r"towers/image/.*",),
            "learning_rate": 1.6e-3,
            "b2": 0.95,
            "weight_decay": 0.2,
            "warmup_steps": 2000,
            "clip_norm": 1.0,
        },
        "evaluators": {
            "retrieval": {"val": {"source": base.held_out("val"), "pairs": (("image", "audio"),)}}
        },
        "checkpoints": {"every": 2000},
    }


def claim() -> dict:
    """Sounds and texts that never met, bound by pictures."""
    unseen, bound = (
        tuple(f"retrieval/{which}/{way}/R@1" for way in ways)
        for which, ways in (
            ("unseen_pair", ("audio_to_text", "text_to_audio")),
            ("bound", ("image_to_audio", "image_to_text")),
        )
    )
    return {
        **small(),
        "claim": {
            "statement": "sounds find texts, and texts sounds, that no term ever paired, at R@1 "
            ".25 or more of 264 (chance .004; a bag of events at most .167), by pictures alone",
            "arms": {"bound by pictures": ()},
            "checks": tuple(
                {"metric": metric, "arm": "bound by pictures", "compare": ">=", "offset": 0.25}
                for metric in unseen
            ),
            "metrics": (*unseen, *bound),
            "seed_keys": base.WORLD_SEED,
            "paper_numbers": "emergent zero-shot: ESC-50 .669, AudioCaps text-to-audio R@1 .093",
        },
    }


get_config = base.variants(
    "image_audio_text", {"small": small, "stamps": stamps, "paper": paper, "claim": claim}
)
