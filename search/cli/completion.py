"""The names of studies, for shells that complete what is typed."""

from typing import Any

import click
from click.shell_completion import CompletionItem


class StudyName(click.ParamType):  # type: ignore[type-arg]
    """The name of a study; a shell completes those of the storage.

    or_file: also the ready studies and, where no name fits, files.
    """

    name = "study"

    def __init__(self, *, or_file: bool = False):
        self._or_file = or_file

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ARG002
        """Return the name as it is: who opens the study says what is wrong with it."""
        return value

    def shell_complete(
        self,
        ctx: click.Context,
        param: click.Parameter,  # noqa: ARG002
        incomplete: str,
    ) -> list[CompletionItem]:
        """Return the names that begin so."""
        names = _stored(ctx.params.get("storage"))
        if self._or_file:
            from mlpsearch.studies.spec import catalog

            names = sorted({*names, *catalog.names()})
        items = [CompletionItem(name) for name in names if name.startswith(incomplete)]
        return [CompletionItem(incomplete, type="file")] if self._or_file and not items else items


def _stored(storage: str | None) -> list[str]:
    from mlpsearch.studies.storage.opening import exists, storage_url, stored_names

    try:
        url = storage_url(storage)
        return stored_names(url) if exists(url) else []
    except Exception:  # a shell has no place for what is wrong: the command itself will say it
        return []


study_argument = click.argument("study", type=StudyName())
study_or_file_argument = click.argument("study", type=StudyName(or_file=True))
