"""The command that answers agents: mcp."""

from importlib.util import find_spec

import click

from mlpsearch.search.cli.common import artifacts_option, own_data_option, storage_option


@click.command()
@click.option("--allow-runs", is_flag=True, help="Let agents submit, stop, resume and confirm studies.")
@storage_option
@artifacts_option
@own_data_option
def mcp(allow_runs: bool, storage: str | None) -> None:
    """Answer agents on stdin and stdout, by the Model Context Protocol; it reads only."""
    if find_spec("mcp") is None:
        raise click.UsageError("needs the package mcp: pip install 'mlpsearch[mcp]'")
    from mlpsearch.search.agents.server import make_server
    from mlpsearch.studies.storage.opening import storage_url

    make_server(storage_url(storage), allow_runs=allow_runs).run("stdio")


COMMANDS = (mcp,)
