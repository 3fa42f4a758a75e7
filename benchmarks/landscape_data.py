"""The thirteen data sets of the landscape, each in part: splits of at most some thousand rows, drawn by a seed.

Three come with scikit-learn (its digits, and iris, wine and breast-cancer as tables). The others are looked for
in the folder of tables (`--tables`: the files that benchmarks/tables.py names), in images of CIFAR-10
(`--cifar10`) and in the folder with FashionMNIST's four files (`--fashion-mnist`; Debian's package
dataset-fashion-mnist has them). The test rows of each are held out as in every study, and nothing here sees
them.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mlpsearch.models.inputs.data import Split
from mlpsearch.studies.data.training import load_training
from mlpsearch.studies.spec.table_options import TEST_SHARE, TableOptions


@dataclass(frozen=True, slots=True)
class Source:
    """One data set.

    kind: "images" or "table".  dataset: the name that studies have for it.
    validation: rows to judge by.  most: training rows, of those that are left.
    file, label, test: of a table of one's own: its file, the column of the classes, the file of its test rows.
    """

    name: str
    kind: str
    dataset: str
    validation: int
    most: int = 4_000
    file: str | None = None
    label: str | None = None
    test: str | None = None


@dataclass(frozen=True, slots=True)
class Places:
    """Where data are: the folder of tables, CIFAR-10's images, the folder of FashionMNIST; None where unknown."""

    tables: Path | None = None
    cifar10: Path | None = None
    fashion_mnist: Path | None = None


SOURCES = (
    Source("digits", "images", "digits", 437),
    Source("fashion-mnist", "images", "fashion-mnist", 2_000, 3_000),
    Source("cifar10", "images", "cifar10", 1_500, 2_000),
    Source("iris", "table", "iris", 60),
    Source("wine", "table", "wine", 70),
    Source("breast-cancer", "table", "breast-cancer", 155),
    Source("penguins", "table", "table", 135, file="penguins.csv", label="species"),
    Source("vowel", "table", "table", 292, file="vowel.csv", label="Class"),
    Source("churn", "table", "table", 1_000, 3_000, file="churn.csv", label="churn"),
    Source("credit", "table", "table", 1_000, 2_500, file="credit.csv", label="Status"),
    Source(
        "satellite", "table", "table", 1_000, 3_400, "satellite-train.csv", "classes", test="satellite-test.csv"
    ),
    Source("letter", "table", "table", 2_000, file="letter-train.csv", label="lettr", test="letter-test.csv"),
    Source("dna", "table", "table", 800, 1_700, file="dna.csv.gz", label="Class"),
)


def find_source(name: str) -> Source:
    """Return the data set of that name."""
    return next(source for source in SOURCES if source.name == name)


def sources_at(places: Places) -> list[Source]:
    """Return the data sets that can be had, in the order of SOURCES."""
    wanted = {"cifar10": places.cifar10, "fashion-mnist": places.fashion_mnist, "table": places.tables}
    return [source for source in SOURCES if wanted.get(source.dataset, places) is not None]


def load_source(source: Source, places: Places, seed: int) -> tuple[Split, Split]:
    """Return the training and the validation rows of a data set, as arrays of their own.

    The validation rows are those of a study with that seed; the training rows a sample of the others.
    """
    path, options = _where(source, places)
    data = load_training(source.dataset, path, validation=source.validation, split_seed=seed, options=options)
    return _alone(data.training.sample(source.most)), _alone(data.validation)


def _where(source: Source, places: Places) -> tuple[Path | None, TableOptions | None]:
    if source.file is None or source.label is None or places.tables is None:
        found = {"cifar10": places.cifar10, "fashion-mnist": places.fashion_mnist}
        return found.get(source.dataset), None
    test = TEST_SHARE if source.test is None else str(places.tables / source.test)
    return places.tables / source.file, TableOptions(source.label, test=test)


def _alone(split: Split) -> Split:
    """The same rows without the others, in memory."""
    rows = np.arange(len(split))
    return replace(split, images=np.array(split.images[split.rows]), labels=split.labels[split.rows], rows=rows)
