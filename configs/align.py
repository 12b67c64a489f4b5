"""ALIGN: Scaling Up Visual and Vision-Language Representation Learning With Noisy Text Supervision.

Jia et al. 2021, arXiv 2102.05918. A plain dual encoder trained on a very large set of raw captions:
at equal size a noisy data set is worse than a clean one, but a large enough noisy one is better.
The loss is InfoNCE with label smoothing. **On the pairs here a simple method is better**: ridge
regression on the same noisy pairs, which gains from their number, too (docs/claims/align.md).

    python -m mmjax.main --config=configs/align.py          # 20,000 synthetic noisy pairs
    python -m mmjax.main --config=configs/align.py:paper    # COYO-700M, ResNet-152 and BERT
    python -m mmjax.claims align                            # against small sets

Left out: EfficientNet-L2 and BERT-Large, in whose place `paper` has a ResNet-152 and BERT-Base, and
the paper's data, which are not public.
"""

from mmjax.configs import common as c

PAPER = "Jia et al. 2021, ALIGN, arXiv 2102.05918"


def objectives() -> dict:
    """Both directions of InfoNCE, summed; the temperature starts at 1 and stays above 0.01."""
    both = dict(type="info_nce", direction_weights=(1.0, 1.0), label_smoothing=0.1)
    return {"align": dict(**both, temperature=1.0, temperature_form="temperature")}


def small() -> dict:
    """20,000 synthetic pairs; most captions are wrong or partly wrong.

    Small data sets are overfitted within a few hundred steps, so the best checkpoint is kept.
    """
    noisy = dict(type="noisy_captions", mismatched=0.4, garbled=0.2)
    clean = dict(mismatched=0.0, garbled=0.0, examples=None)
    words = c.mlp(500, (), 64, init="normal")  # a table of embeddings, and their mean
    text = {"encoder": words, "head": c.mlp_head(64, 256)}
    best = "retrieval/val/image_to_text/R@1"
    return c.recipe(
        PAPER,
        steps=1500,
        data=c.data(noisy, 256, image=c.vector(128), text=c.vector(500)),
        towers=c.towers(image=c.mlp(128, (256,), 64), text=text),
        objectives=objectives(),
        optimizer=c.adamw(1e-3, schedule="constant"),
        evaluators=[c.retrieval(split, c.held_out(split, **clean)) for split in ("val", "test")],
        log_every=100,
        evaluate_every=100,
        checkpoints=dict(every=100, keep_last=1, keep_best=1, metric=best),
    )


def paper() -> dict:
    """The paper's batch size, steps and optimizer; COYO-700M and towers of an open reproduction.

    The paper's 1.8 billion pairs are not public; the data here are tar shards filtered by the
    paper's rules for captions. The reproduction's image tower is EfficientNet-B7 and the paper's
    EfficientNet-L2, neither of which is implemented: this one is a ResNet-152, for images of 288
    pixels instead of 289, which strides of 32 divide. Text tower: BERT-Base, where the paper has
    BERT-Large. The reproduction: batch size 65,536, 300,000 steps, learning rate 2e-3 after 40,000
    warm-up steps. On 256 chips of v5e that batch does not fit, and with batch norm there are no
    exact microbatches.

    Also from the reproduction: crops of 289 of 346 pixels (of a squashed image; here the aspect
    ratio is kept). Batch norms have no weight decay and no LAMB trust ratio; everything else has
    both, including biases, layer norms and the temperature. Not from the reproduction: it uses
    stochastic depth with a rate of up to 0.2, and computes batch norm statistics over 16 images,
    not the whole batch.
    """
    # Without `remat` and with the whole state on each of 256 chips of v5e, 17.1 of 15.8 GiB.
    text = c.bert_text(64, lowercase=True, segments=0, dropout=0.1, remat="full")
    view = c.image(288, crop_scale=(0.7, 0.7), crop_ratio=(1.0, 1.0), flip=0.5, fit="squash")
    resnet152 = {**c.resnet(50, 288), "blocks": (3, 8, 36, 3)}
    shards = c.webdataset("data/coyo700m/*.tar")
    return c.recipe(
        PAPER,
        steps=1_200_000,
        data=c.data(shards, 16_384, text.tokenizer, image=view, text=text.view, workers=32),
        towers=c.towers(c.linear_head(640, bias=True), image=resnet152, text=text.encoder),
        objectives=objectives(),
        optimizer=c.lamb(
            1e-3,
            eps=1e-6,  # assumed
            weight_decay=1e-5,
            weight_decay_rules=(("towers/image/.*norm.*", 0.0), (".*", 1.0)),
            schedule="linear",
            warmup_steps=10_000,
        ),
        mesh={"fsdp": 8},
        evaluators=c.coco_evaluators(),
        checkpoints={"every": 5000},
    )


get_config = c.variants("align", small, paper)
