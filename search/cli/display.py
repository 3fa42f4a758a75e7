"""How a study stands, in lines: a block for each of several, and all that is known of one."""

import statistics
import sys
from collections.abc import Iterator
from typing import Any

import click

from mlpsearch.models.scores import ACCURACY, METRICS, Metric
from mlpsearch.search.cli.confusions import worst_lines
from mlpsearch.search.cli.layout import bar, labelled, listed, wrapped
from mlpsearch.search.results.headline import Headline
from mlpsearch.search.results.status import BestTrial, RunningTrial, StudyStatus
from mlpsearch.search.results.wording import (
    NETS,
    bias,
    calibration,
    duration,
    ending,
    interval,
    known_images,
    lead,
    mean_and_deviation,
    named,
    origin,
    percent,
    score,
    short,
    tested_score,
)

_WIDEST_BAR = 40
_MOST_WORKERS = 4  # that a block names
_COLOURS = {"complete": "green", "running": "cyan", "open": "yellow", "stopped": "yellow"}


def block(status: StudyStatus, columns: int | None) -> list[str]:
    """Return what is said of a study first, in lines of so many columns; None: whole ones, as for a pipe."""
    state = click.style(status.state, fg=_COLOURS[status.state])
    head = f"{click.style(status.name, bold=True)}: {state}"
    about = f"({NETS[status.net]}, {status.dataset})"
    fits = columns is None or len(f"{status.name}: {status.state} {about}") <= columns
    return [
        *([f"{head} {about}"] if fits else [head, f"  {about}"]),
        *_budget(status, columns),
        *labelled("time", time_text(status), columns),
        *(labelled("workers", _workers_text(status), columns) if status.running else []),
        *_winner(status, columns),
    ]


def _budget(status: StudyStatus, columns: int | None) -> list[str]:
    counts, total = status.trials, status.budget["trials"]
    done = f"{status.ended}/{total}"
    ends = f"{counts['finished']} finished, {counts['pruned']} pruned, {counts['failed']} failed"
    if columns is None:
        return labelled("trials", f"{done}: {ends}", None)
    room = max(10, min(_WIDEST_BAR, columns - len(done) - 16))
    return [
        *labelled("trials", f"{bar(status.ended, total, room, sys.stdout.encoding)} {done}", columns),
        *labelled("", ends, columns),
    ]


def time_text(status: StudyStatus) -> str:
    """Return how long a search took so far, what is left of it, and how fast it is."""
    if status.trials_per_minute is None:
        return "no trial has ended yet"
    left = "" if status.seconds_left is None else f", about {duration(status.seconds_left)} left"
    return f"{duration(status.seconds)} so far{left}, {status.trials_per_minute:g} trials a minute"


def _workers_text(status: StudyStatus) -> str:
    alive = [trial for trial in status.running if trial.alive]
    if not alive:
        return "none answers"
    trials = [f"trial {trial.number}: {doing(trial, status)}" for trial in alive[:_MOST_WORKERS]]
    more = [f"{len(alive) - _MOST_WORKERS} more"] if len(alive) > _MOST_WORKERS else []
    return ", ".join(trials + more)


def doing(trial: RunningTrial, status: StudyStatus) -> str:
    """Return what a worker does with its trial."""
    if trial.step != "training":
        return trial.step
    return f"epoch {trial.epoch} of {status.budget['epochs']}"


def _winner(status: StudyStatus, columns: int | None) -> list[str]:
    winner = status.headline
    if winner is None:
        return labelled("winner", "none yet" if not status.trouble else "none", columns)
    confirmed = f"confirmed over {len(winner.seeds)} seeds" if winner.confirmed else "the best of the search"
    validation = named(winner.validation, winner.deviation, METRICS[status.metric], winner.validation_accuracy)
    values = (f"{key} {short(value)}" for key, value in winner.params.items())
    return [
        *labelled("winner", f"trial {winner.trial}, {confirmed}", columns),
        *labelled("validation", validation, columns),
        *labelled("test", _test_cell(winner), columns),
        *(labelled("", average_text(winner.test), columns) if winner.test and winner.test["average"] else []),
        *(listed("with", values, columns) if winner.params else []),
    ]


def _test_cell(winner: Headline) -> str:
    if winner.test is not None or winner.confirmed:
        return test_text(winner.test)
    return winner.remark.partition(":")[0] or "–"  # "not confirmed", "not tested"


def test_text(test: dict[str, Any] | None) -> str:
    """Return the test accuracy, over several nets with its deviation, and its 95% interval; a dash for None.

    Of a study with another metric that comes first, in the same way. Where the nets' average is known as well, the
    text says that this is one net's. test: as openings.openings_of has it.
    """
    if test is None:
        return "–"
    accuracy = mean_and_deviation(test["accuracy"], test.get("deviation"))
    text = _with_ends(METRICS[test["metric"]], tested_score(test), accuracy, test)
    return f"one net {text}" if test["average"] else text


def average_text(test: dict[str, Any]) -> str:
    """Return what test_text does of the nets' average, which must be known."""
    average, metric = test["average"], METRICS[test["metric"]]
    text = _with_ends(metric, score(average["score"], metric), percent(average["accuracy"]), average)
    return f"the nets' average {text}"


def _with_ends(metric: Metric, value: str, accuracy: str, of: dict[str, Any]) -> str:
    """A score and an accuracy with their intervals. of: TestReport or NetsAverage as JSON."""
    low, high = of["interval"]
    accuracy += f" (95% interval {100 * low:.1f}–{100 * high:.1f})"
    if metric is ACCURACY:
        return accuracy
    return f"{metric.title} {value} ({interval(of['score_interval'], metric)}), accuracy {accuracy}"


def study_lines(status: StudyStatus, columns: int | None) -> list[str]:
    """Return what `status STUDY` prints: details, and below them, where a terminal shows it, the study's block."""
    return [*detail_lines(status, columns), "", *block(status, columns)]


def detail_lines(status: StudyStatus, columns: int | None) -> list[str]:
    """Return what is known of a study besides its block; columns: as for `block`."""
    return [part for line in _details(status) for part in wrapped(line, columns)]


def _details(status: StudyStatus) -> Iterator[str]:
    yield f"epochs trained: {status.epochs:,}"
    yield from ending_lines(status)
    yield from _fold_lines(status)
    for trial in status.running:
        note = "" if trial.alive else " (stopped answering; its trial will be given to another)"
        yield f"worker {trial.worker}: trial {trial.number}, {doing(trial, status)}{note}"
    if status.trials["foreign"]:
        yield f"trials of others, added with Optuna itself: {status.trials['foreign']}; they count for nothing"
    yield from _origin_lines(status.best)
    yield from others_lines(status)
    yield from space_lines(status)
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
    if status.tests:
        yield from worst_lines(status.tests[-1], status.name)


def ending_lines(status: StudyStatus) -> Iterator[str]:
    """Yield why the search is over, where trials of its budget are left."""
    if status.ended_by not in (None, "trials", "space"):
        yield f"ended by budget.{status.ended_by}: {ending(status.ended_by, status.budget)}"


def _fold_lines(status: StudyStatus) -> Iterator[str]:
    if status.folds is not None:
        yield f"validation: of a trial the mean over {status.folds} folds, of a net that confirms its own fold"


def _origin_lines(best: BestTrial | None) -> Iterator[str]:
    if best is not None and best.origin != "sampler":
        yield f"trial {best.number}, the best of the search, is {origin(best.origin)}"


def others_lines(status: StudyStatus) -> Iterator[str]:
    """Yield what whoever runs the study should know of the trials of others."""
    if status.foreign_running:
        noun = "trial of others is" if status.foreign_running == 1 else "trials of others are"
        yield f"{status.foreign_running} {noun} running, and not waited for"
    for trial in reversed(status.refused):
        yield f"trial {trial.number} was queued by others and is refused: {trial.reason}"


def space_lines(status: StudyStatus) -> Iterator[str]:
    """Yield that the search has tried each point of its space, where it has."""
    if status.ended_by == "space":
        yield f"each point of the search space was tried: the search ends after {status.ended} trials"


def _confirmation_lines(confirmation: dict[str, Any]) -> Iterator[str]:
    candidates, winner, reported = confirmation["candidates"], confirmation["winner"], confirmation["reported"]
    metric = METRICS[confirmation["metric"]]
    several = len(candidates) > 1
    if several:
        yield (
            f"confirmed: the best {len(candidates)} trials, each trained again over "
            f"{len(confirmation['seeds'])} seeds; the best mean is that of trial {winner}:"
        )
        yield from _candidate_lines(candidates, metric)
        yield lead(confirmation)
    shown = reported or {**candidates[0], "seeds": confirmation["seeds"]}
    over = f"{len(shown['seeds'])} {'further' if several else 'fresh'} seeds"
    if several and not reported:  # by mlpsearch 0.1.0
        over = "the seeds that chose it"
    runs = " ".join(score(one, metric) for one in shown["scores"])
    mean = named(shown["mean"], shown["deviation"], metric, statistics.mean(shown["accuracies"]))
    yield f"reported: trial {winner}, trained again over {over}: {mean} (runs: {runs})"
    yield f"selection bias: {bias(confirmation)}"


def _candidate_lines(candidates: list[dict[str, Any]], metric: Metric) -> Iterator[str]:
    for one in candidates:
        runs = " ".join(score(run, metric) for run in one["scores"])
        again = mean_and_deviation(one["mean"], one["deviation"], metric)
        searched = score(one["search_score"], metric)
        yield f"  trial {one['trial']}: {again}, to choose by; in the search {searched}; runs: {runs}"


def _test_lines(tests: list[dict[str, Any]], dataset: str) -> Iterator[str]:
    for number, test in enumerate(tests):
        seeds = f" over {len(test['seeds'])} seeds" if test.get("seeds") else ""
        again = ""
        if test["opening"] > 1:
            before, now = tests[number - 1].get("search_trials", 0), test.get("search_trials", 0)
            grown = f", after the search grew from {before} to {now} trials" if 0 < before < now else ""
            again = f"; opening {test['opening']}{grown}"
        average = f", {average_text(test)}" if test["average"] else ""
        yield (
            f"test split opened {test['when']} by `{test['command']}`: "
            f"trial {test['trial']}{seeds}, {test_text(test)}{average}{again}"
        )
    if tests and tests[-1]["average"]:
        yield f"the nets' average: {calibration(tests[-1]['average'], dataset)}"
    if tests and (known := known_images(tests[-1], dataset)):
        yield f"beware: {known}"
