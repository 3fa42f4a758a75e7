"""The tables that come with scikit-learn, as sources: iris, wine and breast cancer, and one that it makes.

letter-like is artificial: 26 classes in 16 columns of whole numbers from 0 to 15, as the letters of Frey and Slate
(1991) have, drawn about two points for each class. It stands for tables of many classes and some thousand rows,
and an accuracy on it says nothing of letters.
"""

from importlib.metadata import version
from pathlib import Path
from string import ascii_uppercase
from typing import TYPE_CHECKING

import numpy as np

from mlpsearch.studies.data.tables.source import TableSource
from mlpsearch.studies.spec.table_options import BUNDLED_LABEL, TableOptions

if TYPE_CHECKING:
    import polars as pl

_LETTERS_SEED = 26  # it defines the rows: never change it
_MOST_OF_A_COLUMN = 15


class BundledTable(TableSource):
    """One of BUNDLED_TABLES; its columns and classes have scikit-learn's names."""

    def __init__(self, name: str) -> None:
        super().__init__(Path(name), TableOptions(BUNDLED_LABEL))

    def _read(self, path: Path) -> "pl.DataFrame":
        import polars as pl
        from sklearn import datasets

        if str(path) == "letter-like":
            return _letter_like()
        table = getattr(datasets, f"load_{str(path).replace('-', '_')}")()
        columns = {str(name): table.data[:, place] for place, name in enumerate(table.feature_names)}
        return pl.DataFrame(
            columns | {BUNDLED_LABEL: [str(table.target_names[number]) for number in table.target]}
        )

    def _digest(self, *files: Path) -> str:
        return f"scikit-learn {version('scikit-learn')} {files[0]}"


def _letter_like() -> "pl.DataFrame":
    """6,500 rows. Whole numbers: so they are the same on every machine, whatever its products round to."""
    import polars as pl
    from sklearn.datasets import make_classification

    rows, labels = make_classification(
        n_samples=6_500,
        n_features=16,
        n_informative=12,
        n_redundant=4,
        n_classes=len(ascii_uppercase),
        n_clusters_per_class=2,
        class_sep=3.0,
        flip_y=0.0,
        random_state=_LETTERS_SEED,
    )
    low, high = np.quantile(rows, (0.005, 0.995), axis=0)
    cells = np.rint(_MOST_OF_A_COLUMN * (rows - low) / (high - low)).clip(0, _MOST_OF_A_COLUMN).astype(np.int64)
    columns = {f"measure_{place + 1}": cells[:, place] for place in range(cells.shape[1])}
    return pl.DataFrame(columns | {BUNDLED_LABEL: [ascii_uppercase[number] for number in labels]})
