"""`config`: what the settings are and where they come from."""

import typer

from processor.avro.choice import chosen
from processor.avro.schemas import load_schemas
from processor.cli.common.output import Json, emit, given_to
from processor.config import effective

app = typer.Typer(
    name="config", no_args_is_help=True, help="Settings: their values and where each is from."
)


@app.callback()
def _group() -> None:
    """Keep `show` a command of the group although it is the only one."""


@app.command()
def show(ctx: typer.Context, *, as_json: Json = False) -> None:
    """Print each setting's effective value and its source, and the codec in use; secrets masked.

    Flags win over the environment, and that over the TOML file.

    Example: session-processor config show --group-id checkout --json
    """
    loaded = given_to(ctx).load()
    rows = [
        {"setting": row.name, "value": row.value, "from": row.source} for row in effective(loaded)
    ]
    codec = chosen(loaded.settings.codec, load_schemas(loaded.settings.schemas_dir))
    rows.append({"setting": "codec in use", "value": codec.name, "from": codec.why})
    emit(rows, as_json=as_json)
