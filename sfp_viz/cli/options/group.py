"""Groups of options that commands share; a command gets each group as one frozen record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

Command = Callable[..., Any]


def option_group(
    command: Command, options: Sequence[Command], name: str, record: Callable[..., Any]
) -> Command:
    """Give a command a group of options.

    Args:
        command: The command.
        options: Decorators of click, in the order of the help.
        name: The argument by which the command gets the record.
        record: Makes the record of the options' values, by their names.

    Returns:
        The command with the options in place of the record.
    """

    @wraps(command)
    def grouped(**values: Any) -> Any:
        record_values = {key: values.pop(key) for key in names if key in values}
        return command(**{name: record(**record_values)}, **values)

    def nothing() -> None: ...

    decorated: Command = grouped
    for option in reversed(options):
        decorated = option(decorated)
        option(nothing)
    names = {parameter.name for parameter in vars(nothing)["__click_params__"]}
    return decorated
