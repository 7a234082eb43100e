"""Whether commands may be sent: a version that knows none makes dead letters of them."""

from collections.abc import Iterable

from processor.errors import FailClosed
from processor.ports.log import Coordination
from processor.state.checkpoint import knows_commands


def require_commands_known(coordination: Coordination, partitions: Iterable[int]) -> None:
    """Raise FailClosed unless whoever committed last in each partition knows commands."""
    former = []
    for partition in partitions:
        found = coordination.committed(partition, stable=False)
        if found is None or not knows_commands(found.metadata):
            former.append(str(partition))
    if former:
        raise FailClosed(
            "commands are sent only where every partition was taken over by a version that knows "
            f"them, and partition {', '.join(former)} was not: nothing was sent",
            hint="Bring every process of the group to this version, and let them run until each "
            "partition is taken over: then each one's metadata has format 2.",
        )
