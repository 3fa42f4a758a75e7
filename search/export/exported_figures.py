"""What an export says of how good its net is."""

from pydantic import Field

from mlpsearch.search.export.fields import Interval, Part, Share


class ExportedTest(Part):
    """What the test split said: of this net, or of all that the confirmation trained, this one among them.

    also_in_training: how many of the images are training or validation images too; None where nobody counted.
    seeds: of those nets, empty where it was this net alone.  accuracies: of each, in the order of the seeds.
    accuracy, deviation: their mean and, of several, their standard deviation.
    confusion: counts[true class][predicted class] over all of them.
    """

    accuracy: Share
    interval: Interval
    images: int
    also_in_training: int | None = None
    opening: int
    seeds: list[int]
    accuracies: list[Share]
    deviation: float | None = None
    confusion: list[list[int]]


class ExportedConfirmation(Part):
    """What training the configuration again from other seeds said, on the validation images.

    seeds, accuracies, mean, deviation: of the runs that are reported.  Of a study by another metric than accuracy,
        which chose by that, choice_mean and selection_bias stand in ExportedScore.
    candidates: how many trials it was chosen from.  choice_seeds, choice_mean: by which it was; mlpsearch 0.1.0
    chose and reported over the same seeds, and says nothing here.
    selection_bias: the search's best validation accuracy minus the mean of the reported runs.
    chance: how often, at most, seeds alone make a candidate lead all others as clearly as this one.
    p_value: in older exports: of a paired t-test against the runner-up.
    """

    seeds: list[int]
    accuracies: list[Share]
    mean: Share
    deviation: float | None = None
    candidates: int | None = None
    choice_seeds: list[int] = Field(default_factory=list)
    choice_mean: Share | None = None
    selection_bias: float | None = None
    chance: Share | None = None
    p_value: float | None = None


class ExportedAccuracy(Part):
    """Accuracies, 0 to 1.

    validation, this_net_on_test: of the exported net alone.  test, confirmation: of all nets that are reported.
    What was not made is missing.
    """

    validation: Share
    this_net_on_test: Share | None = None
    test: ExportedTest | None = None
    confirmation: ExportedConfirmation | None = None


class ExportedScore(Part):
    """What ExportedAccuracy says, by the study's metric, where that is another than accuracy.

    validation, this_net_on_test: of the exported net alone.
    test, test_deviation, test_interval, tests: over all nets that are reported, and of each of them.
    confirmation, confirmation_deviation, confirmations: over these nets, on validation images.
    choice_mean, selection_bias: as ExportedConfirmation has them.
    """

    validation: float
    this_net_on_test: float | None = None
    test: float | None = None
    test_deviation: float | None = None
    test_interval: list[float] | None = Field(default=None, min_length=2, max_length=2)
    tests: list[float] = Field(default_factory=list)
    confirmation: float | None = None
    confirmation_deviation: float | None = None
    confirmations: list[float] = Field(default_factory=list)
    choice_mean: float | None = None
    selection_bias: float | None = None
