"""The options that say how many workers a study has, and where they run."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import click

workers_option = click.option(
    "--workers", type=click.IntRange(1, 256), default=1, show_default=True, help="Worker processes."
)
notify_option = click.option(
    "--notify",
    multiple=True,
    envvar="MLPSEARCH_NOTIFY",
    metavar="URL",
    help="Tell this address when a study is over, has failed or stands still: http(s)://… of a webhook, or one "
    "of Apprise's, as mailto://…  May be repeated.  [default: MLPSEARCH_NOTIFY, several with spaces between]",
)
_ray_option = click.option(
    "--ray",
    metavar="ADDRESS",
    help="Place the workers on a Ray cluster: auto, HOST:PORT, or local: a new one here.",
)
_gpus_option = click.option(
    "--gpus-per-worker",
    "gpus",
    type=click.FloatRange(0, 1),
    metavar="F",
    help="What part of a GPU each worker has, 0 to 1; needs --ray.",
)


def placement_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add these options to a command, which gets them as `placement`."""

    @wraps(command)
    def with_placement(*, workers: int, ray: str | None, gpus: float | None, **others: Any) -> None:
        if gpus is not None and ray is None:
            raise click.UsageError("--gpus-per-worker needs --ray ADDRESS")
        from mlpsearch.search.workers.placement import Placement

        # Ray divides a GPU into ten thousand parts.
        command(placement=Placement(workers, ray, round(gpus or 0.0, 4)), **others)

    return workers_option(_ray_option(_gpus_option(with_placement)))
