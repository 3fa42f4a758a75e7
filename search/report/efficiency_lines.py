"""Sentences on how well a search did for the epochs that it took."""

from collections.abc import Iterator

from mlpsearch.models.scores import Metric
from mlpsearch.search.report.summary import StudySummary
from mlpsearch.search.results.efficiency import Efficiency
from mlpsearch.search.results.wording import difference, ending, origin, percent, score
from mlpsearch.studies.record import StudyRecord
from mlpsearch.studies.spec.starting_points import moved, summary


def efficiency_lines(study: StudySummary, record: StudyRecord) -> list[str]:
    """Return what the report says beside the plot of the best score by epochs."""
    found, metric = study.efficiency, record.metric
    lines = [*_epochs(study), _random(found, metric, record.spec.budget.epochs), *_points(study, record)]
    if study.ended_by == "space":
        lines.append("The search ended because each point of its space was tried.")
    elif study.ended_by not in (None, "trials"):
        why = ending(study.ended_by, record.budget.model_dump())
        lines.append(f"The search ended by budget.{study.ended_by}: {why}.")
    return [*lines, *_further(found, metric)]


def _epochs(study: StudySummary) -> Iterator[str]:
    found, trials = study.efficiency, study.trials["finished"] + study.trials["pruned"]
    if found.saved is not None:
        yield (
            f"{trials} trials ended, and all trials took {found.epochs:,} epochs. Ending trials early saved "
            f"{percent(found.saved, 0)} of the epochs that those which ended would have taken in full."
        )


def _random(found: Efficiency, metric: Metric, full: int) -> str:
    count = found.random_trials
    if not found.random:
        drawn = "1 trial was" if count == 1 else f"{count or 'no'} trials were"
        return f"Too few trials to say what random search would have reached: {drawn} drawn at random."
    epochs, expected = next((one for one in reversed(found.random) if one[0] <= found.epochs), found.random[0])
    own = found.best_after(epochs)
    reached = "no trial was finished" if own is None else f"the best score was {score(own, metric)}"
    pruned = (
        f" ({found.random_pruned} of them pruned, and counted by their last scores)" if found.random_pruned else ""
    )
    return (
        f"After {epochs:,} epochs, as many as {epochs // full} trials take in full, {reached}; random search is "
        f"expected to reach {score(expected, metric)} by then, going by the {count} trials that were drawn at "
        f"random{pruned}."
    )


def _points(study: StudySummary, record: StudyRecord) -> Iterator[str]:
    if record.starts:
        yield f"Tried first: {summary(record.starts)}{moved(record.starts)}."
    if study.winner is not None and study.origin not in (None, "sampler"):
        yield f"The winner, trial {study.winner}, is {origin(study.origin)}."


def _further(found: Efficiency, metric: Metric) -> Iterator[str]:
    """Yield whether the confirmation could tell a further gain from luck."""
    if found.late_gain is None:
        return
    made = f"The later half of the trials made the best score {difference(found.late_gain, metric)} better"
    if found.late_gain == 0:
        made = "The later half of the trials brought nothing better"
    if found.standard_error is None:
        yield f"{made}. Nothing is confirmed yet that could say whether a further gain would be more than luck."
        return
    error = difference(found.standard_error, metric)
    if found.late_gain == 0:
        yield f"{made}. A gain below {error}, the standard error of the confirmation, could not be told from luck."
        return
    could = "could" if found.late_gain > found.standard_error else "could not"
    yield (
        f"{made}. Another gain of that size {could} be told from luck: the standard error of the confirmation is "
        f"{error}."
    )
