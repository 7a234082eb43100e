import pytest

from processor.config import Settings
from processor.errors import InputError
from processor.replay.names import default_name, named_by, plan_topic, replayed, valid


@pytest.mark.parametrize("name", ["a", "night-2", "20260301-120000", "x" * 40])
def test_a_name_is_lower_case_and_short(name: str) -> None:
    assert valid(name) == name


@pytest.mark.parametrize("name", ["", "-a", "a-", "A", "a.b", "a/b", "x" * 41, "a b", "é"])
def test_any_other_name_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="no name for a replay"):
        valid(name)


def test_the_default_is_the_time() -> None:
    assert default_name(1_772_366_400_999) == "20260301-120000"
    assert valid(default_name(0))


def test_a_replay_has_its_own_of_all_but_the_input() -> None:
    live = Settings(group_id="shop", redis_prefix="carts")
    own = replayed(live, "night")
    changed = {
        field: getattr(own, field)
        for field in Settings.model_fields
        if getattr(own, field) != getattr(live, field)
    }
    assert changed == {
        "group_id": "shop.replay.night",
        "redis_prefix": "carts.replay.night",
        "sessions_topic": "customer-sessions.replay.night",
        "dead_letters_topic": "session-updates.dead-letters.replay.night",
        "claims_topic": "customer-sessions.profile-claims.replay.night",
    }


def test_a_replay_is_known_by_the_topic_of_its_plan() -> None:
    topic = plan_topic("shop", "night")
    assert named_by("shop", topic) == "night"
    assert named_by("sho", topic) is None
    assert named_by("shop", "shop.replay.A topic of somebody else") is None
    assert named_by("shop", "shop") is None


def test_a_topic_that_is_live_or_too_long_is_refused() -> None:
    with pytest.raises(InputError, match="one of the live topics"):
        replayed(Settings(sessions_topic="out", updates_topic="out.replay.a"), "a")
    with pytest.raises(InputError, match="250 characters"):
        replayed(Settings(sessions_topic="x" * 233, claims_topic="c"), "long-name")
