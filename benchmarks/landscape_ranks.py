"""How early the rank of a configuration shows: what the first comparison of a pruner can go by.

    python -m benchmarks.landscape_ranks [FILE] [--against FILE]

For each schedule of the learning rate: Spearman's rank correlation of the validation accuracy after an epoch
with that after the last, over configurations; and how much of the best tenth at the end is in the better half
after that epoch, which is what successive halving with factor 2 keeps. Both are means over data sets and seeds.
"""

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from benchmarks.landscape import EPOCHS, PACKED, Landscape, load_landscape

SCHEDULES = ("step", "cosine", "one-cycle")
SHOWN = (1, 2, 3, 4, 6, 9, 13, 20)
_FEWEST = 10  # configurations that a rank correlation is computed of
Curves = NDArray[np.float64]


def rank_correlations(curves: Curves) -> Curves:
    """Return Spearman's correlation of each epoch with the last, (epochs,). curves: (configurations, epochs)."""
    ranks = rankdata(curves, axis=0)
    ranks -= ranks.mean(axis=0)
    sizes = np.sqrt((ranks**2).sum(axis=0))
    correlations: Curves = (ranks * ranks[:, -1:]).sum(axis=0) / np.maximum(sizes * sizes[-1], 1e-12)
    return correlations


def kept_by_halving(curves: Curves) -> Curves:
    """Return how much of the best tenth at the end is in the better half after each epoch, (epochs,).

    Of configurations that are level, each counts by the share of them that have a place. curves: as above.
    """
    count = len(curves)
    last = curves[:, -1]
    best = last >= np.sort(last)[-max(1, count // 10)]
    above = (curves[:, None, :] > curves[None, :, :]).sum(axis=0)  # how many are better than each, (count, epochs)
    level = (curves[:, None, :] == curves[None, :, :]).sum(axis=0)
    inside = np.clip((count / 2 - above) / level, 0, 1)
    kept: Curves = inside[best].mean(axis=0)
    return kept


def per_schedule(land: Landscape, measure: Callable[[Curves], Curves], datasets: list[str]) -> dict[str, Curves]:
    """Return the mean of a measure over the data sets, by schedule, (epochs,)."""
    found = {}
    for schedule in SCHEDULES:
        rows = np.array([point["schedule"] == schedule for point in land.points])
        values = [measure(curves) for name in datasets for curves in _curves(land, rows, name)]
        if values:
            found[schedule] = np.mean(values, axis=0)
    return found


def _curves(land: Landscape, rows: NDArray[np.bool_], dataset: str) -> Iterator[Curves]:
    """The curves of each seed that has enough of them."""
    of_seeds = land.accuracy[rows, land.datasets.index(dataset)]
    for seed in range(of_seeds.shape[1]):
        trained = ~np.isnan(of_seeds[:, seed, -1])
        if trained.sum() >= _FEWEST:
            yield of_seeds[trained, seed]


def show(land: Landscape) -> None:
    """Print Markdown."""
    heads = ["configurations of", *(f"epoch {epoch}" for epoch in SHOWN)]
    for title, measure in (
        ("Rank correlation", rank_correlations),
        ("Best tenth in the better half", kept_by_halving),
    ):
        print(f"\n{title}, of {EPOCHS} epochs\n\n| {' | '.join(heads)} |\n| --- {'| --- ' * len(SHOWN)}|")
        for schedule, values in per_schedule(land, measure, land.datasets).items():
            print(_row(schedule, values))
    print(f"\nRank correlation by data set\n\n| {' | '.join(heads)} |\n| --- {'| --- ' * len(SHOWN)}|")
    for name in land.datasets:
        for schedule, values in per_schedule(land, rank_correlations, [name]).items():
            print(_row(f"{name}, {schedule}", values))


def show_agreement(land: Landscape, other: Landscape) -> None:
    """Print how alike the last accuracies in two files are, of the same configurations and the first seed."""
    count = min(len(land.points), len(other.points))
    for place, name in enumerate(other.datasets):
        pair = [land.accuracy[:count, land.datasets.index(name), 0, -1], other.accuracy[:count, place, 0, -1]]
        first, second = values = np.array(pair)[:, ~np.any(np.isnan(pair), axis=0)]
        alike, apart = rank_correlations(values.T)[0], np.abs(first - second)
        distance = f"apart by {apart.mean():.4f}, at most {apart.max():.4f}"
        print(f"{name}: {len(first)} configurations, rank correlation {alike:.3f}, {distance}")


def _row(name: str, values: Curves) -> str:
    return f"| {name} | {' | '.join(f'{values[epoch - 1]:.2f}' for epoch in SHOWN)} |"


def main() -> None:
    """Read the file; print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?", type=Path, default=PACKED)
    parser.add_argument("--against", type=Path, help="print how alike the ranks in another file are")
    given = parser.parse_args()
    land = load_landscape(given.file)
    if given.against is None:
        show(land)
    else:
        show_agreement(land, load_landscape(given.against))


if __name__ == "__main__":
    main()
