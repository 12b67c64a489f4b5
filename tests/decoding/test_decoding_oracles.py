"""Texts of a GPT-2 and an OPT with random weights: those of transformers, token by token.

The weights stand in a causal text tower and the term `captioning`, and go through all that a
trained model goes through.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from third_party import needs

from mmjax.decoding import DECODERS, Start
from mmjax.decoding.single import nucleus
from mmjax.model.config import ModelConfig
from mmjax.model.definition import Definition
from mmjax.objectives import configs
from mmjax.parallel import mesh as mesh_lib
from mmjax.system.system import System
from mmjax.system.texts import TextModel

torch, transformers = needs("torch"), needs("transformers")

VOCABULARY, LENGTH, WIDTH, DEPTH, HEADS = 40, 24, 32, 2, 4
PAD, EOS, ROWS, PROMPT = 0, 3, 8, 4


def gpt2():
    """The model, and name -> array of the tower."""
    config = transformers.GPT2Config(
        vocab_size=VOCABULARY, n_positions=LENGTH, n_embd=WIDTH, n_layer=DEPTH, n_head=HEADS,
        bos_token_id=2, eos_token_id=EOS, pad_token_id=PAD, initializer_range=0.4,
    )  # fmt: skip
    model = transformers.GPT2LMHeadModel(config).eval()
    state = {k: v.numpy() for k, v in model.state_dict().items()}

    def block(i, name):
        return state[f"transformer.h.{i}.{name}"]

    def stacked(of):
        return np.stack([of(i) for i in range(DEPTH)])

    found = {
        "token": state["transformer.wte.weight"],
        "position": state["transformer.wpe.weight"],
        "transformer/norm/scale": state["transformer.ln_f.weight"],
        "transformer/norm/bias": state["transformer.ln_f.bias"],
    }
    for ours, theirs in (("attention_norm", "ln_1"), ("mlp_norm", "ln_2")):
        for a, b in (("scale", "weight"), ("bias", "bias")):
            found[f"{ours}/{a}"] = stacked(lambda i, n=f"{theirs}.{b}": block(i, n))
    for a, b in (("kernel", "weight"), ("bias", "bias")):
        for k, name in enumerate(("query", "key", "value")):
            found[f"attention/{name}/{a}"] = stacked(
                lambda i, b=b, k=k: np.split(block(i, f"attn.c_attn.{b}"), 3, axis=-1)[k]
            )
        for ours, theirs in (
            ("attention/out", "attn.c_proj"),
            ("mlp/up", "mlp.c_fc"),
            ("mlp/down", "mlp.c_proj"),
        ):
            found[f"{ours}/{a}"] = stacked(lambda i, n=f"{theirs}.{b}": block(i, n))
    return model, found, "gelu_tanh"


def opt():
    """The model, and name -> array of the tower; its positions begin at 2."""
    config = transformers.OPTConfig(
        vocab_size=VOCABULARY, max_position_embeddings=LENGTH, hidden_size=WIDTH,
        word_embed_proj_dim=WIDTH, ffn_dim=4 * WIDTH, num_hidden_layers=DEPTH,
        num_attention_heads=HEADS, bos_token_id=2, eos_token_id=EOS, pad_token_id=PAD, init_std=0.4,
    )  # fmt: skip
    model = transformers.OPTForCausalLM(config).eval()
    state = {k.removeprefix("model.decoder."): v.numpy() for k, v in model.state_dict().items()}

    def stacked(name):
        return np.stack([state[f"layers.{i}.{name}"] for i in range(DEPTH)])

    found = {
        "token": state["embed_tokens.weight"],
        "position": state["embed_positions.weight"][2:],
        "transformer/norm/scale": state["final_layer_norm.weight"],
        "transformer/norm/bias": state["final_layer_norm.bias"],
    }
    for ours, theirs in (
        ("attention_norm", "self_attn_layer_norm"),
        ("mlp_norm", "final_layer_norm"),
    ):
        found[f"{ours}/scale"] = stacked(f"{theirs}.weight")
        found[f"{ours}/bias"] = stacked(f"{theirs}.bias")
    layers = {f"attention/{a}": f"self_attn.{b}_proj" for a, b in
              (("query", "q"), ("key", "k"), ("value", "v"), ("out", "out"))}  # fmt: skip
    for ours, theirs in (layers | {"mlp/up": "fc1", "mlp/down": "fc2"}).items():
        found[f"{ours}/kernel"] = stacked(f"{theirs}.weight").swapaxes(1, 2)
        found[f"{ours}/bias"] = stacked(f"{theirs}.bias")
    return model, found, "relu"


@pytest.fixture(scope="module", params=[gpt2, opt])
def both(request):
    """The library's model, and ours with its weights."""
    torch.manual_seed(0)
    theirs, arrays, activation = request.param()
    encoder = {
        "type": "text_transformer", "vocab_size": VOCABULARY, "length": LENGTH, "width": WIDTH,
        "depth": DEPTH, "heads": HEADS, "activation": activation, "eps": 1e-5,
        "mask_padding": False,
    }  # fmt: skip
    model = ModelConfig.of({"towers": {"text": {"encoder": encoder, "head": {"type": "none"}}}})
    term = {"type": "captioning", "conditions": (), "inputs": {"text": WIDTH}, "depth": 0}
    terms = configs({"words": {**term, "vocab_size": VOCABULARY}})

    def make():
        return System(model, terms, dtype=jnp.float32, rngs=nnx.Rngs(0))

    definition, own = Definition.of(make), Definition.arrays(make())
    loaded = {
        "objectives/terms/words/answer/kernel": arrays["token"].T,
        "objectives/terms/words/answer/bias": np.zeros(VOCABULARY),
    }
    for path, array in arrays.items():
        inner = path if path.startswith(("token", "position", "transformer/")) else (
            f"transformer/blocks/{path}"
        )  # fmt: skip
        loaded[f"towers/text/encoder/{inner}"] = array
    assert loaded.keys() == own.keys()
    for path, array in loaded.items():
        assert array.shape == own[path].shape, path
    loaded = {path: jnp.asarray(array, jnp.float32) for path, array in loaded.items()}
    mesh = mesh_lib.make_mesh(devices=jax.devices()[:2])
    return theirs, TextModel(definition, loaded, mesh)


def prompts():
    ids = np.random.default_rng(1).integers(4, VOCABULARY, (ROWS, PROMPT))
    ids[:, 0] = 2
    return ids.astype(np.int32)


def ours(model, spec, ids, eos=EOS, never=(PAD,)):
    buffer = np.zeros((len(ids), LENGTH), np.int32)
    buffer[:, : ids.shape[1]] = ids
    start = Start(buffer, np.full(len(ids), ids.shape[1], np.int32), np.arange(len(ids)))
    decoder = DECODERS.spec(**spec).build()
    return model.generate("words", decoder, {}, start, eos=eos, never=never)


def theirs_of(model, ids, eos=EOS, **options):
    with torch.no_grad():
        found = model.generate(
            torch.tensor(ids, dtype=torch.long), max_length=LENGTH, eos_token_id=eos,
            attention_mask=torch.ones(ids.shape, dtype=torch.long),
            **{"pad_token_id": PAD, "do_sample": False, "suppress_tokens": [PAD], **options},
        ).numpy()  # fmt: skip
    return np.pad(found, ((0, 0), (0, LENGTH - found.shape[1])))


def test_the_likelihood_is_the_same(both):
    theirs, model = both
    ids = np.random.default_rng(2).integers(4, VOCABULARY, (ROWS, LENGTH)).astype(np.int32)
    with torch.no_grad():
        logits = theirs(torch.tensor(ids, dtype=torch.long)).logits.log_softmax(-1).numpy()
    want = np.take_along_axis(logits[:, :-1], ids[:, 1:, None], axis=2)[..., 0].sum(1)
    found = model.likelihood("words", {}, ids)
    np.testing.assert_allclose(found.log_likelihood, want, rtol=1e-4)
    np.testing.assert_array_equal(found.right, (logits[:, :-1].argmax(2) == ids[:, 1:]).sum(1))


@pytest.mark.parametrize("eos", [EOS, 17, None])
def test_greedy_texts_are_the_same(both, eos):
    theirs, model = both
    found = ours(model, {"type": "greedy"}, prompts(), eos)
    np.testing.assert_array_equal(found.ids, theirs_of(theirs, prompts(), eos))


@pytest.mark.parametrize("penalty", [0.0, 1.0, 2.0])
@pytest.mark.parametrize("width", [2, 4])
def test_beam_search_texts_are_the_same(both, width, penalty):
    theirs, model = both
    seen = []
    common = np.bincount(ours(model, {"type": "beam"}, prompts(), None, ()).ids[:, PROMPT:].ravel())
    for eos in (*np.argsort(-common)[:2].tolist(), None):
        spec = {"type": "beam", "width": width, "length_penalty": penalty}
        found = ours(model, spec, prompts(), eos, never=())
        # Theirs leaves out ids after the softmax, and ours before.
        options = {"num_beams": width, "length_penalty": penalty, "suppress_tokens": None}
        want = theirs_of(theirs, prompts(), eos, **options)
        for own, length, text in zip(found.ids, found.length, want, strict=True):
            ends = np.flatnonzero(text[PROMPT:] == eos)  # theirs is filled up with it
            size = PROMPT + ends[0] + 1 if len(ends) else LENGTH
            assert own[:length].tolist() == text[:size].tolist()
            assert not own[length:].any()
        seen += found.length.tolist()
    assert penalty > 1 or np.mean(np.array(seen) < LENGTH) > 0.1


@pytest.mark.parametrize(("p", "temperature"), [(0.9, 1.0), (0.6, 1.4), (0.3, 0.7)])
def test_the_nucleus_is_the_same(both, p, temperature):
    theirs, _ = both
    processors = transformers.generation.logits_process
    with torch.no_grad():
        logits = theirs(torch.tensor(prompts(), dtype=torch.long)).logits[:, -1].double()
    want = processors.TopPLogitsWarper(p)(None, logits / temperature).numpy()
    found = nucleus(jnp.asarray(logits.numpy(), jnp.float32) / temperature, p)
    np.testing.assert_array_equal(np.isfinite(found), np.isfinite(want))
    np.testing.assert_allclose(
        jax.nn.softmax(found), torch.tensor(want).softmax(-1).numpy(), atol=1e-6
    )


@pytest.mark.parametrize(("k", "alpha"), [(5, 0.6), (3, 0.3), (4, 0.0)])
def test_contrastive_texts_are_those_of_its_formula_on_the_library_s_states(both, k, alpha):
    """The library has no contrastive search any more: the card's formula on its hidden states."""
    theirs, model = both
    found = ours(model, {"type": "contrastive", "k": k, "alpha": alpha}, prompts())
    for row, prompt in enumerate(prompts().tolist()):
        ids = list(prompt)
        while len(ids) < LENGTH and ids[-1] != EOS:
            with torch.no_grad():
                logits = theirs(torch.tensor([ids])).logits[0, -1].double()
                logits[PAD] = -torch.inf
                p = logits.softmax(0)
                values = []
                for v in torch.topk(p, k).indices.tolist():
                    states = theirs(torch.tensor([[*ids, v]]), output_hidden_states=True)
                    h = torch.nn.functional.normalize(states.hidden_states[-1][0].double(), dim=1)
                    penalty = (h[:-1] @ h[-1]).max()
                    values.append(((1 - alpha) * p[v] - alpha * penalty, v))
            ids.append(max(values, key=lambda each: each[0])[1])
        assert found.ids[row, : found.length[row]].tolist() == ids


def test_texts_do_not_depend_on_batch_mates(both):
    _, model = both
    for spec in ({"type": "greedy"}, {"type": "beam"}, {"type": "contrastive"}):
        together = ours(model, spec, prompts())
        for row in (0, 5):
            alone = ours(model, spec, prompts()[row : row + 1])
            np.testing.assert_array_equal(alone.ids[0], together.ids[row])
