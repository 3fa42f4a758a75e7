"""What a study file says of a table."""

from dataclasses import dataclass, field

from pydantic import Field

from mlpsearch.studies.spec.dimensions import Table

TEST_SHARE = 0.2  # of the rows, where a study file names neither a share nor a file
ARRAY_LABEL = "y"  # the array that says the class
OWN_DATA = ("images", "table", "arrays")  # data sets that are nothing but their path: a user's own
# scikit-learn's own tables, one that it makes, and the name of their label there.
BUNDLED_TABLES = ("iris", "wine", "breast-cancer", "letter-like")
BUNDLED_LABEL = "target"


class ColumnOptions(Table):
    """How single columns are taken, where that is not what they look like.

    ignore: left out.  categorical: each value is a category.  numeric: numbers; what is none is missing.
    dates: column → format, as in Python's strptime.
    """

    ignore: tuple[str, ...] = Field(default=(), strict=False, description="a list of names of columns")
    categorical: tuple[str, ...] = Field(default=(), strict=False, description="a list of names of columns")
    numeric: tuple[str, ...] = Field(default=(), strict=False, description="a list of names of columns")
    dates: dict[str, str] = Field(default_factory=dict, description="a table: column = format")

    def named(self) -> set[str]:
        """Return the names of all columns that it speaks of."""
        return {*self.ignore, *self.categorical, *self.numeric, *self.dates}


@dataclass(frozen=True, slots=True)
class TableOptions:
    """How the rows of a table are read and split.

    label: the column that says the class.
    test: the share of the rows that is held out for the test, 0 for none, or the path of a file with the test
        rows.
    group: a column; rows that are alike there are on one side of every split.
    order: a column; the rows that are largest there are the test, and of the others the largest the validation.
    """

    label: str
    test: float | str = TEST_SHARE
    group: str | None = None
    order: str | None = None
    columns: ColumnOptions = field(default_factory=ColumnOptions)

    @property
    def test_file(self) -> str | None:
        """The path of the test rows, if they have a file of their own."""
        return self.test if isinstance(self.test, str) else None
