"""A session's name on the command line."""

import re
from typing import Final

from processor.errors import InputError

_FORM: Final = re.compile(r"([1-9][0-9]{0,9}):.+", re.DOTALL)
_MOST: Final = 2**31 - 1


def require_key(text: str) -> str:
    """Return the text if it is a session's key, `{applicationId}:{integrationId}`.

    Raises InputError.
    """
    form = _FORM.fullmatch(text)
    if form is not None and int(form[1]) <= _MOST:
        return text
    hint = "it has the form 1:cart-17, an application from 1 on and the session's id"
    if text.startswith("0:"):
        hint = "0 is no application: such records are no session's"
    raise InputError(f"{text!r} is no session's key", hint=hint)
