"""What more workers bring and take: trials a minute of two against one, and the memory of 1, 2 and 4.

    python -m benchmarks.workers [--json] [--trials 16] [--repeats 5]
    python -m benchmarks.workers --data cifar10-images.tar.gz [--dataset cifar10]

The first trains wide nets on the digits, one thread for matrix products in each worker; a run's time is that from
its first trial's start to its last one's end. It means something only on a machine that does nothing else.
The second runs workers on images and adds up their shares of memory (PSS: what several processes have in common
counts once, divided among them); it is of Linux alone.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from optuna.trial import TrialState

from mlpsearch.studies.creation import create_or_resume
from mlpsearch.studies.record import StudyRecord
from mlpsearch.studies.spec.dimensions import Range
from mlpsearch.studies.spec.keys import Budget
from mlpsearch.studies.spec.study import StudySpec
from mlpsearch.studies.study_data import load_spec_data

_MIB = 2**20
_ENDLESS = 1_000_000
_PATIENCE_SECONDS = 600.0


def make_study(folder: Path, spec: StudySpec, data: Path | None = None) -> StudyRecord:
    """Return a new study in a storage of its own."""
    path = None if data is None else str(data.absolute())
    source = {"data": path, "fingerprint": load_spec_data(spec, path).fingerprint}
    return create_or_resume(f"sqlite:///{folder / 'studies.db'}", spec, trials=None, source=source)


@contextmanager
def workers(record: StudyRecord, count: int) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Run so many workers on a study, with one thread each; those that still run in the end are killed."""
    words = [sys.executable, "-P", "-m", "mlpsearch", "worker", record.name]
    words += ["--storage", record.url, "--threads", "1"]
    processes = [subprocess.Popen(words) for _ in range(count)]
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.wait()


# ---- trials a minute -----------------------------------------------------------------------------------------


def wide_digits(trials: int) -> StudySpec:
    """Return a study whose trials take equally long: all but their learning rate is fixed."""
    return StudySpec(
        name="wide",
        net="numpy",
        dataset="digits",
        validation=250,
        sampler="random",
        pruner="none",
        budget=Budget(trials=trials, epochs=20),
        search={"learning_rate": Range(low=1e-3, high=2e-3)},
        fixed={"hidden_size": 512, "depth": 3, "batch_size": 100, "preprocessing": "scale"},
    )


def trials_a_minute(folder: Path, count: int, trials: int) -> float:
    """Run a study with so many workers; return its trials a minute, the start of the processes not counted."""
    with tempfile.TemporaryDirectory(dir=folder) as own:
        record = make_study(Path(own), wide_digits(trials))
        with workers(record, count) as processes:
            for process in processes:
                if process.wait() != 0:
                    raise SystemExit("a worker failed")
        ended = record.optuna_study().get_trials(states=(TrialState.COMPLETE,))
        starts = [trial.datetime_start for trial in ended if trial.datetime_start]
        ends = [trial.datetime_complete for trial in ended if trial.datetime_complete]
        return 60 * len(ended) / (max(ends) - min(starts)).total_seconds()


def measure_rates(folder: Path, trials: int, repeats: int) -> list[tuple[float, float]]:
    """Return trials a minute of one and of two workers, a pair a repetition, in turns."""
    pairs = []
    for number in range(repeats):
        order = (1, 2) if number % 2 == 0 else (2, 1)
        rates = {count: trials_a_minute(folder, count, trials) for count in order}
        pairs.append((rates[1], rates[2]))
    return pairs


# ---- memory --------------------------------------------------------------------------------------------------


def image_study(dataset: str) -> StudySpec:
    """Return a study of a small net on images, that does not end by itself."""
    return StudySpec(
        name="images",
        net="numpy",
        dataset=dataset,  # type: ignore[arg-type]
        data="given",  # `images` wants one named; the benchmark's own counts
        sampler="random",
        pruner="none",
        budget=Budget(trials=_ENDLESS, epochs=1000),
        search={"learning_rate": Range(low=1e-4, high=1e-3)},
        fixed={"hidden_size": 50, "batch_size": 200},
    )


def measure_memory(folder: Path, data: Path, dataset: str, count: int) -> dict[str, float]:
    """Return the MiB of so many workers in the midst of training: `pss` of them all together, `rss` each."""
    with tempfile.TemporaryDirectory(dir=folder) as own:
        record = make_study(Path(own), image_study(dataset), data)
        with workers(record, count) as processes:
            _wait_for_epochs(record, processes)
            shares = [_rollup(process.pid) for process in processes]
    return {
        "workers": count,
        "pss": sum(share["Pss"] for share in shares) / _MIB,
        "rss": statistics.mean(share["Rss"] for share in shares) / _MIB,
    }


def _wait_for_epochs(record: StudyRecord, processes: list[subprocess.Popen[bytes]]) -> None:
    """Wait until every worker has trained two epochs, and so has touched every image."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        if any(process.poll() is not None for process in processes) or time.monotonic() > deadline:
            raise SystemExit("the workers do not train")
        running = record.optuna_study().get_trials(states=(TrialState.RUNNING,), deepcopy=False)
        if sum(len(trial.intermediate_values) >= 2 for trial in running) == len(processes):
            return
        time.sleep(0.2)


def _rollup(pid: int) -> dict[str, int]:
    """Return bytes by kind of memory of one process."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    return {name: 1024 * int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines)}


# ---- the tables ----------------------------------------------------------------------------------------------


def show_rates(pairs: list[tuple[float, float]]) -> None:
    """Print trials a minute and their ratio."""
    for one, two in pairs:
        print(f"one worker {one:6.1f} trials/min, two {two:6.1f}: ×{two / one:.2f}")
    print(f"median ×{statistics.median(two / one for one, two in pairs):.2f} of {len(pairs)}")


def show_memory(rows: list[dict[str, float]], images: float) -> None:
    """Print memory by number of workers."""
    print(f"decoded training images: {images:.0f} MiB, memory-mapped")
    for row in rows:
        print(f"{row['workers']:.0f} workers: {row['pss']:6.0f} MiB together; each maps {row['rss']:.0f} MiB")
    more = (rows[-1]["pss"] - rows[0]["pss"]) / (rows[-1]["workers"] - rows[0]["workers"])
    print(f"each further worker: {more:.0f} MiB")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--trials", type=int, default=16, help="trials of a run")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--data", type=Path, help="measure memory on these images instead")
    parser.add_argument("--dataset", default="cifar10", choices=("cifar10", "fashion-mnist", "images"))
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if given.data is None:
            pairs = measure_rates(folder, given.trials, given.repeats)
            show = {"trials_a_minute": pairs, "ratio": statistics.median(two / one for one, two in pairs)}
            print(json.dumps(show)) if given.json else show_rates(pairs)
            return
        # A cache of its own: what another process has mapped too would count only in part.
        os.environ["MLPSEARCH_CACHE"] = str(folder / "cache")
        rows = [measure_memory(folder, given.data, given.dataset, count) for count in (1, 2, 4)]
        spec = image_study(given.dataset)
        images = load_spec_data(spec, str(given.data.absolute())).training.images.nbytes / _MIB
        print(json.dumps({"images": images, "rows": rows})) if given.json else show_memory(rows, images)


if __name__ == "__main__":
    main()
