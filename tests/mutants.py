"""Recipes in which one value is another one, drawn at random."""

import copy
import functools
import math
import random
from pathlib import Path

from mmjax import recipe as recipe_lib

CONFIGS = Path(__file__).parents[1] / "configs"
# But for those that a folder of weights completes, which no recipe brings.
RECIPES = [
    file.stem
    for file in sorted(CONFIGS.glob("*.py"))
    if file.stem != "__init__" and "weights" not in recipe_lib.given(str(file))
]

# Of another type, out of range, huge, tiny, not a number, empty, or of strange contents.
VALUES = (
    None, True, False,
    0, 1, -1, 2, 3, 7, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**63, -(2**40), 10**400,
    0.0, -0.0, 0.5, 1.0, -0.5, 1.5, 1e-8, 1e-30, 1e-45, 1e-60, 1e10, 3e38, 1e39, 1e300,
    1 - 1e-10, math.nan, math.inf, -math.inf,
    "", "x", "None", "nan", "image", "text", "label", "@", "image@", "@2", "../x", "a/b", "a.b",
    "\x1b[2J", "*", "(", "ä" * 300,
    (), [], (None,), ((),), (0,), (-1,), (2**40,), ("x",), ("(",), ("x", "x"), (1, 2), (1.5, "x"),
    ((1, 2), (3, 4)), (("x", 1.0),), (("(", 1.0),), (("x", math.nan),), (("image", "text"),),
    {}, {"type": None}, {"type": {}}, {"type": "x"}, {"type": ()}, {"type": 3}, {"x": 1}, {1: 2},
    {"": 1}, {"a": {"b": {}}}, {"like": "data.source"}, {"like": {}}, {"start": 1, "end": 2},
    {"type": "linear", "start": "a", "end": 2}, {"type": "linear", "start": -5, "end": math.inf},
)  # fmt: skip
KEYS = ("x", "", "type", "like", "a.b", "a/b")  # that a section does not have


@functools.cache
def _whole(recipe):
    """The small variant of a recipe, plain and with every default."""
    return recipe_lib.load(f"{CONFIGS / recipe}.py").plain()


def _paths(tree, where=()):
    """The path of every node of a plain config but its root, and of keys that it does not have."""
    if isinstance(tree, dict):
        items = list(tree.items())
        yield (*where, KEYS[len(where) % len(KEYS)])
    elif isinstance(tree, tuple):
        items = list(enumerate(tree))
    else:
        return
    for key, value in items:
        yield (*where, key)
        yield from _paths(value, (*where, key))


def put(tree, path, value):
    """A plain config with another value at a path."""
    if not path:
        return value
    key, *rest = path
    if isinstance(tree, tuple):
        return tuple(put(each, rest, value) if i == key else each for i, each in enumerate(tree))
    return {**tree, key: put(tree.get(key), rest, value)}


def mutant(seed):
    """(recipe, path, value, plain config) of a mutant, the same for the same seed."""
    rng = random.Random(seed)
    recipe = rng.choice(RECIPES)
    tree = _whole(recipe)
    # One of a thousand words of a tokenizer is no test of anything else.
    path = rng.choice([path for path in _paths(tree) if "words" not in path[:-1]])
    value = copy.deepcopy(rng.choice(VALUES))
    return recipe, path, value, put(tree, path, value)
