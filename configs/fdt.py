"""Revisiting Multimodal Representation: From Patch and Token Embeddings to Finite Discrete Tokens.

Chen et al. 2023, arXiv 2303.14865. Images and texts are represented as sparse combinations of a
shared set of learned codes, which the contrastive loss compares.

    python -m mmjax.main --config=configs/fdt.py          # emoji
    python -m mmjax.main --config=configs/fdt.py:paper    # CC3M, ViT-B/32
    python -m mmjax.claims fdt                            # against pooled tokens, sets of concepts

Left out: question answering and linear probes on other sets; the codes and the loss are whole.
"""

import math

from mmjax.configs import common as c

PAPER = "Chen et al. 2023, Finite Discrete Tokens, arXiv 2303.14865"


def codebook(codes: int, dim: int, temperature: float, **options: object) -> dict:
    """The shared codebook, referenced by both towers."""
    return {"type": "codebook", "codes": codes, "dim": dim, "temperature": temperature, **options}


def objectives(**options: object) -> dict:
    """Symmetric InfoNCE; 1/temperature starts at 14.3 and is at most 100."""
    return {"clip": {"type": "info_nce", "temperature": 0.07, "max_scale": 100.0, **options}}


def small() -> dict:
    """Emoji and their names: patches of the last feature map, and word pieces."""
    head = codebook(512, 256, 30.0)
    # The head takes tokens, as wide as the last feature map, and pools them itself.
    image = {"head": head, "encoder": dict(pool="mean", pool_width=None)}
    usage = c.evaluator("code_usage", "test", dict(type="emoji", split="new_style"))
    return c.changed(
        c.emoji(PAPER, objectives()),
        model={"towers": {"image": image, "text": {"head": head}}},
        evaluators=usage,
    )


def paper() -> dict:
    """The released CC3M configuration: 32 epochs, batch size 1024, 16,384 codes.

    Here, patches are taken after the final layer norm; in the released code, before it, where the
    query map starts with a layer norm of its own. The learning rate is warmed up from 0; there,
    from 1e-4. 1/temperature is between exp(3) and 100; there it starts at 14.3, for one step.
    """
    image, text = c.openai_image(), c.causal_text(**c.OPENAI)
    image_head, text_head = (codebook(16_384, 512, 1000.0, skip=skip) for skip in (1, 0))
    normal = dict(mean=c.CLIP_MEAN, std=c.CLIP_STD)  # assumed
    view = c.simclr_view(224, (0.2, 1.0), blur=0.5, **normal)
    shards = c.webdataset("data/cc3m/*.tar")
    return c.recipe(
        PAPER,
        steps=86_560,
        data=c.data(shards, 1024, text.tokenizer, image=view, text=text.view, workers=32),
        towers=c.towers(
            image={"encoder": image, "head": image_head},  # without the class token
            text={"encoder": text.encoder, "head": text_head},
        ),
        objectives=objectives(temperature=math.exp(-3), min_scale=math.exp(3)),
        optimizer=c.adamw(
            1e-3,
            b2=0.98,
            weight_decay=0.1,
            # All but norms, biases and the temperature; also codes and embeddings.
            weight_decay_rules=((".*(bias|scale)", 0.0), (".*", 1.0)),
            warmup_steps=2500,
        ),
        evaluators=c.coco_evaluators(),
        checkpoints={"every": 2000},
    )


get_config = c.variants("fdt", small, paper)
