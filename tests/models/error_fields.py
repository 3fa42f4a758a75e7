"""What the fields of an error say."""

from mlpsearch.models.errors import MlpsearchError

FIELDS = ("study", "trial", "key", "path", "url")


def fields(error: MlpsearchError) -> dict[str, object]:
    """Those that are filled."""
    return {name: value for name in FIELDS if (value := getattr(error, name)) is not None}
