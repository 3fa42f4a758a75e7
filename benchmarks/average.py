"""The average of the reported nets beside one of them: whole studies, each with several seeds.

    python -m benchmarks.average digits-numpy digits-torch letter.toml [--seeds 5] [--trials 30] [--workers 2]

STUDY is a ready study or a study file. With each seed its data are split anew, but for the test rows, it is
searched anew, and its best trial is confirmed with five nets and tested, in a folder that is removed. A row has
the means over the seeds: the test accuracy of one net, of the nets' average, what that gains with its deviation
over the seeds, and of the average log loss (in brackets one net's), calibration error and temperature. "→" leads
to what they are at the temperature that was fitted on validation rows; it is left out where not all seeds have
one.
"""

import argparse
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import tomli_w

import mlpsearch
from mlpsearch.models.statistics import deviation, mean
from mlpsearch.search.results.openings import NetsAverage, TestReport
from mlpsearch.studies.spec.catalog import find
from mlpsearch.studies.spec.study import StudySpec

_HEAD = ("study", "one net", "the nets' average", "gain, points", "log loss (one net)", "calibration error", "T")


def run_with_seed(spec: StudySpec, seed: int, folder: Path, trials: int | None, workers: int) -> TestReport:
    """Return what the test of a study with this seed said."""
    name = f"{spec.name}-{seed}"
    file = folder / f"{name}.toml"
    document = spec.to_json() | {"name": name, "seed": seed, "confirm": {"top": 1, "report": 5}}
    file.write_text(tomli_w.dumps(document), "utf-8")
    study = mlpsearch.run(file, trials=trials, storage=str(folder / "studies.db"), workers=workers, progress=False)
    assert study.test is not None
    return study.test


def row(name: str, tests: Sequence[TestReport]) -> list[str]:
    """Return the cells of a study's row. tests: of each seed; all have an average."""
    averages = [one.average for one in tests if one.average is not None]
    gains = [100 * (one.accuracy - test.accuracy) for one, test in zip(averages, tests, strict=True)]
    spread = deviation(gains)
    losses = f"{_mean(averages, lambda one: one.log_loss):.4f}"
    losses += f" ({_mean(averages, lambda one: one.nets_log_loss):.4f})"
    errors, temperature = f"{100 * _mean(averages, lambda one: one.calibration_error):.2f}%", "–"
    if all(one.temperature is not None for one in averages):
        losses += f" → {_mean(averages, lambda one: one.tempered_log_loss):.4f}"
        errors += f" → {100 * _mean(averages, lambda one: one.tempered_calibration_error):.2f}%"
        temperature = f"{_mean(averages, lambda one: one.temperature):.2f}"
    return [
        name,
        f"{mean([test.accuracy for test in tests]):.2%}",
        f"{_mean(averages, lambda one: one.accuracy):.2%}",
        f"{mean(gains):+.2f}" + ("" if spread is None else f" ± {spread:.2f}"),
        losses,
        errors,
        temperature,
    ]


def _mean(averages: Sequence[NetsAverage], what: Callable[[NetsAverage], float | None]) -> float:
    return mean([what(one) or 0.0 for one in averages])


def main() -> None:
    """Run the studies and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("studies", nargs="+", metavar="STUDY")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--trials", type=int)
    parser.add_argument("--workers", type=int, default=1)
    given = parser.parse_args()
    print(f"| {' | '.join(_HEAD)} |\n|{' --- |' * len(_HEAD)}")
    for name in given.studies:
        spec = find(name)
        with tempfile.TemporaryDirectory() as folder:
            tests = [
                run_with_seed(spec, seed, Path(folder), given.trials, given.workers) for seed in range(given.seeds)
            ]
        print(f"| {' | '.join(row(spec.name, tests))} |", flush=True)


if __name__ == "__main__":
    main()
