"""One learned vector that, in the place of a word, turns every caption into a chosen class."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mmjax.attacks.universal_token import fitted_token
from mmjax.evaluators.base import Evaluator
from mmjax.evaluators.data import EvalData, Model
from mmjax.evaluators.errors import EvaluationError
from mmjax.evaluators.gradients import of_inputs
from mmjax.evaluators.word_slots import Prompts, WordSlots, classes_of
from mmjax.schema.annotations import LabelRef, ViewRef
from mmjax.schema.bounds import Count, Factor, NonNegativeInt, Repeats


class UniversalToken(Evaluator):
    """Whether one vector in the last slot of any caption brings it to a chosen class.

    The vector is fitted on random captions of all classes, and measured on others (Liu et al. 2023,
    SAGE, arXiv 2306.00974, with a text tower in place of a generator). It is a point among the
    vectors of words and no word: nobody can type it, and the longer it is the less it says of
    texts. So its length is bounded, in lengths of the longest vector of a word in the slots. It
    stays in memory.

    Metrics, means over the targets, as `bound_B/...` of every bound and as `free/...` without one:
      reached: share of captions of other classes whose nearest class is the target.
      random: the same with a random vector of equal length.
      length: of the vector, in lengths of the longest word's.

    Args:
      words, template, filler, labels, modality, text, own_texts: as of `word_search`.
      bounds: of the length.
      targets: classes to aim at, drawn at random.
      captions: to fit on, and as many to measure on.
      steps: of Adam.
      learning_rate: of Adam, in parts of the root mean square of the longest word's numbers.
      temperature: of the classes' softmax.
      seed: of captions, targets and first vectors.
    """

    least_records = 2

    def __init__(
        self,
        *,
        words: tuple[str, ...],
        template: str = "* {} *",
        filler: str | None = None,
        labels: LabelRef = "label",
        modality: ViewRef = "image",
        text: ViewRef = "text",
        own_texts: bool = False,
        bounds: tuple[Factor, ...] = (1.0, 2.0),
        targets: Repeats = 3,
        captions: Count = 100,
        steps: Repeats = 200,
        learning_rate: Factor = 0.1,
        temperature: Factor = 0.07,
        seed: NonNegativeInt = 0,
    ):
        self.slots = WordSlots(template, words, filler)
        self.labels, self.modality, self.text, self.own_texts = labels, modality, text, own_texts
        self.bounds, self.targets, self.captions = bounds, targets, captions
        self.learning_rate, self.seed = learning_rate, seed
        self.how: dict[str, Any] = dict(steps=steps, temperature=temperature)

    def check(self, data: EvalData) -> None:
        Prompts(self.slots, data, self.text, ("x",))

    def __call__(self, model: Model, data: EvalData, mesh: Any = None) -> dict[str, float]:
        """Returns the metrics; `mesh` is not needed, each process uses one device of its own."""
        own = self.slots if self.own_texts else None
        who = "universal_token"
        known = classes_of(model, data, self.modality, self.labels, self.text, own, who)
        free = of_inputs(model, "free_words", "universal_token")
        tower = free(data.known_by(self.text))
        rng = np.random.default_rng([self.seed, 2])
        rows = rng.integers(len(known.of), size=(2, self.captions))
        things, rows = np.unique(rows, return_inverse=True)
        rows = rows.reshape(2, -1)
        prompts = Prompts(self.slots, data, self.text, [known.of[thing] for thing in things])
        ids = []
        for side in rows:
            choices = np.stack([self.slots.grammar.natural(rng) for _ in side])
            tokens = prompts.token_ids[choices]
            tokens[:, -1] = len(tower.table)  # the vector in the place of the last word
            ids.append(prompts.put(side, tokens))
        embed = jax.tree_util.Partial(_with_token, tower.embed)
        truth = known.truth[things[rows[1]]]
        words = tower.table[prompts.token_ids]
        longest = float(np.linalg.norm(words, axis=1).max())
        rate = self.learning_rate * longest / words.shape[1] ** 0.5
        targets = rng.permutation(len(known.vectors))[: self.targets]
        if any((truth == target).all() for target in targets):
            raise EvaluationError(
                f"universal_token: all of {self.captions} captions are of the class that they are "
                "to be brought to; make 'captions' more"
            )
        program = jax.jit(lambda embed, v, ids: embed(v, ids))

        def reached(v: np.ndarray, target: int) -> float:
            found = np.asarray(program(embed, jnp.asarray(v, jnp.float32), ids[1]))
            others = truth != target
            return float(((found @ known.vectors.T).argmax(1) == target)[others].mean())

        metrics: dict[str, float] = {}
        named = {f"bound_{bound:g}": bound * longest for bound in self.bounds}
        for name, bound in (*named.items(), ("free", None)):
            fits = []
            for target in targets:
                start = words[rng.integers(len(words))]
                v = fitted_token(
                    embed, ids[0], known.vectors, int(target), start,
                    bound=bound, learning_rate=rate, **self.how,
                )  # fmt: skip
                length = float(np.linalg.norm(v))
                other = rng.standard_normal(len(v))
                other *= length / np.linalg.norm(other)
                fits.append((reached(v, target), reached(other, target), length / longest))
            means = np.mean(fits, axis=0)
            metrics |= {
                f"{name}/{key}": float(value)
                for key, value in zip(("reached", "random", "length"), means, strict=True)
            }
        return metrics


def _with_token(embed: Any, v: jax.Array, ids: jax.Array) -> jax.Array:
    found: jax.Array = embed(ids, v[None])
    return found
