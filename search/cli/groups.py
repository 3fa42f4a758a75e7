"""The commands as --help lists them: in groups, each with the whole of its summary."""

import click

_STUDIES = "Studies"
_GROUPS = {  # all others are about studies
    "Results": ("report", "compare", "export", "train", "predict", "evaluate", "check-gradients"),
    "Service": ("submit", "worker", "serve", "dashboard", "mcp", "gc"),
}
_LONG = 1_000  # characters, more than any summary has


class GroupedCommands(click.Group):
    """A group of commands whose help has a section for each kind of them."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the sections."""
        sections: dict[str, list[tuple[str, str]]] = {_STUDIES: [], **{title: [] for title in _GROUPS}}
        for name, command in self.commands.items():  # in the order of the work
            sections[_section(name)].append((name, command.get_short_help_str(_LONG)))
        for title, rows in sections.items():
            with formatter.section(title):
                formatter.write_dl(rows)


def _section(name: str) -> str:
    return next((title for title, names in _GROUPS.items() if name in names), _STUDIES)
