"""The command line.

To add a command:

1. Write `processor/cli/NAME.py`. A group of commands (`topics create`, `topics check`) exposes
   `app = typer.Typer(name="topics", no_args_is_help=True, help="…")` with its commands; a single
   command (`produce`) exposes a function named `command`.
2. Add one line to `main.py`: `app.add_typer(topics.app)` or `app.command("produce")(…)`.
3. Say in the docstring what it does, for the one who types it, and end it with a paragraph that
   begins with `Example:`. Name the command and its options in `docs/operations/commands.md`; a
   test looks.

Inside a command:

- take `ctx: typer.Context` and call `settings_from(ctx)` for the settings; logging is set up then.
  The settings' own flags (`--redis-url`, …) may stand before or after the command and are not the
  command's to declare.
- take `as_json: Json = False`, and answer with `emit` (rows) or `emit_one` (one thing): a table for
  people or JSON, one value a line, for programs. Only answers go to standard output. `note` tells
  people of progress on standard error, `progress_bar` shows it; neither speaks under `--json`.
- raise a `ProcessorError` with a `hint` for whatever a user can mend: `main` prints it and exits
  with its code. `raise typer.Exit(code)` for the codes that are answers, not errors.
- import what is slow to import (Kafka, Redis) inside the function: `--help` needs none.
"""
