"""What a repair sets an offset to: the arithmetic, without servers."""

import pytest

from processor.offsets.repair import Evidence, Situation, Step, decide, next_epoch
from processor.partitions.committed import (
    FaultKind,
    Found,
    OffsetFault,
    check_committed,
    went_back,
)
from processor.ports.log import Committed, Extent
from processor.state.checkpoint import FORMAT, CommitMetadata, Promoted, Stream

NOW = Stream("cluster", "u", "s", "d", "c", 4, "single-object")
UPDATES = Extent(100, 500, 500)
OUTPUT = Extent(0, 70, 70)


def metadata(**then: object) -> CommitMetadata:
    return CommitMetadata("group-1", 70, NOW._replace(**then), 3)  # type: ignore[arg-type]


def situation(
    committed: int | None,
    evidence: Evidence,
    *,
    text: CommitMetadata | None = None,
    updates: Extent = UPDATES,
    output: Extent = OUTPUT,
) -> Situation:
    """Return a situation with the trouble that the service itself would see."""
    if committed is None:
        fault = None if evidence == Evidence() else OffsetFault(FaultKind.NO_OFFSET, "")
        return Situation(2, None, None, fault, updates, output, evidence)
    commit = Committed(committed, "" if text is None else text.encode())
    standing = check_committed(Found(2, commit, updates, output), NOW, lambda topic: topic.value)
    fault = standing if isinstance(standing, OffsetFault) else None
    return Situation(2, commit, text, fault, updates, output, evidence)


def offset(step: Step) -> int | None:
    assert step.action == "set"
    assert step.output == OUTPUT.stable_end
    return step.offset


def test_what_is_well_is_kept() -> None:
    step = decide(situation(300, Evidence(), text=metadata()), NOW)
    assert (step.action, step.offset, step.before) == ("keep", None, 300)


def test_a_format_that_is_no_longer_read_is_told() -> None:
    several = metadata()._replace(stream=NOW._replace(formats="avro,json"))
    step = decide(situation(300, Evidence(), text=several), NOW)
    assert offset(step) == 300
    assert step.fault is not None
    assert "PROCESSOR_INPUT_FORMATS" in step.fault.hint
    assert step.notes == ("updates in a format that is no longer read are rejected from here on",)
    more = decide(situation(300, Evidence(), text=metadata()), NOW._replace(formats="avro,json"))
    assert more.action == "keep"


def test_nothing_committed_and_nothing_published_stays_virgin() -> None:
    step = decide(situation(None, Evidence()), NOW)
    assert (step.action, step.offset) == ("virgin", None)


@pytest.mark.parametrize("committed", [None, 120, 499])
@pytest.mark.parametrize("evidence", [Evidence(299, 150), Evidence(150, 299), Evidence(-1, 299)])
def test_it_goes_on_past_the_highest_answer(committed: int | None, evidence: Evidence) -> None:
    step = decide(situation(committed, evidence), NOW)
    assert offset(step) == 300
    assert step.lost is None


def test_a_foreign_offset_with_nothing_published_begins_at_the_start() -> None:
    assert offset(decide(situation(400, Evidence()), NOW)) == 100


def test_what_expired_is_told() -> None:
    step = decide(situation(None, Evidence(39, 20)), NOW)
    assert offset(step) == 100
    assert step.lost == (40, 99)
    assert "40 to 99 have expired" in step.notes[-1]


def test_answers_of_another_log_alone_mean_the_start() -> None:
    step = decide(situation(None, Evidence(former=700)), NOW)
    assert offset(step) == 100
    assert "another log's" in step.notes[0]


def test_answers_of_this_log_count_beside_those_of_another() -> None:
    step = decide(situation(None, Evidence(240, -1, former=700)), NOW)
    assert offset(step) == 241
    assert "another log's" in step.notes[0]


def test_a_new_input_is_processed_from_its_start() -> None:
    step = decide(situation(300, Evidence(299, 150), text=metadata(updates="old")), NOW)
    assert offset(step) == 100
    assert "mean nothing" in step.notes[0]


@pytest.mark.parametrize(
    "then", [{"dead_letters": "old"}, {"claims": "old"}, {"partitions": 2}, {"framing": "other"}]
)
def test_what_does_not_touch_the_input_leaves_its_offset(then: dict[str, object]) -> None:
    """The tail may be duplicates, so what is committed is the better answer."""
    step = decide(situation(310, Evidence(299, 150), text=metadata(**then)), NOW)
    assert offset(step) == 310
    assert step.notes


def test_a_new_output_is_made_again_from_what_is_in_it() -> None:
    step = decide(situation(310, Evidence(-1, 150), text=metadata(sessions="old")), NOW)
    assert offset(step) == 100
    assert any("come again" in note for note in step.notes)
    assert not any("has snapshots already" in note for note in step.notes)


def test_a_new_output_is_made_again_from_the_start_even_if_something_is_in_it() -> None:
    """A process published there before it saw the change: of sessions that are gone."""
    step = decide(situation(310, Evidence(250, 280), text=metadata(sessions="old")), NOW)
    assert offset(step) == 100
    assert any("has snapshots already" in note for note in step.notes)


@pytest.mark.parametrize(("evidence", "goes_on"), [((349, 320), 350), ((320, 349), 350)])
def test_an_offset_that_went_back_goes_on_past_what_was_answered(
    evidence: tuple[int, int], goes_on: int
) -> None:
    step = decide(gone_back(310, Evidence(*evidence)), NOW)
    assert offset(step) == goes_on
    assert any("310 to 349 were answered" in note for note in step.notes)
    assert step.commands, "commands may have been among them"


def test_an_offset_that_went_back_by_a_promote_alone_stays() -> None:
    """What a promote publishes answers nothing new; its epoch and its snapshots are to count."""
    step = decide(gone_back(310, Evidence(299, 280)), NOW)
    assert offset(step) == 310
    assert not step.commands


def gone_back(committed: int, evidence: Evidence) -> Situation:
    text = metadata()._replace(output=60)
    commit = Committed(committed, text.encode())
    fault = went_back(Found(2, commit, UPDATES, OUTPUT), 60, 61, lambda topic: topic.value)
    return Situation(2, commit, text, fault, UPDATES, OUTPUT, evidence)


@pytest.mark.parametrize("then", [{"updates": "old"}, {"claims": "old"}, {"sessions": "old"}])
def test_that_commands_were_passed_stays_known(then: dict[str, object]) -> None:
    """Else a version that knows none could go on: it would make dead letters of the next."""
    for commands in (True, False):
        text = metadata(**then)._replace(commands=commands)
        assert decide(situation(310, Evidence(299, 150), text=text), NOW).commands is commands
    # Where nothing tells, they may have been.
    assert decide(situation(None, Evidence(299, 150)), NOW).commands


def test_what_a_new_input_leaves_of_the_past() -> None:
    """A replay may not match former offsets by number: neither snapshots' nor a promote's."""
    text = metadata(updates="old")._replace(promoted=Promoted("night", 250), former=9)
    step = decide(situation(310, Evidence(299, 150), text=text), NOW)
    assert (step.promoted, step.former) == (None, 70)
    text = metadata(claims="old")._replace(promoted=Promoted("night", 250), former=9)
    step = decide(situation(310, Evidence(299, 150), text=text), NOW)
    assert (step.promoted, step.former) == (Promoted("night", 250), 9)
    text = metadata(sessions="old")._replace(former=9)
    assert decide(situation(310, Evidence(), text=text), NOW).former is None
    step = decide(situation(None, Evidence(former=700, former_end=70)), NOW)
    assert step.former == 70


def test_an_output_that_lost_its_end_is_made_again_from_there() -> None:
    found = situation(310, Evidence(250, 280), text=metadata()._replace(output=90))
    assert found.fault is not None
    assert found.fault.kind is FaultKind.OUTPUT_SHORT
    step = decide(found, NOW)
    assert offset(step) == 251
    assert any("251 to 280 come again" in note for note in step.notes)


@pytest.mark.parametrize(
    ("committed", "goes_on", "lost"), [(60, 100, (60, 99)), (501, 500, None), (99, 100, (99, 99))]
)
def test_an_offset_outside_the_log_goes_to_its_edge(
    committed: int, goes_on: int, lost: tuple[int, int] | None
) -> None:
    step = decide(situation(committed, Evidence(), text=metadata()), NOW)
    assert offset(step) == goes_on
    assert step.lost == lost


def test_the_epoch_is_above_all_that_are_known() -> None:
    assert next_epoch([]) == 1
    assert next_epoch([metadata(), metadata()._replace(epoch=7)]) == 8


def test_a_newer_versions_offset_is_not_repaired() -> None:
    text = metadata().encode().replace('"readable":1', f'"readable":{FORMAT + 1}')
    standing = check_committed(
        Found(2, Committed(300, text), UPDATES, OUTPUT), NOW, lambda each: each.value
    )
    assert isinstance(standing, OffsetFault)
    assert standing.kind is FaultKind.NEWER
    assert "run that version again" in standing.hint
