"""The report of one study: what is known of it, put onto one page."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tomli_w
from markupsafe import Markup
from optuna.trial import FrozenTrial, TrialState

from mlpsearch.models.errors import MlpsearchError
from mlpsearch.models.scores import ACCURACY, Metric
from mlpsearch.search.export.versions import versions
from mlpsearch.search.report import figures
from mlpsearch.search.report.classes import ClassView, class_view
from mlpsearch.search.report.columns import Judgement, judge
from mlpsearch.search.report.efficiency_lines import efficiency_lines
from mlpsearch.search.report.mistakes import Mistake, most_confident_mistakes
from mlpsearch.search.report.page import Plot, refuse_other_endings, render, write_page
from mlpsearch.search.report.pictures import data_uri, first_layer_picture
from mlpsearch.search.report.search_figures import FEWEST_FINISHED, SearchFigures
from mlpsearch.search.report.summary import StudySummary, summarize
from mlpsearch.search.report.table_plots import TablePlots, matrix_plot, table_plots
from mlpsearch.search.report.take import commands
from mlpsearch.search.report.trials import trial_table
from mlpsearch.search.results.confirmation import last_confirmation
from mlpsearch.search.results.openings import openings_of
from mlpsearch.search.results.winner import Winner, load_winner
from mlpsearch.search.results.wording import NETS, data_name, duration, items, moment, score
from mlpsearch.search.strategy.own_study import OwnStudy
from mlpsearch.studies.record import StudyRecord

_IMPORTANCES = (
    "By PED-ANOVA: how far each sets the best quarter of the finished trials, those of the {} validation {}, "
    "apart from all of them; all add up to 1. It says where good trials lie, not what makes a trial bad."
)
_TOO_FEW = (
    "Not shown yet, nor are contours: they are from {} finished trials on, and there are {}. PED-ANOVA, which "
    "tells what sets the best quarter apart, needs five trials in it; of fewer points most of a contour would be "
    "made up."
)
_PARALLEL = "A line a finished trial: the stronger its colour, the better its rank.{}"
_SLICES = "Validation {} by each hyperparameter; the stronger a colour, the later the trial.{}"
_CONTOURS = (
    "Pairs of the {}. A point is a finished trial; colours are ranks, the stronger the better, and between the "
    "points they are made up from three points around."
)
_CURVES = "A line a trial; pruned ones end where they were stopped."
_TIMED = "Seconds of training, on a logarithmic scale."
_BEST_BY_EPOCHS = "The best finished trial so far, by the epochs that all trials together had taken."
_MOST_MISTAKES = 18
_MOST_FAILED = 20


@dataclass(frozen=True, slots=True)
class Section:
    """Plots under one heading. lines: sentences above the plots."""

    id: str
    title: str
    note: str
    plots: list[Plot]
    lines: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class NetView:
    """What the winner's net looks like; trouble says why it cannot be shown."""

    trouble: str = ""
    trial: int | None = None
    weights: str = ""
    mistakes: list[Mistake] = field(default_factory=list)

    @property
    def is_shown(self) -> bool:
        """Whether there is something to show, or to say; a table has no pictures."""
        return bool(self.trouble or self.weights)


def write_report(record: StudyRecord, path: Path) -> None:
    """Write a study's report. Raises ReportError for a file that cannot be written, or is named as no page is."""
    refuse_other_endings(path)  # before the work
    write_page(path, report_page(record))


def report_page(record: StudyRecord) -> bytes:
    """Return a study's report as one HTML file."""
    trials = record.own_trials()
    study = summarize(record, trials)
    winner, trouble = _winner(record) if study.winner is not None else (None, "")
    judged = judge(winner) if winner is not None else None
    sections = _sections(record, study, trials, winner, judged)
    net = _net_view(winner, trouble)
    classes = class_view(study.test, judged, winner.data.classes if winner else None, items(study.dataset))
    confirmation = last_confirmation(record)
    return render(
        "report.html",
        study=study,
        net_name=NETS[study.net],
        data_name=data_name(study.dataset, record.attributes()["source"]["data"]),
        ended=study.trials["finished"] + study.trials["pruned"],
        contents=_contents(study, sections, net, classes),
        sections=sections,
        classes=classes,
        table=trial_table(record),
        commands=commands(record, study) if study.winner is not None else [],
        test=study.test,
        reported=confirmation and confirmation.result,
        metric=record.metric,
        is_accuracy=record.metric is ACCURACY,
        tests=openings_of(record),
        evaluate=record.command("evaluate"),
        net=net,
        failed=_failed(trials),
        refused=record.counts.refused(_MOST_FAILED),
        provenance=_provenance(record, study),
        specification=tomli_w.dumps(record.spec.to_json()),
    )


def _winner(record: StudyRecord) -> tuple[Winner | None, str]:
    """The winner; or why its net cannot be shown."""
    try:
        return load_winner(record), ""
    except MlpsearchError as error:  # its weights or its data are gone; all the rest can be shown
        return None, str(error)


def _sections(
    record: StudyRecord,
    study: StudySummary,
    trials: list[FrozenTrial],
    winner: Winner | None,
    judged: Judgement | None,
) -> list[Section]:
    metric = record.metric
    table = TablePlots()
    if winner is not None and judged is not None and winner.data.table is not None:
        table = table_plots(winner, judged, metric)
    tested = _test_matrix(study.test, study.dataset, named=table.confusion is not None) if study.test else None
    sections = [
        Section("columns", "What the net looks at", table.note, table.columns),
        Section("search", "The search", "", _of_search(trials, metric)),
        Section(
            "efficiency",
            "How well the search did",
            _BEST_BY_EPOCHS,
            efficient := _efficiency(study, metric),
            efficiency_lines(study, record) if efficient else [],
        ),
        *_of_space(record, trials),
        Section("chances", "Probabilities", table.of_chances, table.chances),
        Section("confusion", "Confusion matrix", "", _present(tested, table.confusion)),
    ]
    return [section for section in sections if section.plots or section.lines]


def _of_space(record: StudyRecord, trials: list[FrozenTrial]) -> list[Section]:
    """What of the search space is good."""
    metric = record.metric
    search = SearchFigures(OwnStudy(record), list(record.spec.search), metric)
    slices = [Plot(name, drawing, half=True) for name, drawing in search.slices()]
    contours = [Plot(name, drawing, half=True) for name, drawing in search.contours()]
    which = "most important hyperparameters" if search.importances else "first hyperparameters"
    too_few = [_TOO_FEW.format(FEWEST_FINISHED, search.finished)] if 0 < search.finished < FEWEST_FINISHED else []
    return [
        Section(
            "importances",
            "Importances",
            "" if too_few else _IMPORTANCES.format(metric.extreme, metric.title),
            _present(_plot(search.importance())),
            too_few,
        ),
        Section(
            "parallel",
            "Parallel coordinates",
            _PARALLEL.format(_rings(trials, metric, "What begins at the end of the first axis")),
            _present(_plot(search.parallel(), wide=True)),
        ),
        Section(
            "slices", "Slices", _SLICES.format(metric.title, _rings(trials, metric, "A ring at the edge")), slices
        ),
        Section("contours", "Contours", _CONTOURS.format(which), contours),
    ]


def _of_search(trials: list[FrozenTrial], metric: Metric) -> list[Plot]:
    finished = figures.ranked(trials, metric)
    timed = any("seconds" in trial.user_attrs for trial in trials if trial.value is not None)
    history, curves, times = None, None, None
    if finished:
        history = figures.history(trials, metric)
    if any(trial.intermediate_values for trial in trials):
        curves = figures.learning_curves(trials, metric)
    if timed:
        times = figures.time_against_score(trials, metric)
    cut = f" Drawn are the best {figures.MOST_DRAWN}." if len(finished) > figures.MOST_DRAWN else ""
    return _present(
        _plot(curves, "Learning curves", _CURVES + _begin(trials, metric) + cut),
        _plot(history, "Optimisation history", "Each finished trial, and the best so far." + cut, half=True),
        _plot(times, f"Time against {metric.title}", _TIMED + cut, half=True),
    )


def _rings(trials: list[FrozenTrial], metric: Metric, what: str) -> str:
    """What is to be said of scores beyond an axis, if there are any."""
    rings = figures.beyond(figures.ranked(trials, metric)[: figures.MOST_DRAWN], metric)
    return "".join(f" {what} is {bound}." for _, bound in rings)


def _begin(trials: list[FrozenTrial], metric: Metric) -> str:
    begin = figures.curves_begin(trials, metric)
    if begin is None:
        return ""
    side = "below" if metric.lower_is_better else "above"
    return f" Only what is {side} {score(begin, metric)} is drawn, so that the best trials can be told apart."


def _plot(
    drawing: Markup | None, title: str = "", note: str = "", *, half: bool = False, wide: bool = False
) -> Plot | None:
    return None if drawing is None else Plot(title, drawing, note, half, wide)


def _present(*plots: Plot | None) -> list[Plot]:
    return [plot for plot in plots if plot is not None]


def _efficiency(study: StudySummary, metric: Metric) -> list[Plot]:
    found = study.efficiency
    return [Plot("", figures.best_by_epochs(found, metric))] if found.best else []


def _answers(test: dict[str, Any], dataset: str) -> str:
    """How many answers a test's confusion matrix counts, and of what."""
    nets, tested = max(1, len(test.get("seeds", []))), f"{test['images']:,} test {items(dataset)}"
    return tested if nets == 1 else f"{nets * test['images']:,} answers: {tested}, each by {nets} nets,"


def _test_matrix(test: dict[str, Any], dataset: str, *, named: bool) -> Plot | None:
    """named: whether it needs a title, beside another matrix."""
    note = f"{_answers(test, dataset)} by true and predicted class: trial {test['trial']}, {moment(test['when'])}."
    return matrix_plot("On the test" if named else "", test["classes"], test["confusion"], note)


def _net_view(winner: Winner | None, trouble: str) -> NetView:
    if winner is None or winner.first_layer is None:
        return NetView(trouble)
    picture = first_layer_picture(winner.first_layer, winner.data.shape)
    return NetView("", winner.trial, data_uri(picture), most_confident_mistakes(winner, _MOST_MISTAKES))


def _failed(trials: list[FrozenTrial]) -> list[tuple[int, str]]:
    failed = [trial for trial in trials if trial.state == TrialState.FAIL][-_MOST_FAILED:]
    return [(trial.number, trial.user_attrs.get("error", "no message")) for trial in failed]


def _contents(
    study: StudySummary, sections: list[Section], net: NetView, classes: ClassView | None
) -> list[tuple[str, str]]:
    return [
        *([("winner", "Winner"), ("take", "Take the net")] if study.winner is not None else []),
        *([("confirmation", "Confirmation")] if study.confirmation else []),
        *((section.id, section.title) for section in sections),
        *([("classes", "Accuracy by class")] if classes else []),
        *([("net", "The net")] if net.is_shown else []),
        *([("trials", "Trials")] if sum(study.trials.values()) else []),
        ("tests", "Test openings"),
        ("provenance", "Provenance"),
    ]


def _drawn(study: StudySummary) -> str:
    return f"those in {study.validation_folder}/" if study.validation_folder else f"seed {study.split_seed}"


def _folds(study: StudySummary) -> str:
    return "" if study.folds is None else f"each of {study.folds} folds in turn, of about "


def _provenance(record: StudyRecord, study: StudySummary) -> list[tuple[str, str]]:
    source, what = record.attributes()["source"]["data"], items(study.dataset)
    return [
        ("data", f"{study.dataset}{f', from {source}' if source else ''}"),
        (f"fingerprint of the training {what}", study.fingerprint),
        ("validation split", f"{_folds(study)}{study.validation:,} {what}, {_drawn(study)}"),
        ("trials", ", ".join(f"{count} {state}" for state, count in study.trials.items())),
        ("time of the search", duration(study.seconds) if study.seconds else "–"),
        ("versions where this page was made", ", ".join(f"{name} {it}" for name, it in versions().items())),
    ]
