"""What the commands that embed data share: which model, and how many items at a time."""

from absl import flags

MODEL = flags.DEFINE_string(
    "model", None, "A run, an export, weights, or hf://owner/name.", allow_override=True
)
CHECKPOINT = flags.DEFINE_string(
    "checkpoint", "latest", "Of a run: latest, previous, best, or a step.", allow_override=True
)
BATCH = flags.DEFINE_integer(
    "batch_size", 256, "Items in one call of the model.", lower_bound=1, allow_override=True
)
