"""Commands before a search: new, check."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlpsearch.search.cli.common import (
    PathType,
    data_option,
    json_option,
    print_versioned,
    step,
    storage_option,
    tell,
)
from mlpsearch.search.cli.completion import study_or_file_argument

if TYPE_CHECKING:
    from mlpsearch.search.checking import Check

_PATH = PathType()
_MUCH = 2**24  # bytes that workers share: less is not worth saying


@click.command()
@click.argument("data", type=_PATH)
@click.option("--label", metavar="COLUMN", help="Of a table: the column with the classes.")
@click.option(
    "--test", type=_PATH, metavar="TABLE", help="Of a table: another one of test rows.  [default: a fifth of it]"
)
@click.option(
    "--net", type=click.Choice(["numpy", "torch"]), default="numpy", show_default=True, help="Which net."
)
@click.option(
    "-o", "--output", type=_PATH, help="The study file to write.  [default: the name of the data, .toml]"
)
@json_option
def new(data: Path, label: str | None, test: Path | None, net: str, output: Path | None, as_json: bool) -> None:
    """Look at a table (CSV, Parquet, …), arrays (.npz, …) or images, and write a study file for them."""
    from mlpsearch.search.new_study import file_name, write_new_study

    path = output or file_name(data)
    with step("reading the data"):
        remarks: list[str] = []

        def note(remark: str) -> None:
            remarks.append(remark)
            tell(remark)

        write_new_study(data, path, net, note, label=label, test=test)
    if as_json:
        print_versioned({"path": str(path), "remarks": remarks})
    tell(f"wrote {path}; `mlpsearch check {path}` says what was understood, `mlpsearch run {path}` searches")


@click.command()
@study_or_file_argument
@data_option
@storage_option
@json_option
def check(study: str, data: str | None, storage: str | None, as_json: bool) -> None:
    """Say what a study's data are, what looks wrong with them, and how long its search will take here."""
    from mlpsearch.search.checking import check_study
    from mlpsearch.studies.storage.opening import storage_url

    with step("reading the data, and training for a moment"):
        found = check_study(study, storage_url(storage), data)
    if as_json:
        print_versioned(asdict(found))
        return
    from mlpsearch.search.cli.layout import show_lines

    show_lines(_lines(found))


def _lines(check: "Check") -> list[str]:
    from mlpsearch.search.results.wording import duration

    counts = sorted(check.classes.items(), key=lambda item: -item[1])
    total = check.training + check.validation
    test = "the test is sealed" if check.test is None else "none for the test"
    test = f"{check.test:,} for the test, which is sealed" if check.test else test
    rows = "" if check.test is None else f"{total + check.test:,} rows, "
    shares = ", ".join(f"{name} {count / total:.1%}" for name, count in counts[:8])
    lines = [
        f"{check.study}: {rows}{check.training:,} for training, {check.validation:,} for validation, {test}",
        f"{len(counts)} classes: {shares}{', …' if len(counts) > 8 else ''}",
        *check.remarks,
    ]
    for column in check.columns:
        several = f" of {column['categories']:,}" if column["kind"] == "category" else ""
        empty = f", {column['empty']:,} empty" if column["empty"] else ""
        lines.append(f"  {column['name']}: {column['kind']}{several}{empty}")
    lines += [f"warning: {warning}" for warning in check.warnings]
    confirm = f", its confirmation {_about(check.confirm_seconds)}" if check.confirm_seconds else ""
    lines.append(
        f"a trial takes {_about(check.trial_seconds)} here, the search at most "
        f"{duration(max(check.search_seconds, 1))}{confirm}, with one worker"
    )
    shared = f", {_size(check.shared_bytes)} of them shared" if check.shared_bytes > _MUCH else ""
    lines.append(f"a worker takes about {_size(check.worker_bytes)} of memory{shared}")
    return lines


def _about(seconds: float) -> str:
    from mlpsearch.search.results.wording import duration

    return f"about {duration(seconds)}" if seconds >= 1 else "less than a second"


def _size(count: int) -> str:
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.0f} MiB"


COMMANDS = (new, check)
