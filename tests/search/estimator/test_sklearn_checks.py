"""What scikit-learn asks of every estimator, with the smallest searches."""

from typing import Any

from sklearn.utils.estimator_checks import parametrize_with_checks

from mlpsearch import MLPSearchClassifier

TINY = MLPSearchClassifier(trials=2, seconds=None, epochs=8, random_state=0)


@parametrize_with_checks([TINY])  # type: ignore[untyped-decorator]
def test_what_scikit_learn_asks_of_estimators(estimator: Any, check: Any) -> None:
    check(estimator)
