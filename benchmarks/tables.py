"""Six tables from `mlpsearch new` to a tested net, and penguins from nothing to an exported one.

    python -m benchmarks.tables --data FOLDER [--tables churn,credit] [--workers 2] [--trials 50] [--net numpy]

FOLDER holds letter-train.csv, letter-test.csv, satellite-train.csv, satellite-test.csv, dna.csv.gz, churn.csv,
credit.csv and vowel.csv of the R packages mlbench and modeldata, and penguins.csv. Those that come without test
rows are split with scikit-learn's train_test_split(test_size=0.2, stratify=labels, random_state=0), so that
figures of others on that split stand beside these. The ranges that `new` writes were chosen by looking at the
training rows of these six tables together, never at their test rows, so they may suit them better than others.

Study files are those that `new` writes, but for its learnt starting points: of the landscape's data sets
(benchmarks/LANDSCAPE.md) these six tables are some, so the points of a table are learnt from the others alone.
The accuracy is the winner's, the mean over its reporting seeds on the
test rows, and beside it what the average of these nets reaches; seconds are of the command `run` with the
confirmation and the test.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl
import tomli_w
from sklearn.model_selection import train_test_split

from benchmarks.landscape import load_landscape
from benchmarks.learn import FAMILIES, SHIPPED, learn, sources_for, study_kinds, study_params
from mlpsearch.studies.spec.keys import LEARNT
from mlpsearch.studies.spec.reading import parse_spec
from mlpsearch.studies.spec.starting_points import MOST, distinct, fitted

TEST_SHARE = 0.2


@dataclass(frozen=True, slots=True)
class Table:
    """A table and what others reach on its test rows, as percentages.

    lightgbm, mlp, realmlp: defaults of LightGBM 4.7.0, scikit-learn 1.9.1's MLPClassifier on standardised and
    one-hot columns, and RealMLP-TD of pytabkit 1.7.3; one run each.
    """

    name: str
    label: str
    files: tuple[str, ...]
    lightgbm: float
    mlp: float
    realmlp: float


TABLES = (
    Table("letter", "lettr", ("letter-train.csv", "letter-test.csv"), 96.67, 95.05, 98.0),
    Table("satellite", "classes", ("satellite-train.csv", "satellite-test.csv"), 91.0, 90.15, 91.25),
    Table("dna", "Class", ("dna.csv.gz",), 97.02, 95.77, 96.87),
    Table("churn", "churn", ("churn.csv",), 96.3, 92.4, 95.3),
    Table("credit", "Status", ("credit.csv",), 79.46, 80.36, 79.35),
    Table("vowel", "Class", ("vowel.csv",), 94.95, 91.41, 97.98),
)


@dataclass(frozen=True, slots=True)
class Result:
    """What came out for a table.

    accuracy, deviation: the winner's on the test rows, its mean over the reporting seeds; percentages.
    interval: of 95%.  average: what the average of these nets reaches there.
    validation: the same nets on their validation rows.
    seconds: of `run`.  cpu_seconds: processor time of it and its workers.
    """

    table: str
    accuracy: float
    deviation: float
    interval: tuple[float, float]
    average: float
    validation: float
    seconds: float
    cpu_seconds: float
    params: dict[str, Any]


def measure(table: Table, data: Path, folder: Path, options: argparse.Namespace) -> Result:
    """Write the study file of a table, run it, and return what it came to."""
    train, test = _split(table, data, folder)
    study = folder / f"{table.name}.toml"
    _mlpsearch(folder, "new", train, "--label", table.label, "--test", test, "--net", options.net, "-o", study)
    study.write_text(without_own_points(study.read_text("utf-8"), table.name), "utf-8")
    started, used = time.perf_counter(), _cpu_seconds()
    words = ("run", study, "--workers", options.workers, "--trials", options.trials, "--json")
    printed = _mlpsearch(folder, *words)
    seconds, used = time.perf_counter() - started, _cpu_seconds() - used
    headline = json.loads(printed)["headline"]
    found = headline["test"]
    return Result(
        table.name,
        100 * found["accuracy"],
        100 * (found["deviation"] or 0.0),
        (100 * found["interval"][0], 100 * found["interval"][1]),
        100 * found["average"]["accuracy"],
        100 * headline["validation"],
        seconds,
        used,
        headline["params"],
    )


def from_nothing(data: Path, folder: Path, workers: int) -> float:
    """Return the seconds from penguins.csv to an exported net: new, run and export."""
    started, study = time.perf_counter(), folder / "penguins.toml"
    _mlpsearch(folder, "new", (data / "penguins.csv").absolute(), "--label", "species", "-o", study)
    _mlpsearch(folder, "run", study, "--workers", workers)
    _mlpsearch(folder, "export", "penguins", "-o", "best")
    return time.perf_counter() - started


def _split(table: Table, data: Path, folder: Path) -> tuple[Path, Path]:
    """The paths of the training and the test rows."""
    if len(table.files) > 1:
        train, test = (data.absolute() / name for name in table.files)
        return train, test
    rows = pl.read_csv(data / table.files[0], infer_schema_length=None)
    labels = rows[table.label].to_list()
    numbers = train_test_split(range(len(rows)), test_size=TEST_SHARE, stratify=labels, random_state=0)
    paths = (folder / f"{table.name}-train.csv", folder / f"{table.name}-test.csv")
    for taken, path in zip(numbers, paths, strict=True):
        rows[taken].write_csv(path)
    return paths


def without_own_points(text: str, name: str) -> str:
    """Return the text of a study file with starting points that its own table, of this name, had no part in."""
    land, spec = load_landscape(), parse_spec(text, name)
    place = land.datasets.index(name)
    kind = study_kinds(land)[place]
    sources = sources_for(land, kind, place)
    rows = [row for family in FAMILIES for row in learn(land, family.rows(land), sources, SHIPPED)]
    points = [fitted(study_params(land.points[row], kind), spec, LEARNT) for row in rows]
    start = [point.params for point in distinct(point for point in points if point is not None)][:MOST]
    lines = [line for line in text.splitlines() if not line.startswith("start = ")]
    return "\n".join([*lines, "", tomli_w.dumps({"start": start})])


def _mlpsearch(folder: Path, *words: Any) -> str:
    command = [sys.executable, "-P", "-m", "mlpsearch", *map(str, words)]
    return subprocess.run(command, cwd=folder, check=True, stdout=subprocess.PIPE, text=True).stdout


def _cpu_seconds() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return children.ru_utime + children.ru_stime


def show(results: list[Result]) -> None:
    """Print a table, with the means of all tables where all were measured."""
    known = {table.name: table for table in TABLES}
    print(f"{'':10} LightGBM  MLP   RealMLP  mlpsearch (95% interval)    average  validation  seconds (processor)")
    for one in results:
        low, high = one.interval
        ours = f"{one.accuracy:.1f} ± {one.deviation:.1f} ({low:.1f} to {high:.1f})"
        seconds = f"{one.seconds:.0f} ({one.cpu_seconds:.0f})"
        others, together = _others([known[one.table]]), f"{one.average:7.1f}  {one.validation:10.1f}"
        print(f"{one.table:10} {others}  {ours:26}  {together}  {seconds}")
    if len(results) == len(TABLES):
        print(
            f"{'mean':10} {_others(TABLES)}  {statistics.fmean(one.accuracy for one in results):<26.1f}  "
            f"{statistics.fmean(one.average for one in results):7.1f}"
        )


def _others(tables: Sequence[Table]) -> str:
    """The means of what others reach on tables."""
    lightgbm, mlp, realmlp = (
        statistics.fmean(getattr(table, key) for table in tables) for key in ("lightgbm", "mlp", "realmlp")
    )
    return f"{lightgbm:8.1f}  {mlp:4.1f}  {realmlp:7.1f}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder with the tables")
    parser.add_argument("--tables", default=",".join(table.name for table in TABLES))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--trials", type=int, default=50)
    parser.add_argument("--net", choices=["numpy", "torch"], default="numpy")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    given = parser.parse_args()
    wanted = [table for table in TABLES if table.name in given.tables.split(",")]
    with tempfile.TemporaryDirectory() as name:
        results = [measure(table, given.data, Path(name), given) for table in wanted]
        seconds = from_nothing(given.data, Path(name), given.workers)
    if given.json:
        print(json.dumps({"tables": [asdict(one) for one in results], "penguins_seconds": seconds}, indent=2))
    else:
        show(results)
        print(f"penguins, from the table to an exported net: {seconds:.0f} s")


if __name__ == "__main__":
    main()
