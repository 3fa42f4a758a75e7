"""The command that is one more worker, for one study or for all."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from mlpsearch.search.cli.common import (
    INTERRUPTED,
    artifacts_option,
    find_study,
    json_option,
    on_signals,
    own_data_option,
    print_failure,
    print_study,
    storage_option,
    tell,
)
from mlpsearch.search.cli.completion import StudyName
from mlpsearch.search.cli.worker_options import notify_option


@click.command()
@click.argument("study", type=StudyName(), required=False)
@click.option("--supervised", is_flag=True, hidden=True, help="End when standard input does.")
@click.option("--orders", is_flag=True, hidden=True, help="Work on the studies that standard input names.")
@click.option("--token", hidden=True, help="The random part of its name.")
@click.option("--threads", type=click.IntRange(min=1), hidden=True, help="Of matrix products.")
@notify_option
@storage_option
@artifacts_option
@own_data_option
@json_option
def worker(
    study: str | None,
    supervised: bool,
    orders: bool,
    token: str | None,
    threads: int | None,
    notify: tuple[str, ...],
    storage: str | None,
    as_json: bool,
) -> None:
    """Work on a study until it is done and tested; without STUDY on every open study, in turn, until Ctrl-C."""
    from mlpsearch.models.threads import use_threads
    from mlpsearch.search.workers.worker import worker_name

    if threads is not None:
        use_threads(threads)
    name = worker_name(token=token)
    if orders:
        _follow_orders(storage, name)
        return
    asked = threading.Event()
    if supervised:
        threading.Thread(target=_set_at_end_of_input, args=(asked,), daemon=True).start()
    with _ending_by_signals(asked):
        _serve(study, storage, asked, name, () if supervised else notify)
    if asked.is_set() and not supervised:
        if as_json:
            print_failure("interrupted", "interrupted; what is done is kept", study)
        sys.exit(INTERRUPTED)
    if as_json and study is not None:
        print_study(find_study(study, storage, read_only=True))


def _follow_orders(storage: str | None, name: str) -> None:
    """Work on the studies that standard input names; who does that sees to the rest, and to what this one says."""
    from mlpsearch.search.workers.orders import DONE, Orders
    from mlpsearch.search.workers.worker import serve_one

    orders = Orders(sys.stdin)
    with _ending_by_signals(orders.ended):
        for study in orders.studies():
            record = find_study(study, storage)
            serve_one(record, orders.stopping, name)
            record.storage.close()
            click.echo(DONE)


@contextmanager
def _ending_by_signals(asked: threading.Event) -> Iterator[None]:
    """Set the event at the first signal; at the second one, raise KeyboardInterrupt."""

    def ask(*_: Any) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()
        tell("ending after the running epoch; once more ends now")

    with on_signals(ask):
        yield


def _serve(
    study: str | None, storage: str | None, asked: threading.Event, name: str, notify: tuple[str, ...]
) -> None:
    """Work on a study to its end, or on every open one until asked to end, and tell these addresses."""
    from mlpsearch.models.announcements import announcing_to
    from mlpsearch.search.notices.notifier import Notifier, channels
    from mlpsearch.search.notices.watch import Watch
    from mlpsearch.search.running import serve_everything, serve_to_the_end
    from mlpsearch.studies.storage.opening import storage_url

    notifier = Notifier(channels(notify), tell)
    with announcing_to(tell):
        if study is None:
            url = storage_url(storage)
            with Watch(url, notifier, tell, lambda: {name}):
                serve_everything(url, asked.is_set, tell, name)
        else:
            record = find_study(study, storage)
            with notifier.at_the_end_of(record, person=False):
                serve_to_the_end(record, asked.is_set, name)


def _set_at_end_of_input(event: threading.Event) -> None:
    sys.stdin.read()
    event.set()


COMMANDS = (worker,)
