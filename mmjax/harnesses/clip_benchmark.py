"""A model for CLIP_benchmark, which measures it with its own code.

python -m mmjax.harnesses.clip_benchmark eval --model_type=mmjax --model=weights/clip \
    --pretrained=any --no_amp --dataset=wds/wds_cifar10 --dataset_root=sets/wds_cifar10

All options are CLIP_benchmark's own. `--pretrained` is only written into its results.
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from mmjax import api
from mmjax.cli import fail
from mmjax.errors import UserError
from mmjax.extras import needs
from mmjax.harnesses import needed

torch: Any = needed("torch", "clip_benchmark", "CLIP_benchmark", __name__)


class Towers(torch.nn.Module):  # type: ignore[misc]
    """Towers `image` and `text`, asked by torch tensors of prepared inputs.

    They are no differentiable functions: embeddings come without a gradient.
    """

    def __init__(self, model: api.Model):
        super().__init__()
        self.model = model

    def transform(self, image: Any) -> Any:
        """A PIL image -> what the image tower reads, torch.Tensor[...]."""
        return torch.from_numpy(self.model.prepare("image", [image])[0])

    def tokenizer(self, texts: Any) -> Any:
        """A text or N -> torch.Tensor[N, L], pieces."""
        listed = [texts] if isinstance(texts, str) else list(texts)
        return torch.from_numpy(self.model.prepare("text", listed))

    def encode_image(self, images: Any) -> Any:
        """Prepared images [N, ...] -> torch.Tensor f32[N, D], rows of length 1."""
        return self._encode("image", images)

    def encode_text(self, texts: Any) -> Any:
        """Pieces [N, L] -> torch.Tensor f32[N, D], rows of length 1."""
        return self._encode("text", texts)

    def _encode(self, modality: str, inputs: Any) -> Any:
        values: dict[str, Any] = {modality: np.asarray(inputs.cpu())}
        found = self.model.encode(batch_size=max(len(inputs), 1), progress=False, **values)
        return torch.from_numpy(found).to(inputs.device)


def load(model_name: str, **_: Any) -> tuple[Towers, Any, Any]:
    """(model, transform, tokenizer), of what `mmjax.load` takes."""
    towers = Towers(api.load(model_name))
    return towers, towers.transform, towers.tokenizer


if __name__ == "__main__":
    try:
        needs("clip_benchmark", "clip_benchmark", "this benchmark")
        models: Any = importlib.import_module("clip_benchmark.models")
        models.TYPE2FUNC["mmjax"] = load
        models.MODEL_TYPES.append("mmjax")
        importlib.import_module("clip_benchmark.cli").main()
    except UserError as error:
        fail(error)
