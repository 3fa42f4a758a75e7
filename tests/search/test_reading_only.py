"""Commands that only look need no right to write, wait for nobody, and leave nothing behind."""

_READING = (
    ["list"],
    ["status"],
    ["status", "mine", "--json"],
    ["export", "mine", "--trials"],
    ["report", "mine", "-o"],
)
_LOOKING = (*_READING, ["compare", "mine", "mine"])
