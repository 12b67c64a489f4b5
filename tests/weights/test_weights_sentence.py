"""Folders of sentence-transformers: the modules that they list, and where texts are cut."""

import importlib
import json

import numpy as np
import pytest
import weights_folders as folders
import weights_parity as parity
from third_party import needs

from mmjax.weights import files
from mmjax.weights.files import WeightsError
from mmjax.weights.foreign import Weights

KINDS = ("Transformer", "Pooling", "Normalize")
LONGEST = 6


def modules(path, kinds=KINDS, transformer=""):
    """Writes modules.json and the folders of all modules but the first; the folder of the first."""
    path.mkdir(exist_ok=True)
    listed = []
    for i, kind in enumerate(kinds):
        name = transformer if i == 0 else f"{i}_{kind}"
        listed.append({"idx": i, "name": str(i), "path": name, "type": f"a.models.{kind}"})
        (path / name).mkdir(exist_ok=True)
    (path / "modules.json").write_text(json.dumps(listed))
    if "Pooling" in kinds:
        (path / "1_Pooling" / "config.json").write_text('{"pooling_mode_mean_tokens": true}')
    own = path / transformer
    (own / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": LONGEST}))
    return own


@pytest.mark.parametrize("transformer", ["", "0_Transformer"])
def test_texts_embed_as_there(transformer, tmp_path):
    torch, transformers = parity.torch_and("transformers")
    import mmjax

    own = modules(tmp_path / "model", transformer=transformer)
    _, _, pad = folders.tokenizer_of(("<s>", "</s>", "<pad>"), own)
    config = transformers.BertConfig(
        **{**folders.WIDE, "hidden_size": 12},
        vocab_size=folders.VOCABULARY,
        max_position_embeddings=20,
        pad_token_id=pad,
    )
    model = parity.randomize(transformers.BertModel(config))
    model.save_pretrained(own)
    texts = ["a red circle", "x", "a blue square on a white square, and a red circle in it"]
    marks = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_file=str(own / "tokenizer.json"), model_max_length=LONGEST, **marks
    )
    given = tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
    out = model(input_ids=given.input_ids, attention_mask=given.attention_mask).last_hidden_state
    weight = given.attention_mask[:, :, None].float()
    mean = torch.nn.functional.normalize((out * weight).sum(1) / weight.sum(1))
    ours = mmjax.load(tmp_path / "model").encode(texts=texts)
    parity.assert_close(ours, mean, 1e-5)


@pytest.mark.parametrize(
    ("bias", "activation", "normalize"),
    [(True, "Tanh", True), (False, "Identity", False), (True, "GELU", False)],
)
def test_a_dense_layer_is_the_head(bias, activation, normalize, tmp_path):
    """As sentence-transformers itself embeds texts, of a folder that it has written."""
    torch, transformers = parity.torch_and("transformers")
    library = needs("sentence_transformers")
    import mmjax
    from mmjax.inference import verify

    own = tmp_path / "bert"
    own.mkdir()
    _, _, pad = folders.tokenizer_of(("<s>", "</s>", "<pad>"), own)
    config = transformers.BertConfig(
        **folders.WIDE, vocab_size=folders.VOCABULARY, max_position_embeddings=20, pad_token_id=pad
    )
    parity.randomize(transformers.BertModel(config)).save_pretrained(own)
    marks = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}
    transformers.PreTrainedTokenizerFast(
        tokenizer_file=str(own / "tokenizer.json"), model_max_length=LONGEST, **marks
    ).save_pretrained(own)
    kinds = importlib.import_module("sentence_transformers.sentence_transformer.modules")
    modules = [kinds.Transformer(str(own)), kinds.Pooling(16, "mean")]
    dense = kinds.Dense(16, 12, bias=bias, activation_function=getattr(torch.nn, activation)())
    modules += [parity.randomize(dense), *([kinds.Normalize()] if normalize else [])]
    theirs = library.SentenceTransformer(modules=modules, device="cpu")
    theirs.save(str(tmp_path / "model"))
    texts = ["a red circle", "x", "a blue square on a white square, and a red circle in it"]
    model = mmjax.load(tmp_path / "model")
    assert model.dim("text") == 12
    expected = theirs.encode(texts, normalize_embeddings=True)
    parity.assert_close(model.encode(texts=texts), torch.tensor(expected), 1e-5)
    verify.verify(tmp_path / "model", tmp_path / "report")
    report = json.loads((tmp_path / "report" / "parity.json").read_text())
    assert "BertModel" in report["compared_with"]


def test_a_dense_layer_that_is_none_is_refused(tmp_path):
    own = modules(tmp_path / "model", ("Transformer", "Pooling", "Dense"))
    folders.folder_of(folders.CONFIGS["bert"], own)
    with pytest.raises(WeightsError, match=r"2_Dense has no config.json"):
        Weights(str(own))
    good = {"in_features": 16, "out_features": 4, "bias": False,
            "activation_function": "torch.nn.modules.linear.Identity"}  # fmt: skip
    for change, says in (
        ({"activation_function": "torch.nn.SELU"}, "'torch.nn.SELU' is not supported, only Ident"),
        ({"use_residual": True}, "use_residual=True is not supported"),
        ({"module_input_name": "token_embeddings"}, "module_input_name='token_embeddings' is not"),
        ({"out_features": "4"}, "out_features='4' should be a whole number"),
    ):
        (own / "2_Dense" / "config.json").write_text(json.dumps({**good, **change}))
        with pytest.raises(WeightsError, match=says):
            Weights(str(own))
    (own / "2_Dense" / "config.json").write_text(json.dumps(good))
    weights = Weights(str(own))
    assert weights.part("text").head == {
        "type": "linear", "dim": 4, "bias": False, "activation": "none"
    }  # fmt: skip
    with pytest.raises(WeightsError, match=r"2_Dense holds no weights"):
        weights.tower("text")
    kernel = np.random.default_rng(0).normal(size=(4, 16)).astype(np.float32)
    files.write(own / "2_Dense" / "model.safetensors", {"linear.weight": kernel}, {})
    found = Weights(str(own)).tower("text")
    np.testing.assert_array_equal(found["head/project/kernel"], kernel.T)
    assert "head/project/kernel" not in Weights(str(own)).tower("text", head=False)


def test_the_text_view_is_as_long_as_the_folder_says(tmp_path):
    needs("tokenizers")
    own = folders.folder_of(folders.CONFIGS["bert"], modules(tmp_path / "model"))
    folders.tokenizer_of(("<s>", "</s>", "</s>"), own)
    weights = Weights(str(tmp_path / "model"))
    assert weights.specs().views["text"]["length"] == LONGEST
    assert weights.part("text").encoder["length"] == 9
    assert weights.part("text").encoder["pool"] == "mean"


@pytest.mark.parametrize(
    ("kinds", "says"),
    [
        (
            ("Transformer", "Pooling", "Normalize", "Dense"),
            "Normalize, Dense: what is read here is",
        ),
        (("Transformer", "Pooling", "Dense", "Dense"), "Dense, Dense: what is read here is"),
        (("Transformer", "Pooling", "LayerNorm"), "Pooling, LayerNorm: what is read here is"),
        (("Transformer",), "lists Transformer: what is read here is"),
        ((), "lists nothing: what is read here is"),
    ],
)
def test_other_modules_are_refused(kinds, says, tmp_path):
    modules(tmp_path / "model", kinds)
    with pytest.raises(WeightsError, match=says):
        Weights(str(tmp_path / "model"))


def test_damaged_lists_of_modules_are_refused(tmp_path):
    own = modules(tmp_path / "model")
    for text in ("{", "[1]", '[{"type": 1, "path": ""}]', '[{"type": "a"}]'):
        (own / "modules.json").write_text(text)
        with pytest.raises(WeightsError, match=r"modules\.json is damaged"):
            Weights(str(own))
    (own / "modules.json").write_text(
        '[{"type": "a.Transformer", "path": "../x"}, {"type": "a.Pooling", "path": "1_Pooling"}]'
    )
    with pytest.raises(WeightsError, match="leads out of the folder"):
        Weights(str(own))
