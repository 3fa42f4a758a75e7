"""Two or more studies side by side, and what their test accuracies allow to say."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlpsearch.models.errors import StudyError
from mlpsearch.models.scores import ACCURACY, METRICS
from mlpsearch.models.statistics import difference_interval
from mlpsearch.search.report.summary import StudySummary, summarize
from mlpsearch.search.results.hits import kept_hits
from mlpsearch.search.results.wording import (
    duration,
    interval,
    items,
    known_images,
    mean_and_deviation,
    percent,
    points,
    score,
    short,
    tested_score,
)
from mlpsearch.studies.record import StudyRecord

_ERROR = 0.05  # how often all intervals of a comparison together may miss the truth
_BARS = "▁▂▃▄▅▆▇█"
_MOST_BARS = 30


@dataclass(frozen=True, slots=True)
class Comparison:
    """Studies side by side.

    findings: sentences on how their test accuracies differ.
    warnings: sentences on what the studies do not share, so that their numbers cannot be compared.
    """

    studies: list[StudySummary]
    findings: list[str]
    warnings: list[str]


@dataclass(frozen=True, slots=True, eq=False)
class _Tested:
    """A tested study.

    what: images or rows.  test: its newest opening.
    hits: (nets, images), which images each net got right, where that was kept.
    """

    name: str
    what: str
    test: dict[str, Any]
    hits: NDArray[np.bool_] | None


def compare(records: Sequence[StudyRecord]) -> Comparison:
    """Return the comparison. Raises StudyError for fewer than two studies, or one that is given twice."""
    names = [record.name for record in records]
    if len(names) < 2:
        raise StudyError(f"compare: needs at least two studies, got {len(names)}")
    for name in names:
        if names.count(name) > 1:
            raise StudyError(f"compare: study {name!r} is given twice", study=name)
    studies = [summarize(record, record.own_trials()) for record in records]
    tested = [
        _Tested(study.name, items(study.dataset), study.test, kept_hits(record, study.test))
        for study, record in zip(studies, records, strict=True)
        if study.test
    ]
    untested = [study.name for study in studies if study.test is None]
    findings = [f"Not tested: {', '.join(untested)}."] if untested else []
    return Comparison(studies, findings + _findings(tested), _warnings(studies))


def rows(studies: Sequence[StudySummary]) -> list[tuple[str, list[str]]]:
    """Return what a table shows: the name of each row, and its text for each study."""
    params = dict.fromkeys(name for study in studies for name in study.params)
    metrics, ends = {study.metric for study in studies}, "its 95% interval"
    others = metrics - {ACCURACY.name}
    by_metric: list[tuple[str, Callable[[StudySummary], str]]] = [
        ("test by that metric ± sd", _score),
        (ends, _ends_of_score),
    ]
    cells: list[tuple[str, Callable[[StudySummary], str]]] = [
        ("net", lambda study: study.net),
        ("data", lambda study: study.dataset),
        ("trials (finished, pruned, failed)", _trials),
        *([("metric", lambda study: METRICS[study.metric].title)] if others else []),
        ("best validation of the search", lambda study: score(study.search_best, METRICS[study.metric])),
        ("confirmed validation ± sd", _confirmed),
        ("selection bias" if others else "selection bias, points", _bias),
        *(by_metric if others else []),
        ("test accuracy ± sd" if others else "test ± sd", _test),
        (ends, lambda study: interval(study.test["interval"]) if study.test else "–"),
        ("winner", lambda study: "–" if study.winner is None else f"trial {study.winner}"),
        *((name, lambda study, name=name: _known(short, study.params.get(name))) for name in params),
        ("parameters", lambda study: _known("{:,}".format, study.parameters)),
        ("time of the winner", lambda study: _known(duration, study.winner_seconds)),
        (f"{_common(studies)} a second", lambda study: _known("{:,}".format, study.images_per_second)),
        ("time of the search", lambda study: duration(study.seconds)),
    ]
    return [(name, [cell(study) for study in studies]) for name, cell in cells]


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


def _warnings(studies: Sequence[StudySummary]) -> list[str]:
    found, what = [], _common(studies)
    if len({study.fingerprint for study in studies}) > 1:
        found.append(f"They were trained on different {what}: their accuracies cannot be compared.")
    elif len({_validation(study) for study in studies}) > 1:
        found.append(
            f"They split off different validation {what}: their validation accuracies cannot be compared."
        )
    found += [
        f"{study.name}: {known}." for study in studies if (known := known_images(study.test or {}, study.dataset))
    ]
    if len({study.metric for study in studies}) > 1:
        found.append("They were searched by different metrics, so only their accuracies are compared.")
    return found + [f"{study.name}: {study.remark}." for study in studies if study.remark]


def _common(studies: Sequence[StudySummary]) -> str:
    kinds = {items(study.dataset) for study in studies}
    return kinds.pop() if len(kinds) == 1 else "images or rows"


def _validation(study: StudySummary) -> tuple[object, ...]:
    """What decides which images trials are judged by, of the same images in all."""
    return study.validation, study.folds, study.validation_folder or study.split_seed


def _findings(tested: list[_Tested]) -> list[str]:
    """How the study of the highest test accuracy stands to each of the others."""
    if not tested:
        return []
    best, *others = sorted(tested, key=lambda one: -one.test["accuracy"])
    pairs = len(tested) * (len(tested) - 1) // 2  # any of which could have been the first and the second
    return [_difference(best, other, pairs) for other in others]


def _difference(better: _Tested, other: _Tested, pairs: int) -> str:
    one, two = better.test, other.test
    if one["fingerprint"] != two["fingerprint"]:
        names = f"{better.name} and {other.name}"
        return f"{names} were tested on different {better.what}: their test accuracies cannot be compared."
    unit = "points" if one["metric"] == two["metric"] == ACCURACY.name else "points of accuracy"
    lead = f"{points(one['accuracy'] - two['accuracy'])} {unit}"
    if better.hits is None or other.hits is None or better.hits.shape[1] != other.hits.shape[1]:
        return _by_intervals(better, other, lead)
    low, high = difference_interval(better.hits, other.hits, 1 - _ERROR / pairs)
    together = ", for all pairs together" if pairs > 1 else ""
    ends = f"95% interval {points(low)} to {points(high)} points{together}"
    if low > 0:
        said = f"{better.name} is {lead} better than {other.name} on the same test {better.what} ({ends})."
    else:
        said = (
            f"{better.name} is {lead} ahead of {other.name} on the same test {better.what} ({ends}): "
            "this alone does not show which is better."
        )
    single = [one.name for one in (better, other) if one.hits is not None and len(one.hits) == 1]
    if single:
        said += f" Only one net of {' and of '.join(single)} was tested; other seeds may differ."
    return said


def _by_intervals(better: _Tested, other: _Tested, lead: str) -> str:
    """What can be said where nobody knows which images the nets of both got right."""
    if better.test["interval"][0] > other.test["interval"][1]:
        said = (
            f"{better.name} is {lead} better than {other.name} on the test {better.what}; "
            "the 95% intervals do not overlap, so chance hardly explains it."
        )
    else:
        said = (
            f"{better.name} is {lead} ahead of {other.name} on the test {better.what}, "
            "but the 95% intervals overlap: this alone does not show which is better."
        )
    return f"{said} The intervals are all there is: which {better.what} each net got right was not kept for both."


def _curves_note(studies: Sequence[StudySummary]) -> str:
    titles = {METRICS[study.metric].title for study in studies}
    return f"Validation {' or '.join(sorted(titles))} in the search."


def write_comparison(comparison: Comparison, path: Path) -> None:
    """Write the comparison as one HTML file. Raises ReportError where it cannot be written."""
    from mlpsearch.search.report.figures import winners_curves
    from mlpsearch.search.report.page import Plot, refuse_other_endings, render, write_page

    refuse_other_endings(path)  # before the work
    plot = Plot("", winners_curves(comparison.studies), _curves_note(comparison.studies), height=420)
    page = render(
        "compare.html",
        studies=comparison.studies,
        findings=comparison.findings,
        warnings=comparison.warnings,
        rows=rows(comparison.studies),
        plot=plot if any(study.curve for study in comparison.studies) else None,
    )
    write_page(path, page)
