"""What the keys of an export may hold, whichever they are."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError


def _printable(text: str) -> str:
    if text.isprintable():
        return text
    raise PydanticCustomError("printable", "must be printable")


Text = Annotated[str, AfterValidator(_printable)]  # it is shown in terminals
Share = Annotated[float, Field(ge=0, le=1)]
Interval = Annotated[list[Share], Field(min_length=2, max_length=2)]
Size = Annotated[int, Field(ge=1)]
MetricName = Literal["accuracy", "balanced-accuracy", "macro-f1", "auc", "log-loss"]
Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Part(BaseModel):
    """The document, or a table in it: no further keys, no values of other types, none that are not finite."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)
