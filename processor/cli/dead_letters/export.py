"""`dead-letters export`: dead letters as JSON lines."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from processor.cli.common.new_file import STANDARD_OUTPUT, new_file
from processor.cli.common.option_block import takes_blocks
from processor.cli.common.output import (
    Json,
    emit_one,
    note,
    print_text,
    progress_bar,
    settings_from,
)
from processor.cli.common.reach import answering
from processor.cli.dead_letters.options import LetterOptions
from processor.cli.dead_letters.reading import LetterReader, Letters, letter_document


@takes_blocks
def command(
    ctx: typer.Context,
    file: Annotated[
        str, typer.Argument(metavar="FILE|-", help="A new file; - writes to standard output.")
    ],
    *,
    letters: LetterOptions,
    as_json: Json = False,
) -> None:
    """Write dead letters to a file, each as one JSON object in one line.

    A line is what `dead-letters show --json` prints, without the session: headers, key and value
    with all their bytes, and the fields of its update or command as far as they can be read.
    Letters come by partition and offset, up to the ends that the topic has at the start.

    The file must not exist. It has its name only when it is complete.

    Example: session-processor dead-letters export letters.jsonl --reason undecodable
    """
    settings = settings_from(ctx)
    selection = letters.chosen().selection
    read = LetterReader(settings)
    count = 0
    with answering(), _written(file) as write, progress_bar(as_json=as_json) as bar:
        for record, _ in Letters(settings).chosen(selection, bar):
            write(letter_document(record, read(record)))
            count += 1
    if file == STANDARD_OUTPUT:
        note(f"{count:,} letters", as_json=as_json)
    else:
        emit_one({"letters": count, "file": file}, as_json=as_json)


@contextmanager
def _written(file: str) -> Iterator[Callable[[str], object]]:
    """Give what writes a line; the file has its name only if all went well."""
    if file == STANDARD_OUTPUT:
        yield print_text
        return
    with new_file(file) as lines:
        yield lambda text: lines.write(f"{text}\n".encode())
