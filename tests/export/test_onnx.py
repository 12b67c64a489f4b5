"""The Python of docs/weights.md writes an ONNX model that embeds as the run does."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from third_party import needs

import mmjax
from mmjax.export import export

PAGE = Path(__file__).parents[2] / "docs" / "weights.md"


@pytest.mark.slow
def test_an_export_becomes_onnx(run_of, tmp_path, monkeypatch):
    runtime, transformers = needs("onnxruntime"), needs("transformers")
    needs("onnxscript")
    monkeypatch.chdir(tmp_path)
    export(run_of("clip"), "exports/clip-hf", format="hf", license="mit")
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    exec(next(block for block in blocks if "onnx" in block), {})
    random = np.random.default_rng(0)
    images = [Image.fromarray(random.integers(0, 256, (40, 30, 3), np.uint8)) for _ in range(5)]
    for number, image in enumerate(images):
        image.save(f"{number}.png")
    pixels = transformers.AutoImageProcessor.from_pretrained("exports/clip-hf")(
        images, return_tensors="np"
    )["pixel_values"]
    (found,) = runtime.InferenceSession("image.onnx").run(None, {"pixel_values": pixels})
    wanted = mmjax.load("exports/clip-hf").encode(images=[f"{n}.png" for n in range(5)])
    # The preprocessing of both differs by rounding to whole numbers, which parity.json tells.
    np.testing.assert_allclose(np.sum(found * wanted, axis=1), 1, atol=2e-3)
    prepared = mmjax.load("exports/clip-hf").prepare("image", images)
    moved = np.ascontiguousarray(np.moveaxis(prepared, -1, 1), np.float32)
    (exact,) = runtime.InferenceSession("image.onnx").run(None, {"pixel_values": moved})
    np.testing.assert_allclose(exact, wanted, atol=1e-5)
