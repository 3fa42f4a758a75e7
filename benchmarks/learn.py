"""Starting points learnt from the landscape, and what they are worth on data they were not learnt on.

    python -m benchmarks.learn [--landscape FILE] [-o studies/spec/learnt_points.json]
    python -m benchmarks.learn --evaluate [--price 0.6]

Writes the points that come with the package: for images and for tables, and for each optimizer and schedule
that ready studies and `mlpsearch new` fix, the points that benchmarks/learning_points.py chooses among the
configurations of that optimizer and schedule. They are chosen twice: by accuracy alone, for studies whose budget
is in trials or epochs, and with a price on time, for those whose budget is in seconds. --evaluate leaves each
data set out in turn and says how many random trials the points of the others are worth on it.
"""

import argparse
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.landscape import BINS, PACKED, Landscape, load_landscape
from benchmarks.learning_points import shares_at_least_as_good, starting_points

OUTPUT = Path(__file__).parents[1] / "studies" / "spec" / "learnt_points.json"
COUNTS = (1, 3, 5)
PRICE = 0.6  # of the logarithm of the seconds, where seconds are the budget
_FAILED = 0.9  # the share of configurations that are at least as good
SHIPPED = 6  # of each family and kind
Rows = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Family:
    """Configurations that compete: a learning rate means something else with another optimizer or schedule.

    plain: those alone without dropout, label smoothing and batch normalisation, which studies that fix this
        optimizer and schedule do not search.
    """

    optimizer: str
    schedule: str
    plain: bool

    def rows(self, land: Landscape) -> Rows:
        """Return the numbers of its configurations."""
        return np.flatnonzero([self._has(point) for point in land.points])

    def _has(self, point: dict[str, Any]) -> bool:
        fits = point["optimizer"] == self.optimizer and point["schedule"] == self.schedule
        return fits and ("dropout" in point) != self.plain

    def __str__(self) -> str:
        return f"{self.optimizer}, {self.schedule}"


# In the order in which a study gets them that searches optimizers and schedules.
FAMILIES = (
    Family("adam", "one-cycle", plain=False),
    Family("adamw", "one-cycle", plain=False),
    Family("adam", "step", plain=True),
    Family("sgd", "step", plain=True),
)


def complete(land: Landscape) -> Landscape:
    """Return the landscape with those configurations alone that were trained on all data sets."""
    is_missing = np.isnan(land.accuracy[..., 0]).all(axis=2)  # (configurations, data sets)
    rows = np.flatnonzero(~np.any(is_missing, axis=1))
    points = [land.points[row] for row in rows]
    return Landscape(points, land.datasets, land.kinds, land.accuracy[rows], land.seconds[rows], land.about)


def final_accuracy(land: Landscape) -> Floats:
    """Return the accuracy after the last epoch, the mean over seeds, (configurations, data sets).

    A seed has rows of its own to judge by, which may be easier than others': before the mean, all seeds are
    brought to one level, by the configurations that were trained with all of them.
    """
    last = land.accuracy[..., -1]
    in_all = ~np.any(np.isnan(last), axis=(1, 2))
    if in_all.any():
        levels = last[in_all].mean(axis=0)  # (data sets, seeds)
        last = last - levels + levels.mean(axis=1, keepdims=True)
    means: Floats = np.nanmean(last, axis=2)
    return means


def learn(land: Landscape, rows: Rows, sources: "Sources", count: int, price: float = 0.0) -> Rows:
    """Choose `count` of the rows by how good and how cheap they are on data sets, the best first.

    price: of the logarithm of the seconds; 0 goes by accuracy alone.
    """
    shares = shares_at_least_as_good(final_accuracy(land)[rows])
    kept = np.flatnonzero(shares[:, sources.must_not_fail].max(axis=1, initial=0.0) <= _FAILED)
    shares = shares[kept][:, sources.places]
    seconds = np.nanmean(land.seconds, axis=2)[rows[kept]][:, sources.places]
    return rows[kept[starting_points(shares, np.log(seconds), count, price=price)]]


def shipped_points(land: Landscape, price: float) -> list[dict[str, Any]]:
    """Return the points that come with the package, of one price."""
    points = []
    for kind in ("table", "images"):
        for family in FAMILIES:
            chosen = learn(land, family.rows(land), sources_for(land, kind), SHIPPED, price)
            points += [{"kind": kind, "params": study_params(land.points[row], kind)} for row in chosen]
    return points


@dataclass(frozen=True, slots=True)
class Sources:
    """What points are learnt on.

    places: the numbers of the data sets, as often as each counts.
    must_not_fail: of those, on which a configuration that is among the worst tenth is not chosen.
    """

    places: list[int]
    must_not_fail: list[int]


def sources_for(land: Landscape, kind: str, without: int | None = None, *, others: bool | None = None) -> Sources:
    """Return what points for a kind are learnt on: the data sets of the kind.

    With the others as well, those of the kind are so often there that both weigh the same, and what fails on one
    of the kind is not chosen, however good it is elsewhere.
    without: the number of a data set that is not among them.
    others: by default, for images alone: there are few data sets of them.
    """
    own = [place for place, found in enumerate(land.kinds) if found == kind and place != without]
    rest = [place for place, found in enumerate(land.kinds) if found != kind]
    if not (kind == "images" if others is None else others):
        return Sources(own, [])
    return Sources(own * max(1, round(len(rest) / len(own))) + rest, own)


def study_params(point: dict[str, Any], kind: str) -> dict[str, Any]:
    """Return a configuration as fields of a study of that kind."""
    params = {name: _rounded(value) for name, value in point.items() if name != "image_preprocessing"}
    if kind == "images":
        params["preprocessing"] = point["image_preprocessing"]
    return params | ({"bins": BINS} if params["preprocessing"] == "piecewise" else {})


def _rounded(value: Any) -> Any:
    """Two digits say enough of a number with a fraction."""
    return float(f"{value:.2g}") if isinstance(value, float) else value


# ---- what it is worth ------------------------------------------------------------------------------------------


def expected_best(values: Floats, trials: float) -> float:
    """Return the expected best of so many draws from values, put back after each."""
    ordered = np.sort(values)
    below = (np.arange(len(values) + 1) / len(values)) ** trials
    return float((ordered * np.diff(below)).sum())


def random_trials(values: Floats, best: float) -> float:
    """Return how many random draws from values have this expected best; at most as many as there are values."""
    low, high = 0.1, float(len(values))
    if best >= expected_best(values, high):
        return high
    for _ in range(50):
        middle = (low * high) ** 0.5
        low, high = (middle, high) if expected_best(values, middle) < best else (low, middle)
    return low


def geometric_mean(values: Iterable[float]) -> float:
    """Return it."""
    return float(np.exp(np.mean(np.log(list(values)))))


def standard_error(values: Iterable[float]) -> float:
    """Return that of the geometric mean, as a factor."""
    logs = np.log(list(values))
    return float(np.exp(logs.std(ddof=1) / len(logs) ** 0.5))


def worth(
    land: Landscape, rows: Rows, kind: str, count: int, *, price: float = 0.0, others: bool | None = None
) -> tuple[list[float], list[float]]:
    """Return what `count` points of the other data sets are worth, in random trials of these rows, and cost.

    Of each data set of the kind in turn. The cost is in mean trainings of these rows.
    others: learn on data sets of the other kind as well; see sources_for.
    """
    equal, costs = [], []
    accuracy, seconds = final_accuracy(land), np.nanmean(land.seconds, axis=2)
    for place in np.flatnonzero([own == kind for own in land.kinds]):
        sources = sources_for(land, kind, int(place), others=others)
        chosen = learn(land, rows, sources, count, price)
        equal.append(random_trials(accuracy[rows, place], accuracy[chosen, place].max()))
        costs.append(seconds[chosen, place].sum() / seconds[rows, place].mean())
    return equal, costs


def show_worth(land: Landscape, price: float) -> None:
    """Print what points are worth on data sets that they were not learnt on."""
    everything = np.arange(len(land.points))
    groups = [("all", everything), *((str(family), family.rows(land)) for family in FAMILIES)]
    print("| data | learnt on | among | configurations | 1 point | 3 points | 5 points | cost of 5 |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for kind in ("table", "images"):
        for others in (False, True):
            for name, rows in groups:
                found = [worth(land, rows, kind, count, price=price, others=others) for count in COUNTS]
                trials = " | ".join(f"{geometric_mean(equal):.1f}" for equal, _ in found)
                trials += f" (×{standard_error(found[-1][0]):.2f})"
                sources, cost = "all kinds" if others else "its kind", geometric_mean(found[-1][1])
                print(f"| {kind} | {sources} | {name} | {len(rows)} | {trials} | {cost:.1f} |")


def document(land: Landscape) -> str:
    """Return the text of the file that comes with the package, a point a line."""
    about = land.about
    names = ", ".join(land.datasets)
    provenance = (
        f"Learnt by python -m benchmarks.learn from benchmarks/landscape.npz of {about['made']}: "
        f"{len(land.points)} configurations on {names}. See benchmarks/LANDSCAPE.md."
    )
    points = {"points": shipped_points(land, 0.0), "quick_points": shipped_points(land, PRICE)}
    lists = [f"  {json.dumps(name)}: [\n{_lines(found)}\n  ]" for name, found in points.items()]
    return "{\n" + ",\n".join([f'  "provenance": {json.dumps(provenance)}', *lists]) + "\n}\n"


def _lines(points: list[dict[str, Any]]) -> str:
    return ",\n".join(f"    {json.dumps(point)}" for point in points)


def main() -> None:
    """Print or write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--landscape", type=Path, default=PACKED)
    parser.add_argument("--evaluate", action="store_true", help="print what points are worth on other data")
    parser.add_argument("--price", type=float, default=0.0, help="on the logarithm of the seconds, in --evaluate")
    parser.add_argument("-o", "--output", type=Path, default=OUTPUT)
    given = parser.parse_args()
    land = complete(load_landscape(given.landscape))
    if given.evaluate:
        show_worth(land, given.price)
    else:
        given.output.write_text(document(land))


if __name__ == "__main__":
    main()
