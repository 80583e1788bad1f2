"""What `--help` looks like: options in sections, summaries of commands whole."""

from __future__ import annotations

from typing import Any

import click

OPTIONS = "Options"
"""The section of a command's own options; it comes first."""


class Option(click.Option):
    """An option in a section of the help."""

    def __init__(self, *args: Any, section: str = OPTIONS, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.section = section


class Command(click.Command):
    """A command whose help lists its options by section, in the order in which sections are met."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        sections: dict[str, list[tuple[str, str]]] = {OPTIONS: []}
        help_option = self.get_help_option(ctx)
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx) if isinstance(param, click.Option) else None
            if record is not None and param is not help_option:
                section = param.section if isinstance(param, Option) else OPTIONS
                sections.setdefault(section, []).append(record)
        if help_option is not None and (record := help_option.get_help_record(ctx)) is not None:
            sections[[*sections][-1]].append(record)
        for section, records in sections.items():
            if records:
                with formatter.section(section):
                    formatter.write_dl(records)


class Group(click.Group):
    """A group whose help has the whole first sentence of each command, on as many lines as it needs."""

    command_class = Command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        commands = ((name, self.get_command(ctx, name)) for name in self.list_commands(ctx))
        records = [(name, command.get_short_help_str(limit=1000)) for name, command in commands if command]
        with formatter.section("Commands"):
            formatter.write_dl(records)


Group.group_class = Group
