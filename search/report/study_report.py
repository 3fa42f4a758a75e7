"""The report of one study: what is known of it, put onto one page."""

from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

import plotly.graph_objects as go
import tomli_w
from optuna.trial import FrozenTrial, TrialState

from mlpsearch.models.errors import MlpsearchError
from mlpsearch.models.scores import ACCURACY, Metric
from mlpsearch.search.export.versions import versions
from mlpsearch.search.report import figures
from mlpsearch.search.report.efficiency_lines import efficiency_lines
from mlpsearch.search.report.mistakes import Mistake, most_confident_mistakes
from mlpsearch.search.report.optuna_figures import OptunaFigures
from mlpsearch.search.report.page import Plot, refuse_other_endings, render, write_page
from mlpsearch.search.report.pictures import data_uri, first_layer_picture
from mlpsearch.search.report.summary import StudySummary, summarize
from mlpsearch.search.report.table_plots import TablePlots, matrix_height, table_plots
from mlpsearch.search.results.confirmation import last_confirmation
from mlpsearch.search.results.openings import openings_of
from mlpsearch.search.results.winner import Winner, load_winner
from mlpsearch.search.results.wording import NETS, duration, items, moment
from mlpsearch.search.strategy.own_study import OwnStudy
from mlpsearch.studies.record import StudyRecord

_IMPORTANCES = "How much each decides whether a trial is among the best (PED-ANOVA); all add up to 1."
_PARALLEL = "A line a finished trial: the stronger its colour, the better."
_SLICES = "Validation {} by each hyperparameter; the stronger a colour, the later the trial."
_CURVES = "A line a trial; pruned ones end where they were stopped."
_TIMED = "Seconds of training, on a logarithmic scale."
_BEST_BY_EPOCHS = "The best finished trial so far, by the epochs that all trials together had taken."
_WIDE = "wide"
_MOST_MISTAKES = 18
_MOST_FAILED = 20
_FEW_CLASSES = 5  # that fit a phone


@dataclass(frozen=True, slots=True)
class Section:
    """Plots under one heading.

    kind: "wide" for those that a phone shows a part of at a time.  lines: sentences above the plots.
    """

    id: str
    title: str
    note: str
    plots: list[Plot]
    kind: str = ""
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
    sections = _sections(record, study, trials, winner)
    net = _net_view(winner, trouble)
    confirmation = last_confirmation(record)
    return render(
        "report.html",
        study=study,
        net_name=NETS[study.net],
        data_name=_data_name(record),
        ended=study.trials["finished"] + study.trials["pruned"],
        contents=_contents(study, sections, net),
        sections=sections,
        test=study.test,
        reported=confirmation and confirmation.result,
        metric=record.metric,
        is_accuracy=record.metric is ACCURACY,
        search_best=confirmation and confirmation.search_best,
        tests=openings_of(record),
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
    record: StudyRecord, study: StudySummary, trials: list[FrozenTrial], winner: Winner | None
) -> list[Section]:
    metric = record.metric
    optuna = OptunaFigures(OwnStudy(record), list(record.spec.search), metric)
    search = [
        _plot(optuna.history(), "Optimisation history", "Each finished trial, and the best so far."),
        _plot(_curves(trials, metric), "Learning curves", _CURVES),
        _plot(_timed(trials, metric), f"Time against {metric.title}", _TIMED),
    ]
    slices = [Plot(name, figure, height=260, half=True) for name, figure in optuna.slices()]
    contours = [Plot(name, figure, height=380) for name, figure in optuna.contours()]
    table = table_plots(winner, metric) if winner is not None and winner.data.table is not None else TablePlots()
    tested = _test_matrix(study.test, study.dataset, named=table.confusion is not None) if study.test else None
    matrices = _present(tested, table.confusion)
    lines = efficiency_lines(study, record)
    sections = [
        Section("columns", "What the net looks at", table.note, table.columns),
        Section("search", "The search", "", _present(*search)),
        Section("efficiency", "How well the search did", _BEST_BY_EPOCHS, _efficiency(study, metric), "", lines),
        Section("importances", "Importances", _IMPORTANCES, _present(_plot(optuna.importance()))),
        Section(
            "parallel", "Parallel coordinates", _PARALLEL, _present(_plot(optuna.parallel(), height=420)), _WIDE
        ),
        Section("slices", "Slices", _SLICES.format(metric.title), slices),
        Section("contours", "Contours", "Pairs of the most important hyperparameters.", contours),
        Section("chances", "Probabilities", table.of_chances, table.chances),
        Section("confusion", "Confusion matrix", "", matrices, _width(matrices)),
    ]
    return [section for section in sections if section.plots]


def _plot(figure: go.Figure | None, title: str = "", note: str = "", height: int = 360) -> Plot | None:
    return None if figure is None else Plot(title, figure, note, height)


def _width(matrices: list[Plot]) -> str:
    return _WIDE if any(len(matrix.figure.data[0].x) > _FEW_CLASSES for matrix in matrices) else ""


def _present(*plots: Plot | None) -> list[Plot]:
    return [plot for plot in plots if plot is not None]


def _efficiency(study: StudySummary, metric: Metric) -> list[Plot]:
    found = study.efficiency
    return [Plot("", figures.best_by_epochs(found, metric))] if found.best else []


def _curves(trials: list[FrozenTrial], metric: Metric) -> go.Figure | None:
    return figures.learning_curves(trials, metric) if any(trial.intermediate_values for trial in trials) else None


def _timed(trials: list[FrozenTrial], metric: Metric) -> go.Figure | None:
    timed = any("seconds" in trial.user_attrs for trial in trials if trial.value is not None)
    return figures.time_against_score(trials, metric) if timed else None


def _test_matrix(test: dict[str, Any], dataset: str, *, named: bool) -> Plot:
    """named: whether it needs a title, beside another matrix."""
    nets = f" over {len(test['seeds'])} seeds" if test.get("seeds") else ""
    what = f"{test['images']:,} test {items(dataset)} by true and predicted class"
    note = f"{what}: trial {test['trial']}{nets}, {moment(test['when'])}."
    return Plot("On the test" if named else "", figures.confusion(test), note, matrix_height(test["classes"]))


def _net_view(winner: Winner | None, trouble: str) -> NetView:
    if winner is None or winner.first_layer is None:
        return NetView(trouble)
    picture = first_layer_picture(winner.first_layer, winner.data.shape)
    return NetView("", winner.trial, data_uri(picture), most_confident_mistakes(winner, _MOST_MISTAKES))


def _failed(trials: list[FrozenTrial]) -> list[tuple[int, str]]:
    failed = [trial for trial in trials if trial.state == TrialState.FAIL][-_MOST_FAILED:]
    return [(trial.number, trial.user_attrs.get("error", "no message")) for trial in failed]


def _contents(study: StudySummary, sections: list[Section], net: NetView) -> list[tuple[str, str]]:
    return [
        *([("winner", "Winner")] if study.winner is not None else []),
        *([("confirmation", "Confirmation")] if study.confirmation else []),
        *((section.id, section.title) for section in sections),
        *([("net", "The net")] if net.is_shown else []),
        ("tests", "Test openings"),
        ("provenance", "Provenance"),
    ]


def _drawn(study: StudySummary) -> str:
    return f"those in {study.validation_folder}/" if study.validation_folder else f"seed {study.split_seed}"


def _folds(study: StudySummary) -> str:
    return "" if study.folds is None else f"each of {study.folds} folds in turn, of about "


def _data_name(record: StudyRecord) -> str:
    """What its data are called: a user's own by their file or folder."""
    source, dataset = record.attributes()["source"]["data"], record.spec.dataset
    return PurePath(source).name if source and dataset in ("table", "arrays", "images") else dataset


def _provenance(record: StudyRecord, study: StudySummary) -> list[tuple[str, str]]:
    source, what = record.attributes()["source"]["data"], items(study.dataset)
    return [
        ("data", f"{study.dataset}{f', from {source}' if source else ''}"),
        (f"fingerprint of the training {what}", study.fingerprint),
        ("validation split", f"{_folds(study)}{study.validation:,} {what}, {_drawn(study)}"),
        ("trials", ", ".join(f"{count} {state}" for state, count in study.trials.items())),
        ("time of the search", duration(study.seconds)),
        ("versions where this page was made", ", ".join(f"{name} {it}" for name, it in versions().items())),
    ]
