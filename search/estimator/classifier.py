"""The estimator: what `from mlpsearch import MLPSearchClassifier` gives. docs/python.md shows it."""

import operator
import shutil
import tempfile
import weakref
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length, check_is_fitted, validate_data

from mlpsearch.models.errors import DataError, RowsError, StudyError
from mlpsearch.models.settings import CACHE, settings_instead
from mlpsearch.models.threads import threads_as_before
from mlpsearch.search.estimator.fitting import ROWS, Found, Wanted, fit
from mlpsearch.search.estimator.rows import Rows, is_frame, rows_of, table_of
from mlpsearch.studies.files import file_store
from mlpsearch.studies.storage.opening import exists, storage_url


class MLPSearchClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A classifier of scikit-learn's kind that searches for its own hyperparameters.

    `fit` makes a study of the rows, runs its trials in this process, and keeps the net of the best one. A fifth of
    the rows, of more than 10,000 a tenth or less, are held out, which the trials are compared on; there are no
    test rows: score it on others.

    trials: how many trials there are at most.
    seconds: after so many no further epoch begins, and the best trial so far is taken; one trial is always
        trained to its end. None for no limit. How many trials that allows depends on the machine, so what is found
        does, too: for the same net each time, let the trials be what ends the search.
    net: "numpy" or "torch": which net is trained. What it computes is the same.
    epochs: of each trial; None for what suits the number of rows.
    storage: a file or a URL in which the study stays, as mlpsearch.run has it, with a copy of the rows beside its
        weights; None for a temporary one.
    random_state: as scikit-learn has it: decides the rows held out, and all that is drawn.

    Fitted, it has classes_, n_features_in_ and feature_names_in_ as scikit-learn has them, and

    best_params_: the hyperparameters of the best trial.
    best_score_: its accuracy on the rows held out, 0 to 1: the highest of all trials, and so higher than on other
        rows.
    study_name_: the study's name in its storage.
    left_out_: features that no net can use, each with the reason.

    Numbers of arrays are numbers; columns of pandas' and Polars' data frames are what their types say: numbers,
    categories, texts, truth values or dates. Missing values may stay as they are.
    """

    def __init__(
        self,
        *,
        trials: int = 50,
        seconds: float | None = 60,
        net: str = "numpy",
        epochs: int | None = None,
        storage: str | None = None,
        random_state: Any = None,
    ):
        self.trials = trials
        self.seconds = seconds
        self.net = net
        self.epochs = epochs
        self.storage = storage
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> Self:  # noqa: N803 - scikit-learn's names
        """Search for the best net for these rows.

        X: (N, features), numbers; or a data frame.  y: (N,) classes of any type that NumPy can sort, 2 at least.
        Raises RowsError, which is a ValueError, for rows that are of no use, and SpecError for such options.
        """
        X, y = self._checked(X, y)  # noqa: N806
        classes, numbers = np.unique(y, return_inverse=True)
        if len(classes) < 2:
            raise RowsError(f"y has 1 class, {classes[0]!r}: at least 2 classes are needed")
        if len(y) <= len(classes):
            raise RowsError(f"X has {len(y)} rows of {len(classes)} classes: more rows than classes are needed")
        rows = rows_of(X, getattr(self, "feature_names_in_", None), classes, numbers)
        self._forget()
        folder = Path(tempfile.mkdtemp(prefix="mlpsearch-"))
        self._remove = weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        self._is_temporary = self.storage is None
        self._url = storage_url(self.storage or str(folder / "study.db"))
        try:
            found = self._search(rows, folder)
        except BaseException as error:
            self._forget()
            if isinstance(error, DataError):
                raise RowsError(str(error).replace(str(folder / ROWS), "the rows")) from error
            raise
        self.classes_, self.study_name_ = classes, found.study
        self._columns, self._net = rows.columns, found.net
        self.best_params_, self.best_score_ = found.params, found.score
        self.left_out_ = dict(found.net.schema.left_out)
        return self

    def predict_proba(self, X: Any) -> NDArray[np.float64]:  # noqa: N803
        """Return the probability of each class of classes_, (N, classes). X: as for fit."""
        check_is_fitted(self, "classes_")
        if is_frame(X):
            self._check_frame(X, reset=False)
        else:
            X = validate_data(self, X, reset=False, ensure_all_finite="allow-nan")  # noqa: N806
        return self._net.probabilities(table_of(X, self._columns))

    def predict(self, X: Any) -> NDArray[Any]:  # noqa: N803
        """Return the most probable class of each row, (N,). X: as for fit."""
        shares = self.predict_proba(X)
        best: NDArray[Any] = self.classes_[shares.argmax(axis=1)]
        return best

    def report(self, path: str | Path) -> None:
        """Write the study's report, one HTML file.

        Raises StudyError where the study was temporary and is gone, with the estimator that searched it, of which
        this is a copy, or with its process.
        """
        from mlpsearch.search.report.study_report import write_report
        from mlpsearch.studies.record import open_study

        check_is_fitted(self, "classes_")
        if self._is_temporary and not exists(self._url):
            raise StudyError(
                f"study {self.study_name_}: was temporary, and is gone with the estimator that searched it; "
                "fit one with storage = a file to keep it",
                study=self.study_name_,
            )
        with tempfile.TemporaryDirectory() as folder, settings_instead(self._settings(Path(folder))):
            record = open_study(self._url, self.study_name_, read_only=True)
            try:
                write_report(record, Path(path))
            finally:
                record.storage.close()

    def __sklearn_tags__(self) -> Any:
        """Say what scikit-learn asks: missing values are allowed."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def __getstate__(self) -> dict[str, Any]:
        """Return what is pickled: the net, but not the temporary study, which stays with this object."""
        state: dict[str, Any] = dict(super().__getstate__())
        state.pop("_remove", None)
        return state

    def _checked(self, X: Any, y: Any) -> tuple[Any, NDArray[Any]]:  # noqa: N803
        if is_frame(X):
            y = validate_data(self, y=y)
            self._check_frame(X, reset=True)
            check_consistent_length(X, y)
        else:
            X, y = validate_data(self, X, y, ensure_all_finite="allow-nan")  # noqa: N806
        check_classification_targets(y)
        return X, y

    def _check_frame(self, X: Any, *, reset: bool) -> None:  # noqa: N803
        validate_data(self, X, reset=reset, skip_check_array=True)
        if len(X) == 0:
            raise RowsError("X has 0 rows: at least 1 is needed")

    def _search(self, rows: Rows, folder: Path) -> Found:
        wanted = Wanted(
            net=self.net,
            trials=operator.index(self.trials),
            seconds=None if self.seconds is None else float(self.seconds),
            epochs=None if self.epochs is None else operator.index(self.epochs),
            seed=int(check_random_state(self.random_state).randint(2**31 - 1)),
        )
        with settings_instead(self._settings(folder)), threads_as_before():
            return fit(rows, wanted, folder, self._url, keep=not self._is_temporary)

    def _settings(self, folder: Path) -> dict[str, str]:
        """Rows are decoded in this folder, and a temporary study has its files beside its storage."""
        return {CACHE: str(folder / "cache")} | ({file_store.ENVIRONMENT: ""} if self._is_temporary else {})

    def _forget(self) -> None:
        """Remove the folder of an earlier fit of this object."""
        remove = self.__dict__.pop("_remove", None)
        if remove is not None:
            remove()
