"""Why a study has no winner."""

from optuna.trial import TrialState

from mlpsearch.models.errors import StudyError
from mlpsearch.search.strategy.history import DIVERGED
from mlpsearch.search.trials.ledger import Ledger
from mlpsearch.studies.record import StudyRecord


def no_winner(record: StudyRecord, ledger: Ledger) -> StudyError:
    """Return the error that says why no trial of a study can win, and what a person can do about it."""
    name = record.name
    if not ledger.is_complete():
        return StudyError(f"study {name}: no trial is finished yet; `{record.command('run')}` goes on", study=name)
    ended = [trial for trial in record.own_trials() if trial.state == TrialState.PRUNED]
    diverged = sum(DIVERGED in trial.user_attrs for trial in ended)
    if not ended:
        return StudyError(
            f"study {name}: its budget is used up and no trial is finished; give it a larger one", study=name
        )
    if diverged == len(ended):
        return StudyError(
            f"study {name}: all {len(ended)} trials diverged, so there is no winner; "
            "search smaller learning rates in a study of another name",
            study=name,
        )
    also = f", {diverged} of them because they diverged" if diverged else ""
    larger = record.command("run", "--trials", str(2 * len(ended)))
    more = "a larger budget" if ledger.is_used_up() else f"`{larger}`"
    if ledger.is_space_used_up():
        more = "a study of another name with a larger search space"
    return StudyError(
        f"study {name}: all {len(ended)} trials were pruned{also}, so there is no winner; "
        f"{more} searches on, a study of another name with pruner = 'none' lets all of them finish",
        study=name,
    )
