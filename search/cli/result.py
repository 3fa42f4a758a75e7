"""Commands about what a search found: evaluate."""

import click

from mlpsearch.search.cli.common import (
    artifacts_option,
    find_study,
    json_option,
    own_data_option,
    show_result,
    step,
    storage_option,
    tell_if_nothing_was_opened,
)
from mlpsearch.search.cli.completion import study_argument


@click.command()
@study_argument
@storage_option
@artifacts_option
@own_data_option
@json_option
def evaluate(study: str, storage: str | None, as_json: bool) -> None:
    """Evaluate the winner on the test split; every opening of it is recorded."""
    record = find_study(study, storage)
    before = len(record.attributes()["tests"])
    with step("loading the winner"):
        from mlpsearch.search.service import evaluate as evaluate_winner

        evaluate_winner(record, f"mlpsearch evaluate {study}")
    show_result(record, as_json)
    tell_if_nothing_was_opened(record, before)


COMMANDS = (evaluate,)
