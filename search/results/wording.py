"""How numbers are written for people, in the terminal and on pages."""

from collections.abc import Mapping
from typing import Any

NETS = {"numpy": "NumPy net", "torch": "PyTorch MLP"}
MOST_CLASSES = 30  # more make a confusion matrix that nobody can read

_SIGNIFICANT = 0.05


def percent(share: float | None, digits: int = 2) -> str:
    """Return a share, 0 to 1, as a percentage with so many digits after the point; a dash for None."""
    return "–" if share is None else f"{share:.{digits}%}"


def points(share: float) -> str:
    """Return a difference of shares, or their deviation, in percentage points."""
    return f"{100 * share:.2f}"


def short(value: Any) -> str:
    """Return a hyperparameter in few characters."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def duration(seconds: float) -> str:
    """Return seconds as people say them."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


def mean_and_deviation(mean: float | None, deviation: float | None) -> str:
    """Return the mean, and the deviation where there is one in percentage points."""
    return percent(mean) if mean is None or deviation is None else f"{percent(mean)} ± {points(deviation)}"


def bias(search_best: float, selection_bias: float, winner: int, runs: int) -> str:
    """Return how far the best of the search flatters the winner, as a part of a sentence.

    search_best: its validation accuracy.  runs: of the winner that are reported.
    """
    where = "above" if selection_bias >= 0 else "below"
    return (
        f"the search's best validation accuracy, {percent(search_best)}, is {points(abs(selection_bias))} points "
        f"{where} the mean of trial {winner} over its {runs} reported runs"
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
    """Return what a data set consists of."""
    return "rows" if dataset == "table" else "images"


def known_images(test: dict[str, Any], dataset: str) -> str:
    """Return what a test accuracy suffers from where test images are training images too; else nothing."""
    known, what = test.get("also_in_training"), items(dataset)
    return f"{known:,} of {test['images']:,} test {what} are also training or validation {what}" if known else ""


def interval(ends: list[float]) -> str:
    """Return the two ends of an interval of shares."""
    return f"{percent(ends[0], 1)} – {percent(ends[1], 1)}"


def moment(iso: str) -> str:
    """Return a recorded moment, as ISO 8601 has it, for people."""
    return str(iso).replace("T", " ").replace("+00:00", " UTC")
