"""What a session's records say, one after another, and how that is told."""

import json
from collections.abc import Sequence

from values import NOON, a_session, an_item

from processor.cli.sessions.history_view import as_of_lines, doubt, step_json, step_lines
from processor.cli.sessions.lives import Lives, Step
from processor.core.session import Session
from processor.ports.log import Headers, Record
from processor.state.ends import End


def steps(*records: Session | Headers) -> list[Step]:
    """Return the steps of these snapshots, and tombstones with these headers, a second apart."""
    sessions = {at: each for at, each in enumerate(records) if isinstance(each, Session)}
    lives = Lives(lambda record: sessions[record.offset])
    found = []
    for at, each in enumerate(records):
        value = b"a snapshot" if isinstance(each, Session) else None
        headers = () if isinstance(each, Session) else each
        found.append(lives.step(Record(3, at, NOON + 1000 * at, b"7:visit", value, headers)))
    return found


def told(found: Sequence[Step]) -> list[str]:
    return [line.plain for step in found for line in step_lines(step)]


def an_end(version: int, command: str = "expire") -> Headers:
    return End(command, 12, "e\x1b[2J", version).headers()


def test_changes_are_told_with_the_old_value_and_the_new_one() -> None:
    first = a_session(profile_id="p", attributes={"vip": "true", "k": "1"})
    second = first._replace(
        version=2,
        state="closed",
        previous_state="open",
        coupon="TEN\x1b[2J\n",
        attributes={"vip": "false", "n": "[]"},
        cart_items=[an_item(), an_item(sku="b", category="c")],
        total=19.0,
        identifiers=["x", "y"],
        first_session=False,
    )
    third = second._replace(version=3, cart_items=[an_item(sku="b", category="c"), an_item()])
    fourth = third._replace(version=4, cart_items=[an_item(quantity=2)], previous_state="closed")
    found = steps(first, second, third, fourth)
    assert told(found) == [
        "2023-11-14T22:13:20.000Z  3:0  v1  open  event e-0 of 2023-11-14T22:13:20.000Z",
        "    profileId: none → p",
        "    attributes vip: none → true",
        "    attributes k: none → 1",
        "2023-11-14T22:13:21.000Z  3:1  v2  open → closed  event e-0 of 2023-11-14T22:13:20.000Z",
        "    coupon: none → TEN\\x1b[2J\\n",
        "    cart + 1 × Mug (mug) at 9.5",
        '    cart + 1 × Mug (b) at 9.5 {"category": "c"}',
        "    identifiers: none → x, y",
        "    total: 0 → 19",
        "    attributes vip: true → false",
        "    attributes k: 1 → none",
        "    attributes n: none → []",
        "    firstSession: yes → no",
        "2023-11-14T22:13:22.000Z  3:2  v3  open → closed  event e-0 of 2023-11-14T22:13:20.000Z",
        "    cart: the same items in another order",
        "2023-11-14T22:13:23.000Z  3:3  v4  closed  event e-0 of 2023-11-14T22:13:20.000Z",
        '    cart - 1 × Mug (b) at 9.5 {"category": "c"}',
        "    cart - 1 × Mug (mug) at 9.5",
        "    cart + 2 × Mug (mug) at 9.5",
    ]
    document = json.loads(step_json(found[1]))
    assert document["transition"] == ["open", "closed"]
    assert document["changed"]["attributes"] == {
        "old": {"vip": True, "k": 1},
        "new": {"vip": False, "n": []},
    }
    assert document["changed"]["coupon"] == {"old": "", "new": "TEN\x1b[2J\n"}
    assert {"version", "updated", "inputOffset"}.isdisjoint(document["changed"])
    assert (document["session"]["coupon"], document["timestamp"]) == (
        "TEN\x1b[2J\n",
        "2023-11-14T22:13:21.000Z",
    )
    assert json.loads(step_json(found[3]))["transition"] is None


def test_gaps_ends_and_further_lives_are_told_as_what_they_are() -> None:
    found = steps(
        a_session(version=3, coupon="C", previous_state="open"),
        a_session(version=6),
        an_end(8, "erase"),
        a_session(version=2),
        (),
        a_session(version=3),
        a_session(version=1),
        a_session(version=2, created=NOON + 5),
        an_end(2),
        an_end(1),
    )
    assert [line.partition("Z  ")[2] or line for line in told(found)] == [
        "versions 1 to 2 missing: removed by compaction",
        "3:0  v3  open  event e-0 of 2023-11-14T22:13:20.000Z",
        "    coupon: C",
        "    firstSession: yes",
        "versions 4 to 5 missing: removed by compaction",
        "3:1  v6  open  event e-0 of 2023-11-14T22:13:20.000Z",
        "    coupon: C → none",
        "versions 7 to 8 missing: removed by compaction",
        "3:2  v8  ended by erase  event e\\x1b[2J",
        "a further life begins",
        "version 1 missing: removed by compaction",
        "3:3  v2  open  event e-0 of 2023-11-14T22:13:20.000Z",
        "    firstSession: yes",
        "3:4  a tombstone that the processor did not write",
        "3:5  v3  open  event e-0 of 2023-11-14T22:13:20.000Z",
        "a further life begins; there is no end of the one before",
        "3:6  v1  open  event e-0 of 2023-11-14T22:13:20.000Z",
        "a further life begins; there is no end of the one before",
        "version 1 missing: removed by compaction",
        "3:7  v2  open  event e-0 of 2023-11-14T22:13:20.000Z",
        "    firstSession: yes",
        "3:8  v2  ended by expire  event e\\x1b[2J",
        "a further life begins",
        "version 1 missing: removed by compaction",
        "3:9  v1  ended by expire  event e\\x1b[2J",
    ]
    documents = [json.loads(step_json(each)) for each in found]
    assert [each["life"] for each in documents] == [1, 1, 1, 2, 2, 2, 3, 4, 4, 5]
    assert [each["kind"] for each in documents[2:5]] == ["end", "snapshot", "tombstone"]
    assert [each["missing"] for each in documents[:3]] == [[1, 2], [4, 5], [7, 8]]
    assert documents[0]["changed"] is None
    end = {name: documents[2][name] for name in ("version", "endedBy", "inputOffset", "eventId")}
    assert [*end.values()] == [8, "erase", 12, "e\x1b[2J"]


def test_what_a_session_was_is_doubted_where_something_behind_it_is_missing() -> None:
    first, second, fifth, other, end = steps(
        a_session(), a_session(version=2), a_session(version=5), a_session(), an_end(1)
    )
    assert (doubt(first, second), doubt(fifth, None), doubt(other, end)) == ("", "", "")
    assert "versions 3 to 4" in doubt(second, fifth)
    assert "its end" in doubt(fifth, other)
    *_, last = as_of_lines(second, fifth)
    assert str(last).startswith("not sure: versions 3 to 4")
