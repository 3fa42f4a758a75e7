"""The ready studies, a TOML file each beside this module, and how a study is found by name or path."""

import os
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from mlpsearch.models.errors import SpecError
from mlpsearch.models.paths import expanded
from mlpsearch.studies.spec.messages import nearest, show
from mlpsearch.studies.spec.reading import load_spec, parse_spec
from mlpsearch.studies.spec.study import StudySpec


def names() -> list[str]:
    """The names of the ready studies, in alphabetical order."""
    entries = (entry.name for entry in files(__name__).iterdir())
    return sorted(name.removesuffix(".toml") for name in entries if name.endswith(".toml"))


def find(study: str, data: str | Path | None = None, *, stored: Sequence[str] = ()) -> StudySpec:
    """The specification of a ready study, or of the study file at a path.

    data: the images to use instead of those the study names.  stored: names of other studies that may be meant.

    Raises SpecError if there is no such study, or if its file has a mistake.
    """
    if study in names():
        spec = parse_spec(files(__name__).joinpath(f"{study}.toml").read_text("utf-8"), f"{study}.toml")
        return spec if data is None else spec.model_copy(update={"data": str(expanded(data).absolute())})
    if "/" in study or study.endswith(".toml") or os.path.exists(study):  # noqa: PTH110 - Path raises for a name too long
        return load_spec(study, data)
    allowed = [*names(), *stored]
    raise SpecError(f"{show(study)}: no study of the catalog and no file{nearest(study, allowed)}", study=study)
