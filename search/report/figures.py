"""Charts of a study's trials and nets; each works on any study, also where there is nothing to draw."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from markupsafe import Markup
from optuna.trial import FrozenTrial, TrialState

from mlpsearch.models.scores import METRICS, Metric
from mlpsearch.search.report.axes import Axis, categories, linear, logarithmic, number, scores, usual
from mlpsearch.search.report.svg import Chart, legend, shade
from mlpsearch.search.results.efficiency import Efficiency
from mlpsearch.search.results.wording import score

if TYPE_CHECKING:
    from mlpsearch.search.report.summary import StudySummary

MOST_DRAWN = 300  # trials in one chart, the best ones: more would make a large page, and no clearer one
_TOP, _FEWEST = 10, 3  # trials that shall be told apart, up to ten, where there are a few
_PART = 0.25  # of the axis of the learning curves that they have at least
_MOST_POINTS = 60  # of one curve
_MOST_CLASSES_WITH_COUNTS = 20
_LONGEST_NAME = 24


def ranked(trials: Iterable[FrozenTrial], metric: Metric) -> list[FrozenTrial]:
    """Return the finished trials, the best first."""
    finished = [one for one in trials if one.state == TrialState.COMPLETE and one.value is not None]
    return sorted(finished, key=lambda one: (metric.rank(value_of(one)), one.number))


def value_of(trial: FrozenTrial) -> float:
    """Return the score of a trial that has one."""
    return trial.value or 0.0


def curves_begin(trials: Sequence[FrozenTrial], metric: Metric) -> float | None:
    """Return the score at which the axis of the learning curves begins; None where all of them fit.

    It is such that the scores of the best trials, up to ten, lie over a quarter of the axis at least.
    """
    best = [value_of(trial) for trial in ranked(trials, metric)[:_TOP]]
    seen = [value for trial in trials for value in trial.intermediate_values.values()]
    if len(best) < _FEWEST or best[0] == best[-1] or not seen:
        return None
    begin = best[0] + (best[-1] - best[0]) / _PART
    worst = max(seen, key=metric.rank)
    return begin if metric.better(begin, worst) else None


def learning_curves(trials: Sequence[FrozenTrial], metric: Metric) -> Markup:
    """Return the validation score by epoch: a line a trial, the ten best named, the best above the others."""
    finished = ranked(trials, metric)[:MOST_DRAWN]
    best, good, others = finished[:1], finished[1:_TOP], finished[_TOP:]
    pruned = [trial for trial in trials if trial.state == TrialState.PRUNED][-MOST_DRAWN:]
    values = [value for trial in trials for value in trial.intermediate_values.values()]
    last = max((trial.last_step or 1 for trial in trials), default=1)
    chart = Chart(
        f"Validation {metric.title} by epoch, a line a trial",
        linear("epoch", 1, max(2, last), number, whole=True),
        scores(metric, values, worst=curves_begin(trials, metric)),
        height=340,
        right=44,
    )
    looks = {"pruned": pruned, "other": others, "good": good, "best": best}
    for look, group in looks.items():
        for trial in reversed(group):
            chart.line(_curve(trial), look, _told(trial, metric))
    chart.beside((value_of(trial), str(trial.number), "of-trial") for trial in [*best, *good])
    texts = {
        "best": f"best: trial {best[0].number}" if best else "",
        "good": "the next nine" if others else "finished",
        "other": "finished",
        "pruned": "pruned",
    }
    return legend((look, texts[look]) for look in texts if looks[look]) + chart.markup()


def _curve(trial: FrozenTrial) -> list[tuple[float, float]]:
    curve = [(float(epoch), value) for epoch, value in sorted(trial.intermediate_values.items())]
    every = -(-len(curve) // _MOST_POINTS)
    return curve if every <= 1 else [*curve[:-1:every], curve[-1]]


def _told(trial: FrozenTrial, metric: Metric) -> str:
    state = "pruned" if trial.state == TrialState.PRUNED else "finished"
    return f"trial {trial.number}: {score(trial.value, metric)}, {state} after epoch {trial.last_step}"


def history(trials: Sequence[FrozenTrial], metric: Metric) -> Markup:
    """Return the validation score of each finished trial by its number, and the best so far."""
    finished = ranked(trials, metric)
    steps, best = list[tuple[float, float]](), list[float]()
    for trial in sorted(finished, key=lambda one: one.number):
        best.append(metric.best([*best[-1:], value_of(trial)]))
        steps.append((trial.number, best[-1]))
    chart = Chart(
        f"Validation {metric.title} of each finished trial, and the best so far",
        linear("trial", 0, max(1, len(trials) - 1, *(one.number for one in finished)), number, whole=True),
        _usual_scores(metric, finished),
    )
    chart.line(steps, "best", stairs=True)
    for trial in finished[:MOST_DRAWN]:
        chart.dot(trial.number, value_of(trial), "good", f"trial {trial.number}: {score(trial.value, metric)}")
    entries = [("good dot", "a finished trial"), ("best", "the best so far"), *beyond(finished, metric)]
    return legend(entries) + chart.markup()


def _usual_scores(metric: Metric, trials: Sequence[FrozenTrial]) -> Axis:
    values = [value_of(trial) for trial in trials]
    return scores(metric, values, worst=usual(metric, values))


def beyond(trials: Sequence[FrozenTrial], metric: Metric) -> list[tuple[str, str]]:
    """Return what a ring at the end of an axis of the usual scores means, for a legend; nothing without rings."""
    end = usual(metric, [value_of(trial) for trial in trials])
    return [] if end is None else [("good dot beyond", f"worse than {score(end, metric)}")]


def best_by_epochs(found: Efficiency, metric: Metric) -> Markup:
    """Return the best score so far by the epochs of all trials, beside what random search is expected to reach."""
    # Flat from the last trial that was better to the end of the search.
    best = [*found.best, (max(found.epochs, found.best[-1][0]), found.best[-1][1])]
    last = max(epochs for epochs, _ in [*best, *found.random])
    chart = Chart(
        f"The best validation {metric.title} by the epochs of all trials",
        linear("epochs of all trials", 0, last, number, whole=True),
        scores(metric, [value for _, value in [*best, *found.random]]),
    )
    chart.line(found.random, "pruned")
    chart.line(best, "best", stairs=True)
    for epochs, value in found.best:
        chart.dot(epochs, value, "best", f"{score(value, metric)} after {epochs:,} epochs")
    entries = [("best", "this search"), ("pruned", "random search, expected")]
    return legend(entries if found.random else entries[:1]) + chart.markup()


def time_against_score(trials: Sequence[FrozenTrial], metric: Metric) -> Markup:
    """Return the validation score by seconds of training: a point a trial, and the best for any time."""
    timed = [trial for trial in trials if trial.value is not None and "seconds" in trial.user_attrs]
    finished = ranked(timed, metric)
    pruned = [trial for trial in timed if trial.state == TrialState.PRUNED]
    seconds = [_seconds(trial) for trial in timed]
    chart = Chart(
        f"Validation {metric.title} by seconds of training",
        logarithmic("seconds of training", min(seconds, default=1), max(seconds, default=1)),
        _usual_scores(metric, timed),
    )
    chart.line([(_seconds(trial), value_of(trial)) for trial in front(finished, metric)], "best", stairs=True)
    for look, group in (("pruned", pruned[-MOST_DRAWN:]), ("good", finished[:MOST_DRAWN])):
        for trial in group:
            tip = f"trial {trial.number}: {score(trial.value, metric)} in {trial.user_attrs['seconds']} s"
            chart.dot(_seconds(trial), value_of(trial), look, tip)
    entries = [
        ("good dot", "finished"),
        *([("pruned dot", "pruned")] if pruned else []),
        ("best", "nothing quicker was better"),
        *beyond(timed, metric),
    ]
    return legend(entries) + chart.markup()


def front(finished: Iterable[FrozenTrial], metric: Metric) -> list[FrozenTrial]:
    """Return the trials that are better than every quicker one, the quickest first."""
    found: list[FrozenTrial] = []
    for trial in sorted(finished, key=lambda one: (one.user_attrs["seconds"], metric.rank(value_of(one)))):
        if not found or metric.better(value_of(trial), value_of(found[-1])):
            found.append(trial)
    return found


def _seconds(trial: FrozenTrial) -> float:
    return max(0.01, float(trial.user_attrs["seconds"]))  # they are rounded, and a logarithmic axis has no 0


def confusion(test: dict[str, Any]) -> Markup:
    """Return a confusion matrix; colours are shares of the true class.

    test: a TestReport as JSON, or its keys classes and confusion.
    """
    names = [brief(str(name)) for name in test["classes"]]
    counts: list[list[int]] = test["confusion"]
    last = len(names) - 1
    chart = Chart(
        "Confusion matrix: true classes from top to bottom, predicted ones from left to right",
        categories("predicted class", names),
        categories("true class", names[::-1]),
        height=min(560, max(90, 34 * len(names))),
    )
    for true, row in enumerate(counts):
        for predicted, count in enumerate(row):
            if count:
                share, down = count / sum(row), last - true
                tip = f"{count} ({share:.1%}) of true {names[true]} are taken for {names[predicted]}"
                text = f"{count:,}" if len(names) <= _MOST_CLASSES_WITH_COUNTS else ""
                chart.cell(predicted, down, shade(share), tip, text)
    return chart.markup()


def brief(name: str) -> str:
    """Return a name as long as it may be beside an axis."""
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"


def winners_curves(studies: Sequence["StudySummary"]) -> Markup:
    """Return the validation score of each study's winner by epoch."""
    metrics = [METRICS[study.metric] for study in studies]
    values = [value for study in studies for value in study.curve]
    title = "" if len(set(metrics)) == 1 else "each by its own metric"
    last = max((len(study.curve) for study in studies), default=1)
    chart = Chart(
        "The winners' validation scores by epoch",
        linear("epoch", 1, max(2, last), number, whole=True),
        scores(metrics[0], values, title=title),
        height=340,
    )
    for place, (study, metric) in enumerate(zip(studies, metrics, strict=True)):
        look = f"study study{place % 6}"
        if study.curve:
            chart.line(
                [*enumerate(study.curve, 1)], look, f"{study.name}: {score(study.curve[-1], metric)} at the end"
            )
    return legend((f"study study{place % 6}", study.name) for place, study in enumerate(studies)) + chart.markup()
