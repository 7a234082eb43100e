"""The permissions that docs/operations/permissions.md lists, as ACLs for one test's names."""

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from confluent_kafka.admin import (  # type: ignore[attr-defined]  # exported, but not by name
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)
from documented import OPERATIONS
from secured_kafka import PROCESSOR
from servers import Names

_KINDS: Final = "topic|group|transactional id"


class Permission(NamedTuple):
    """One operation on one resource, by its default name; a name that ends in `*` is a prefix."""

    kind: str
    name: str
    operation: str

    def told(self, names: Names) -> str:
        """Return how an error names it."""
        return f"{self._operation()} on {self.kind} {_own(self.name, names)}"

    def binding(self, names: Names) -> AclBinding:
        """Return the ACL that allows it to the processor's user."""
        own = _own(self.name, names)
        prefixed = own.endswith("*")
        return AclBinding(
            ResourceType[self.kind.upper().replace(" ", "_")],
            own.rstrip("*"),
            ResourcePatternType.PREFIXED if prefixed else ResourcePatternType.LITERAL,
            f"User:{PROCESSOR}",
            "*",
            AclOperation[self._operation()],
            AclPermissionType.ALLOW,
        )

    def _operation(self) -> str:
        return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", self.operation).upper()


def _own(name: str, names: Names) -> str:
    """Return what a default name is called in this test; the longest that it begins with counts."""
    defaults = {
        "session-updates.dead-letters": names.dead_letters,
        "customer-sessions.profile-claims": names.claims,
        "session-updates": names.updates,
        "customer-sessions": names.sessions,
        "session-processor": names.group,
    }
    default = next(each for each in defaults if name.startswith(each))
    return defaults[default] + name.removeprefix(default)


def of_run() -> list[Permission]:
    """Return what `run` needs, a permission of each line."""
    rows = re.findall(rf"^\| ({_KINDS}) `([^`]+)` \| (\w+) \|", OPERATIONS, re.MULTILINE)
    return [Permission(*row) for row in rows]


def of_commands() -> dict[str, list[Permission]]:
    """Return what each command needs by the second table."""
    assert "| `replay promote` | what `run` and `replay diff` need, and: | |" in OPERATIONS
    _, _, table = OPERATIONS.partition("| command | resource | operations |\n|---|---|---|\n")
    found: dict[str, list[Permission]] = {}
    commands: list[str] = []
    for line in table.partition("\n\n")[0].splitlines():
        _, who, resource, operations, _ = (cell.strip() for cell in line.split("|"))
        commands = re.findall("`([^`]+)`", who) or commands
        kind = re.match(_KINDS, resource)
        for command in commands if kind else ():
            assert kind is not None
            found.setdefault(command, []).extend(
                Permission(kind[0], name, operation)
                for name in re.findall("`([^`]+)`", resource)
                for operation in operations.split(", ")
            )
    found["replay promote"] += [*of_run(), *found["replay diff"]]
    return found


def grant(admin: AdminClient, names: Names, permissions: Iterable[Permission]) -> None:
    """Allow these to the processor's user, besides what it has."""
    bindings = {each.binding(names) for each in permissions}
    for future in admin.create_acls(list(bindings)).values():
        future.result(30)


def revoke(admin: AdminClient, names: Names, permission: Permission) -> None:
    """Take one back from the processor's user."""
    for future in admin.delete_acls([_exactly(permission.binding(names))]).values():
        assert len(future.result(30)) == 1


def revoke_all(admin: AdminClient, names: Names) -> None:
    """Leave the processor's user nothing under these names; other tests go on meanwhile."""
    of_the_user = AclBindingFilter(
        ResourceType.ANY,
        None,  # type: ignore[arg-type]  # none is any
        ResourcePatternType.ANY,
        f"User:{PROCESSOR}",
        None,  # type: ignore[arg-type]
        AclOperation.ANY,
        AclPermissionType.ANY,
    )
    given = admin.describe_acls(of_the_user).result(30)
    own = [_exactly(each) for each in given if names.suffix in each.name]
    for future in admin.delete_acls(own).values() if own else ():
        future.result(30)


def _exactly(given: AclBinding) -> AclBindingFilter:
    return AclBindingFilter(
        given.restype,
        given.name,
        given.resource_pattern_type,
        given.principal,
        given.host,
        given.operation,
        given.permission_type,
    )
