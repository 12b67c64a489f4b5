"""The recurrent network of texts."""

from encoder_harness import Setting, sentences

from mmjax.encoders import TextGRU

SETTINGS = (
    Setting(
        TextGRU,
        {"vocab_size": 30, "length": 9, "embedding": 4, "hidden": 4, "attention": 3, "eos_id": 1},
        inputs=sentences,
        variants=(),
    ),
)
