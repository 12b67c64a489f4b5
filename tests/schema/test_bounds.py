"""Bounds of numbers, and options that annotations allow or not, of every word and section."""

import dataclasses
import math
import typing
from typing import Annotated

import drawn
import jax
import jax.numpy as jnp
import pytest
from flax import nnx
from hypothesis import HealthCheck, given, settings

from mmjax.data.tokenizers import BytesTokenizer
from mmjax.errors import ConfigError, UserError
from mmjax.model.base import FusionInput
from mmjax.recipe.sections import Recipe
from mmjax.recipe.words import REGISTRIES
from mmjax.schema import bounds
from mmjax.schema.annotations import Pattern
from mmjax.schema.bounds import Length
from mmjax.schema.schedule import ScheduledFraction, ScheduledNonNegative
from mmjax.schema.sections import fields_of, parse
from mmjax.schema.values import describe, form

TOKENIZER = BytesTokenizer()
WORDS = [(kind, name) for kind, registry in REGISTRIES.items() for name in registry]


def said(annotation, value):
    with pytest.raises(ConfigError) as refused:
        parse(annotation, value, "a.b", "recipe.py")
    return str(refused.value)


@pytest.mark.parametrize(
    ("annotation", "value", "message"),
    [
        (bounds.Positive, 0, "'a.b' should be above 0, but is 0"),
        (bounds.Positive, 1e-60, "'a.b' should be above 0 (float32 makes it 0), but is 1e-60"),
        (bounds.Positive, math.inf, "should be above 0 and finite in float32, but is inf"),
        (float, math.nan, "should be finite in float32, but is nan"),
        (float, 2**31, "should be written as a float, 2.14748e+09, but is 2147483648"),
        (float, 10**400, "should be finite in float32, but is 1000"),
        (bounds.BelowOne, 1 - 1e-12, "at least 0 and below 1 (float32 makes it 1)"),
        (bounds.Factor, 1e30, "should be at least 1e-15 and at most 1e+15, but is 1e+30"),
        (bounds.PositiveInt, 2**40, "should be at least 1 and at most 2147483647, but is 10995"),
        (bounds.Count, 2**40, "should be at least 1 and at most 16777216, but is 10995"),
        (tuple[bounds.Count, ...], (3, 0), "at most 16777216, but is 0 in (3, 0)"),
        (dict[str, bounds.Fraction], {"x": 2}, "'a.b.x' should be at least 0 and at most 1"),
        (bounds.Count | None, "x", "should be an int (at least 1 and at most 16777216) or None"),
        (Annotated[tuple[int, ...], Length()], (), "should be not empty, but is ()"),
        (Pattern, "(", "should be a regular expression (missing )"),
        (ScheduledFraction, 2, "'a.b' should be at least 0 and at most 1, but is 2"),
        (ScheduledFraction, {"type": "linear", "start": 0, "end": -1}, "'a.b.end' should be at"),
        (ScheduledNonNegative, {"type": "step", "start": -1, "end": 1}, "'a.b.start' should be at"),
        (ScheduledFraction, {"type": {}, "start": 0, "end": 1}, "'a.b.type' should be one of"),
    ],
)  # fmt: skip
def test_what_is_out_of_bounds_is_named_with_what_is_allowed(annotation, value, message):
    assert message in said(annotation, value)


def test_an_int_that_python_does_not_write_is_refused():
    assert "but is a number of thousands of digits" in said(int, 10**5000)


def test_ends_are_within_or_not():
    for value in (0, 1, 0.5):
        assert parse(bounds.Fraction, value, "a", "f") == value
    assert parse(bounds.Seed, 2**32 - 2, "a", "f") == 2**32 - 2
    assert "below 4294967295" in said(bounds.Seed, 2**32 - 1)
    assert describe(tuple[bounds.Positive, ...]) == "tuple[float (above 0), ...]"


def numbers(annotation, where):
    """(path, annotation) of the numbers of an annotation that stand under a key of their own."""
    kind, extras, *_ = form(annotation)
    if kind in (int, float):
        yield where, annotation
    elif dataclasses.is_dataclass(kind):
        for key, (own, _) in fields_of(kind).items():
            yield from numbers(own, f"{where}.{key}" if where else key)
    elif not extras:
        for each in typing.get_args(kind):
            if each in (int, float) or form(each).kind in (int, float):
                yield where, annotation


def test_a_number_of_any_option_is_refused_by_its_key():
    options = [
        (f"{kind}.{word}.{option}", annotation)
        for kind, word in WORDS
        for option, (annotation, _) in REGISTRIES[kind].options(word).items()
    ]
    found = [each for path, own in [*options, ("", Recipe)] for each in numbers(own, path)]
    assert len(found) > 500
    for path, annotation in found:
        for value in (math.nan, -math.inf, 1e300, 10**40, b"x"):
            with pytest.raises(ConfigError, match=rf"^f: '{path}(\.\w+)?' should be "):
                parse(annotation, value, path, "f")


def check_word(kind, name, examples):
    """What a word's annotations allow is built, or refused in a sentence."""
    registry = REGISTRIES[kind]

    def build(spec):
        given = {"rngs": nnx.Rngs(0), "dtype": jnp.float32, "width": 8, "tokenizer": TOKENIZER}
        given["inputs"] = (tuple(FusionInput(each, each, 8, 8) for each in ("image", "text")),)
        return spec.build(**{k: v for k, v in given.items() if k in registry.provided})

    @settings(max_examples=examples, suppress_health_check=list(HealthCheck))
    @given(drawn.options(registry, name))
    def check(options):
        try:
            spec = registry.parse(options, "a", "f")
            if kind in ("encoder", "head", "term", "fusion"):  # shapes only
                jax.eval_shape(lambda: nnx.split(build(spec))[1])
            elif kind not in ("source", "adapter"):  # which need files, or encoders
                build(spec)
        except UserError:
            pass

    check()


@pytest.mark.parametrize(("kind", "name"), WORDS)
def test_options_that_are_allowed_make_a_component_or_a_sentence(kind, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where none of the drawn names is a file
    check_word(kind, name, 2)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "name"), WORDS)
def test_many_options_that_are_allowed_make_a_component_or_a_sentence(
    kind, name, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    check_word(kind, name, 60)
