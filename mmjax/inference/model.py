"""A model for inference: embeddings of raw values, similarities, search."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, cast

import numpy as np
from tqdm import tqdm

from mmjax.data.views import FusedView
from mmjax.encoders import Encoder
from mmjax.errors import ConfigError, nearest
from mmjax.evaluators import neighbours
from mmjax.evaluators.class_prompts import check_template, class_vectors
from mmjax.evaluators.neighbours import Found
from mmjax.inference import matches, text_length, texts
from mmjax.inference import values as values_lib
from mmjax.inference.bundle import Bundle
from mmjax.inference.encoding import Encoding, preparing, shown
from mmjax.parallel import mesh as mesh_lib
from mmjax.schema.names import modality_of
from mmjax.schema.registry import Spec
from mmjax.system.embedder import Embedder, Values
from mmjax.system.layers import Waiting

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
        rows = values_lib.rows(name, given, self.bundle.views.get(modality))
        total = len(rows) if isinstance(rows, Sequence | np.ndarray) else None
        encoding = self._encoding(name, modality, values_lib.count("batch_size", batch_size))
        show = (total is None or total > encoding.size) if progress is None else progress
        with tqdm(total=total, desc=f"encode {name}", disable=not show, leave=False) as bar:
            return encoding(rows, bar.update)

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
        made: np.ndarray = preparing(modality, lambda: view, listed, 0, map)()
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

    def _encoding(self, name: str, modality: str, batch_size: int) -> Encoding:
        """How values of a modality are embedded, which errors call by `name`."""
        view: Any = self.bundle.views.get(modality)
        fused = modality in self.fused
        by_length = not fused and text_length.counts(self._encoder(modality))
        return Encoding(
            name=name,
            view=functools.partial(self.view, modality),
            shape="" if view is None or fused else shown(view.dtype, ("N", *view.shape)),
            encoder=self._encoder(modality) if by_length else None,
            begin=functools.partial(self.begin, modality),
            dim=self.dim(modality),
            size=min(batch_size, _MOST),
            shards=mesh_lib.batch_shards(self.bundle.mesh),
        )

    def _encoder(self, modality: str) -> Spec[Encoder]:
        return self.bundle.towers[modality].encoder
