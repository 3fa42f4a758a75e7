"""What a table shows of several studies, a column each: which values are the same, and which is the best."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from mlpsearch.models.scores import ACCURACY, METRICS
from mlpsearch.search.report.summary import StudySummary
from mlpsearch.search.results.wording import (
    duration,
    interval,
    items,
    mean_and_deviation,
    percent,
    points,
    score,
    short,
    tested_score,
)

_BARS = "▁▂▃▄▅▆▇█"
_MOST_BARS = 30

Write = Callable[[StudySummary], str]
Judge = Callable[[StudySummary], float | None]  # the lower, the better
Cell = tuple[str, Write, Judge | None]


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table.

    values: a text a study.  best: the places of the studies that are the best in it; none where all are the same,
    and where they cannot be compared.
    """

    name: str
    values: list[str]
    best: frozenset[int] = frozenset()

    @property
    def is_same(self) -> bool:
        """Whether all studies have the same value."""
        return len(set(self.values)) == 1


def rows(studies: Sequence[StudySummary]) -> list[Row]:
    """Return what a table shows.

    No best is named of what cannot be compared, such as scores on other images; nor of the best validation of the
    search, which flatters whoever tried more, and of the selection bias.
    """
    params = dict.fromkeys(name for study in studies for name in study.params)
    others = {study.metric for study in studies} - {ACCURACY.name}
    validated = _confirmed_rank if _are_comparable(studies) else None
    cells: list[Cell] = [
        ("net", lambda study: study.net, None),
        ("data", lambda study: study.dataset, None),
        ("trials (finished, pruned, failed)", _trials, None),
        *([("metric", lambda study: METRICS[study.metric].title, None)] if others else []),
        ("best validation of the search", lambda study: score(study.search_best, METRICS[study.metric]), None),
        ("confirmed validation ± sd", _confirmed, validated),
        ("selection bias" if others else "selection bias, points", _bias, None),
        *_of_tests(studies),
        ("winner", lambda study: "–" if study.winner is None else f"trial {study.winner}", None),
        *((name, lambda study, name=name: _known(short, study.params.get(name)), None) for name in params),
        ("parameters", lambda study: _known("{:,}".format, study.parameters), lambda study: study.parameters),
        ("time of the winner", lambda study: _known(duration, study.winner_seconds), lambda s: s.winner_seconds),
        (
            f"{common_items(studies)} a second",
            lambda study: _known("{:,}".format, study.images_per_second),
            _speed,
        ),
        ("time of the search", lambda study: _known(duration, study.seconds or None), lambda s: s.seconds or None),
    ]
    return [_row(name, studies, write, judge) for name, write, judge in cells]


def _of_tests(studies: Sequence[StudySummary]) -> list[Cell]:
    metrics, ends = {study.metric for study in studies}, "its 95% interval"
    others = metrics - {ACCURACY.name}
    is_tested_alike = len({study.test["fingerprint"] for study in studies if study.test}) == 1
    accurate = _test_rank if is_tested_alike else None
    scored = _score_rank if is_tested_alike and len(metrics) == 1 else None
    by_metric: list[Cell] = [("test by that metric ± sd", _score, scored), (ends, _ends_of_score, None)]
    of_average: list[Cell] = [("test of the nets' average", _average, None), (ends, _ends_of_average, None)]
    return [
        *(by_metric if others else []),
        ("test accuracy ± sd" if others else "test ± sd", _test, accurate),
        (ends, lambda study: interval(study.test["interval"]) if study.test else "–", None),
        *(of_average if any(study.test and study.test["average"] for study in studies) else []),
    ]


def _row(name: str, studies: Sequence[StudySummary], write: Write, judge: Judge | None) -> Row:
    """A value that reads like the best is the best as well."""
    values = [write(study) for study in studies]
    ranks = [judge(study) for study in studies] if judge else []
    known = [rank for rank in ranks if rank is not None]
    if len(known) < 2 or len(set(values)) == 1:  # there is nothing to be better than
        return Row(name, values)
    best = values[ranks.index(min(known))]
    return Row(name, values, frozenset(place for place, value in enumerate(values) if value == best))


def _are_comparable(studies: Sequence[StudySummary]) -> bool:
    """Whether their validation scores are by one metric, on the same images."""
    return len({(study.metric, study.fingerprint, validation_of(study)) for study in studies}) == 1


def _confirmed_rank(study: StudySummary) -> float | None:
    return None if study.confirmed_mean is None else METRICS[study.metric].rank(study.confirmed_mean)


def _test_rank(study: StudySummary) -> float | None:
    return None if study.test is None else -float(study.test["accuracy"])


def _score_rank(study: StudySummary) -> float | None:
    if study.test is None or study.test["score"] is None:
        return None
    return METRICS[study.metric].rank(study.test["score"])


def _speed(study: StudySummary) -> float | None:
    return None if study.images_per_second is None else -study.images_per_second


def curves(studies: Sequence[StudySummary]) -> tuple[str, list[str]]:
    """Return one more row for a terminal: the winners' validation scores by epoch as lines of bars.

    One scale for all, so that they can be compared, where they have one metric.
    """
    metric, *others = {METRICS[study.metric] for study in studies}
    scales = [study.curve or [0.0] for study in studies]
    if others:
        bars = [_sparkline(one.curve, min(scale), max(scale)) for one, scale in zip(studies, scales, strict=True)]
        return "validation by epoch, each on its own scale", [line or "–" for line in bars]
    values = [value for study in studies for value in study.curve] or [0.0]
    low, high = min(values), max(values)
    lowest, highest = (percent(end, 0) if metric.is_percentage else score(end, metric) for end in (low, high))
    bars = [_sparkline(study.curve, low, high) for study in studies]
    return f"validation by epoch, {lowest} – {highest}", [line or "–" for line in bars]


def _trials(study: StudySummary) -> str:
    counts = study.trials
    ended = counts["finished"] + counts["pruned"]
    return f"{ended}/{study.budget} ({counts['finished']}, {counts['pruned']}, {counts['failed']})"


def _confirmed(study: StudySummary) -> str:
    return mean_and_deviation(study.confirmed_mean, study.confirmed_deviation, METRICS[study.metric])


def _bias(study: StudySummary) -> str:
    metric = METRICS[study.metric]
    return _known(points if metric.is_percentage else lambda bias: score(bias, metric), study.selection_bias)


def _score(study: StudySummary) -> str:
    return "–" if study.test is None else tested_score(study.test)


def _average(study: StudySummary) -> str:
    average = study.test and study.test["average"]
    return score(average["score"], METRICS[study.metric]) if average else "–"


def _ends_of_average(study: StudySummary) -> str:
    average = study.test and study.test["average"]
    return interval(average["score_interval"], METRICS[study.metric]) if average else "–"


def _ends_of_score(study: StudySummary) -> str:
    return "–" if study.test is None else interval(study.test["score_interval"], METRICS[study.metric])


def _test(study: StudySummary) -> str:
    if study.test is None:
        return "–"
    spread = mean_and_deviation(study.test["accuracy"], study.test.get("deviation"))
    opening = study.test["opening"]
    return f"{spread} (opening {opening})" if opening > 1 else spread


def _known(write: Callable[[Any], str], value: Any) -> str:
    return "–" if value is None else write(value)


def _sparkline(values: Sequence[float], low: float, high: float) -> str:
    """The values as a line of bars; low and high are the ends of the scale."""
    count, steps = min(len(values), _MOST_BARS), len(_BARS) - 1
    shown = [values[(place + 1) * len(values) // count - 1] for place in range(count)]  # evenly, and the last
    return "".join(_BARS[round(steps * (value - low) / ((high - low) or 1))] for value in shown)


def common_items(studies: Sequence[StudySummary]) -> str:
    """Return what the data of all of them consist of."""
    kinds = {items(study.dataset) for study in studies}
    return kinds.pop() if len(kinds) == 1 else "images or rows"


def validation_of(study: StudySummary) -> tuple[object, ...]:
    """Return what decides which images trials are judged by, of the same images in all."""
    return study.validation, study.folds, study.validation_folder or study.split_seed
