"""A session's name on the command line."""

from processor.core.session import is_key
from processor.errors import InputError


def require_key(text: str) -> str:
    """Return the text if it is a session's key, `{applicationId}:{integrationId}`.

    Raises InputError.
    """
    if is_key(text):
        return text
    hint = "it has the form 1:cart-17, an application from 1 on and the session's id"
    if text.startswith("0:"):
        hint = "0 is no application: such records are no session's"
    raise InputError(f"{text!r} is no session's key", hint=hint)
