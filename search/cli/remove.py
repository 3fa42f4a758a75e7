"""Commands that remove what is not wanted any more: delete, gc."""

import sys

import click

from mlpsearch.search.cli.common import (
    artifacts_option,
    find_study,
    json_option,
    print_failure,
    print_versioned,
    storage_option,
    tell,
)
from mlpsearch.search.cli.completion import study_argument


@click.command()
@study_argument
@click.option("--yes", is_flag=True, help="Do not ask.")
@storage_option
@artifacts_option
@json_option
def delete(study: str, yes: bool, storage: str | None, as_json: bool) -> None:
    """Delete a study with its trials, weights and checkpoints."""
    from mlpsearch.studies.deletion import delete_study
    from mlpsearch.studies.storage.opening import without_password

    record = find_study(study, storage)
    counted, others = record.counts.by_state(), record.counts.foreign()
    trials, place = sum(counted.values()) + sum(others.values()), without_password(record.url)
    if not (yes or _agrees(f"Delete {study} with its {trials} trials from {place}?")):
        tell("nothing was deleted")
        if as_json:
            print_failure("declined", "nothing was deleted", study)
        sys.exit(1)
    stays = delete_study(record)
    if as_json:
        print_versioned({"study": study, "trials": trials, "stays": stays or ""})
    tell(f"deleted {study}: {trials} trials{f'; {stays}' if stays else ', and its files'}")


def _agrees(question: str) -> bool:
    """Ask a person; where there is none to answer, that is a no."""
    try:
        return click.confirm(question, err=True)
    except click.Abort as abort:
        if not isinstance(abort.__context__, EOFError):  # it was Ctrl-C
            raise
        tell("")  # the question waits in its line
        return False


@click.command()
@storage_option
@artifacts_option
@json_option
def gc(storage: str | None, as_json: bool) -> None:
    """Delete weights and checkpoints that no study owns any more."""
    from mlpsearch.studies.garbage import collect_garbage, folders_of_others
    from mlpsearch.studies.storage.opening import open_storage, storage_url

    opened = open_storage(storage_url(storage))
    files, size = collect_garbage(opened)
    tell(f"deleted {files} files, {size:,} bytes")
    left = [*folders_of_others(opened)]
    if as_json:
        print_versioned({"files": files, "bytes": size, "left": [str(folder) for folder in left]})
    for folder in left:
        tell(f"left {folder}: nothing says that it was this storage's; delete it yourself if nobody needs it")


COMMANDS = (delete, gc)
