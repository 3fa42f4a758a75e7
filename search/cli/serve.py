"""Commands that stay in the foreground and answer browsers: dashboard, serve."""

import sys
from typing import Any

import click

from mlpsearch.search.cli.common import (
    INTERRUPTED,
    artifacts_option,
    json_option,
    on_signals,
    own_data_option,
    print_versioned,
    step,
    storage_option,
    tell,
)
from mlpsearch.search.cli.worker_options import notify_option, workers_option

host_option = click.option(
    "--host", default="127.0.0.1", show_default=True, help="Any but this machine's own needs a token."
)
port_option = click.option(
    "--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="0: any free one."
)
writes_option = click.option("--allow-writes", is_flag=True, help="Let the dashboard change and delete studies.")


@click.command()
@host_option
@port_option
@writes_option
@storage_option
@artifacts_option
@json_option
def dashboard(host: str, port: int, allow_writes: bool, storage: str | None, as_json: bool) -> None:
    """Browse the studies; it reads only, and only this machine reaches it."""
    from mlpsearch.search.dashboard.server import serve as make_server
    from mlpsearch.studies.storage.opening import open_storage, storage_url

    opened = open_storage(storage_url(storage), read_only=not allow_writes)
    with step("starting the dashboard"):
        server = make_server(opened, host=host, port=port, allow_writes=allow_writes)
    tell(f"dashboard at {server.address} (Ctrl-C ends it)")
    if as_json:
        print_versioned({"address": server.address, "health": None})
    server.run()


@click.command()
@workers_option
@notify_option
@host_option
@port_option
@writes_option
@storage_option
@artifacts_option
@own_data_option
@json_option
def serve(
    workers: int,
    notify: tuple[str, ...],
    host: str,
    port: int,
    allow_writes: bool,
    storage: str | None,
    as_json: bool,
) -> None:
    """Run the dashboard and workers for every open study until SIGTERM or Ctrl-C; /healthz says how they are."""
    from mlpsearch.search.dashboard.health import Health, StorageWatch
    from mlpsearch.search.dashboard.server import serve as make_server
    from mlpsearch.search.notices.notifier import Notifier, channels
    from mlpsearch.search.notices.watch import Watch
    from mlpsearch.search.workers.worker_pool import WorkerPool
    from mlpsearch.studies.storage.opening import open_storage, storage_url

    targets = channels(notify)
    opened = open_storage(storage_url(storage))
    shown = opened if allow_writes else open_storage(opened.url, read_only=True)
    pool, stops = WorkerPool(opened.url, workers, tell, ready=lambda: opened.trouble() is None), 0

    def ask(*_: Any) -> None:
        nonlocal stops
        stops += 1
        pool.stop()

    with on_signals(ask), StorageWatch(opened.url) as watch:
        with step("starting the dashboard"):
            server = make_server(
                shown,
                host=host,
                port=port,
                allow_writes=allow_writes,
                health=lambda: Health(pool.alive, watch.answers(), opened.trouble()),
            )
        tell(f"dashboard at {server.address}, its health at {server.health} (SIGTERM or Ctrl-C ends it)")
        if as_json:
            print_versioned({"address": server.address, "health": server.health})
        notifier = Notifier(targets, tell, dashboard=server.here)
        with server.in_background(), Watch(opened.url, notifier, tell, pool.names):
            pool.run()
    if stops > 1:
        sys.exit(INTERRUPTED)


COMMANDS = (dashboard, serve)
