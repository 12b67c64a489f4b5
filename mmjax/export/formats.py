"""The four formats: what each writes, and what computes its parity."""

from __future__ import annotations

import functools
import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import export as jax_export

from mmjax import extras
from mmjax.data.views.image import ImageView
from mmjax.encoders import attention
from mmjax.errors import ConfigError
from mmjax.export import shape, tokenizer
from mmjax.inference import bundle as bundle_lib
from mmjax.inference import parity, preprocessing, with_torch
from mmjax.inference.model import Model
from mmjax.weights import files, keymap

logger = logging.getLogger("mmjax")


def hugging_face(model: Model, folder: Path, notes: list[str]) -> dict[str, Any]:
    """`CLIPModel` or `SiglipModel`: config, tensors, tokenizer, processor; the parity report."""
    bundle = model.bundle
    family, config, described = shape.hugging_face(bundle.towers)
    dim = (1,) if described.bias else ()
    tensors = _tensors(bundle, described, dim)
    if bundle.bias is not None and described.bias is None:
        notes.append(f"{family} has no logit bias; the model's is {bundle.bias:.6g}.")
    _json(folder / "config.json", {**config, "torch_dtype": "float32"})
    files.write(folder / "model.safetensors", tensors, {"format": "pt"})
    pictures = _processor(
        bundle,
        folder,
        notes,
        "preprocessor_config.json",
        lambda view: preprocessing.image_processor(view, family),
    )
    has_tokens = _tokenizer(bundle, folder, notes)
    bias = bundle.bias if described.bias else None
    return _report(
        model,
        folder,
        notes,
        ("torch", "transformers"),
        bias,
        lambda inputs: with_torch.transformers(folder, family, inputs),
        with_torch.transformers_inputs if pictures and has_tokens else None,
    )


def open_clip(model: Model, folder: Path, notes: list[str]) -> dict[str, Any]:
    """open_clip's config and tensors, with tokenizer files; the parity report."""
    bundle = model.bundle
    log_scale = 0.0 if bundle.log_scale is None else bundle.log_scale
    _, config, described = shape.in_open_clip(bundle.towers, log_scale, bundle.bias)
    files.write(
        folder / "open_clip_model.safetensors", _tensors(bundle, described, ()), {"format": "pt"}
    )
    made: dict[str, Any] = {}
    pictures = _processor(bundle, folder, notes, None, preprocessing.open_clip, made)
    has_tokens = _tokenizer(bundle, folder, notes)
    if has_tokens:
        # Of a local folder open_clip reads the tokenizer in it, whatever is named here.
        config["text_cfg"]["hf_tokenizer_name"] = "tokenizer.json"
    _json(
        folder / "open_clip_config.json",
        {"model_cfg": config, "preprocess_cfg": made.get("config", {})},
    )
    return _report(
        model,
        folder,
        notes,
        ("torch", "open_clip"),
        bundle.bias,
        lambda inputs: with_torch.open_clip(folder, inputs),
        with_torch.open_clip_inputs if pictures and has_tokens else None,
    )


def safetensors(model: Model, folder: Path, notes: list[str]) -> dict[str, Any]:
    """Our own names, every model; read back by `mmjax.load`."""
    bundle = model.bundle
    if bundle.recipe is None:
        raise ConfigError("--format=safetensors is for runs; these weights are foreign already")
    arrays = {path: np.asarray(array) for path, array in bundle.arrays.items()}
    files.write(folder / "model.safetensors", arrays, {"format": "mmjax"})
    _json(folder / files.OWN_CONFIG, bundle_lib.describe(bundle))
    bundle_lib.write_tokenizer(bundle.recipe.data, bundle.views, folder)
    inputs, _, _ = parity.samples(model)
    return parity.compare(
        parity.ours(model, inputs),
        parity.by_reading_back(folder)(inputs),
        log_scale=bundle.log_scale,
        bias=bundle.bias,
        compared_with="the folder, read back",
    )


def stablehlo(model: Model, folder: Path, notes: list[str]) -> dict[str, Any]:
    """One program a tower or fusion, parameters inside, for any batch size on CPU, GPU and TPU."""
    bundle = model.bundle
    inputs, _, _ = parity.samples(model)
    arrays = {path: np.asarray(array) for path, array in bundle.arrays.items()}
    towers: dict[str, Any] = {}
    for modality, values in inputs.items():
        made_of = model.fused.get(modality)
        parts = values if made_of else (values,)

        def embed(*x: jax.Array, name: str = modality, inputs: Any = made_of) -> jax.Array:
            system = bundle.definition.merge(arrays)
            outputs = system.embed(dict(zip(inputs or (name,), x, strict=True)))
            return (system.fuse(outputs, {}, names=(name,)) if inputs else outputs)[name].unit

        (rows,) = jax_export.symbolic_shape("batch")
        like = [jax.ShapeDtypeStruct((rows, *x.shape[1:]), x.dtype) for x in parts]
        with attention.portable():
            exported = jax_export.export(jax.jit(embed), platforms=("cpu", "cuda", "tpu"))(*like)
        (folder / f"{modality}.stablehlo").write_bytes(_serialized(exported))
        described = [{"input": ["batch", *x.shape[1:]], "dtype": str(x.dtype)} for x in parts]
        towers[modality] = {
            **({"inputs": described, "of": list(made_of)} if made_of else described[0]),
            "output": ["batch", int(exported.out_avals[0].shape[1])],
            "calling_convention": exported.calling_convention_version,
        }
    _json(
        folder / "stablehlo.json",
        {"towers": towers, "log_scale": bundle.log_scale, "bias": bundle.bias},
    )
    _processor(
        bundle,
        folder,
        notes,
        "preprocessor_config.json",
        lambda view: preprocessing.image_processor(view, "CLIPModel"),
    )
    _tokenizer(bundle, folder, notes)
    theirs = {}
    for modality, values in inputs.items():
        program = jax_export.deserialize(bytearray((folder / f"{modality}.stablehlo").read_bytes()))
        # Batches of different sizes, since that is what is promised.
        own = values if modality in model.fused else (values,)
        cuts = zip(*(np.split(x, [1, 8]) for x in own), strict=True)
        theirs[modality] = np.concatenate(
            [np.asarray(program.call(*map(jnp.asarray, part))) for part in cuts]
        )
    return parity.compare(
        parity.ours(model, inputs),
        theirs,
        log_scale=bundle.log_scale,
        bias=bundle.bias,
        compared_with=f"the serialised programs, jax {jax.__version__}",
    )


def _serialized(exported: Any) -> bytes:
    extras.find("flatbuffers", "stablehlo", "--format=stablehlo")
    return bytes(exported.serialize())


FORMATS: dict[str, Callable[[Model, Path, list[str]], dict[str, Any]]] = {
    "hf": hugging_face,
    "open_clip": open_clip,
    "safetensors": safetensors,
    "stablehlo": stablehlo,
}


def _tensors(
    bundle: bundle_lib.Bundle, described: keymap.Foreign, scalar: tuple[int, ...]
) -> dict[str, np.ndarray]:
    """All tensors of a foreign model, with scale and bias of this shape."""
    tensors: dict[str, np.ndarray] = {}
    for modality, part in described.parts.items():
        rules = part.located(()).rules
        # Further heads served the training; these formats have one embedding for each modality.
        own = {p: a for p, a in bundle.below(modality).items() if not p.startswith("heads/")}
        tensors |= keymap.write_tensors(rules, own)
    for name, value in ((described.scale, bundle.log_scale), (described.bias, bundle.bias)):
        if name is not None:
            tensors[name] = np.full(scalar, value or 0.0, np.float32)
    return tensors


def _processor(
    bundle: bundle_lib.Bundle,
    folder: Path,
    notes: list[str],
    name: str | None,
    make: Callable[[ImageView], dict[str, Any]],
    made: dict[str, Any] | None = None,
) -> bool:
    """Writes how images are prepared; False, with a note, where that has no words there."""
    view = bundle.views.get("image")
    if not isinstance(view, ImageView):
        notes.append("How images are prepared is not known, and is not written.")
        return False
    try:
        config = make(view)
    except ConfigError as error:
        notes.append(f"No image processor: {error}.")
        return False
    if made is not None:
        made["config"] = config
    if name is not None:
        _json(folder / name, config)
    notes.append(
        f"Transparent images are put on RGB {view.fill} first. Other libraries resample "
        "with other rounding: see `pixels` in parity.json."
    )
    return True


def _tokenizer(bundle: bundle_lib.Bundle, folder: Path, notes: list[str]) -> bool:
    """Writes the tokenizer; False, with a note, where it has no form there."""
    view: Any = bundle.views.get("text")
    if not hasattr(view, "tokens"):  # there is none, or it takes vectors
        notes.append("The tokenizer is not known, or there is none, and is not written.")
        return False
    try:
        tokenizer.write(view, folder)
    except (ConfigError, extras.MissingExtra) as error:
        notes.append(f"No tokenizer files: {error}.")
        return False
    return True


def _report(
    model: Model,
    folder: Path,
    notes: list[str],
    needs: tuple[str, ...],
    bias: float | None,
    run: Callable[[dict[str, np.ndarray]], Any],
    prepare: Callable[..., dict[str, np.ndarray]] | None,
) -> dict[str, Any]:
    """Parity with another library, or, where it is not installed, with the files read back."""
    inputs, texts, pictures = parity.samples(model)
    if model.fused:
        notes.append(f"Fusions have no form there, and are not written: {', '.join(model.fused)}.")
        inputs = {m: x for m, x in inputs.items() if m not in model.fused}
    own = parity.ours(model, inputs)
    compare = functools.partial(parity.compare, log_scale=model.log_scale, bias=bias)
    absent = with_torch.missing(*needs)
    if absent:
        note = (
            f"{' and '.join(absent)} are not installed, so parity is that of the files read back "
            "by mmjax, not of the other library: pip install 'mmjax[torch]' and export again"
        )
        logger.warning(note)
        notes.append(f"{note}.")
        return compare(
            own,
            parity.by_reading_back(folder)(inputs),
            compared_with=f"the folder, read back ({note})",
        )
    units, logits, who = run(inputs)
    more: dict[str, Any] = {}
    if prepare is not None:
        prepared = prepare(folder, model.bundle.views["image"], texts, pictures)
        same = prepared["same_text"]
        more["texts_cleaned_there_first"] = int((~same).sum())
        more["texts_with_other_tokens"] = _other_tokens(prepared["text"], inputs["text"], same)
        pixels = np.abs(prepared["image"] - inputs["image"])
        embedded = model.encode(image=prepared["image"].astype(np.float32), progress=False)
        cosine = (embedded * own["image"]).sum(axis=1)
        more["pixels"] = {"max_abs": float(pixels.max()), "mean_abs": float(pixels.mean())}
        more["smallest_cosine_of_their_pixels"] = float(cosine.min())
    return compare(
        own,
        units,
        their_logits=logits,
        compared_with=who,
        more=more,
        must_be_zero=("texts_with_other_tokens",),
    )


def _other_tokens(theirs: np.ndarray, ids: np.ndarray, same: np.ndarray) -> int:
    """How many of the same texts another tokenizer gives other ids."""
    if theirs.shape != ids.shape:
        return len(ids)
    return int((theirs != ids)[same].any(axis=1).sum())


def _json(file: Path, value: Mapping[str, Any]) -> None:
    file.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
