"""Commands about what a search found: evaluate."""

import click

from mlpsearch.search.cli.common import (
    artifacts_option,
    find_study,
    json_option,
    own_data_option,
    show_result,
    storage_option,
    tell_if_nothing_was_opened,
)


@click.command()
@click.argument("study")
@storage_option
@artifacts_option
@own_data_option
@json_option
def evaluate(study: str, storage: str | None, as_json: bool) -> None:
    """Evaluate the winner on the test split; every opening of it is recorded."""
    from mlpsearch.search.service import evaluate as evaluate_winner

    record = find_study(study, storage)
    before = len(record.attributes()["tests"])
    evaluate_winner(record, f"mlpsearch evaluate {study}")
    show_result(record, as_json)
    tell_if_nothing_was_opened(record, before)


COMMANDS = (evaluate,)
