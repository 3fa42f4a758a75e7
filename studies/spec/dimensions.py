"""One searched field: the range or the choices it may have, and whether they make sense."""

import math
from collections.abc import Iterator
from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Discriminator, Field, PlainValidator, Tag

from mlpsearch.models.config import TYPES, check_value, describe_allowed
from mlpsearch.models.errors import ConfigError
from mlpsearch.studies.spec.messages import Mistake, key_path, nearest, show

# Fields of TrainConfig that the study sets itself -> what a file says instead.
NOT_SEARCHED = {
    "epochs": "the epochs are set by budget.epochs",
    "seed": "each trial's seed is derived from the seed of the study",
}
FIELDS = tuple(name for name in TYPES if name not in NOT_SEARCHED)
_NEAR = 1e-8  # of a step
_MOST_STEPS = 1_000_000  # from 0 to the high end: with more, floats are no longer told apart from those between


def _number(value: object) -> object:
    if type(value) in (int, float):
        return value
    raise ValueError("must be a number")


def _single_value(value: object) -> object:
    if type(value) in (bool, int, float, str):
        return value
    raise ValueError("must be one number, one string, true or false")


Number = Annotated[int | float, PlainValidator(_number)]
Value = Annotated[bool | int | float | str, PlainValidator(_single_value)]


class Table(BaseModel):
    """A table of the study file; the description of a key completes "must be ..." in error messages."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Range(Table):
    """The numbers from low to high, both included; with log their logarithm is searched evenly.

    step: low, low + step, low + 2 step, … are searched, of which high is the last.
    """

    low: Number = Field(description="a number")
    high: Number = Field(description="a number")
    step: Number | None = Field(default=None, description="a number")
    log: bool = Field(default=False, description="true or false")


class Choices(Table):
    """A list of values to choose from."""

    choices: tuple[Value, ...] = Field(strict=False, description="a list of values")


def _form(dimension: object) -> str:
    if isinstance(dimension, dict):
        return "choices" if "choices" in dimension else "range"
    return "choices" if isinstance(dimension, Choices) else "range"


Dimension = Annotated[Annotated[Range, Tag("range")] | Annotated[Choices, Tag("choices")], Discriminator(_form)]


def why_no_field(name: str) -> str:
    """Why a name, which is none of FIELDS, cannot be searched or fixed."""
    return NOT_SEARCHED.get(name) or f"unknown field{nearest(name, FIELDS)}"


def fits(name: str, value: Value) -> bool:
    """Whether a field of TrainConfig may have a value."""
    try:
        check_value(name, value)
    except (ConfigError, ValueError):  # the latter: thousands of digits, which Python does not write out
        return False
    return True


def as_float(name: str, value: Value) -> Value:
    """The value, as a float where it is a whole number for a field of floats."""
    return float(value) if TYPES.get(name) is float and type(value) is int and fits(name, value) else value


def read_value(name: str, text: str) -> Value:
    """The value of a field that a text means; the text itself where it means none of the field's type."""
    kind = TYPES.get(name)
    if kind is bool:
        return {"true": True, "false": False}.get(text.lower(), text)  # status writes False
    for number in (int, float) if kind in (int, float) else ():
        try:
            return number(text)
        except ValueError:
            pass
    return text


def with_floats(name: str, dimension: Dimension) -> Dimension:
    """The dimension, with all its values made floats where the field is one of floats."""
    if isinstance(dimension, Range):
        ends = {"low": as_float(name, dimension.low), "high": as_float(name, dimension.high)}
        step = None if dimension.step is None else as_float(name, dimension.step)
        return dimension.model_copy(update=ends | {"step": step})
    return dimension.model_copy(update={"choices": tuple(as_float(name, c) for c in dimension.choices)})


def mistakes(name: str, dimension: Dimension) -> Iterator[Mistake]:
    """What is wrong with one entry of [search]."""
    key = key_path("search", name)
    if name not in FIELDS:
        yield Mistake(why_no_field(name), key)
    elif isinstance(dimension, Range):
        yield from _range_mistakes(key, name, dimension)
    else:
        yield from _choices_mistakes(key, name, dimension.choices)


def _range_mistakes(key: str, name: str, dimension: Range) -> Iterator[Mistake]:
    if TYPES[name] in (str, bool):
        yield Mistake(f"has no range; give choices, {describe_allowed(name)}", key)
        return
    ends = {"low": dimension.low, "high": dimension.high}
    wrong = {end: value for end, value in ends.items() if not fits(name, value)}
    for end, value in wrong.items():
        yield Mistake(f"must be {describe_allowed(name)}", f"{key}.{end}", show(value))
    if wrong:
        return
    if dimension.low > dimension.high:
        yield Mistake(f"is empty: low = {dimension.low} is above high = {dimension.high}", key)
    elif dimension.low == dimension.high:
        yield Mistake(f"low and high are both {dimension.low}; a single value belongs under [fixed]", key)
    elif dimension.step is not None:
        yield from _step_mistakes(f"{key}.step", TYPES[name], dimension, dimension.step)
    if dimension.log and dimension.low <= 0:
        yield Mistake("must be above 0, because log = true", f"{key}.low", str(dimension.low))


def _step_mistakes(key: str, kind: type, dimension: Range, step: float) -> Iterator[Mistake]:
    low, high = dimension.low, dimension.high
    if dimension.log:
        yield Mistake("cannot go with log = true", key, show(step))
    elif kind is int and not (type(step) is int and step >= 1):
        yield Mistake("must be a whole number of at least 1", key, show(step))
    elif not high / _MOST_STEPS <= step <= high:
        yield Mistake(f"must be from a millionth of high = {high} to that", key, show(step))
    elif (last := on_step(high, low, step)) != high:
        below, above = (on_step(last + way * step, low, step) for way in ((0, 1) if last < high else (-1, 0)))
        problem = f"does not lead from low = {low} to high = {high}, but to {below} and {above}"
        yield Mistake(problem, key, show(step))


def on_step(value: float, low: float, step: float) -> float:
    """The number nearest to a value that is so many steps above low, as people write it: 0.3, not 0.1 + 0.2."""
    exact = Decimal(repr(low)) + round((value - low) / step) * Decimal(repr(step))
    return int(exact) if isinstance(low, int) and isinstance(step, int) else float(exact)


def _choices_mistakes(key: str, name: str, choices: tuple[Value, ...]) -> Iterator[Mistake]:
    if len(choices) < 2:
        yield Mistake("must list at least two values; a single value belongs under [fixed]", f"{key}.choices")
    for number, value in enumerate(choices, 1):
        if not fits(name, value):
            yield Mistake(f"must be {describe_allowed(name)}", f"{key}.choices[{number}]", show(value))
        elif value in choices[: number - 1]:
            yield Mistake("is listed twice", f"{key}.choices[{number}]", show(value))


def is_finite(name: str, dimension: Dimension) -> bool:
    """Whether the values of a dimension can be counted."""
    return isinstance(dimension, Choices) or dimension.step is not None or TYPES.get(name) is not float


def inside(dimension: Dimension, value: Value) -> bool:
    """Whether a value can come out of a dimension."""
    if isinstance(dimension, Choices):
        return value in dimension.choices
    if isinstance(value, str) or not dimension.low <= value <= dimension.high:
        return False
    step = dimension.step
    if step is None or not 0 < step <= dimension.high:  # what is no step is told as a mistake of its own
        return True
    return abs(math.remainder((value - dimension.low) / step, 1)) < _NEAR  # as Optuna wants it


def extent(dimension: Dimension) -> str:
    """The values of a dimension in words, for messages."""
    if isinstance(dimension, Choices):
        return "one of " + ", ".join(show(choice) for choice in dimension.choices)
    steps = "" if dimension.step is None else f" in steps of {show(dimension.step)}"
    return f"from {show(dimension.low)} to {show(dimension.high)}{steps}"
