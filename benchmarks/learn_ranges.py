"""Ranges learnt from the landscape: what they are worth in place of those of `mlpsearch new`.

    python -m benchmarks.learn_ranges [FILE]

Among the configurations with the optimizer and schedule of `new`, the best 15% by their mean score on some tables
have for each field a range, from 5% to 95% of their values. For each table in turn random search is confined to
the ranges of the others: in all fields; in those alone in which the table agrees, where the range is at most 0.7
of that of all configurations; and in learning rates alone, with the other ranges of `new`. What its best trial is
expected to be is put in random trials without a range.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.landscape import PACKED, Landscape, load_landscape
from benchmarks.learn import (
    FAMILIES,
    Floats,
    Rows,
    complete,
    expected_best,
    final_accuracy,
    geometric_mean,
    random_trials,
    standard_error,
)
from benchmarks.learning_points import shares_at_least_as_good

Ranges = dict[str, tuple[float, float]]
# Of `new` for larger tables, and for all before this was measured.
OF_NEW: Ranges = {"learning_rate": (1e-3, 2e-2), "regularization": (1e-6, 1e-2), "dropout": (0.0, 0.3)}
_SEARCHED = ("hidden_size", "learning_rate", "regularization", "depth", "dropout")
_LOGARITHMIC = ("hidden_size", "learning_rate", "regularization")
_BEST, _AGREES = 0.15, 0.7
_DRAWS = (5, 10, 25)


def tables_of(land: Landscape) -> list[int]:
    """Return the numbers of the data sets that are tables."""
    return [place for place, kind in enumerate(land.kinds) if kind == "table"]


def learnt_ranges(land: Landscape, rows: Rows, datasets: list[int]) -> Ranges:
    """Return the range of 5% to 95% of the best rows, by their mean score on the data sets, of each field."""
    shares = shares_at_least_as_good(final_accuracy(land)[rows][:, datasets])
    order = np.argsort(np.log(shares).mean(axis=1), kind="stable")
    return _ranges(land, rows[order[: max(3, round(_BEST * len(rows)))]])


def agreed_ranges(land: Landscape, rows: Rows, datasets: list[int]) -> Ranges:
    """Return those of the learnt ranges that are much narrower than what all rows have."""
    whole, learnt = _ranges(land, rows), learnt_ranges(land, rows, datasets)
    return {name: learnt[name] for name in learnt if _width(name, learnt) <= _AGREES * _width(name, whole)}


def _rates(ranges: Ranges) -> Ranges:
    return {"learning_rate": ranges["learning_rate"]}


def _ranges(land: Landscape, rows: Rows) -> Ranges:
    found = {}
    for name in _SEARCHED:
        low, high = np.quantile([land.points[row][name] for row in rows], (0.05, 0.95))
        found[name] = float(low), float(high)
    return found


def _width(name: str, ranges: Ranges) -> float:
    low, high = ranges[name]
    return float(np.log(high / low)) if name in _LOGARITHMIC else high - low


def inside(land: Landscape, rows: Rows, ranges: Ranges) -> Rows:
    """Return the rows that lie in all ranges."""
    fits = [all(low <= land.points[row][name] <= high for name, (low, high) in ranges.items()) for row in rows]
    return rows[np.flatnonzero(fits)]


def worth_of_ranges(
    land: Landscape, rows: Rows, ranges_of: Callable[[list[int]], Ranges]
) -> tuple[Floats, list[int]]:
    """Return what draws from ranges are worth in draws from all rows, (tables, draws), and the rows in them.

    ranges_of: from the numbers of the other tables to the ranges.
    """
    tables = tables_of(land)
    accuracy, equal, sizes = final_accuracy(land), list[list[float]](), list[int]()
    for place in tables:
        within = inside(land, rows, ranges_of([other for other in tables if other != place]))
        found = [expected_best(accuracy[within, place], draws) for draws in _DRAWS]
        equal.append([random_trials(accuracy[rows, place], best) for best in found])
        sizes.append(len(within))
    return np.array(equal), sizes


def show(land: Landscape) -> None:
    """Print Markdown, and the ranges that all tables say."""
    rows = FAMILIES[0].rows(land)
    print(f"Among {len(rows)} configurations with {FAMILIES[0]}\n")
    print(f"| ranges | configurations in them | {' | '.join(f'{draws} draws' for draws in _DRAWS)} |")
    print(f"| --- {'| --- ' * (1 + len(_DRAWS))}|")
    ways: dict[str, Callable[[list[int]], Ranges]] = {
        "of `new` as they were": lambda _: OF_NEW,
        "learnt, all fields": lambda others: learnt_ranges(land, rows, others),
        "learnt, where the table agrees": lambda others: agreed_ranges(land, rows, others),
        "of `new`, with learnt learning rates": lambda others: OF_NEW | _rates(learnt_ranges(land, rows, others)),
        "the same, with dropout up to 0.5": (
            lambda others: OF_NEW | _rates(learnt_ranges(land, rows, others)) | {"dropout": (0.0, 0.5)}
        ),
    }
    before = None
    for name, ranges_of in ways.items():
        equal, sizes = worth_of_ranges(land, rows, ranges_of)
        before = equal if before is None else before
        cells = map(_cell, equal.T, before.T)
        print(f"| {name} | {np.mean(sizes):.0f} | {' | '.join(cells)} |")
    tables = tables_of(land)
    agreed = agreed_ranges(land, rows, tables)
    print("\nRanges of the best on all tables:")
    for name, (low, high) in learnt_ranges(land, rows, tables).items():
        print(f"  {name} {low:.3g} to {high:.3g}{', the table agrees' * (name in agreed)}")


def _cell(equal: Floats, before: Floats) -> str:
    if equal is before or np.array_equal(equal, before):
        return f"{geometric_mean(equal):.1f}"
    gain = equal / before
    return f"{geometric_mean(equal):.1f} (×{geometric_mean(gain):.2f}, standard error ×{standard_error(gain):.2f})"


def main() -> None:
    """Read the file; print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?", type=Path, default=PACKED)
    show(complete(load_landscape(parser.parse_args().file)))


if __name__ == "__main__":
    main()
