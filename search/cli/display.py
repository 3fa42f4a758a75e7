"""How things look in a terminal: tables, and the progress of a search."""

import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from mlpsearch.models.scores import ACCURACY, METRICS, Metric
from mlpsearch.search.results.headline import Headline
from mlpsearch.search.results.status import BestTrial, StudyStatus
from mlpsearch.search.results.wording import (
    MOST_CLASSES,
    bias,
    duration,
    ending,
    interval,
    items,
    known_images,
    lead,
    mean_and_deviation,
    named,
    origin,
    score,
    short,
    tested_score,
)

_PLAIN_SECONDS = 5.0  # between lines of progress where there is no terminal


def studies_table(studies: list[StudyStatus]) -> Table:
    """Return a table with a row a study."""
    table = Table(box=None, pad_edge=False)
    for column in ("study", "net", "state"):
        table.add_column(column, no_wrap=True)
    table.add_column("trials\n(finished, pruned, failed)")
    for column in ("winner", "its validation", "its test (95% interval)"):
        table.add_column(column, no_wrap=True)
    table.add_column("its hyperparameters")
    for status in studies:
        counts, winner = status.trials, status.headline
        ends = f"{counts['finished']}, {counts['pruned']}, {counts['failed']}"
        table.add_row(
            status.name,
            status.net,
            status.state,
            f"{status.ended}/{status.budget['trials']} ({ends})",
            f"trial {winner.trial}" if winner else "–",
            _validation_cell(winner, METRICS[status.metric]) if winner else "–",
            _test_cell(winner),
            ", ".join(f"{key} {short(value)}" for key, value in winner.params.items()) if winner else "–",
        )
    return table


def _validation_cell(winner: Headline, metric: Metric) -> str:
    return named(winner.validation, winner.deviation, metric, winner.validation_accuracy)


def _test_cell(winner: Headline | None) -> str:
    if winner is None or winner.test is not None or winner.confirmed:
        return test_text(winner.test if winner else None)
    return winner.remark.partition(":")[0] or "–"  # "not confirmed", "not tested"


def confusion_table(test: dict[str, Any]) -> Table:
    """Return the confusion matrix of a test; many classes are wider than a terminal, so columns are numbers."""
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    for number in range(len(test["classes"])):
        table.add_column(str(number), justify="right")
    for number, (name, row) in enumerate(zip(test["classes"], test["confusion"], strict=True)):
        table.add_row(f"{number} {name}", *map(str, row))
    return table


def test_text(test: dict[str, Any] | None) -> str:
    """Return the test accuracy, over several nets with its deviation, and its 95% interval; a dash for None.

    Of a study with another metric that comes first, in the same way. test: as openings.openings_of has it.
    """
    if test is None:
        return "–"
    low, high = test["interval"]
    accuracy = mean_and_deviation(test["accuracy"], test.get("deviation"))
    accuracy += f" ({100 * low:.1f}–{100 * high:.1f})"
    metric = METRICS[test["metric"]]
    if metric is ACCURACY:
        return accuracy
    return f"{metric.title} {tested_score(test)} ({interval(test['score_interval'], metric)}), accuracy {accuracy}"


def study_lines(status: StudyStatus) -> Iterator[Table | str]:
    """Yield what `status STUDY` shows: the study's row, and its details."""
    yield studies_table([status])
    if status.trials_per_minute is not None:
        left = "" if status.seconds_left is None else f", about {duration(status.seconds_left)} left"
        yield f"{status.trials_per_minute:g} trials a minute, {duration(status.seconds)} so far{left}"
    yield f"epochs trained: {status.epochs:,}"
    yield from _ending_lines(status)
    yield from _fold_lines(status)
    for trial in status.running:
        note = "" if trial.alive else " (stopped answering; its trial will be given to another)"
        yield f"worker {trial.worker}: trial {trial.number}, epoch {trial.epoch}{note}"
    if status.trials["foreign"]:
        yield f"trials of others, added with Optuna itself: {status.trials['foreign']}; they count for nothing"
    yield from _origin_lines(status.best)
    yield from _others_lines(status)
    yield from _space_lines(status)
    if status.trouble:
        yield status.trouble
    if status.headline is not None and status.headline.remark:
        yield status.headline.remark
    if status.confirmation is not None:
        yield from _confirmation_lines(status.confirmation)
    if status.confirming is not None:
        done, planned = status.confirming["done"], status.confirming["planned"]
        if done < planned or status.confirmation is None:
            runs = f"{done} of the {planned} runs that are planned so far are done"
            yield f"confirmation: {runs}"
    yield from _test_lines(status.tests, status.dataset)
    if status.tests and len(status.tests[-1]["classes"]) <= MOST_CLASSES:
        yield f"test {items(status.dataset)} by true class (row) and predicted class (column):"
        yield confusion_table(status.tests[-1])


def _ending_lines(status: StudyStatus) -> Iterator[str]:
    """Yield why the search is over, where trials of its budget are left."""
    if status.ended_by not in (None, "trials", "space"):
        yield f"ended by budget.{status.ended_by}: {ending(status.ended_by, status.budget)}"


def _fold_lines(status: StudyStatus) -> Iterator[str]:
    if status.folds is not None:
        yield f"validation: of a trial the mean over {status.folds} folds, of a net that confirms its own fold"


def _origin_lines(best: BestTrial | None) -> Iterator[str]:
    if best is not None and best.origin != "sampler":
        yield f"trial {best.number}, the best of the search, is {origin(best.origin)}"


def _others_lines(status: StudyStatus) -> Iterator[str]:
    """Yield what whoever runs the study should know of the trials of others."""
    if status.foreign_running:
        noun = "trial of others is" if status.foreign_running == 1 else "trials of others are"
        yield f"{status.foreign_running} {noun} running, and not waited for"
    for trial in reversed(status.refused):
        yield f"trial {trial.number} was queued by others and is refused: {trial.reason}"


def _space_lines(status: StudyStatus) -> Iterator[str]:
    if status.ended_by == "space":
        yield f"each point of the search space was tried: the search ends after {status.ended} trials"


def _confirmation_lines(confirmation: dict[str, Any]) -> Iterator[Table | str]:
    candidates, winner, reported = confirmation["candidates"], confirmation["winner"], confirmation["reported"]
    metric = METRICS[confirmation["metric"]]
    several = len(candidates) > 1
    if several:
        yield (
            f"confirmed: the best {len(candidates)} trials, each trained again over "
            f"{len(confirmation['seeds'])} seeds; the best mean is that of trial {winner}:"
        )
        yield _candidates_table(candidates, metric)
        yield lead(confirmation)
    shown = reported or {**candidates[0], "seeds": confirmation["seeds"]}
    over = f"{len(shown['seeds'])} {'further' if several else 'fresh'} seeds"
    if several and not reported:  # by mlpsearch 0.1.0
        over = "the seeds that chose it"
    runs = " ".join(score(one, metric) for one in shown["scores"])
    mean = named(shown["mean"], shown["deviation"], metric, statistics.mean(shown["accuracies"]))
    yield f"reported: trial {winner}, trained again over {over}: {mean} (runs: {runs})"
    best = metric.best(one["search_score"] for one in candidates)
    yield f"selection bias: {bias(best, confirmation['selection_bias'], winner, len(shown['seeds']), metric)}"


def _candidates_table(candidates: list[dict[str, Any]], metric: Metric) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in ("trial", "in the search", "mean ± deviation, to choose by", "runs"):
        table.add_column(column, no_wrap=True)
    for one in candidates:
        runs = " ".join(score(run, metric) for run in one["scores"])
        again = mean_and_deviation(one["mean"], one["deviation"], metric)
        table.add_row(str(one["trial"]), score(one["search_score"], metric), again, runs)
    return table


def _test_lines(tests: list[dict[str, Any]], dataset: str) -> Iterator[str]:
    for number, test in enumerate(tests):
        seeds = f" over {len(test['seeds'])} seeds" if test.get("seeds") else ""
        again = ""
        if test["opening"] > 1:
            before, now = tests[number - 1].get("search_trials", 0), test.get("search_trials", 0)
            grown = f", after the search grew from {before} to {now} trials" if 0 < before < now else ""
            again = f"; opening {test['opening']}{grown}"
        yield (
            f"test split opened {test['when']} by `{test['command']}`: "
            f"trial {test['trial']}{seeds}, {test_text(test)}{again}"
        )
    if tests and (known := known_images(tests[-1], dataset)):
        yield f"beware: {known}"


def _best_text(best: BestTrial, metric: Metric) -> str:
    text = score(best.validation_score, metric)
    return text if metric is ACCURACY else f"{metric.title} {text}"


class SearchProgress:
    """The progress of a search on stderr: a bar in a terminal, a line now and then elsewhere."""

    def __init__(self, console: Console):
        self._console = console
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[news]}"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
        )
        self._task = self._bar.add_task("", total=None, news="")
        self._next_line = 0.0
        self._last = self._waiting = ""  # the line that was printed last, and the newest
        self._told: set[str] = set()

    @contextmanager
    def shown(self) -> Iterator["SearchProgress"]:
        """Show it while the body runs."""
        if self._console.is_terminal:
            with self._bar:
                yield self
        else:
            try:
                yield self
            finally:
                self._print_waiting()

    def update(self, status: StudyStatus) -> None:
        """Show how the study stands; what is to be said of trials of others, or of its end, is said once."""
        for line in (*_others_lines(status), *_ending_lines(status), *_space_lines(status)):
            if line not in self._told:
                self._told.add(line)
                self._console.print(line, markup=False, highlight=False, soft_wrap=True)
        ended, total = status.ended, status.budget["trials"]
        best = f"best {_best_text(status.best, METRICS[status.metric])}" if status.best else "no trial finished"
        news = f"{best}, {status.trials['pruned']} pruned"
        if status.running:
            news += ", " + " ".join(f"#{trial.number}:{trial.epoch}" for trial in status.running)
        if self._console.is_terminal:
            self._bar.update(
                self._task, description=status.name, completed=min(ended, total), total=total, news=news
            )
        else:
            self._plain(f"{status.name}: {ended}/{total} trials, {best}, {status.trials['pruned']} pruned")

    def say(self, message: str) -> None:
        """Print a message above the bar. Safe in a signal handler: it does not wait for the bar's lock."""
        print(f"\r{message}", file=sys.stderr, flush=True)

    def _plain(self, line: str) -> None:
        self._waiting = line
        if time.monotonic() >= self._next_line:
            self._print_waiting()

    def _print_waiting(self) -> None:
        if self._waiting != self._last:
            print(self._waiting, file=sys.stderr, flush=True)
            self._last, self._next_line = self._waiting, time.monotonic() + _PLAIN_SECONDS
