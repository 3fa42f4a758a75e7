"""A table of a million rows: how long `mlpsearch check` takes, and what memory a worker needs.

    python -m benchmarks.million [--rows 1000000] [--columns 30] [--net numpy] [--json]

Makes a Parquet file from a seed, runs `mlpsearch check` on a study of it, twice (the first reads the table), and
one trial of one epoch in a worker. The array is that of the training and validation rows as they are stored, in 8
bytes a number. Peaks are what Linux gives for each process (VmHWM). On a busy machine look at the seconds of the
processor.
"""

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

_MLPSEARCH = (sys.executable, "-P", "-m", "mlpsearch")
_LOOKS_SECONDS = 0.05


def write_table(path: Path, rows: int, columns: int) -> None:
    """Write numbers of several distributions, some missing, a category and two classes."""
    generator = np.random.default_rng(0)
    numbers = generator.normal(size=(rows, columns - 1))
    numbers[:, ::3] = np.exp(numbers[:, ::3])
    score = numbers[:, 1] + numbers[:, 2] * numbers[:, 4] + generator.normal(size=rows)
    numbers[generator.random(rows) < 0.02, 5] = np.nan
    frame = pl.DataFrame({f"x{place}": numbers[:, place] for place in range(columns - 1)})
    city = pl.Series("city", generator.choice(["Rome", "Oslo", "Lima", "Bonn"], rows))
    frame.with_columns(city, pl.Series("class", np.where(score > 0, "yes", "no"))).write_parquet(path)


class Run(NamedTuple):
    """What a command took: seconds on the clock and of the processor, peak memory in bytes; what it printed."""

    seconds: float
    processor: float
    peak: int
    printed: str


def run(folder: Path, *words: str) -> Run:
    """Run a command of mlpsearch to its end."""
    started, before, peak = time.perf_counter(), _processor(), 0
    with subprocess.Popen(
        [*_MLPSEARCH, *words], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        while process.poll() is None:
            peak = max(peak, _peak(process.pid))
            time.sleep(_LOOKS_SECONDS)
        printed = process.stdout.read() if process.stdout else ""
    if process.returncode:
        raise SystemExit(f"mlpsearch {' '.join(words)} ended with {process.returncode}")
    return Run(time.perf_counter() - started, _processor() - before, peak, printed)


def _processor() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _peak(pid: int) -> int:
    try:
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return 0
    return int(found.group(1)) * 1024 if found else 0


def measure(folder: Path, rows: int, columns: int, net: str) -> dict[str, Any]:
    """Return seconds and peaks, these also as multiples of the array."""
    table, study = folder / "million.parquet", folder / "million.toml"
    write_table(table, rows, columns)
    # `new` would read the table before `check` does.
    study.write_text(_STUDY.format(net=net))
    first = run(folder, "check", study.name, "--json")
    second = run(folder, "check", study.name, "--json")
    check = json.loads(second.printed)
    array = 8 * check["inputs"] * (check["training"] + check["validation"])
    run(folder, "submit", study.name, "--no-evaluate")
    worker = run(folder, "worker", "million", "--threads", "1")
    return {
        "net": net,
        "array": array,
        "check_seconds": [first.seconds, second.seconds],
        "check_processor": [first.processor, second.processor],
        "check_peaks": [first.peak / array, second.peak / array],
        "worker_seconds": worker.seconds,
        "worker_peak": worker.peak / array,
        "worker_foretold": check["worker_bytes"] / array,
        "trial_foretold": check["trial_seconds"],
    }


_STUDY = """\
name = "million"
net = "{net}"
dataset = "table"
data = "million.parquet"
label = "class"
[budget]
trials = 1
epochs = 1
[search]
learning_rate = {{ low = 1e-3, high = 2e-3 }}
[fixed]
hidden_size = 256
depth = 3
batch_size = 512
optimizer = "adamw"
preprocessing = "quantiles"
"""


def main() -> None:
    """Measure; print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--columns", type=int, default=30)
    parser.add_argument("--net", default="numpy")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MLPSEARCH_CACHE"] = str(Path(folder) / "cache")
        found = measure(Path(folder), given.rows, given.columns, given.net)
    if given.json:
        print(json.dumps(found))
        return
    print(f"array: {found['array'] / 2**20:,.0f} MiB of {given.rows:,} rows, the test rows left out")
    figures = zip(*(found[f"check_{name}"] for name in ("seconds", "processor", "peaks")), strict=True)
    for what, (seconds, processor, peak) in zip(("check", "check, from the cache"), figures, strict=True):
        print(f"{what}: {seconds:.1f} s ({processor:.1f} s of the processor), peak {peak:.2f} arrays")
    print(
        f"worker, one epoch: {found['worker_seconds']:.1f} s, peak {found['worker_peak']:.2f} arrays "
        f"(foretold: {found['trial_foretold']:.1f} s of training, {found['worker_foretold']:.2f} arrays)"
    )


if __name__ == "__main__":
    main()
