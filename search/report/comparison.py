"""Two or more studies side by side, and what their tests allow to say."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlpsearch.models.errors import StudyError
from mlpsearch.models.scores import ACCURACY, METRICS, Metric
from mlpsearch.models.statistics import difference_interval
from mlpsearch.search.report.side_by_side import common_items, rows, validation_of
from mlpsearch.search.report.summary import StudySummary, summarize
from mlpsearch.search.results.hits import kept_hits
from mlpsearch.search.results.wording import (
    difference,
    items,
    known_images,
    points,
)
from mlpsearch.studies.record import StudyRecord

_ERROR = 0.05  # how often all intervals of a comparison together may miss the truth


@dataclass(frozen=True, slots=True)
class Comparison:
    """Studies side by side.

    findings: sentences on how they differ in the test: by their metric, where all have one, else by accuracy.
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


def _warnings(studies: Sequence[StudySummary]) -> list[str]:
    found, what = [], common_items(studies)
    if len({study.fingerprint for study in studies}) > 1:
        found.append(f"They were trained on different {what}: their accuracies cannot be compared.")
    elif len({validation_of(study) for study in studies}) > 1:
        found.append(
            f"They split off different validation {what}: their validation accuracies cannot be compared."
        )
    found += [
        f"{study.name}: {known}." for study in studies if (known := known_images(study.test or {}, study.dataset))
    ]
    titles = sorted({METRICS[study.metric].title for study in studies})
    if len(titles) > 1:
        found.append(
            f"They were searched by different metrics ({', '.join(titles)}): none is compared but the accuracy."
        )
    return found + [f"{study.name}: {study.remark}." for study in studies if study.remark]


def _findings(tested: list[_Tested]) -> list[str]:
    """How the study that did best in the test stands to each of the others."""
    if not tested:
        return []
    metric = _common_metric(tested)
    best, *others = sorted(tested, key=lambda one: metric.rank(_test_score(one, metric)))
    pairs = len(tested) * (len(tested) - 1) // 2  # any of which could have been the first and the second
    return [_difference(best, other, metric, pairs) for other in others]


def _common_metric(tested: list[_Tested]) -> Metric:
    """The one by which all were searched and tested; the accuracy where there is none."""
    names = {one.test["metric"] for one in tested}
    if len(names) > 1 or any(one.test["score"] is None for one in tested):
        return ACCURACY
    return METRICS[names.pop()]


def _test_score(one: _Tested, metric: Metric) -> float:
    return float(one.test["accuracy" if metric is ACCURACY else "score"])


def _difference(better: _Tested, other: _Tested, metric: Metric, pairs: int) -> str:
    one, two = better.test, other.test
    if one["fingerprint"] != two["fingerprint"]:
        names, what = f"{better.name} and {other.name}", "accuracies" if metric is ACCURACY else "scores"
        return f"{names} were tested on different {better.what}: their test {what} cannot be compared."
    gain = difference(metric.gain(_test_score(better, metric), _test_score(other, metric)), metric)
    if metric is not ACCURACY:
        said = _by_intervals(better, other, f"{gain} of {metric.title}", metric)
        return f"{said} What a single one of the {better.what} adds to that metric is not kept."
    lead = gain if one["metric"] == two["metric"] == ACCURACY.name else f"{gain} of accuracy"
    if better.hits is None or other.hits is None or better.hits.shape[1] != other.hits.shape[1]:
        said = _by_intervals(better, other, lead, metric)
        rest = f"which {better.what} each net got right was not kept for both"
        return f"{said} The intervals are all there is: {rest}."
    return _by_hits(better, other, lead, pairs)


def _by_hits(better: _Tested, other: _Tested, lead: str, pairs: int) -> str:
    """What can be said where it is known which of the same images the nets of both got right."""
    assert better.hits is not None  # noqa: S101 - as _difference saw
    assert other.hits is not None  # noqa: S101 - as _difference saw
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


def _by_intervals(better: _Tested, other: _Tested, lead: str, metric: Metric) -> str:
    """What the intervals of the two say."""
    key = "interval" if metric is ACCURACY else "score_interval"
    worst, best = (1, 0) if metric.lower_is_better else (0, 1)
    if metric.better(better.test[key][worst], other.test[key][best]):
        return (
            f"{better.name} is {lead} better than {other.name} on the test {better.what}; "
            "the 95% intervals do not overlap, so chance hardly explains it."
        )
    return (
        f"{better.name} is {lead} ahead of {other.name} on the test {better.what}, "
        "but the 95% intervals overlap: this alone does not show which is better."
    )


def _curves_note(studies: Sequence[StudySummary]) -> str:
    titles = {METRICS[study.metric].title for study in studies}
    return f"Validation {' or '.join(sorted(titles))} in the search."


def write_comparison(comparison: Comparison, path: Path) -> None:
    """Write the comparison as one HTML file. Raises ReportError where it cannot be written."""
    from mlpsearch.search.report.figures import winners_curves
    from mlpsearch.search.report.page import Plot, refuse_other_endings, render, write_page

    refuse_other_endings(path)  # before the work
    plot = Plot("", winners_curves(comparison.studies), _curves_note(comparison.studies))
    page = render(
        "compare.html",
        studies=comparison.studies,
        findings=comparison.findings,
        warnings=comparison.warnings,
        rows=rows(comparison.studies),
        plot=plot if any(study.curve for study in comparison.studies) else None,
    )
    write_page(path, page)
