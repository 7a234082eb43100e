"""Options that several commands take: declared once, as the fields of a dataclass."""

import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, is_dataclass
from functools import update_wrapper
from typing import Any, get_type_hints

Block = tuple[str, Callable[..., Any], tuple[str, ...]]
"""A parameter's name, the dataclass that it takes, and that one's fields."""


def takes_blocks(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command, for each of its parameters that is a dataclass, an option for each field.

    They stand where the parameter stands; the command is called with the dataclass.
    """
    hints = get_type_hints(command, include_extras=True)
    parameters: list[inspect.Parameter] = []
    blocks: list[Block] = []
    for each in inspect.signature(command).parameters.values():
        kind = hints[each.name]
        if isinstance(kind, type) and is_dataclass(kind):
            parameters += _options(kind)
            names = tuple(field.name for field in fields(kind))
            blocks.append((each.name, kind, names))
        else:
            parameters.append(each.replace(annotation=kind))

    def taking(**given: Any) -> None:
        for name, kind, names in blocks:
            given[name] = kind(**{field: given.pop(field) for field in names})
        command(**given)

    return declared(taking, command, parameters)


def declared(
    function: Callable[..., None], of: Callable[..., None], parameters: Sequence[inspect.Parameter]
) -> Callable[..., None]:
    """Return the function, which takes keywords, as the command `of` with these parameters."""
    update_wrapper(function, of)
    function.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    function.__annotations__ = {each.name: each.annotation for each in parameters}
    return function


def parameter(name: str, annotation: Any, *, default: Any = None) -> inspect.Parameter:
    """Return a parameter of a command, which is called with keywords."""
    kind = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(name, kind, default=default, annotation=annotation)


def _options(block: Any) -> Iterator[inspect.Parameter]:
    hints = get_type_hints(block, include_extras=True)
    for field in fields(block):
        yield parameter(field.name, hints[field.name], default=field.default)
