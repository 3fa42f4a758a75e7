"""What starting points alone are worth, by the rule that chooses them: no search comes after them.

    python -m benchmarks.points_alone [--lcbench FOLDER] [--pools 0,1,2,3]

With the folder of LCBench's surrogate its tasks are looked at, with pools of configurations of these seeds, else
the tables of HPOBench. Points of a data set are chosen on the others (benchmarks/learning_points.py). They are
worth as many random trials as are expected to find what the best of them scores: the geometric mean over data
sets and pools. Its standard error, a factor, is that of the data sets, each with the mean of its pools.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.learning_points import Array, nearness, starting_points, worth_for_its_time
from benchmarks.search import Reference
from benchmarks.search_problems import Problem, hpobench, lcbench

COUNTS = (1, 3, 5)
RULES: dict[str, Callable[[Array, Array], Array]] = {
    "nearness to the best": lambda scores, _: nearness(scores),
    "share": lambda scores, log_seconds: worth_for_its_time(scores, log_seconds, price=0.0),
    "share, with a price on time": worth_for_its_time,
}


def worth_of_points(problems: list[Problem], rule: Callable[[Array, Array], Array]) -> tuple[Array, Array]:
    """Return natural logarithms: (data sets, COUNTS), of the random trials that points are worth; (data sets,), of
    what the most of them cost, in mean trainings."""
    scores = np.column_stack([problem.scores for problem in problems])
    log_seconds = np.log(np.column_stack([problem.seconds for problem in problems]))
    trials, costs = [], []
    for place, problem in enumerate(problems):
        others = rule(np.delete(scores, place, 1), np.delete(log_seconds, place, 1))
        chosen = starting_points(others, COUNTS[-1])
        reference = Reference(problem.scores)
        trials.append([reference.log_trials(float(problem.scores[chosen[:count]].max())) for count in COUNTS])
        costs.append(np.log(problem.seconds[chosen].sum() / problem.seconds.mean()))
    return np.array(trials), np.array(costs)


def main() -> None:
    """Measure and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lcbench", type=Path, help="the folder with LCBench's model.onnx and its two JSON files")
    parser.add_argument("--pools", default="0,1,2,3", help="seeds of LCBench's pools of configurations")
    given = parser.parse_args()
    if given.lcbench is None:
        pools = [hpobench()]
    else:
        pools = [lcbench(given.lcbench, pool=int(pool)) for pool in given.pools.split(",")]
    print(f"| chosen by | {' | '.join(map(str, COUNTS))} | cost of {COUNTS[-1]} |")
    print(f"| --- |{' --- |' * (1 + len(COUNTS))}")
    for name, rule in RULES.items():
        found = [worth_of_points(problems, rule) for problems in pools]
        trials, costs = np.mean([one for one, _ in found], axis=0), np.mean([cost for _, cost in found])
        errors = np.exp(trials.std(axis=0, ddof=1) / len(trials) ** 0.5)
        cells = [
            f"{mean:.0f} (×{error:.2f})" for mean, error in zip(np.exp(trials.mean(axis=0)), errors, strict=True)
        ]
        print(f"| {name} | {' | '.join(cells)} | {np.exp(costs):.2g} |", flush=True)


if __name__ == "__main__":
    main()
