"""What all JSON documents have, and the one that tells of an error."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from mlpsearch.models.errors import MlpsearchError

VERSION: Literal[1] = 1  # another one where a key goes, or means something else


class Part(BaseModel):
    """An object within a document."""

    model_config = ConfigDict(frozen=True)


class Document(Part):
    """What a command prints. The models describe it; nothing is made of them but the schema and the page."""

    schema_version: Literal[1] = Field(description="of all documents; new keys alone do not change it")


class Error(Part):
    """What went wrong."""

    code: str = Field(description="its kind, one of the [codes](#error-codes)")
    message: str = Field(description="one line for people, the same as on stderr")
    study: str | None = Field(description="the study that it is about; `null` here and below: none, or not known")
    trial: int | None = Field(description="the number of the trial")
    key: str | None = Field(
        description="where in a study file, a configuration or an export, with dots: `search.depth.low`"
    )
    path: str | None = Field(description="the file or folder")
    url: str | None = Field(description="the storage, without its password")


class Failure(Document):
    """What a command prints that fails, in place of its own document."""

    error: Error = Field(description="[what went wrong](#an-error)")


# Codes of what is no MlpsearchError; those have the name of their class.
OTHER_CODES = {
    "usage": "the command line makes no sense; exit code 2",
    "interrupted": "by Ctrl-C or SIGTERM; what is finished is kept; exit code 130",
    "declined": "a person was asked, and did not agree",
}


def code_of(kind: type[MlpsearchError]) -> str:
    """Return the code of a kind of error: that of StudyError is "study", and so is that of a finer kind of it."""
    public = next(one for one in kind.__mro__ if one.__module__ == MlpsearchError.__module__)
    return public.__name__.removesuffix("Error").lower()


def error_of(error: MlpsearchError) -> dict[str, Any]:
    """Return an error as an object (Error)."""
    return {
        **error_object(code_of(type(error)), str(error), error.study),
        "trial": error.trial,
        "key": error.key,
        "path": error.path,
        "url": error.url,
    }


def error_object(code: str, message: str, study: str | None = None) -> dict[str, Any]:
    """Return an object (Error) of something that is no MlpsearchError. code: one of OTHER_CODES."""
    nothing = dict.fromkeys(("trial", "key", "path", "url"))
    return {"code": code, "message": message, "study": study, **nothing}
