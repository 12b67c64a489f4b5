"""A model for inference: embeddings of raw values, similarities, search."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal, NamedTuple, cast

import numpy as np
from tqdm import tqdm

from mmjax.data.records import BadExample
from mmjax.data.views import FusedView
from mmjax.encoders import Encoder
from mmjax.errors import ConfigError, nearest
from mmjax.evaluators import neighbours
from mmjax.evaluators.class_prompts import check_template, class_vectors
from mmjax.evaluators.neighbours import Found
from mmjax.inference import matches, text_length, texts
from mmjax.inference import values as values_lib
from mmjax.inference.bundle import Bundle
from mmjax.parallel import mesh as mesh_lib
from mmjax.schema.names import modality_of
from mmjax.schema.registry import Spec
from mmjax.system.embedder import Embedder, Values, Waiting

# Texts of this many batches are sorted by length, so that a batch has little padding.
_SORTED_BATCHES = 16
_MOST = 1 << 20  # rows of a batch


class Classified(NamedTuple):
    """Zero-shot classification: the nearest class of each value.

    Attributes:
      labels: N names, of the class with the highest score.
      scores: f32[N, C], cosines with the classes in the order given.
    """

    labels: list[str]
    scores: np.ndarray


class Model:
    """Towers that embed images, texts and whatever else they were trained on.

    Attributes:
      bundle: parameters, structure and views.
      modalities: what `encode` takes: towers and fusions.
      fused: output of a fusion -> its inputs.
      log_scale, bias: logits are exp(log_scale) cosine + bias; None where the model has none.
    """

    def __init__(self, bundle: Bundle):
        self.bundle = bundle
        self.log_scale, self.bias = bundle.log_scale, bundle.bias
        self._embedder = Embedder(bundle.definition, bundle.arrays, bundle.mesh)
        self.modalities, self.fused = self._embedder.modalities, self._embedder.fused

    def __repr__(self) -> str:
        about = self.bundle.about.get("source", "model")
        return f"Model({about}: {', '.join(self.modalities)})"

    def encode(
        self, *, batch_size: int = 64, progress: bool | None = None, **values: Iterable[Any]
    ) -> np.ndarray:
        """Embeds values of one modality: `encode(texts=["a dog"])`, `encode(images=paths)`.

        The keyword is one of `modalities`, with or without an s: `image` or `images`. Values of a
        fusion are tuples, of a value of each of its inputs: `encode(query=[(path, "at night")])`.

        Args:
          batch_size: of one call of the model, over all devices; smaller ones are padded to a power
            of two, so that few shapes are compiled. Texts are batched by length.
          progress: show a bar; by default where there is more than one batch.
          values: one keyword, the modality. A list, a generator or an array of what the modality's
            view takes (texts as strings; images as paths, PIL images, bytes or uint8 arrays; of
            other modalities paths, bytes or arrays). Or one array or tensor [N, ...], of any
            library, of inputs that are ready for the tower, as `prepare` makes them.

        Returns:
          f32[N, D], rows of length 1, in the order given.

        Raises:
          ConfigError: for another modality, or values that cannot be read, with their position.
        """
        if len(values) != 1:
            raise ConfigError(
                f"encode takes one modality, such as {self.modalities[-1]}s=[...]; the model has "
                f"{', '.join(self.modalities)}"
            )
        ((name, given),) = values.items()
        modality = self._modality(name)
        size = min(values_lib.count("batch_size", batch_size), _MOST)
        rows = values_lib.rows(name, given, self.bundle.views.get(modality))
        total = len(rows) if isinstance(rows, Sequence | np.ndarray) else None
        show = (total is None or total > size) if progress is None else progress
        window = size * (_SORTED_BATCHES if self._is_sorted(modality) else 1)
        found = [np.zeros((0, self.dim(modality)), np.float32)]
        with (
            tqdm(total=total, desc=f"encode {name}", disable=not show, leave=False) as bar,
            ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool,
        ):
            start = 0
            for inputs in self._prepared(name, modality, values_lib.parts(rows, window), pool.map):
                found.append(self._batches(name, modality, inputs, size, bar.update))
                if not np.isfinite(found[-1]).all():
                    row = start + int(np.argmin(np.isfinite(found[-1]).all(axis=1)))
                    raise ConfigError(f"{name}[{row}]: its embedding is not finite")
                start += len(found[-1])
        return np.concatenate(found)

    def match(
        self, *, term: str | None = None, batch_size: int = 64, **values: Iterable[Any]
    ) -> np.ndarray:
        """How well values of two modalities fit, pair by pair: `match(texts=[...], images=[...])`.

        By a term of the model that looks at both sides, such as `matching`; it is for pairs that
        `search` found, since it is too slow for all.

        Args:
          term: its name in the recipe, where there are several.
          batch_size: pairs in one call of the model.
          values: two keywords, with values as `encode` takes them: equally many of both, or one of
            one that is paired with all of the other.

        Returns:
          f32[P], higher for a better fit. What the numbers mean is the term's matter: of `matching`
          the logit of a right pair less that of a wrong one.

        Raises:
          ConfigError: for a model without such a term, and other values than it needs.
        """
        return matches.scores(
            self._embedder,
            self.bundle,
            {self._modality(name): self.prepare(name, each) for name, each in values.items()},
            term,
            values_lib.count("batch_size", batch_size),
        )

    def generate(
        self,
        prompts: Sequence[str] | None = None,
        *,
        decoder: str | Mapping[str, Any] = "greedy",
        term: str | None = None,
        tokens: int | None = None,
        batch_size: int = 64,
        **values: Iterable[Any],
    ) -> list[str]:
        """Generates texts: `generate(images=["dog.jpg"])`, `generate(["a red"])`.

        Args:
          prompts: what texts begin with, one for each value; nothing where None.
          decoder: `greedy`, `beam`, `nucleus`, `contrastive`, or one of them with options, as
            `{"type": "beam", "width": 8}`.
          term: name of the recipe's term `captioning`, where it has several.
          tokens: how many are generated at most; by default as many as the model takes.
          batch_size: of texts that are generated together.
          values: what texts are of, a keyword for each of the term's conditions in their order,
            with values as `encode` takes them.

        Returns:
          The texts behind the prompts.

        Raises:
          ConfigError: for a model that does not generate, and other values than it needs.
        """
        given = {self._modality(n): self.prepare(n, each) for n, each in values.items()}
        size = values_lib.count("batch_size", batch_size)
        writer = texts.Writing(self.bundle, self._embedder.texts, term)
        return writer(prompts, given, decoder, tokens, size)

    def zero_shot(
        self,
        images: Any,
        classes: Iterable[str],
        templates: Iterable[str] = ("{}",),
        *,
        modality: str = "image",
        text: str = "text",
        batch_size: int = 64,
        progress: bool | None = None,
    ) -> Classified:
        """Gives every image the class whose text embedding is nearest, as the evaluator does.

        Args:
          images: N values, as `encode` takes them.
          classes: C names.
          templates: prompts, each with one `{}` for the name: `a photo of a {}`.
          modality: of the values, if they are not images.
          text: the modality of the names.
          batch_size, progress: see `encode`.

        Raises:
          ConfigError: as `encode` and `class_embeddings`.
        """
        options: dict[str, Any] = {"batch_size": batch_size, "progress": progress}
        names = values_lib.strings("classes", classes)
        vectors = self.class_embeddings(names, templates, text=text, **options)
        scores = self.similarity(self.encode(**options, **{modality: images}), vectors)
        return Classified([names[c] for c in scores.argmax(axis=1)], scores)

    def class_embeddings(
        self,
        classes: Iterable[str],
        templates: Iterable[str] = ("{}",),
        *,
        text: str = "text",
        batch_size: int = 64,
        progress: bool | None = None,
    ) -> np.ndarray:
        """Embeddings of classes, f32[C, D]: of each the mean over its prompts, of length 1.

        Args:
          classes, templates, text, batch_size, progress: see `zero_shot`.

        Raises:
          ConfigError: for a template without exactly one `{}`, and as `encode`.
        """
        names = values_lib.strings("classes", classes)
        forms = values_lib.strings("templates", templates)
        for form in forms:
            check_template(form)
        prompts = [form.format(name) for name in names for form in forms]
        unit = self.encode(batch_size=batch_size, progress=progress, **{text: prompts})
        return class_vectors(unit, np.repeat(np.arange(len(names)), len(forms)), names)

    def embed(
        self, modality: str, values: Values, layer: Literal["unit", "encoder"] = "unit"
    ) -> np.ndarray:
        """Embeds one batch of ready inputs, of any size; what evaluators ask of a model.

        Args:
          modality: name of a tower, or of a further field that goes through it, `text@wrong`; or
            of a fusion.
          values: [B, ...] as the modality's view makes them; of a fusion a tuple of them.
          layer: `unit`, the embedding; or `encoder`, what the encoder gives to the head.

        Returns:
          f32[B, D], rows of length 1; or f32[B, W] of the encoder.
        """
        return self.begin(modality, values, layer)()

    def begin(
        self, modality: str, values: Values, layer: Literal["unit", "encoder"] = "unit"
    ) -> Waiting:
        """As `embed`, without waiting: gives a function that does."""
        if modality in self.fused:
            return self._embedder.begin(modality, values, layer)
        modality = self._modality(modality_of(modality))
        values = text_length.trimmed(self._encoder(modality), cast(np.ndarray, values))
        return self._embedder.begin(modality, values, layer)

    def dim(self, modality: str) -> int:
        """D, the size of the embeddings of a modality."""
        modality = self._modality(modality)
        return int(self._embedder.dim(modality_of(modality)))

    def similarity(self, a: Any, b: Any) -> np.ndarray:
        """Cosines of all pairs, f[N, D] and f[M, D] -> f32[N, M]."""
        a, b = values_lib.unit("a", a), values_lib.unit("b", b)
        if a.shape[1] != b.shape[1]:
            raise ConfigError(f"embeddings of sizes {a.shape[1]} and {b.shape[1]} do not compare")
        cosines: np.ndarray = a @ b.T
        return cosines

    def search(self, query: Any, gallery: Any, k: int = 10, *, rows: int = 1024) -> Found:
        """The `k` nearest of a gallery for each query, by cosine.

        Args:
          query: f[Q, D], an array or tensor of any library.
          gallery: f[N, D], where to search.
          k: how many; all of the gallery where it is smaller.
          rows: queries at a time: the Q x N scores are never held whole.

        Returns:
          Found; of equal scores, the one earlier in the gallery comes first.
        """
        query, gallery = values_lib.unit("query", query), values_lib.unit("gallery", gallery)
        if query.shape[1] != gallery.shape[1]:
            raise ConfigError(
                f"embeddings of sizes {query.shape[1]} and {gallery.shape[1]} do not compare"
            )
        if not len(gallery):
            raise ConfigError("the gallery is empty: nothing can be found")
        k, rows = values_lib.count("k", k), values_lib.count("rows", rows)
        return neighbours.Gallery(gallery).nearest(query, k, rows)

    def logits(self, a: Any, b: Any) -> np.ndarray:
        """exp(log_scale) cosine + bias, f32[N, M]; of models that have a scale."""
        if self.log_scale is None:
            raise ConfigError("this model has no logit scale: use similarity")
        scale, bias = np.exp(np.float32(self.log_scale)), np.float32(self.bias or 0.0)
        logits: np.ndarray = scale * self.similarity(a, b) + bias
        return logits

    def view(self, modality: str) -> Any:
        """The view that makes inputs of a modality."""
        modality = self._modality(modality)
        if modality not in self.bundle.views:
            raise ConfigError(
                f"the model has no preprocessing of {modality!r} (a foreign folder has it in "
                "preprocessor_config.json and tokenizer.json): give an array of ready inputs"
            )
        return self.bundle.views[modality]

    def prepare(self, modality: str, values: Iterable[Any]) -> np.ndarray:
        """Inputs of a tower, [N, ...], of raw values."""
        view = self.view(modality)
        listed = list(values_lib.rows(modality, values, view))
        if isinstance(view, FusedView):
            raise ConfigError(f"{modality!r} is a fusion: prepare {' and '.join(view.names)}")
        if not listed:
            return np.zeros((0, *view.shape), view.dtype)
        made: np.ndarray = self._preparing(modality, self._modality(modality), listed, 0, map)()
        return made

    def _modality(self, name: str) -> str:
        """The modality that a name means: its own, or with an s."""
        for found in (name, name.removesuffix("s") if isinstance(name, str) else ""):
            if found in (*self.modalities, *self.fused):
                return found
        near = nearest(str(name), self.modalities)
        hint = f"; did you mean {near!r}?" if near else ""
        raise ConfigError(
            f"there is no tower for {name!r}, only for {', '.join(self.modalities)}{hint}"
        )

    def _is_sorted(self, modality: str) -> bool:
        """Whether inputs are batched by their length."""
        return modality not in self.fused and text_length.counts(self._encoder(modality))

    def _encoder(self, modality: str) -> Spec[Encoder]:
        return self.bundle.towers[modality].encoder

    def _prepared(
        self, name: str, modality: str, parts: Iterable[Any], run: Callable[..., Any]
    ) -> Iterator[Values]:
        """Inputs of each part of raw values; the next are made while the caller has some."""
        start, ahead = 0, None
        for part in parts:
            now, ahead = ahead, self._preparing(name, modality, part, start, run)
            start += len(part)
            if now is not None:
                yield now()
        if ahead is not None:
            yield ahead()

    def _preparing(
        self, name: str, modality: str, values: Any, start: int, run: Callable[..., Any]
    ) -> Callable[[], Any]:
        """What gives the inputs [N, ...] of raw values, which `run` begins to make now.

        Of a fusion it gives a tuple of them; an array is ready.
        """
        if isinstance(values, np.ndarray):
            return lambda: values
        view = self.view(modality)

        def one(i: int, value: Any) -> Any:
            try:
                if isinstance(view, FusedView):
                    return view(_plain_parts(value, view), None, False)
                return view(values_lib.plain(value, view), None, False)
            except (BadExample, OSError) as error:
                reason = getattr(error, "reason", None) or error
                raise ConfigError(f"{name}[{i}]: {reason}") from error

        made = run(one, range(start, start + len(values)), values)

        def stacked() -> Any:
            if isinstance(view, FusedView):
                return tuple(map(np.stack, zip(*made, strict=True)))
            return np.stack(list(made))

        return stacked

    def _batches(
        self, name: str, modality: str, inputs: Values, size: int, done: Callable[[int], Any]
    ) -> np.ndarray:
        """Embeds inputs in batches of similar length."""
        count = len(inputs[0]) if isinstance(inputs, tuple) else len(inputs)
        found = np.zeros((count, self.dim(modality)), np.float32)
        order = np.arange(count)
        texts = isinstance(inputs, np.ndarray) and inputs.ndim == 2 and inputs.size
        if texts and self._is_sorted(modality):
            lengths = text_length.lengths(self._encoder(modality), cast(np.ndarray, inputs))
            order = np.argsort(lengths, kind="stable")
        begun: list[tuple[np.ndarray, Waiting]] = []

        def end() -> None:
            for rows, wait in begun:
                found[rows] = wait()
                done(len(rows))
            begun.clear()

        for batch in np.split(order, range(size, len(order), size)):
            own: Values
            own = tuple(x[batch] for x in inputs) if isinstance(inputs, tuple) else inputs[batch]
            try:
                wait = self._begin(modality, own, len(batch), size)
            except (TypeError, ValueError) as error:  # of the tower, when jax traces it
                view: Any = self.bundle.views.get(modality)
                if isinstance(inputs, tuple):
                    raise ConfigError(f"{name}: {str(error).partition(chr(10))[0]}") from error
                takes = "" if view is None else f", but {_shown(view.dtype, ('N', *view.shape))}"
                raise ConfigError(
                    f"{name}: the tower does not take {_shown(inputs.dtype, inputs.shape)}{takes} "
                    f"({str(error).partition(chr(10))[0]})"
                ) from error
            end()  # of the batch before, while the devices compute this one
            begun.append((batch, wait))
        end()
        return found

    def _begin(self, modality: str, batch: Values, rows: int, batch_size: int) -> Waiting:
        shards = mesh_lib.batch_shards(self.bundle.mesh)
        size = min(1 << (rows - 1).bit_length(), batch_size)
        size += -size % shards

        def padded(x: np.ndarray) -> np.ndarray:
            filled: np.ndarray = np.concatenate([x, np.repeat(x[-1:], size - rows, axis=0)])
            return filled

        whole = tuple(map(padded, batch)) if isinstance(batch, tuple) else padded(batch)
        wait = self.begin(modality, whole)
        return lambda: wait()[:rows]


def _plain_parts(values: Any, view: FusedView) -> Any:
    """The values of a fusion's inputs, as their views take them."""
    if not isinstance(values, list | tuple) or len(values) != len(view.inputs):
        return values  # which the view refuses
    pairs = zip(view.inputs, values, strict=True)
    return [values_lib.plain(value, own) for (_, own), value in pairs]


def _shown(dtype: Any, shape: Sequence[Any]) -> str:
    return f"{dtype} [{', '.join(map(str, shape))}]"
