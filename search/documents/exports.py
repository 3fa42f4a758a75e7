"""The documents of commands that take nets away and use them: export, train, predict."""

from typing import Any, Literal

from pydantic import Field

from mlpsearch.search.documents.base import Document, Error, Part


class Member(Part):
    """A net of an ensemble."""

    trial: int = Field(description="of the search, whose configuration it has")
    run: int = Field(description="of the confirmation")
    seed: int = Field(description="that it was trained with")
    weight: float = Field(description="of its probabilities in the average; those of all add up to 1")


class Selection(Part):
    """What greedy selection is worth."""

    nets: int = Field(description="from how many it chose")
    rows: int = Field(description="how many validation images or rows chose")
    score: float = Field(description="of the choice on these, by the study's metric, which flatters it")
    unseen: float | None = Field(
        description="chosen on one half of them and scored on the other, the mean of both ways; `null` where "
        "a half has no such score"
    )
    selection_bias: float | None = Field(description="by how much `score` is better than `unseen`")
    winner: float = Field(description="of the winner's reported nets averaged, on all of them")


class Ensemble(Part):
    """Nets whose probabilities are averaged."""

    kind: Literal["winner", "greedy"] = Field(
        description="the reported nets of the confirmed winner, or nets of all candidates by greedy selection"
    )
    members: list[Member] = Field(description="[each net](#a-net-of-an-ensemble)")
    selection: Selection | None = Field(
        description="[what the choice is worth](#a-greedy-selection); `null` of the winner's nets"
    )


class Export(Document):
    """An export that was written."""

    study: str = Field(description="of which")
    written: list[str] = Field(description="the files and folders")
    taken: str | None = Field(description="which net it is, and what is to be said of it; `null` for trials alone")
    missing: str = Field(description="why the document lacks the weights' digest; empty where it has it")
    removed: str | None = Field(description="an ONNX model of an earlier export that was removed")
    ensemble: Ensemble | None = Field(description="[its nets](#an-ensemble), with `--ensemble`")


class TrainedMember(Part):
    """A net of an ensemble that was trained again."""

    trial: int = Field(description="of the search, whose configuration it has")
    run: int = Field(description="of the confirmation")
    validation_accuracy: float = Field(description="of the new net")
    exported: float = Field(description="of the exported one")
    same_weights: bool | None = Field(description="as of [a trained export](#a-training)")
    differences: list[str] = Field(description="as of [a trained export](#a-training)")
    same: bool = Field(description="whether the accuracies are")


class Training(Document):
    """A net that was trained again from an export, or all nets of an ensemble."""

    validation_accuracy: float = Field(description="of the new net; of several the mean")
    exported: float = Field(description="of the exported one; of several the mean")
    same_weights: bool | None = Field(
        description="whether the weights are the same, bit for bit; `null` where the export says nothing of "
        "its weights"
    )
    differences: list[str] = Field(
        description="what is not as it was when the export was made, and may be the cause"
    )
    same: bool = Field(description="whether the accuracies are")
    members: list[TrainedMember] = Field(
        description="[each net](#a-trained-net-of-an-ensemble) of an ensemble; empty of one net"
    )


class Predictions(Document):
    """What a net makes of images, or of rows."""

    predictions: list[dict[str, Any]] = Field(
        description="of images one a file that could be used: `file`, and `classes`, the most probable first, "
        "each with `name` and `probability`; of a table one a row: `row`, `class`, and the `probability of` each "
        "class, `null` where the row has no answer"
    )
    errors: list[Error] = Field(
        description="of images, [an error](#an-error) for each file that could not be used"
    )
