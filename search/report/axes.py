"""The axes of charts: where a value lies between their ends, and which values are named beside them."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mlpsearch.models.scores import Metric

Write = Callable[[float, float], str]  # a value, and how far it is to the next that is named → its text

_ROOM = 0.03  # of an axis, left free at both ends
_MOST_TICKS = 6
_FEW_VALUES = 8  # of which all are shown, however bad
_LEAST_SPAN = 1e-300  # smaller ones have too few digits to be divided
_SHORT_LOG = 2  # decades, from where on an axis names powers of ten alone


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis.

    low, high: its ends; of a logarithmic one, their logarithms.  ticks: (place from 0 to 1, text).
    is_named: whether its values are categories.
    """

    title: str
    low: float
    high: float
    ticks: list[tuple[float, str]]
    is_log: bool = False
    is_named: bool = False

    def place(self, value: float) -> float:
        """Return where a value lies: 0 is the low end, 1 the high one."""
        return ((math.log10(value) if self.is_log else value) - self.low) / (self.high - self.low)


def linear(title: str, low: float, high: float, write: Write, *, whole: bool = False) -> Axis:
    """Return an axis from low to high, with some room beyond. whole: whether it names whole numbers alone."""
    if high - low < _LEAST_SPAN:
        size = max(abs(low), abs(high))
        half = 0.5 * size if size > _LEAST_SPAN else 0.5
        low, high = low - half, high + half
    room = _ROOM * (high - low)
    ends = low - room, high + room
    step = _step(high - low)
    step = max(1.0, step) if whole else step
    named = [step * number for number in range(math.ceil(ends[0] / step), math.floor(ends[1] / step) + 1)]
    return Axis(title, *ends, [((value - ends[0]) / (ends[1] - ends[0]), write(value, step)) for value in named])


def logarithmic(title: str, low: float, high: float) -> Axis:
    """Return an axis of the logarithm, of values above 0; it names at least two values, each in full."""
    first, last = math.log10(low), math.log10(high)
    if last - first < math.log10(2):  # as wide as from one value to the double, at least
        first, last = first - 0.2, last + 0.2
    room = _ROOM * (last - first)
    ends = first - room, last + room
    ticks = [(math.log10(value), plain_number(value)) for value in _log_values(*ends)]
    places = [((place - ends[0]) / (ends[1] - ends[0]), text) for place, text in ticks]
    return Axis(title, *ends, places, is_log=True)


def categories(title: str, names: Sequence[str]) -> Axis:
    """Return an axis on which the values 0, 1, 2, … have these names."""
    count = max(1, len(names))
    return Axis(
        title,
        -0.5,
        count - 0.5,
        [((place + 0.5) / count, name) for place, name in enumerate(names)],
        is_named=True,
    )


def usual(metric: Metric, values: Sequence[float]) -> float | None:
    """Return the worst score that an axis of these needs to show; None where all of them fit.

    The better half of the values takes a third of the axis at least: a few very bad ones would leave it one line.
    """
    if len(values) < _FEW_VALUES:
        return None
    ordered = sorted(values, key=metric.rank)
    best, middle = ordered[0], ordered[len(ordered) // 2]
    end = best + 3 * (middle - best)
    return end if end != best and metric.better(end, ordered[-1]) else None


def scores(metric: Metric, values: Sequence[float], *, title: str = "", worst: float | None = None) -> Axis:
    """Return an axis of scores that holds these values, or of them what is no worse than `worst`."""
    write = _share if metric.is_percentage else number
    ends = (min(values, default=0.0), max(values, default=1.0))
    if worst is not None:
        ends = (ends[0], worst) if metric.lower_is_better else (worst, ends[1])
    if metric.is_percentage and ends[0] == ends[1]:
        ends = (max(0.0, ends[0] - 0.05), min(1.0, ends[1] + 0.05))
    return linear(title or f"validation {metric.title}", *ends, write)


def numbers(title: str, values: Sequence[float], *, is_log: bool) -> Axis:
    """Return an axis that holds these numbers. is_log: whether it is logarithmic; values below 0 forbid that."""
    low, high = min(values), max(values)
    if low == high:
        return Axis(title, low - 1, high + 1, [(0.5, plain_number(low))])
    if is_log and low > 0:
        return logarithmic(title, low, high)
    return linear(title, low, high, number, whole=all(type(value) is int for value in values))


def number(value: float, step: float) -> str:
    """Return a number beside an axis, with as many digits as its neighbours need."""
    return plain_number(round(value / step) * step)


def plain_number(value: float) -> str:
    """Return a number in full where that is short."""
    size = abs(value)
    if size and not 1e-4 <= size < 1e7:
        return f"{value:.3g}".replace("e-0", "e-").replace("e+0", "e")
    return f"{float(f'{value:.6g}'):,.10g}" if size >= 1000 else f"{value:.6g}"


def _share(value: float, step: float) -> str:
    digits = max(0, -math.floor(math.log10(100 * step) + 1e-9))
    return f"{value:.{digits}%}"


def _step(span: float) -> float:
    """A step of 1, 2 or 5 times a power of ten, of which a few fit into the span."""
    rough = span / _MOST_TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)


def _log_values(first: float, last: float) -> list[float]:
    """What is named between two logarithms: powers of ten, of short spans 2 and 5 times these as well, or more."""
    powers = range(math.floor(first), math.ceil(last) + 1)
    if last - first > _SHORT_LOG:
        every = math.ceil((last - first) / _MOST_TICKS)
        inside = [power for power in powers if first <= power <= last]
        return [10.0**power for power in inside[::every]]
    for factors in ((1, 2, 5), (1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9), tuple(number / 10 for number in range(10, 100))):
        found = [factor * 10.0**power for power in powers for factor in factors]
        found = [value for value in found if first <= math.log10(value) <= last]
        if len(found) > 1:
            return found
    return found
