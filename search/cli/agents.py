"""The command that answers agents: mcp."""

from importlib.util import find_spec

import click

from mlpsearch.search.cli.common import artifacts_option, own_data_option, storage_option, tell


@click.command()
@click.option("--allow-runs", is_flag=True, help="Let agents submit, stop, resume and confirm studies.")
@click.option(
    "--workers",
    type=click.IntRange(0, 256),
    default=0,
    show_default=True,
    help="Worker processes for every open study, while it answers; needs --allow-runs.",
)
@storage_option
@artifacts_option
@own_data_option
def mcp(allow_runs: bool, workers: int, storage: str | None) -> None:
    """Answer agents on stdin and stdout, by the Model Context Protocol; it reads only."""
    if workers and not allow_runs:
        raise click.UsageError("--workers needs --allow-runs")
    if find_spec("mcp") is None:
        raise click.UsageError("needs the package mcp: pip install 'mlpsearch[mcp]'")
    from mlpsearch.search.agents.server import make_server
    from mlpsearch.studies.storage.opening import storage_url

    make_server(storage_url(storage), allow_runs=allow_runs, workers=workers, tell=tell).run("stdio")


COMMANDS = (mcp,)
