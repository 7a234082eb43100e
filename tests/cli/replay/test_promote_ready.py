"""What `replay promote` refuses before it looks at any session."""

from types import SimpleNamespace
from typing import Any

import pytest
from fakes.broker import FakeBroker
from fakes.log import FakeCoordination, FakeScan
from fakes.service import STREAM, World

from processor.cli.replay.promote import _ready
from processor.errors import FailClosed
from processor.replay.live_state import LiveState
from processor.replay.plan import Plan


def ready(replayed: str, live: str, updates: str = STREAM.updates) -> object:
    """Ask for a replay of nothing, begun with formats and to be promoted with others."""
    broker: FakeBroker = World().broker
    now = STREAM._replace(formats=live)
    state = LiveState(now, FakeCoordination(broker), FakeScan(broker))
    beside: Any = SimpleNamespace(state=state, places=lambda _plan, _own: {})
    stream = STREAM._replace(formats=replayed, updates=updates)
    return _ready(beside, Plan("again", 0, stream, {}, {}, {}), beside)


@pytest.mark.parametrize(
    ("replayed", "live", "remedy"),
    [
        ("avro,json", "avro", "avro,json"),
        ("avro,cloudevents", "avro", "avro,cloudevents"),
        ("avro,json,cloudevents", "avro,json", "avro,json,cloudevents"),
        ("avro,json", "avro,cloudevents", "avro,json,cloudevents"),
        ("avro,json", "json", "avro,json"),
        ("avro", "json", "avro,json"),
    ],
)
def test_a_replay_that_reads_what_the_service_does_not_is_not_made_live(
    replayed: str, live: str, remedy: str
) -> None:
    with pytest.raises(FailClosed) as raised:
        ready(replayed, live)
    assert replayed in raised.value.message
    assert f"PROCESSOR_INPUT_FORMATS is {live}:" in raised.value.message
    assert f"Set PROCESSOR_INPUT_FORMATS to {remedy}, here" in raised.value.hint


@pytest.mark.parametrize(
    ("replayed", "live"),
    [
        ("avro", "avro"),
        ("avro", "avro,json"),
        ("avro,json", "avro,json"),
        ("avro,json", "avro,json,cloudevents"),
    ],
)
def test_a_service_that_reads_as_much_or_more_takes_a_replay(replayed: str, live: str) -> None:
    assert ready(replayed, live)
    with pytest.raises(FailClosed, match="of other topics"):
        ready(replayed, live, updates="another-id")
