"""The console on a real deployment: it finds the process, and asks what the commands ask."""

from __future__ import annotations

import re
import signal
import sys
from typing import TYPE_CHECKING, Any

import httpx2
from golden import encoded, update
from system.process import eventually

from processor.demo.traffic import DemoUpdate

if TYPE_CHECKING:
    from system.deployment import Deployment

KEY = b"1:cart-1"
WITHIN_S = 60


def test_the_console_shows_a_running_deployment(deployment: Deployment) -> None:
    at = deployment.partition(KEY)
    good = encoded(update(1, "cart-1"))
    deployment.produce(DemoUpdate(KEY, value, (), 1_000, at) for value in (good, b"<b>?"))
    options = ("--port", "0", "--show-values", "--allow-actions", "--json")
    shown = deployment._start([sys.executable, "-m", "processor", "console", *options], {})
    shown.await_log('"url"')
    (url,) = re.findall(r'"url": "(http://127.0.0.1:\d+/)"', shown.log)

    def get(path: str, method: str = "GET") -> Any:
        headers = {"Sec-Fetch-Site": "same-origin"}
        answer = httpx2.request(method, url + path, headers=headers, timeout=WITHIN_S)
        assert answer.status_code == 200, answer.text
        return answer.json() if ".json" in path else answer.text

    # Without a process it says what to run; Redis has never been described either.
    assert get("overview.json")["troubles"][0]["advice"][0]["command"] == "session-processor run"
    run = deployment.run()
    eventually("the process is found", lambda: get("overview.json")["well"])
    eventually("the session is there", lambda: bool(get("session.json?key=1:cart-1")["sessions"]))
    eventually("the letter is there", lambda: get("dead-letters.json")["total"] == 1, 60)
    overview = get("overview.json")
    assert (overview["partitions"], overview["owned"]) == (4, 4)
    assert len(overview["processes"]) == 1
    letter = get("dead-letters.json")["letters"][0]
    assert (letter["key"], letter["reason"]) == ("1:cart-1", "undecodable")
    told = get(f"dead-letters/{letter['place']}.json")
    assert (told["valueHex"], told["session"]["version"]) == (b"<b>?".hex(), 1)
    (step, read) = get("session/history.json?key=1:cart-1")
    assert (step["session"]["integrationId"], read["kind"]) == ("cart-1", "read")
    checks = get("topics.json")
    assert [row["committed"] for row in checks["offsets"] if row["partition"] == at] == [2]
    redrive = get("dead-letters/redrive.json", "POST")
    assert (redrive["dryRun"], redrive["letters"], redrive["sent"]) == (True, 1, 0)
    for path in ("", "partitions", "dead-letters", "session?key=1:cart-1", "replays", "topics"):
        assert "<h1>" in get(path)
    run.terminate()
    eventually("the process is gone", lambda: get("overview.json")["processes"] == [])
    shown.signal(signal.SIGTERM)
    assert shown.wait(WITHIN_S) == 0, shown.log
    assert "Traceback" not in shown.log
    assert "console asked to act" in shown.log
