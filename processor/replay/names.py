"""What a replay calls its own: everything live, with `.replay.NAME` after it."""

import re
from datetime import UTC, datetime
from typing import Final

from processor.config import Settings
from processor.errors import InputError, NotFound

_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")
_LONGEST_TOPIC: Final = 249
_MARK: Final = ".replay."


def valid(name: str) -> str:
    """Return the name, if a replay can have it. Raises InputError."""
    if not _NAME.fullmatch(name):
        raise InputError(
            f"{name!r} is no name for a replay",
            hint="lower-case letters, digits and dashes, at most 40, no dash at an end",
        )
    return name


def unknown(name: str) -> NotFound:
    """Return what is raised for a name that no replay has."""
    return NotFound(
        f"there is no replay {name!r}", hint="`session-processor replay list` lists those there are"
    )


def default_name(now_ms: int) -> str:
    """Return a name made of the time, in UTC: `20260301-120000`."""
    return datetime.fromtimestamp(now_ms // 1000, UTC).strftime("%Y%m%d-%H%M%S")


def plan_topic(group: str, name: str) -> str:
    """Name the topic that holds the plan, by which a replay is known to exist."""
    return f"{group}{_MARK}{name}"


def named_by(group: str, topic: str) -> str | None:
    """Return the name of the replay whose plan is in the topic, None where it is none's."""
    start = f"{group}{_MARK}"
    name = topic.removeprefix(start)
    return name if topic.startswith(start) and _NAME.fullmatch(name) else None


def replayed(live: Settings, name: str) -> Settings:
    """Return the settings of the replay: the live input, and its own of everything else.

    Raises InputError where a topic's name would be too long or is one of the live topics.
    """
    own = {
        field: f"{getattr(live, field)}{_MARK}{name}"
        for field in ("sessions_topic", "dead_letters_topic", "claims_topic")
    }
    taken = {live.updates_topic, live.sessions_topic, live.dead_letters_topic, live.claims_topic}
    for topic in (*own.values(), plan_topic(live.group_id, name)):
        if len(topic) > _LONGEST_TOPIC:
            raise InputError(
                f"the topic {topic} would have a name of {len(topic)} characters, and Kafka allows "
                f"{_LONGEST_TOPIC}",
                hint="give a shorter --name",
            )
        if topic in taken:
            raise InputError(
                f"the replay's topic {topic} is one of the live topics", hint="give another --name"
            )
    group, prefix = f"{live.group_id}{_MARK}{name}", f"{live.redis_prefix}{_MARK}{name}"
    return live.model_copy(update={**own, "group_id": group, "redis_prefix": prefix})
