"""What others train with that mlpsearch has not: each around a small `cifar10-torch-best`, on validation images.

    python -m benchmarks.tricks --data cifar10-images.tar.gz [TRICK …] [--seeds 3] [--hidden 512] [--epochs 30]

Nets of plain PyTorch with the package's data, preprocessing, batches and schedule, one thread; the test split
stays closed. `nothing` trains once for each seed, all others once: what differs from its mean by less than about
twice its deviation may be luck. Without names all are trained. Seconds are the processor's, of a run's training
steps.
"""

import argparse
import statistics
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from benchmarks.tricks_training import Problem, Result, Trick, train
from mlpsearch.models.config import TrainConfig
from mlpsearch.models.inputs.pixels import PixelStatistics
from mlpsearch.studies.spec.catalog import find
from mlpsearch.studies.spec.study import StudySpec
from mlpsearch.studies.study_data import load_spec_data

VALIDATION = 5_000

SEEN_MOVED = {"shift_averaging": 2}
PIXELS = {"preprocessing": "standardize"}
TRICKS = {
    "nothing": Trick(),
    "mixup, α 0.2": Trick(mixup=0.2),
    "mixup, α 0.8": Trick(mixup=0.8),
    "cutout of 8 × 8": Trick(cutout=8),
    "SAM, ρ 0.05": Trick(sam=0.05),
    "SAM, ρ 0.2": Trick(sam=0.2),
    "shifts of 3 pixels": Trick({"shift": 3}),
    "shifts of 2 pixels": Trick({"shift": 2}),
    "shifts from 1 to 5 pixels": Trick(shifts=(1, 5)),
    "shifts from 5 to 1 pixels": Trick(shifts=(5, 1)),
    "predictions averaged over shifts": Trick(SEEN_MOVED),
    "the same, shifts of 3 pixels": Trick(SEEN_MOVED | {"shift": 3}),
    "the same, shifts from 5 to 1 pixels": Trick(SEEN_MOVED, shifts=(5, 1)),
    "linear bottlenecks, 1.5 times as wide": Trick(bottleneck=0.25, width=1.5),
    "skips": Trick(skips=True),
    "inverted bottlenecks with skips": Trick(expansion=2, width=0.75),
    "averages over about 1,000 steps": Trick({"averaging": 0.999}),
    "768 components": Trick({"components": 768}),
    "whitened patches of 8 × 8": Trick(patches=8),
    "distilled from the nets of nothing": Trick(distilled=True),
    "standardized pixels": Trick(PIXELS),
    "standardized pixels, sparse first layer": Trick(PIXELS, sparse=0.003),
}


def rows(problem: Problem, config: TrainConfig, names: list[str], seeds: int) -> Iterator[tuple[str, Result]]:
    """Yield each run's result by the name of its trick; those of "nothing" come first, each with its seed."""
    teachers: list[nn.Module] = []
    for seed in range(seeds):
        result = train(problem, replace(config, seed=seed), TRICKS["nothing"], [])
        teachers.append(result.net)
        yield "nothing", result
    for name in names:
        if name != "nothing":
            trick = TRICKS[name]
            yield name, train(problem, replace(config, **trick.options), trick, teachers)


def small_study(hidden: int, epochs: int) -> tuple[StudySpec, TrainConfig]:
    """Return cifar10-torch-best with 5,000 validation images, and its first start, smaller."""
    document = find("cifar10-torch-best").to_json() | {"validation": VALIDATION}
    study = StudySpec.from_json(document)
    options: dict[str, Any] = study.fixed | study.points[0] | {"hidden_size": hidden, "epochs": epochs}
    return study, TrainConfig(**options | {"precision": "float32", "shift_averaging": 0})


def main() -> None:
    """Train and print, a row as soon as it is there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tricks", nargs="*", metavar="TRICK", help=" | ".join(TRICKS))
    parser.add_argument("--data", help="images of CIFAR-10, as for `mlpsearch run cifar10-torch`")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--hidden", type=int, default=512)
    parser.add_argument("--epochs", type=int, default=30)
    given = parser.parse_args()
    if unknown := set(given.tricks) - TRICKS.keys():
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(TRICKS)}")
    torch.set_num_threads(1)
    study, config = small_study(given.hidden, given.epochs)
    data = load_spec_data(study, given.data)
    problem = Problem(data, PixelStatistics(data.training))
    print("| changed | validation | difference | seconds |\n| --- | --- | --- | --- |", flush=True)
    base: list[float] = []
    for name, result in rows(problem, config, given.tricks or list(TRICKS), given.seeds):
        if name == "nothing":
            base.append(result.accuracy)
        change = 100 * (result.accuracy - statistics.mean(base))
        print(f"| {name} | {result.accuracy:.1%} | {change:+.1f} | {result.seconds:.0f} |", flush=True)


if __name__ == "__main__":
    main()
