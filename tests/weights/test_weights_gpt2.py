"""GPT-2 against transformers, whole and cut behind its first blocks."""

import json

import numpy as np
import pytest
import weights_parity as parity

from mmjax.weights import keymap
from mmjax.weights.files import WeightsError
from mmjax.weights.foreign import Weights

LENGTH, VOCABULARY, END = 12, 40, 39


def config(library, **options):
    sizes = {"n_embd": 24, "n_head": 3, "n_layer": 3, "n_positions": LENGTH + 5, "n_inner": 50}
    ids = {"vocab_size": VOCABULARY, "bos_token_id": END, "eos_token_id": END}
    return library.GPT2Config(**{**sizes, **ids, **options})


@pytest.mark.parametrize("kind", ["GPT2Model", "GPT2LMHeadModel"])
def test_texts_embed_as_there(kind, tmp_path):
    torch, transformers = parity.torch_and("transformers")
    model = parity.randomize(getattr(transformers, kind)(config(transformers)))
    model.save_pretrained(tmp_path)
    ids, real = parity.texts(LENGTH, VOCABULARY, eos=END, pad=END)
    given = {"input_ids": torch.tensor(ids).long(), "attention_mask": torch.tensor(real)}
    last = real.sum(1) - 1  # the first of the ids that end a text; others are padding
    for depth in (3, 2):
        own = {**model.config.to_dict(), "n_layer": depth}
        (tmp_path / "config.json").write_text(json.dumps(own))
        there = transformers.GPT2Model.from_pretrained(tmp_path).eval()
        out = there(**given).last_hidden_state
        _, pooled = parity.embed(tmp_path, "text", ids)
        parity.assert_close(pooled, out[range(len(last)), last])


def test_what_is_not_read_is_said(tmp_path):
    _, transformers = parity.torch_and("transformers")
    transformers.GPT2LMHeadModel(config(transformers)).save_pretrained(tmp_path)
    file = tmp_path / "config.json"
    own = json.loads(file.read_text())
    loaded = Weights(str(tmp_path)).tower("text")
    tensors = Weights(str(tmp_path)).tensors
    for name, array in keymap.write_tensors(loaded.part.rules, loaded).items():
        np.testing.assert_array_equal(array, tensors[name])
    file.write_text(json.dumps({**own, "n_layer": 1}))
    aside = " ".join(Weights(str(tmp_path)).tower("text").aside)
    assert "a block behind the n_layer=1 of the config" in aside
    file.write_text(json.dumps({**own, "n_layer": 4}))
    with pytest.raises(WeightsError, match=r"h\.3\."):
        Weights(str(tmp_path)).tower("text")
    file.write_text(json.dumps({**own, "scale_attn_by_inverse_layer_idx": True}))
    with pytest.raises(WeightsError, match="scale_attn_by_inverse_layer_idx=True is not supported"):
        Weights(str(tmp_path))
