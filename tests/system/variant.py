"""Runs `session-processor` with another rule in its fold: coupons are written in lower case."""

import sys
from typing import Any

from processor.cli.main import main
from processor.core.outcome import Accepted
from processor.stages import fold as stage


def vary() -> None:
    module: Any = stage
    original = module.fold

    def fold(*given: object) -> object:
        outcome = original(*given)
        if not isinstance(outcome, Accepted):
            return outcome
        session, *rest = outcome
        return Accepted(session._replace(coupon=session.coupon.lower()), *rest)

    module.fold = fold


if __name__ == "__main__":
    vary()
    sys.exit(main(sys.argv[1:]))
