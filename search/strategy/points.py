"""The points of a search space: which of them were tried, and which is the nearest that was not."""

import heapq
import itertools
import math
import zlib
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import FrozenTrial, TrialState

from mlpsearch.studies.spec.dimensions import on_step

FIXED = "fixed_params"  # the system attribute with the values that a trial shall have, as Optuna names it
MAX_FAILED = 2  # trials of one point, which then is left alone: it may be what fails

Space = Mapping[str, BaseDistribution]
Point = tuple[float, ...]  # Optuna's numbers for the values, in the order of the space

_FLOAT_STEP = 0.01  # of a range of floats


def given(trial: FrozenTrial) -> dict[str, Any]:
    """The values that a trial has, and those that it shall have whatever its sampler says."""
    fixed = trial.system_attrs.get(FIXED, {})
    return {**(fixed if isinstance(fixed, dict) else {}), **trial.params}


def size(space: Space) -> float:
    """How many points a space has; infinite where it has a range of floats without a step."""
    return math.prod(map(_values, space.values()))


def point_of(values: Mapping[str, Any], space: Space) -> Point | None:
    """The point of these values; None where one is missing or is none of the space."""
    try:
        numbers = tuple(float(one.to_internal_repr(values[name])) for name, one in space.items())
    except (KeyError, ValueError, TypeError):
        return None
    if not all(map(_contains, space.values(), numbers)):
        return None
    return tuple(map(_snapped, numbers, space.values()))


def values_of(point: Point, space: Space) -> dict[str, Any]:
    """The values of a point, by name."""
    return {name: one.to_external_repr(number) for (name, one), number in zip(space.items(), point, strict=True)}


def with_steps(values: Mapping[str, Any], space: Space) -> dict[str, Any]:
    """The values, those of ranges of floats with a step as people write them: 0.3 in place of 0.1 + 0.2."""
    return {name: _snapped(value, space[name]) for name, value in values.items()}


def tried(trials: Iterable[FrozenTrial], space: Space) -> Counter[Point]:
    """The points that have a trial which did not fail, with how many; also those that failed MAX_FAILED times."""
    found, failed = Counter[Point](), Counter[Point]()
    for trial in trials:
        point = point_of(given(trial), space)
        if point is not None:
            (failed if trial.state == TrialState.FAIL else found)[point] += 1
    hopeless = (point for point, count in failed.items() if count >= MAX_FAILED and point not in found)
    return found + Counter(hopeless)


def first_untried(space: Space, taken: Container[Point], held: Mapping[str, Any]) -> dict[str, Any] | None:
    """The values of the first point of a finite space that is not taken; None where all are.

    In order the last field changes first, choices as they are listed, ranges upwards.
    held: values of some fields, of the space, that the point has.
    """
    places = [
        (_snapped(float(one.to_internal_repr(held[name])), one),) if name in held else range(int(_values(one)))
        for name, one in space.items()
    ]
    for indices in itertools.product(*places):
        point = tuple(
            float(index) if name in held else _number(int(index), one)
            for index, (name, one) in zip(indices, space.items(), strict=True)
        )
        if point not in taken:
            return values_of(point, space)
    return None


def nearest(point: Point, space: Space, held: Iterable[str], taken: Iterable[Point], seed: int) -> Point | None:
    """The nearest point to this one that is not taken; itself if it is not, None where all are.

    One step, of whole numbers or of floats, is as long as its share of the range, with log of the logarithms, and
    so is a hundredth of a range without steps; from one choice to another it is 1. Of equally near points the seed
    chooses.
    held: names whose values stay as they are.
    """
    taken, held = set(taken), set(held)
    moving = [(place, one) for place, (name, one) in enumerate(space.items()) if name not in held]
    seen, heap = {point}, [(0.0, 0, point)]
    while heap:
        distance, _, near = heapq.heappop(heap)
        if near not in taken:
            return near
        for place, distribution in moving:
            for number in _neighbours(near[place], distribution):
                other = (*near[:place], number, *near[place + 1 :])
                if other not in seen:
                    seen.add(other)
                    further = distance + _length(near[place], number, distribution)
                    # By the point, not by a stream: where some values are held the same one is chosen.
                    heapq.heappush(heap, (further, zlib.crc32(f"{seed} {other}".encode()), other))
    return None


def _values(distribution: BaseDistribution) -> float:
    if isinstance(distribution, CategoricalDistribution):
        return len(distribution.choices)
    assert isinstance(distribution, IntDistribution | FloatDistribution)  # noqa: S101 - there is no other kind
    width = distribution.high - distribution.low
    return math.inf if distribution.step is None else round(width / distribution.step) + 1


def _number(index: int, distribution: BaseDistribution) -> float:
    """Optuna's number for the value of that index, from 0, of a distribution that has so many."""
    if isinstance(distribution, CategoricalDistribution):
        return float(index)
    assert isinstance(distribution, IntDistribution | FloatDistribution)  # noqa: S101
    return float(_snapped(distribution.low + index * (distribution.step or 0), distribution))


def _snapped(number: Any, distribution: BaseDistribution) -> Any:
    if not isinstance(distribution, FloatDistribution) or distribution.step is None:
        return number
    return on_step(number, distribution.low, distribution.step)


def _contains(distribution: BaseDistribution, number: float) -> bool:
    return bool(distribution._contains(number))


def _neighbours(number: float, distribution: BaseDistribution) -> Iterator[float]:
    if isinstance(distribution, CategoricalDistribution):
        yield from (float(other) for other in range(len(distribution.choices)) if other != number)
        return
    assert isinstance(distribution, IntDistribution | FloatDistribution)  # noqa: S101
    low, high = distribution.low, distribution.high
    if distribution.step is not None:
        steps = [_snapped(number + move, distribution) for move in (-distribution.step, distribution.step)]
    else:
        width = math.log(high / low) if distribution.log else high - low
        moves = (-_FLOAT_STEP * width, _FLOAT_STEP * width)
        steps = [number * math.exp(move) if distribution.log else number + move for move in moves]
        # For ranges that are hardly wider than their ends are exact.
        steps += [math.nextafter(number, low), math.nextafter(number, high)]
    yield from (step for step in dict.fromkeys(steps) if low <= step <= high and step != number)


def _length(one: float, other: float, distribution: BaseDistribution) -> float:
    if isinstance(distribution, CategoricalDistribution):
        return 1.0
    assert isinstance(distribution, IntDistribution | FloatDistribution)  # noqa: S101
    if distribution.log:
        return abs(math.log(other / one)) / math.log(distribution.high / distribution.low)
    return abs(other - one) / (distribution.high - distribution.low)
