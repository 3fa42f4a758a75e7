"""Two or more studies side by side, and what their test accuracies allow to say."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.errors import StudyError
from search.report.summary import StudySummary, summarize
from search.wording import duration, interval, mean_and_deviation, percent, points, short
from studies.record import StudyRecord

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


def compare(records: Sequence[StudyRecord]) -> Comparison:
    """Return the comparison. Raises StudyError for fewer than two studies, or one that is given twice."""
    names = [record.name for record in records]
    if len(names) < 2:
        raise StudyError(f"compare: needs at least two studies, got {len(names)}")
    for name in names:
        if names.count(name) > 1:
            raise StudyError(f"compare: study {name!r} is given twice")
    studies = [summarize(record, record.optuna_study().trials) for record in records]
    return Comparison(studies, _findings(studies), _warnings(studies))


def rows(studies: Sequence[StudySummary]) -> list[tuple[str, list[str]]]:
    """Return what a table shows: the name of each row, and its text for each study."""
    params = dict.fromkeys(name for study in studies for name in study.params)
    cells: list[tuple[str, Callable[[StudySummary], str]]] = [
        ("net", lambda study: study.net),
        ("data", lambda study: study.dataset),
        ("trials (finished, pruned, failed)", _trials),
        ("best validation of the search", lambda study: percent(study.search_best)),
        ("confirmed validation ± sd", _confirmed),
        ("selection bias, points", lambda study: _known(points, study.selection_bias)),
        ("test ± sd", _test),
        ("its 95% interval", lambda study: interval(study.test["interval"]) if study.test else "–"),
        ("winner", lambda study: "–" if study.winner is None else f"trial {study.winner}"),
        *((name, lambda study, name=name: _known(short, study.params.get(name))) for name in params),
        ("parameters", lambda study: _known("{:,}".format, study.parameters)),
        ("time of the winner", lambda study: _known(duration, study.winner_seconds)),
        ("images a second", lambda study: _known("{:,}".format, study.images_per_second)),
        ("time of the search", lambda study: duration(study.seconds)),
    ]
    return [(name, [cell(study) for study in studies]) for name, cell in cells]


def curves(studies: Sequence[StudySummary]) -> tuple[str, list[str]]:
    """Return one more row for a terminal: the winners' validation accuracy by epoch as lines of bars.

    One scale for all, so that they can be compared.
    """
    values = [value for study in studies for value in study.curve] or [0.0]
    low, high = min(values), max(values)
    name = f"validation by epoch, {percent(low, 0)} – {percent(high, 0)}"
    return name, [_sparkline(study.curve, low, high) or "–" for study in studies]


def _trials(study: StudySummary) -> str:
    counts = study.trials
    ended = counts["finished"] + counts["pruned"]
    return f"{ended}/{study.budget} ({counts['finished']}, {counts['pruned']}, {counts['failed']})"


def _confirmed(study: StudySummary) -> str:
    return mean_and_deviation(study.confirmed_mean, study.confirmed_deviation)


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
    found = []
    if len({study.fingerprint for study in studies}) > 1:
        found.append("They were trained on different images: their accuracies cannot be compared.")
    elif len({(study.validation, study.split_seed) for study in studies}) > 1:
        found.append("They split off different validation images: their validation accuracies cannot be compared.")
    return found + [f"{study.name}: {study.remark}." for study in studies if study.remark]


def _findings(studies: Sequence[StudySummary]) -> list[str]:
    """How the study of the highest test accuracy stands to each of the others."""
    untested = [study.name for study in studies if study.test is None]
    tested = sorted((study for study in studies if study.test), key=lambda study: -(study.test or {})["accuracy"])
    found = [f"Not tested: {', '.join(untested)}."] if untested else []
    return found + [_difference(tested[0], other) for other in tested[1:]]


def _difference(better: StudySummary, other: StudySummary) -> str:
    one, two = better.test or {}, other.test or {}
    pair = f"{better.name} and {other.name}"
    if one["fingerprint"] != two["fingerprint"]:
        return f"{pair} were tested on different images: their test accuracies cannot be compared."
    points = 100 * (one["accuracy"] - two["accuracy"])
    if one["interval"][0] > two["interval"][1]:
        return (
            f"{better.name} is {points:.1f} points better than {other.name} on the test images; "
            "the 95% intervals do not overlap, so chance hardly explains it."
        )
    return (
        f"{better.name} is {points:.1f} points ahead of {other.name} on the test images, "
        "but the 95% intervals overlap: this alone does not show which is better."
    )


def write_comparison(comparison: Comparison, path: Path) -> None:
    """Write the comparison as one HTML file. Raises ReportError where it cannot be written."""
    from search.report.figures import winners_curves
    from search.report.page import Plot, render, write_page

    plot = Plot("", winners_curves(comparison.studies), "Validation accuracy in the search.", height=420)
    page = render(
        "compare.html",
        studies=comparison.studies,
        findings=comparison.findings,
        warnings=comparison.warnings,
        rows=rows(comparison.studies),
        plot=plot if any(study.curve for study in comparison.studies) else None,
    )
    write_page(path, page)
