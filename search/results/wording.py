"""How numbers are written for people, in the terminal and on pages."""

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from mlpsearch.models.ensemble import CALIBRATION_BINS
from mlpsearch.models.scores import ACCURACY, LOG_LOSS, METRICS, Metric
from mlpsearch.studies.spec.table_options import BUNDLED_TABLES, OWN_DATA

NETS = {"numpy": "NumPy net", "torch": "PyTorch MLP"}
MOST_CLASSES = 30  # more make a confusion matrix that nobody can read

_SIGNIFICANT = 0.05
_MOMENT = 9.95  # seconds
_BINS = f"{CALIBRATION_BINS} bins"
_LARGE = 1000  # of losses, from where on decimals say nothing


def percent(share: float | None, digits: int = 2) -> str:
    """Return a share, 0 to 1, as a percentage with so many digits after the point; a dash for None."""
    return "–" if share is None else f"{share:.{digits}%}"


def points(share: float) -> str:
    """Return a difference of shares, or their deviation, in percentage points."""
    return f"{100 * share:.2f}"


def score(value: float | None, metric: Metric) -> str:
    """Return a score, as a percentage where people read it so; a dash for None."""
    if value is None or metric.is_percentage:
        return percent(value)
    return f"{value:.4f}" if abs(value) < _LARGE else f"{value:.4g}"


def difference(value: float, metric: Metric) -> str:
    """Return a difference of scores, with its unit where it has one."""
    return f"{points(value)} points" if metric.is_percentage else score(value, metric)


def ending(limit: str, budget: Mapping[str, Any]) -> str:
    """Return why a search ended with trials left. limit: StudyStatus.ended_by.  budget: as StudyStatus has it."""
    value = budget[limit]
    if limit == "patience":
        trials = "trial" if value == 1 else "trials"
        return f"{value} {trials} without a better one"
    return f"{duration(value)} are used up" if limit == "seconds" else f"{value:,} epochs are used up"


def origin(of: str) -> str:
    """Return what a trial's point is, in words; of: BestTrial.origin."""
    words = {
        "sampler": "of the sampler",
        "start": "a starting point of the study file",
        "learnt": "a starting point that comes with mlpsearch",
        "queue": "a point that somebody enqueued",
    }
    return words.get(of) or f"a starting point from {of}"


def short(value: Any) -> str:
    """Return a hyperparameter in few characters."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def duration(seconds: float) -> str:
    """Return seconds as people say them, below ten with two digits: what took a moment did not take 0 s."""
    if seconds < _MOMENT:
        return f"{seconds:.2g} s" if seconds >= 0.005 else "less than 0.01 s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


def mean_and_deviation(mean: float | None, deviation: float | None, metric: Metric = ACCURACY) -> str:
    """Return the mean score, and the deviation where there is one, of percentages in percentage points."""
    if mean is None or deviation is None:
        return score(mean, metric)
    spread = points(deviation) if metric.is_percentage else score(deviation, metric)
    return f"{score(mean, metric)} ± {spread}"


def named(mean: float | None, deviation: float | None, metric: Metric, accuracy: float | None) -> str:
    """Return what mean_and_deviation does, by another metric than accuracy with its name and the accuracy."""
    text = mean_and_deviation(mean, deviation, metric)
    return text if metric is ACCURACY else f"{metric.title} {text}, accuracy {percent(accuracy)}"


def bias(confirmation: Mapping[str, Any]) -> str:
    """Return how far the best of the search flatters the winner, as a part of a sentence.

    confirmation: Confirmation as JSON.
    """
    metric, gain = METRICS[confirmation["metric"]], confirmation["selection_bias"]
    best = metric.best(one["search_score"] for one in confirmation["candidates"])
    by = f"{difference(abs(gain), metric)} {'above' if (gain >= 0) != metric.lower_is_better else 'below'}"
    runs = len((confirmation["reported"] or confirmation)["seeds"])
    return (
        f"the search's best validation {metric.title}, {score(best, metric)}, is {by} the mean of "
        f"trial {confirmation['winner']} over its {runs} reported runs"
    )


def lead(confirmation: Mapping[str, Any]) -> str:
    """Return a sentence on how sure the winner of a confirmation of two or more candidates is.

    confirmation: Confirmation as JSON.
    """
    chance, others = confirmation["chance"], len(confirmation["candidates"]) - 1
    winner, seeds = confirmation["winner"], len(confirmation["seeds"])
    if chance is None:
        return f"{seeds} seeds are too few to say whether the lead of trial {winner} is luck."
    over = f"({seeds} seeds, p ≤ {chance:.2g})"
    if chance >= _SIGNIFICANT:
        return f"The lead of trial {winner} may be luck with its seeds {over}."
    second = f"trial {confirmation['candidates'][1]['trial']}" if others == 1 else f"all {others} other candidates"
    return f"Trial {winner} leads {second} by more than luck with its seeds explains {over}."


def items(dataset: str) -> str:
    """Return what a data set consists of. Arrays are rows whatever they hold."""
    return "rows" if dataset in ("table", "arrays", *BUNDLED_TABLES) else "images"


def data_name(dataset: str, source: str | None) -> str:
    """Return what the data of a study are called, a user's own by their file or folder. source: that path."""
    return PurePath(source).name if source and dataset in OWN_DATA else dataset


def known_images(test: dict[str, Any], dataset: str) -> str:
    """Return what a test accuracy suffers from where test images are training images too; else nothing."""
    known, what = test.get("also_in_training"), items(dataset)
    return f"{known:,} of {test['images']:,} test {what} are also training or validation {what}" if known else ""


def interval(ends: list[float] | None, metric: Metric = ACCURACY) -> str:
    """Return the two ends of an interval of scores; a dash for None."""
    if ends is None:
        return "–"
    low, high = (percent(end, 1) if metric.is_percentage else score(end, metric) for end in ends)
    return f"{low} – {high}"


def tested_score(test: Mapping[str, Any]) -> str:
    """Return the mean test score of an opening, and the deviation over several nets. test: TestReport as JSON."""
    return mean_and_deviation(test["score"], test["score_deviation"], METRICS[test["metric"]])


def averaged_score(average: Mapping[str, Any], metric: Metric) -> str:
    """Return the test score of the nets' average with its 95% interval. average: NetsAverage as JSON."""
    ends = interval(average["score_interval"], metric)
    return f"{score(average['score'], metric)} (95% interval {ends})"


def calibration(average: Mapping[str, Any], dataset: str) -> str:
    """Return how far the probabilities of the nets' average can be trusted, as a part of a sentence."""
    loss, error, temperature = average["log_loss"], average["calibration_error"], average["temperature"]
    single = score(average["nets_log_loss"], LOG_LOSS)
    text = f"log loss {score(loss, LOG_LOSS)}, of one net {single}; calibration error {percent(error)} ({_BINS})"
    if temperature is None:
        return text
    loss, error = average["tempered_log_loss"], average["tempered_calibration_error"]
    return (
        f"{text}; at the temperature {temperature:.3g}, fitted on validation {items(dataset)}, "
        f"log loss {score(loss, LOG_LOSS)}, calibration error {percent(error)}"
    )


def moment(iso: str) -> str:
    """Return a recorded moment, as ISO 8601 has it, for people."""
    return str(iso).replace("T", " ").replace("+00:00", " UTC")
