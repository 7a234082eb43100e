"""Erasures on the service in memory: what is found, sent, reported and verified."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest
from avro_bytes import COMMANDS, SCHEMAS, SNAPSHOTS
from fakes.broker import Entry, Transaction
from fakes.clock import FakeClock
from fakes.commands import FakeCommands
from fakes.log import FakeCoordination, FakeScan
from fakes.redis import FakeCopies, FakeSessionCache
from fakes.service import PARTITIONS, Service, World, partition_of
from golden import encoded, update
from oracle import decode_session
from session_commands import erase as erase_command

from processor.avro.codec import UpdateCodec
from processor.demo.traffic import DemoUpdate
from processor.erasure.deployment import Deployment
from processor.erasure.discovery import Target
from processor.erasure.erasure import Erasure, Plan
from processor.erasure.ids import Ids, asked_ids
from processor.erasure.named_ids import Values
from processor.erasure.report import Report, Where
from processor.erasure.search import Kept
from processor.erasure.sending import commands_of
from processor.errors import FailClosed, InputError, NotFound, Unavailable
from processor.formats.updates import Updates
from processor.ports.lifetimes import Lifetime
from processor.ports.log import Outgoing, Topic
from processor.ports.sessions import Write

DAY = 86_400_000
WHERE = Where("the-fake-cluster", "group", "updates", "sessions")
SHORT = Lifetime(9 * DAY, 25 * DAY)
LIFETIMES = {
    "output": SHORT,
    "claims": Lifetime(2 * DAY, 5 * DAY),
    "dead letters": Lifetime(14 * DAY, 14 * DAY),
    "input": Lifetime(None, None, "retention.ms"),
}
NOTHING: Mapping[str, Kept] = {}


@dataclass
class Scene:
    """A service in memory, and erasures of what it keeps."""

    world: World = field(default_factory=lambda: World(clock=FakeClock(1_700_000_000.0)))
    lifetimes: dict[str, Lifetime] = field(default_factory=lambda: dict(LIFETIMES))
    replays: Mapping[str, Kept] = field(default_factory=dict)
    where: Where = WHERE
    exact: bool = True
    """Whether everything that was ever there still is."""

    def __post_init__(self) -> None:
        self.service: Service = self.world.service()
        self.names = count(1)

    def feed(self, visit: str, *documents: Mapping[str, Any], partition: int | None = None) -> None:
        """Send updates of a session that the service is yet to process."""
        key = f"1:{visit}".encode()
        place = partition_of(key) if partition is None else partition
        values = (encoded(update(next(self.names), visit, **each)) for each in documents)
        self.world.feed(DemoUpdate(key, value, (), 1_000, place) for value in values)

    def process(self) -> None:
        self.service.run_until_processed()
        if self.exact:
            self.world.assert_exact()

    def kept(self) -> Kept:
        broker, keys = self.world.broker, self.world.keys
        scan = FakeScan(broker, uncommitted=True)
        return Kept(FakeCoordination(broker), scan, FakeCopies(self.world.server, keys))

    def erasure(self) -> Erasure:
        broker = self.world.broker
        deployment = Deployment(
            self.where,
            Values(Updates(UpdateCodec(SCHEMAS.updates)), COMMANDS, SNAPSHOTS),
            FakeCoordination(broker),
            FakeScan(broker),
            FakeCommands(broker),
            self.kept(),
            lambda: self.replays,
            lambda: self.lifetimes,
        )
        return Erasure(deployment, self.world.clock, lambda: f"fresh-{next(self.names)}")

    def look(self, **asked: Iterable[str]) -> Plan:
        kinds = ("sessions", "profiles", "identifiers")
        return self.erasure().look(asked_ids(*(asked.get(kind, ()) for kind in kinds)))

    def erase(self, **asked: Iterable[str]) -> Report:
        """Erase; the report was in a file at each step."""
        plan = self.look(**asked)
        sent = Report.decode(self.erasure().send(plan).encode())
        self.process()
        return Report.decode(self.erasure().finish(sent, plan.found, 10).encode())

    def verify(self, report: Report) -> tuple[Report, dict[str, Any]]:
        """Return the report after it, and what is said of each place that can be searched."""
        after, judged = self.erasure().verify(Report.decode(report.encode()))
        told = {each.place: each.state for each in judged if each.state != "not ours"}
        return after, told

    def wait(self, days: float) -> None:
        self.world.clock.wait(days * 86_400)

    def output(self, visit: str) -> list[dict[str, Any] | None]:
        key = f"1:{visit}".encode()
        return [
            None if each.value is None else decode_session(each.value)
            for each in self.world.records(Topic.SESSIONS, partition_of(key))
            if each.key == key
        ]

    def claims(self) -> dict[str, str | None]:
        """Return the last record of each claim."""
        return {
            (each.key or b"").decode(): None if each.value is None else each.value.decode()
            for partition in range(PARTITIONS)
            for each in self.world.records(Topic.CLAIMS, partition)
        }

    def clean(self, *topics: Topic, but: bytes = b"bob") -> None:
        """Remove what does not name him from topics, as compaction and retention do in time."""
        self.exact = False
        for topic in topics:
            for log in self.world.broker.logs[topic]:
                log.entries[:] = [
                    each
                    if each.record is not None and but in (each.record.value or b"")
                    else Entry(None, None)
                    for each in log.entries
                ]


@pytest.fixture
def scene() -> Scene:
    """Ann has two sessions and a rejected update; Bob has one. Ann's first was Carl's before."""
    made = Scene()
    made.feed("of-ann", {"profileId": "carl"}, {"profileId": "ann", "identifiers": ["card-7"]})
    made.process()
    made.feed("of-ann-too", {"profileId": "ann"})
    made.feed("of-bob", {"profileId": "bob"}, {"coupon": "TEN"})
    made.feed("of-ann-too", {"profileId": "ann", "state": "closed"}, {"profileId": "ann"})
    made.process()
    return made


def test_a_profile_is_erased_with_all_of_its_sessions(scene: Scene) -> None:
    plan = scene.look(profiles=["1:ann"])
    told = {
        each.key: (each.partitions, each.forget, each.release) for each in plan.discovered.targets
    }
    one, two = partition_of(b"1:of-ann"), partition_of(b"1:of-ann-too")
    assert told == {
        "1:of-ann": ((one,), ("1:ann",), ("1:carl",)),
        "1:of-ann-too": ((two,), (), ()),
    }
    assert plan.discovered.unknown == Ids()
    assert {place: each.records for place, each in plan.found.items()} == {
        "output": 4,
        "claims": 2,
        "dead letters": 1,
        "input": 5,
        "redis": 4,
    }
    assert plan.kept == ["input"]
    scene.process()
    assert None not in scene.output("of-ann"), "to look changes nothing"

    report = scene.erase(profiles=["1:ann"])
    assert scene.output("of-ann")[-1] is scene.output("of-ann-too")[-1] is None
    assert scene.claims() == {"1:ann": None, "1:carl": "", "1:bob": "1:of-bob"}
    now = scene.world.clock.now_ms()
    states = {each.place: (each.state, each.values_by, each.keys_by) for each in report.places}
    assert states["output"] == ("gone by", now + 9 * DAY, now + 25 * DAY)
    assert states["claims"] == ("gone by", now + 2 * DAY, now + 5 * DAY)
    assert states["dead letters"] == ("gone by", now + 14 * DAY, now + 14 * DAY)
    assert states["input"] == ("kept", None, None)
    assert states["redis"] == ("gone", None, None)
    assert [place for place, state in states.items() if state[0] == "not ours"] == [
        "redis persistence",
        "files",
        "readers of the topics",
    ]
    for value in ("TEN", "coupon", "card-7"):
        assert value not in report.encode().decode(), "a report has no value"

    scene.feed("later", {"profileId": "ann"})
    scene.process()
    assert scene.output("later")[-1]["firstSession"]  # type: ignore[index]


def test_an_identifier_and_a_session_are_found_and_what_they_claim_is_released(
    scene: Scene,
) -> None:
    plan = scene.look(identifiers=["card-7", "card-8"], sessions=["1:of-bob", "1:nobody"])
    told = {each.key: (each.forget, each.release) for each in plan.discovered.targets}
    assert told == {"1:of-ann": ((), ("1:ann", "1:carl")), "1:of-bob": ((), ("1:bob",))}
    assert plan.discovered.unknown == Ids(
        frozenset({"1:nobody"}), identifiers=frozenset({"card-8"})
    )
    scene.erase(identifiers=["card-7"], sessions=["1:of-bob"])
    assert scene.claims() == {"1:ann": "", "1:carl": "", "1:bob": ""}


def test_what_is_gone_in_time_is_verified_and_its_ids_are_hashed(scene: Scene) -> None:
    scene.lifetimes["input"] = Lifetime(7 * DAY, 7 * DAY)
    report = scene.erase(profiles=["1:ann"])
    after, told = scene.verify(report)
    assert told == {
        "output": "gone by",
        "claims": "gone by",
        "dead letters": "gone by",
        "input": "gone by",
        "redis": "gone",
    }
    assert after == report
    scene.wait(8)
    scene.clean(Topic.UPDATES)
    assert scene.verify(report)[1] == told | {"input": "gone", "claims": "should be gone"}
    scene.clean(Topic.CLAIMS, Topic.DEAD_LETTERS)
    scene.wait(2)
    assert scene.verify(report)[1]["output"] == "should be gone"
    scene.clean(Topic.SESSIONS)
    after, told = scene.verify(report)
    assert set(told.values()) == {"gone"}
    assert after.verified_at == scene.world.clock.now_ms()
    document = after.encode().decode()
    assert not [name for name in ("ann", "carl", "card-7") if name in document]
    # By its hashes it is found still.
    assert set(scene.verify(after)[1].values()) == {"gone"}
    scene.feed("other", {"profileId": "ann"})
    scene.process()
    again, told = scene.verify(after)
    assert told["output"] == told["input"] == "began again"
    assert again == after


LETTERS = ["dead letters", "a wrong key", "its message alone"]


@pytest.mark.parametrize("place", ["output", "key", "claims", *LETTERS, "redis"])
def test_a_planted_leftover_is_found(scene: Scene, place: str) -> None:
    scene.lifetimes["input"] = Lifetime(7 * DAY, 7 * DAY)
    value = scene.world.records(Topic.SESSIONS, partition_of(b"1:of-ann"))[-1].value
    report = scene.erase(profiles=["1:ann"])
    scene.wait(26)
    scene.clean(*Topic)
    assert set(scene.verify(report)[1].values()) == {"gone"}
    broker, key = scene.world.broker, b"1:of-ann"
    plants = {
        "output": Outgoing(Topic.SESSIONS, partition_of(key), 1, key, value, ()),
        "key": Outgoing(Topic.SESSIONS, 0, 1, key, None, ()),
        "claims": Outgoing(Topic.CLAIMS, 0, 1, b"1:dora", key, ()),
        "dead letters": Outgoing(Topic.DEAD_LETTERS, 0, 1, b"1:x", b"?card of ann", ()),
        "a wrong key": Outgoing(
            Topic.DEAD_LETTERS, 0, 1, b"1:x", encoded(update(7, "of-ann-too")), ()
        ),
        "its message alone": Outgoing(
            Topic.DEAD_LETTERS,
            0,
            1,
            None,
            None,
            [("__streams.errors.message", b'the key is "1:of-ann", not 1:x')],
        ),
    }
    if place == "redis":  # in a generation that was never finished
        cache = FakeSessionCache(scene.world.server, scene.world.keys)
        stamp = cache.begin(2, b"a checkpoint")
        cache.fill(2, Write(stamp, b"a checkpoint", {b"1:else": value}))
    else:
        broker.append(plants[place])
    after, told = scene.verify(report)
    where = {"key": "output", **dict.fromkeys(LETTERS, "dead letters")}
    assert told.pop(where.get(place, place)) == "should be gone"
    assert set(told.values()) == {"gone"}
    assert not after.hashed


def test_an_aborted_snapshot_is_found(scene: Scene) -> None:
    key = b"1:aborted"
    value = scene.world.records(Topic.SESSIONS, partition_of(b"1:of-ann"))[-1].value
    publication = scene.service.publication
    publication.begin()
    publication.send([Outgoing(Topic.SESSIONS, 0, 1, key, value, ())])
    publication.flush()
    publication.abort()
    assert scene.look(profiles=["1:ann"]).found["output"].records == 5


def test_an_open_transaction_is_waited_out_and_one_that_stays_is_told(scene: Scene) -> None:
    broker = scene.world.broker
    key, place = b"1:late", partition_of(b"1:late")
    value = scene.world.records(Topic.SESSIONS, partition_of(b"1:of-ann"))[-1].value
    transaction = broker.open["stranger"] = Transaction()
    broker.append(Outgoing(Topic.SESSIONS, place, 1, key, value, ()), transaction)
    with pytest.raises(Unavailable, match="open in the sessions, partition"):
        scene.look(profiles=["1:ann"])
    scene.world.clock.after(5, lambda: broker.end("stranger", commit=True))
    keys = {each.key for each in scene.look(profiles=["1:ann"]).discovered.targets}
    assert keys == {"1:of-ann", "1:of-ann-too", "1:late"}


def test_sessions_that_began_again_are_told(scene: Scene) -> None:
    report = scene.erase(sessions=["1:of-bob"], profiles=["1:ann"])
    scene.wait(30)
    scene.clean(*Topic)
    scene.feed("of-bob", {"coupon": "AGAIN"})
    scene.process()
    after, told = scene.verify(report)
    assert told["output"] == told["input"] == "began again"
    assert told["redis"] == "began again"
    assert after == report
    # To erase it once more is no beginning.
    again = scene.erase(sessions=["1:of-bob"])
    assert scene.verify(again)[1]["output"] == "gone by"


def test_updates_that_wait_are_found_and_what_they_will_claim(scene: Scene) -> None:
    scene.feed("waits", {"profileId": "dora"}, {"profileId": "emil"})
    plan = scene.look(profiles=["1:dora"])
    (target,) = plan.discovered.targets
    assert target.partitions == (partition_of(b"1:waits"),)
    assert (target.forget, target.release) == (("1:dora",), ("1:emil",))
    scene.erase(profiles=["1:dora"])
    assert scene.output("waits")[-1] is None
    assert scene.claims()["1:dora"] is None
    assert scene.claims()["1:emil"] == ""


def test_a_session_is_ended_in_each_partition_that_has_it(scene: Scene) -> None:
    key = b"1:of-ann"
    other = (partition_of(key) + 1) % PARTITIONS
    scene.feed("of-ann", {"coupon": "SPLIT"}, partition=other)
    scene.service.run_until_processed()
    plan = scene.look(profiles=["1:ann"])
    assert plan.discovered.targets[0].partitions == tuple(sorted({partition_of(key), other}))
    scene.erase(profiles=["1:ann"])
    assert [scene.world.stored(each).get(key) for each in range(PARTITIONS)] == [None] * PARTITIONS


def test_a_claim_is_removed_whose_session_is_gone_or_that_nobody_holds(scene: Scene) -> None:
    scene.erase(sessions=["1:of-bob", "1:of-ann", "1:of-ann-too"])
    scene.clean(Topic.SESSIONS, Topic.UPDATES, Topic.DEAD_LETTERS)
    assert scene.claims() == {"1:bob": "", "1:ann": "", "1:carl": ""}
    broker = scene.world.broker
    scene.feed("of-bob", {"coupon": "AGAIN"})
    scene.service.run_until_processed()
    plan = scene.look(profiles=["1:bob", "1:ann"], sessions=["1:of-bob"])
    (target,) = plan.discovered.targets
    assert target.forget == ("1:ann", "1:bob"), "carried by a session of the application"
    (lone,) = scene.look(profiles=["1:carl"]).discovered.targets
    assert lone.key.startswith("1:fresh-"), "by nobody's, where there is none"
    sent = scene.erasure().send(scene.look(profiles=["1:carl", "1:ann", "1:bob"]))
    scene.service.run_until_processed()
    assert scene.claims() == {"1:bob": None, "1:ann": None, "1:carl": None}
    assert scene.erasure().finish(sent, plan.found, 1).applied_at
    broker.append(Outgoing(Topic.CLAIMS, 0, 1, b"1:ida", b"1:long-gone", ()))
    (gone,) = scene.look(profiles=["1:ida"]).discovered.targets
    assert (gone.key, gone.forget) == ("1:long-gone", ("1:ida",))


def test_more_profiles_than_a_command_may_name_take_several(scene: Scene) -> None:
    many = [f"p-{n:03}" for n in range(230)]
    scene.feed("of-many", *({"profileId": each} for each in many))
    scene.process()
    forgotten = [f"1:{each}" for each in many[:120]]
    plan = scene.look(profiles=forgotten)
    told = [(len(each.forget or ()), len(each.release or ())) for _, each in plan.commands]
    assert told == [(100, 100), (20, 10)]
    scene.erase(profiles=forgotten)
    claims = scene.claims()
    assert {claims[each] for each in forgotten} == {None}
    assert {claims[f"1:{each}"] for each in many[120:]} == {""}


def test_a_replay_keeps_all_until_it_is_dropped(scene: Scene) -> None:
    replay = Scene()
    replay.feed("of-ann", {"profileId": "ann"})
    replay.process()
    scene.replays = {"march": replay.kept(), "april": Scene().kept()}
    plan = scene.look(profiles=["1:ann"])
    (march,) = (each for each in plan.report.places if each.place == "replay march")
    assert march.state == "kept"
    assert "replay drop march" in march.what_to_do
    report = scene.erase(profiles=["1:ann"])
    told = scene.verify(report)[1]
    assert (told["replay march"], told["replay april"]) == ("kept", "gone")
    scene.replays = {"may": replay.kept()}
    assert scene.verify(report)[1]["replay may"] == "kept", "one that was begun since"


def test_a_record_of_the_future_holds_up_what_is_behind_it(scene: Scene) -> None:
    ahead = scene.world.clock.now_ms() + 100 * DAY
    scene.world.broker.append(Outgoing(Topic.SESSIONS, 0, ahead, b"1:else", None, ()))
    (output, *_) = scene.look(profiles=["1:ann"]).report.places
    assert output.keys_by == ahead + 25 * DAY


def test_without_a_service_the_report_is_gone_on_with_later(scene: Scene) -> None:
    plan = scene.look(profiles=["1:ann"])
    sent = scene.erasure().send(plan)
    with pytest.raises(Unavailable, match="not passed after 5 s") as raised:
        scene.erasure().finish(sent, plan.found, 5)
    assert "--verify" in raised.value.hint
    with pytest.raises(Unavailable, match="not passed yet"):
        scene.verify(sent)
    scene.process()
    after, told = scene.verify(sent)
    assert after.applied_at
    assert told["output"] == "gone by"
    with pytest.raises(InputError, match="not known that anything was sent"):
        scene.verify(plan.report)


def test_nothing_is_changed_where_it_cannot_be_done(scene: Scene) -> None:
    report = scene.erase(profiles=["1:ann"])
    before = scene.world.broker.extent(Topic.UPDATES, 0)
    for ids in (Ids(frozenset({"2:of-bob"})), Ids(profiles=frozenset({"2:bob", "1:of-bob"}))):
        with pytest.raises(NotFound, match="nothing of what is asked for"):
            scene.erasure().look(ids)
    scene.where = WHERE._replace(cluster="another")
    with pytest.raises(InputError, match=r"cluster is the-fake-cluster, and that of .* another"):
        scene.verify(report)
    former = scene.world.broker.committed[2]
    scene.world.broker.committed[2] = former._replace(metadata='{"format":1}')
    with pytest.raises(FailClosed, match="partition 2 was not"):
        scene.look(profiles=["1:ann"])
    assert scene.world.broker.extent(Topic.UPDATES, 0) == before


def test_the_commands_of_another_erase_begin_nothing(scene: Scene) -> None:
    report = scene.erase(profiles=["1:ann"])
    key = b"1:of-ann"
    scene.world.feed([DemoUpdate(key, erase_command(key), (), 1, partition_of(key))])
    scene.process()
    assert scene.verify(report)[1]["input"] == "kept"


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b'{"format": 2}', b'{"format": 1}', b"\xff"])
def test_a_file_that_is_no_report_is_refused(text: bytes) -> None:
    with pytest.raises(InputError, match="report"):
        Report.decode(text)


def test_a_report_tells_its_times_as_dates(scene: Scene) -> None:
    document = json.loads(scene.erase(profiles=["1:ann"]).encode())
    assert document["asked_at"].startswith("2023-11-14T22:13:20")
    assert document["places"][0]["keys_by"].startswith("2023-12-09T")


@pytest.mark.parametrize(
    ("ahead", "year"), [(253_402_300_799_000, "9999"), (2**63 - 1, "292278994")]
)
def test_a_record_of_a_year_that_has_no_date_keeps_what_is_behind_it(
    scene: Scene, ahead: int, year: str
) -> None:
    scene.exact = False
    scene.lifetimes["input"] = Lifetime(7 * DAY, 7 * DAY)
    scene.world.broker.append(Outgoing(Topic.UPDATES, 0, ahead, b"?", b"?", ()))
    plan = scene.look(profiles=["1:ann"])
    assert plan.kept == ["input"]
    report = scene.erase(profiles=["1:ann"])
    (place,) = (each for each in report.places if each.place == "input")
    assert f"of the year {year}" in place.what_to_do
    assert scene.verify(report)[1]["input"] == "kept"


def test_a_snapshot_that_cannot_be_read_holds_up_nobodys_erasure(scene: Scene) -> None:
    scene.exact = False
    of_another = Outgoing(Topic.SESSIONS, 0, 1, b"1:foreign", b"not avro", ())
    scene.world.broker.append(of_another)
    many = [f"1:ann{each or ''}" for each in range(17)]
    assert [each.key for each in scene.look(profiles=many).discovered.targets] == [
        "1:of-ann",
        "1:of-ann-too",
    ]
    report = scene.erase(profiles=["1:ann"])
    assert scene.verify(report.hash_ids())[1] == scene.verify(report)[1]


def test_a_snapshot_that_cannot_be_read_and_may_be_theirs_is_no_silence(scene: Scene) -> None:
    report = scene.erase(profiles=["1:ann"])
    scene.exact = False
    before = scene.erasure().verify(report)[1]
    theirs = Outgoing(Topic.SESSIONS, 0, 1, b"1:foreign", b"not avro: ann", ())
    scene.world.broker.append(theirs)
    after = scene.erasure().verify(report)[1]
    assert sum(each.records for each in after) == 1 + sum(each.records for each in before)
    for asked in (["1:ann"], [f"1:ann{each or ''}" for each in range(17)]):
        with pytest.raises(FailClosed, match="a snapshot cannot be read"):
            scene.look(profiles=asked)
    scene.erase(sessions=["1:foreign"])


def test_a_waiting_update_that_will_be_rejected_names_nobody(scene: Scene) -> None:
    scene.feed("of-carla", {"profileId": "carla"}, {"state": "closed"})
    scene.process()
    scene.feed("of-carla", {"profileId": "dora", "identifiers": ["card-9"]})
    scene.feed("of-bob", {"profileId": "dora"})
    plan = scene.look(profiles=["1:dora"], identifiers=["card-9"])
    assert [each.key for each in plan.discovered.targets] == ["1:of-bob"]
    assert plan.discovered.unknown == Ids(identifiers=frozenset({"card-9"}))
    assert plan.found["input"].records == 4, "of-bob has three, and the one to be rejected"
    scene.erase(profiles=["1:dora"])
    assert scene.output("of-carla")[-1]
    assert scene.look(profiles=["1:dora"]).found["dead letters"].records == 1


def test_a_waiting_update_behind_an_end_names_somebody(scene: Scene) -> None:
    key = b"1:of-carla"
    scene.feed("of-carla", {"profileId": "carla"}, {"state": "closed"})
    scene.process()
    scene.world.feed([DemoUpdate(key, erase_command(key), (), 1, partition_of(key))])
    scene.feed("of-carla", {"profileId": "dora"})
    (target,) = scene.look(profiles=["1:dora"]).discovered.targets
    assert target.key == "1:of-carla"
    scene.erase(profiles=["1:dora"])
    assert scene.claims()["1:dora"] is None


def test_long_profiles_take_several_commands() -> None:
    """A topic that takes records of a megabyte takes each."""
    long = tuple(f"1:{n:03}-{'x' * 20_000}" for n in range(8))
    target = Target("1:of-many", (0,), ("1:ann", "1:" + "y" * 70_000, "1:dora"), long)
    told = [each for _, each in commands_of([target], 1, lambda: "fresh")]
    assert [len(each.release or ()) for each in told] == [3, 3, 2]
    assert [len(each.forget or ()) for each in told] == [1, 1, 1]
    assert [profile for each in told for profile in each.release or ()] == [
        profile.removeprefix("1:") for profile in long
    ]
