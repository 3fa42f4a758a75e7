"""Starting points learnt from the landscape, and what they are worth on data they were not learnt on.

    python -m benchmarks.learn [--landscape FILE] [-o studies/spec/learnt_points.json]
    python -m benchmarks.learn --evaluate

Writes the points that come with the package: for images, for tables and for small tables, and for each optimizer
and schedule that ready studies and `mlpsearch new` fix, the points that benchmarks/learning_points.py chooses
among the configurations of that optimizer and schedule. They are chosen twice: by accuracy alone, for studies
whose budget is in trials or epochs, and with a price on time, for those whose budget is in seconds. --evaluate
leaves each data set out in turn and says how many random trials the points of the others are worth on it.
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
from benchmarks.learning_points import nearness, shares_at_least_as_good, starting_points, worth_for_its_time
from mlpsearch.studies.spec.starting_points import Kind, kind_of

OUTPUT = Path(__file__).parents[1] / "studies" / "spec" / "learnt_points.json"
COUNTS = (1, 3, 5)
_FAILED = 0.9  # the share of configurations that are at least as good
SHIPPED = 6  # of each family and kind
KINDS: tuple[Kind, ...] = ("table", "small table", "images")
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


def learn(land: Landscape, rows: Rows, sources: "Sources", count: int, *, priced: bool = False) -> Rows:
    """Choose `count` of the rows by how good they are on data sets, the best first.

    priced: by how quick they are as well.
    """
    accuracy = final_accuracy(land)[rows]
    worth = nearness(accuracy)
    if priced:
        worth = worth_for_its_time(accuracy, np.log(np.nanmean(land.seconds, axis=2)[rows]))
    failed = shares_at_least_as_good(accuracy[:, sources.must_not_fail]) > _FAILED
    kept = np.flatnonzero(~np.any(failed, axis=1))
    return rows[kept[starting_points(worth[kept][:, sources.places], count)]]


def shipped_points(land: Landscape, *, priced: bool) -> list[dict[str, Any]]:
    """Return the points that come with the package: those for trials and epochs, or those for seconds."""
    points = []
    for kind in KINDS:
        for family in FAMILIES:
            chosen = learn(land, family.rows(land), sources_for(land, kind), SHIPPED, priced=priced)
            points += [{"kind": kind, "params": study_params(land.points[row], kind)} for row in chosen]
    return points


def study_kinds(land: Landscape) -> list[Kind]:
    """Return the kind that each data set is of, for starting points."""
    rows = [data["training"] + data["validation"] for data in land.about["datasets"]]
    return [kind_of(count, is_table=kind == "table") for count, kind in zip(rows, land.kinds, strict=True)]


@dataclass(frozen=True, slots=True)
class Sources:
    """What points are learnt on.

    places: the numbers of the data sets, as often as each counts.
    must_not_fail: of those, on which a configuration that is among the worst tenth is not chosen.
    """

    places: list[int]
    must_not_fail: list[int]


def sources_for(land: Landscape, kind: Kind, without: int | None = None) -> Sources:
    """Return what points for a kind are learnt on: the data sets of the kind.

    There are few of images, so for these the tables count, too, but for small ones. The images are so often
    there that both weigh the same, and what fails on one of them is not chosen, however good it is elsewhere.

    without: the number of a data set that is not among them.
    """
    kinds = study_kinds(land)
    own = [place for place, found in enumerate(kinds) if found == kind and place != without]
    if kind != "images":
        return Sources(own, [])
    rest = [place for place, found in enumerate(kinds) if found == "table"]
    return Sources(own * max(1, round(len(rest) / len(own))) + rest, own)


def study_params(point: dict[str, Any], kind: Kind) -> dict[str, Any]:
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
    land: Landscape, rows: Rows, kind: Kind, count: int, *, priced: bool = False
) -> tuple[list[float], list[float]]:
    """Return what `count` points of the other data sets are worth, in random trials of these rows, and cost.

    Of each data set of the kind in turn. The cost is in mean trainings of these rows.
    """
    equal, costs = [], []
    accuracy, seconds = final_accuracy(land), np.nanmean(land.seconds, axis=2)
    for place in np.flatnonzero([own == kind for own in study_kinds(land)]):
        chosen = learn(land, rows, sources_for(land, kind, int(place)), count, priced=priced)
        equal.append(random_trials(accuracy[rows, place], accuracy[chosen, place].max()))
        costs.append(seconds[chosen, place].sum() / seconds[rows, place].mean())
    return equal, costs


def show_worth(land: Landscape) -> None:
    """Print what points are worth on data sets that they were not learnt on."""
    everything = np.arange(len(land.points))
    groups = [("all", everything), *((str(family), family.rows(land)) for family in FAMILIES)]
    counts = " | ".join(f"{count} point{'s' * (count > 1)}" for count in COUNTS)
    print(f"| data | among | configurations | {counts} | cost | quick ones: {counts} | cost |")
    print(f"| --- | --- | --- |{' --- |' * 2 * (1 + len(COUNTS))}")
    for kind in KINDS:
        for name, rows in groups:
            cells = [_cells(land, rows, kind, priced=priced) for priced in (False, True)]
            print(f"| {kind} | {name} | {len(rows)} | {' | '.join(cells)} |")


def _cells(land: Landscape, rows: Rows, kind: Kind, *, priced: bool) -> str:
    found = [worth(land, rows, kind, count, priced=priced) for count in COUNTS]
    trials = " | ".join(f"{geometric_mean(equal):.1f}" for equal, _ in found)
    return f"{trials} (×{standard_error(found[-1][0]):.2f}) | {geometric_mean(found[-1][1]):.1f}"


def document(land: Landscape) -> str:
    """Return the text of the file that comes with the package, a point a line."""
    about = land.about
    names = ", ".join(land.datasets)
    provenance = (
        f"Learnt by python -m benchmarks.learn from benchmarks/landscape.npz of {about['made']}: "
        f"{len(land.points)} configurations on {names}. See benchmarks/LANDSCAPE.md."
    )
    points = {name: shipped_points(land, priced=name == "quick_points") for name in ("points", "quick_points")}
    lists = [f"  {json.dumps(name)}: [\n{_lines(found)}\n  ]" for name, found in points.items()]
    return "{\n" + ",\n".join([f'  "provenance": {json.dumps(provenance)}', *lists]) + "\n}\n"


def _lines(points: list[dict[str, Any]]) -> str:
    return ",\n".join(f"    {json.dumps(point)}" for point in points)


def main() -> None:
    """Print or write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--landscape", type=Path, default=PACKED)
    parser.add_argument("--evaluate", action="store_true", help="print what points are worth on other data")
    parser.add_argument("-o", "--output", type=Path, default=OUTPUT)
    given = parser.parse_args()
    land = complete(load_landscape(given.landscape))
    if given.evaluate:
        show_worth(land)
    else:
        given.output.write_text(document(land))


if __name__ == "__main__":
    main()
