"""CLIP's ResNets in open_clip's layout (RN50 to RN50x64, and the same without quick_gelu).

Radford et al. 2021, section 2.4. Their batch norms keep running statistics, which training goes on
to update as in any ResNet here.
"""

from __future__ import annotations

from typing import Any

from mmjax.weights import keymap
from mmjax.weights.files import WeightsError
from mmjax.weights.hf_options import Options
from mmjax.weights.keymap import Part, Rule

PASSED_OVER = ((r"visual\..*\.num_batches_tracked", "a counter of training"),)
_BELOW = 32  # the stride of the whole network


def tower(options: Options, dim: int) -> Part:
    """The image tower of a vision_cfg whose `layers` is a list.

    Raises:
      WeightsError: for images that are not square: its positions are for the smaller side twice.
    """
    size, width, blocks = options.image_size(), options.size("width"), tuple(options["layers"])
    if size[0] != size[1] or size[0] % _BELOW or len(blocks) != 4:
        raise WeightsError(
            f"vision_cfg: image_size={size} and layers={blocks}: a ResNet of open_clip has square "
            f"images of a multiple of {_BELOW} pixels a side, and four stages"
        )
    widths = tuple(width * 2**stage for stage in range(4))
    encoder: dict[str, Any] = {
        "type": "resnet",
        "image_size": size,
        "channels": 3,
        "block": "bottleneck",
        "blocks": blocks,
        "widths": widths,
        "stem": "clip",
        "antialias": True,
        "norm": "batch",
        "pool": "attention",
        "heads": width * _BELOW // options["head_width"],
        "pool_width": dim,
    }
    rules: tuple[Rule, ...] = ()
    for i in range(3):
        conv, norm = f"visual.conv{i + 1}", f"visual.bn{i + 1}"
        rules += _conv_norm(f"encoder/stem/convs/{i}", f"encoder/stem/norms/{i}", conv, norm)
    block, current = 0, width
    for stage, (count, own) in enumerate(zip(blocks, widths, strict=True)):
        for i in range(count):
            ours, theirs = f"encoder/blocks/{block}", f"visual.layer{stage + 1}.{i}."
            for k in range(3):
                conv, norm = f"{theirs}conv{k + 1}", f"{theirs}bn{k + 1}"
                rules += _conv_norm(f"{ours}/convs/{k}", f"{ours}/norms/{k}", conv, norm)
            if i == 0 and (stage > 0 or current != 4 * own):
                here = f"{ours}/shortcut", f"{ours}/shortcut_norm"
                rules += _conv_norm(*here, f"{theirs}downsample.0", f"{theirs}downsample.1")
            block, current = block + 1, 4 * own
    pool = "encoder/attention_pool"
    rules += keymap.same(f"{pool}/position", "visual.attnpool.positional_embedding")
    for part, name in (("query", "q"), ("key", "k"), ("value", "v"), ("out", "c")):
        rules += keymap.linear(f"{pool}/attention/{part}", f"visual.attnpool.{name}_proj")
    return Part(encoder, {"type": "none"}, rules)


def _conv_norm(conv: str, norm: str, their_conv: str, their_norm: str) -> tuple[Rule, ...]:
    return (
        *keymap.convolution(conv, their_conv, bias=False),
        *keymap.batch_norm(f"{norm}/norm", their_norm),
    )
