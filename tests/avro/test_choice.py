"""Which codec is in use."""

import sys
from types import ModuleType

import pytest
from avro_bytes import SCHEMAS, needs_compiled

from processor.avro.choice import MODULE, chosen
from processor.avro.compiled import RULES
from processor.errors import ConfigError


@needs_compiled
def test_the_choice_is_the_users_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    assert chosen("auto", SCHEMAS).name == chosen("compiled", SCHEMAS).name == "compiled"
    assert chosen("fastavro", SCHEMAS).compiled is None
    other = ModuleType(MODULE)
    monkeypatch.setitem(sys.modules, MODULE, other)
    for vars(other)["RULES"] in (RULES - 1, RULES + 1):
        assert "is of another version" in chosen("auto", SCHEMAS).why
    vars(other).update(UPDATE=SCHEMAS.updates.reader.fingerprint, SNAPSHOT=bytes(8), RULES=RULES)
    assert chosen("auto", SCHEMAS) == ("fastavro", chosen("auto", SCHEMAS).why, None)
    with pytest.raises(ConfigError, match="is for other schemas"):
        chosen("compiled", SCHEMAS)
    monkeypatch.setitem(sys.modules, MODULE, None)
    assert "not installed" in chosen("auto", SCHEMAS).why
    with pytest.raises(ConfigError, match="not installed") as error:
        chosen("compiled", SCHEMAS)
    assert "pip install ./codec" in error.value.hint
