"""Pictures of the console on the demo's data, for the documents: `make screenshots`.

Needs Playwright and a chromium on the path.
"""

import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Page, sync_playwright

PICTURES: Final = Path(__file__).parents[1] / "docs" / "pictures"
LARGEST: Final = 100_000
DESK: Final[Mapping[str, Any]] = {"viewport": {"width": 1100, "height": 620}}
PHONE: Final[Mapping[str, Any]] = {
    "color_scheme": "dark",
    "viewport": {"width": 390, "height": 700},
}
FLAGS: Final = ["--no-sandbox", "--disable-dev-shm-usage"]
"""It may run as root, and where /dev/shm is small, as in containers."""
CHROMIUMS: Final = ("chromium", "chromium-browser", "google-chrome")


@contextmanager
def demo() -> Iterator[str]:
    """Yield the address of a console on a fresh demo."""
    command = [sys.executable, "-m", "processor", "demo", "--console"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as running:
        try:
            for line in running.stderr or ():
                sys.stderr.write(line)
                found = re.search(r"the console is at (http://\S+)/;", line)
                if found is not None:
                    yield found[1]
                    return
            raise SystemExit("the demo ended before its console was there")
        finally:
            running.send_signal(signal.SIGTERM)
            running.communicate(timeout=60)


def take(page: Page, name: str) -> None:
    """Write a picture of what the window shows."""
    file = PICTURES / f"{name}.png"
    page.screenshot(path=file)
    size = file.stat().st_size
    print(f"{file.name}: {size:,} bytes")
    if size > LARGEST:
        raise SystemExit(f"{file} has more than {LARGEST:,} bytes")


def main() -> None:
    """Take all pictures."""
    PICTURES.mkdir(exist_ok=True)
    chromium = next(filter(None, map(shutil.which, CHROMIUMS)), None)
    with demo() as url, sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_page(**DESK)
        page.goto(url)
        page.get_by_text("It is well.").wait_for(timeout=60_000)
        page.goto(url)  # with the commands of the process that has come
        take(page, "console-overview")
        page.goto(f"{url}/dead-letters?by=hour")
        take(page, "console-dead-letters")
        page = browser.new_page(**PHONE)
        page.goto(f"{url}/dead-letters?by=hour")
        page.get_by_role("row").nth(-1).get_by_role("link").first.click()
        page.get_by_role("heading", name=re.compile("Dead letter .*:")).wait_for()
        take(page, "console-dead-letter")
        browser.close()


if __name__ == "__main__":
    main()
