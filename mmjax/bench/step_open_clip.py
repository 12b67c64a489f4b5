"""The step benchmark, open_clip: `python -m mmjax.bench.step_open_clip MODEL BATCH [options]`.

The model, the loss and the optimizer as open_clip's own training loop puts them together: weight
decay on all but gains and biases, gradients clipped by their norm, and the logit scale kept below
100. PyTorch is eager; with `amp` it is compiled, and products are in bfloat16 by autocast, as by
open_clip's `--torchcompile --precision amp_bf16`. With `device=gpu` it runs on the GPU, whose
memory is what is said, or ends where PyTorch has none.
"""

import sys
from collections.abc import Callable

from mmjax.bench import step_models as models
from mmjax.bench import turns


def main(model: str, batch: int, *options: str) -> None:
    import open_clip
    import torch

    device = "cuda" if "device=gpu" in options else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        print("PyTorch has no gpu here", flush=True)
        raise SystemExit(1)
    step, parameters = make(models.MODELS[model], batch, device, amp="amp" in options)
    about = {
        "torch": torch.__version__,
        "open_clip": open_clip.__version__,
        "threads": torch.get_num_threads(),
        "parameters": parameters,
    }
    on_device = torch.cuda.max_memory_allocated if device == "cuda" else None
    turns.serve(about, {"step": step}, on_device)


def make(
    sizes: models.Sizes, batch: int, device: str = "cpu", *, amp: bool = False
) -> tuple[Callable[[], None], int]:
    """(one training step, number of parameters)."""
    import math

    import open_clip
    import torch

    torch.manual_seed(0)
    model = open_clip.CLIP(
        embed_dim=sizes.dim,
        vision_cfg={
            "image_size": sizes.image,
            "patch_size": sizes.patch,
            "layers": sizes.image_depth,
            "width": sizes.image_width,
            "head_width": sizes.image_width // sizes.image_heads,
        },
        text_cfg={
            "context_length": sizes.length,
            "vocab_size": sizes.vocabulary,
            "width": sizes.text_width,
            "heads": sizes.text_heads,
            "layers": sizes.text_depth,
        },
        quick_gelu=True,
    )
    model.to(device).train()
    images = torch.randn(batch, 3, sizes.image, sizes.image, device=device)
    texts = torch.randint(1, sizes.vocabulary - 2, (batch, sizes.length), device=device)
    texts[:, -1] = sizes.vocabulary - 1
    forward = torch.compile(model) if amp else model
    loss = open_clip.ClipLoss()
    named = list(model.named_parameters())
    plain = [p for n, p in named if p.ndim < 2 or "bn" in n or "ln" in n or "logit_scale" in n]
    decayed = [p for _, p in named if not any(p is other for other in plain)]
    optimizer = torch.optim.AdamW(
        [
            {"params": plain, "weight_decay": 0.0},
            {"params": decayed, "weight_decay": models.WEIGHT_DECAY},
        ],
        lr=models.LEARNING_RATE,
        betas=(models.B1, models.B2),
        eps=models.EPS,
    )

    def step() -> None:
        optimizer.zero_grad()
        with torch.autocast(device, torch.bfloat16, enabled=amp):
            image_features, text_features, scale = forward(images, texts)[:3]
            value = loss(image_features, text_features, scale)
        value.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), models.CLIP_NORM, norm_type=2.0)
        optimizer.step()
        with torch.no_grad():
            model.logit_scale.clamp_(0, math.log(100))
        if device == "cuda":
            torch.cuda.synchronize()

    return step, sum(p.numel() for p in model.parameters())


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), *sys.argv[3:])
