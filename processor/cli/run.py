"""`run`: the service itself."""

from typing import Annotated

import typer

from processor.cli.common.output import JSON_FLAG, given_to
from processor.cli.common.times import FORMS, parse_start
from processor.partitions.takeover import Start


def _start(text: str) -> Start:
    try:
        return parse_start(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--start") from None


def command(
    ctx: typer.Context,
    *,
    until_end: Annotated[
        bool,
        typer.Option(
            "--until-end", help="Process up to the ends that the input has now, then exit with 0."
        ),
    ] = False,
    start: Annotated[
        str,
        typer.Option(
            metavar="earliest|latest|TIME",
            help=f"Where a partition starts that was never processed; {FORMS}.",
        ),
    ] = "earliest",
    accept_mixed_framing: Annotated[
        bool,
        typer.Option(
            "--accept-mixed-framing",
            help="Go on with an output whose values were framed in another way until now.",
        ),
    ] = False,
    as_json: Annotated[
        bool, typer.Option(JSON_FLAG, help="Log in JSON lines, as with --log-format json.")
    ] = False,
) -> None:
    """Process updates until SIGTERM or Ctrl-C; either ends it cleanly within ten seconds.

    Several processes with one group id share the partitions. `--start` changes nothing for a
    partition that has a committed offset. `session-processor --help` lists the settings' flags.

    A change of the schema registry's settings changes how values are framed, and a reader may not
    know the new framing: `run` refuses that unless `--accept-mixed-framing` is given, once.

    Example: session-processor run --bootstrap-servers broker:9092 --redis-url redis://redis:6379/0
    """
    where = _start(start)
    given = given_to(ctx)
    if as_json:
        given.flags["log_format"] = "json"
    settings = given.load().settings
    from processor.bootstrap.service import serve

    raise typer.Exit(
        serve(settings, until_end=until_end, start=where, mixed_framing=accept_mixed_framing)
    )
