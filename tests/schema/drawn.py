"""Values that an annotation allows, drawn by hypothesis, for words and sections alike."""

import dataclasses
import functools
import inspect
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from hypothesis import strategies as st

from mmjax.schema.bounds import Bounds, Length
from mmjax.schema.registry import Registry
from mmjax.schema.schedule import Scheduled
from mmjax.schema.sections import fields_of
from mmjax.schema.values import form

# No larger than what a test can build.
MOST = 8


def numbers(bounds, whole):
    """Numbers within bounds; ints are small where they may be."""
    if whole:
        low = 0 if bounds.ge is None else bounds.ge
        high = max(low, MOST) if bounds.le is None else min(bounds.le, max(low, MOST))
        return st.integers(low, high)
    low, high = (b if a is None else a for a, b in ((bounds.ge, bounds.gt), (bounds.le, bounds.lt)))
    return st.floats(
        None if low is None else _inside(low, np.inf),
        None if high is None else _inside(high, -np.inf),
        exclude_min=bounds.gt is not None,
        exclude_max=bounds.lt is not None,
        width=32,
        allow_nan=False,
        allow_infinity=False,
        allow_subnormal=False,
    )


def _inside(end, towards):
    """The end of a range as float32, or the next float32 in the range."""
    rounded = np.float32(end)
    outside = rounded < end if towards > 0 else rounded > end
    return float(np.nextafter(rounded, np.float32(towards)) if outside else rounded)


def values(annotation):
    """Values of an annotated type, plain."""
    kind, extras, origin, arguments, union = form(annotation)
    bounds = next((each for each in extras if isinstance(each, Bounds)), Bounds())
    for each in extras:
        if isinstance(each, Registry):
            return st.sampled_from(sorted(each)).flatmap(functools.partial(options, each))
        if isinstance(each, Scheduled):
            return numbers(each.bounds, whole=False)
    if union:
        return st.one_of(values(each) for each in arguments)
    if origin is Literal:
        return st.sampled_from(arguments)
    if kind in (int, float):
        return numbers(bounds, whole=kind is int)
    if kind is bool:
        return st.booleans()
    if kind in (type(None), None):
        return st.none()
    if kind is str:
        return st.sampled_from(["image", "text", "a", "label"])
    if dataclasses.is_dataclass(kind):
        return section(fields_of(kind))
    least = next((each.least for each in extras if isinstance(each, Length)), 0)
    if origin is tuple and ... in arguments:
        return st.lists(values(arguments[0]), min_size=least, max_size=3).map(tuple)
    if origin is tuple:
        return st.tuples(*map(values, arguments))
    if origin in (dict, Mapping):
        return st.dictionaries(values(arguments[0]), values(arguments[1]), max_size=2)
    if kind is Any:  # which the word's constructor looks at
        return st.sampled_from([None, 0, "x", (), {}])
    raise NotImplementedError(f"{annotation} has no values here")


def section(fields):
    """Dicts of keys with their (annotation, default), of which those with a default may lack."""
    needed = {k: values(a) for k, (a, d) in fields.items() if d is inspect.Parameter.empty}
    others = {k: values(a) for k, (a, _) in fields.items() if k not in needed}
    return st.fixed_dictionaries(needed, optional=others)


def options(registry, name):
    """Dicts of a word with options that its annotations allow."""
    return section(registry.options(name)).map(lambda found: {"type": name, **found})
