"""Hyperparameter search for fully-connected nets, in NumPy and PyTorch, with honest test results.

    import mlpsearch

    study = mlpsearch.run("digits-numpy", trials=30, storage="sqlite:///mlpsearch.db")
    study.best, study.winner, study.test
    study.export("best")
    mlpsearch.load("best").predict_proba(images)

docs/python.md in the repository says more. What is heavy is imported when it is first asked for.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlpsearch.models.errors import MlpsearchError
    from mlpsearch.search.estimator.classifier import MLPSearchClassifier
    from mlpsearch.search.interface import Classifier, Study, list_studies, load, open_study, run

__all__ = [
    "Classifier",
    "MLPSearchClassifier",
    "MlpsearchError",
    "Study",
    "list_studies",
    "load",
    "open_study",
    "run",
]
_ELSEWHERE = {"MLPSearchClassifier": "search.estimator.classifier", "MlpsearchError": "models.errors"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'mlpsearch' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"mlpsearch.{_ELSEWHERE.get(name, 'search.interface')}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
