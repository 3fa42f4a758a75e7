"""The studies as numbers for Prometheus, read anew for each scrape.

A number that is none (NaN) is left out: it would stay in each sum that it is added to.
"""

import math
from collections.abc import Iterator, Mapping, Sequence

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from mlpsearch.search.dashboard.reading import Seen, Unreadable

KIND = CONTENT_TYPE_LATEST


def scraped(studies: Sequence[Seen | Unreadable], request_seconds: Mapping[str, float]) -> bytes:
    """Return the numbers in Prometheus' text form. request_seconds: of the last request of each kind."""
    return generate_latest(_Numbers(studies, request_seconds))


class _Numbers(Collector):
    def __init__(self, studies: Sequence[Seen | Unreadable], request_seconds: Mapping[str, float]):
        self._studies = studies
        self._request_seconds = request_seconds

    def collect(self) -> Iterator[Metric]:
        """Yield each number with its values."""
        found = [one for one in self._studies if isinstance(one, Seen)]
        yield _trials(found)
        yield from _of_studies(found)
        yield _of_requests(self._request_seconds)
        gauge = GaugeMetricFamily("mlpsearch_unreadable_studies", "Studies that cannot be read.")
        gauge.add_metric([], len(self._studies) - len(found))
        yield gauge


def _trials(studies: list[Seen]) -> Metric:
    gauge = GaugeMetricFamily(
        "mlpsearch_trials",
        "Trials of the search by state; foreign: of any state, added with Optuna itself.",
        labels=["study", "state"],
    )
    for one in studies:
        for state, count in one.status.trials.items():
            gauge.add_metric([one.status.name, state], count)
    return gauge


def _of_studies(studies: list[Seen]) -> Iterator[Metric]:
    best = GaugeMetricFamily(
        "mlpsearch_best_validation_score",
        "The best validation score of the search, by the study's metric.",
        labels=["study", "metric"],
    )
    budget = _gauge("mlpsearch_budget_trials", "Trials that the search may have.")
    epochs = CounterMetricFamily("mlpsearch_epochs", "Epochs that its trials have taken.", labels=["study"])
    speed = _gauge("mlpsearch_epochs_per_second", "Epochs a second of the time in which trials ran.")
    workers = _gauge("mlpsearch_live_workers", "Workers with a fresh heartbeat, those that confirm too.")
    heartbeat = _gauge("mlpsearch_heartbeat_age_seconds", "Since the newest heartbeat of a worker.")
    for one in studies:
        status, name = one.status, [one.status.name]
        if status.best is not None and math.isfinite(status.best.validation_score):
            best.add_metric([status.name, status.metric], status.best.validation_score)
        budget.add_metric(name, status.budget["trials"])
        epochs.add_metric(name, status.epochs)
        if status.seconds > 0:
            speed.add_metric(name, status.epochs / status.seconds)
        workers.add_metric(name, len(one.workers) + len(one.confirming))
        if one.heartbeat_age is not None:
            heartbeat.add_metric(name, one.heartbeat_age)
    yield from (best, budget, epochs, speed, workers, heartbeat)


def _gauge(name: str, what: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, what, labels=["study"])


def _of_requests(seconds: Mapping[str, float]) -> Metric:
    gauge = GaugeMetricFamily(
        "mlpsearch_last_request_seconds",
        "Until the answer to the last request began, by the first part of its path.",
        labels=["page"],
    )
    for page, value in seconds.items():
        gauge.add_metric([page], value)
    return gauge
