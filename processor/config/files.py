"""Files that hold settings, read as people's editors and shells leave them."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pydantic_settings import TomlConfigSettingsSource

from processor.config.settings import Settings
from processor.errors import ConfigError

_BOM: Final = "\ufeff"
_WITHOUT_BOM: Final = "save it as UTF-8 without a byte order mark"


def content(path: str, variable: str) -> str:
    """Return what a file holds, without the newlines that editors put at the end.

    Raises ConfigError.
    """
    try:
        text = Path(path).read_text(encoding="utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        raise ConfigError(
            f"{path}, which {variable} names, is not a text in UTF-8", hint=_WITHOUT_BOM
        ) from None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise ConfigError(
            f"{path}, which {variable} names, cannot be read: {why}",
            hint="name a file that this process may read",
        ) from None
    if text.startswith(_BOM) or "\0" in text:
        wrong = "begins with a byte order mark" if text.startswith(_BOM) else "holds NUL characters"
        raise ConfigError(f"{path}, which {variable} names, {wrong}", hint=_WITHOUT_BOM)
    if not text:
        raise ConfigError(
            f"{path}, which {variable} names, is empty",
            hint=f"put the value into the file, or unset {variable}",
        )
    return text


def document(path: Path) -> Mapping[str, Any]:
    """Return what a TOML file says. Raises ConfigError."""
    try:
        return TomlConfigSettingsSource(Settings, toml_file=path)()
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        if path.read_bytes().startswith((_BOM.encode(), b"\xff\xfe", b"\xfe\xff")):
            raise ConfigError(f"{path} begins with a byte order mark", hint=_WITHOUT_BOM) from None
        raise ConfigError(f"{path} is not TOML: {error}", hint="mend the file") from None
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read: {error.strerror}", hint="name a readable file with --config"
        ) from None
