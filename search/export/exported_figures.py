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


class ExportedAverageTest(Part):
    """What the test split said of an ensemble's average, in the opening for its nets.

    accuracy, interval: and its 95% interval.  score, score_interval: by the study's metric, where that is another.
    images, also_in_training, opening: as ExportedTest has them.
    """

    accuracy: Share
    interval: Interval
    score: float | None = None
    score_interval: list[float] | None = Field(default=None, min_length=2, max_length=2)
    images: int
    also_in_training: int | None = None
    opening: int


class ExportedAverage(Part):
    """What the average of an ensemble's probabilities reaches.

    validation: accuracy on the validation images; None with folds, where each net has learnt from images that
        others hold out.
    validation_score: by the study's metric, where that is another than accuracy.
    test: None where it was not tested, as no greedy choice is.
    """

    validation: Share | None = None
    validation_score: float | None = None
    test: ExportedAverageTest | None = None


class ExportedSelection(Part):
    """How good nets are that greedy selection has chosen (models/greedy_selection.py), by the study's metric.

    nets: from how many it chose.  rows: how many validation images chose; with folds those that each candidate has
        a net for which has not learnt from them, and each is judged by its nets of that fold.
    score: on the images that chose, which flatters.
    unseen: chosen on one half of them and scored on the other, the mean of both ways; None where that cannot be
        said.
    selection_bias: by how much score is better than unseen.
    winner: the score of the average of the winner's reported nets on the same images.
    """

    nets: int = Field(ge=1)
    rows: int = Field(ge=1)
    score: float
    unseen: float | None = None
    selection_bias: float | None = None
    winner: float
