"""Asks the process of this machine whether it is ready: a health check where there is no curl.

`python -m processor.telemetry.probe` ends with 0 if it is, else with 1 and the reasons.
"""

import os
import sys
from http.client import HTTPConnection, HTTPException
from typing import Final

PORT: Final = 9464
"""The default of `PROCESSOR_HTTP_PORT`; the settings themselves take long to import."""

_TIMEOUT_S: Final = 4.0


def ask(port: int) -> tuple[bool, str]:
    """Return whether `/readyz` on this port of 127.0.0.1 says yes, and its body or what failed."""
    connection = HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        return answer.status == 200, answer.read().decode(errors="replace").strip()  # noqa: PLR2004
    except (OSError, HTTPException) as error:
        return False, f"port {port}: {error}"
    finally:
        connection.close()


if __name__ == "__main__":
    ready, said = ask(int(os.environ.get("PROCESSOR_HTTP_PORT") or PORT))
    sys.stdout.write(f"{said}\n")
    sys.exit(not ready)
