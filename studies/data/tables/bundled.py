"""The tables that come with scikit-learn, as sources: iris, wine and breast cancer."""

from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from mlpsearch.studies.data.tables.source import TableSource
from mlpsearch.studies.spec.table_options import BUNDLED_LABEL, TableOptions

if TYPE_CHECKING:
    import polars as pl


class BundledTable(TableSource):
    """One of BUNDLED_TABLES; its columns and classes have scikit-learn's names."""

    def __init__(self, name: str) -> None:
        super().__init__(Path(name), TableOptions(BUNDLED_LABEL))

    def _read(self, path: Path) -> "pl.DataFrame":
        import polars as pl
        from sklearn import datasets

        table = getattr(datasets, f"load_{str(path).replace('-', '_')}")()
        columns = {str(name): table.data[:, place] for place, name in enumerate(table.feature_names)}
        return pl.DataFrame(
            columns | {BUNDLED_LABEL: [str(table.target_names[number]) for number in table.target]}
        )

    def _digest(self, *files: Path) -> str:
        return f"scikit-learn {version('scikit-learn')} {files[0]}"
