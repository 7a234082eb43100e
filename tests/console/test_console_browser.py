"""The console in a real browser: with and without JavaScript, by keyboard, for everybody."""

from __future__ import annotations

import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest
import uvicorn
from console.console_client import DATA_PAGES
from console.test_console_data import HOSTILE, documents
from fakes.console import HALTED, FakeSource, incident, partition, status

from processor.console.console import Wishes, console
from processor.console.security import Guard
from processor.console.serving import LOCAL_NAMES, listening
from processor.console.values import Masking
from processor.ports.clock import SYSTEM_CLOCK

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

playwright = pytest.importorskip("playwright.sync_api", reason="there is no Playwright")
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)
pytestmark = [
    pytest.mark.skipif(not CHROMIUM, reason="there is no chromium on the path"),
    # Playwright's loop and its pipes go when the process does.
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning"),
]
FLAGS = ["--no-sandbox", "--disable-dev-shm-usage"]
"""It may run as root, and where /dev/shm is small, as in containers."""
WITHIN_MS = 60_000
PAGES = (
    "/",
    "/partitions",
    "/partitions/1",
    "/incidents",
    "/session",
    *DATA_PAGES,
    "/nowhere",
)


def deployment(secret: str) -> FakeSource:
    """Return one with a halted partition, and texts of somebody's in every place."""
    halted = partition(1, phase="halted", reason=f"{HALTED} {secret}", deadLetters={secret: 3})
    source = FakeSource(
        status(
            partition(0),
            halted,
            ready=False,
            reasons={"dead letters of partition 1": secret},
            warnings={secret: secret},
            incidents=[incident(secret, why=secret)],
        ),
        partitions=2,
    )
    source.documents = documents(secret, key=f"1:{secret}")
    return source


@contextmanager
def served(source: FakeSource, *, actions: bool = False) -> Iterator[str]:
    listener = listening("127.0.0.1", 0)
    wishes = Wishes("g", Guard(LOCAL_NAMES, actions=actions), Masking(show=True))
    app = console(source, wishes, SYSTEM_CLOCK, source.asking)
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
    thread = Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(30)
        listener.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with playwright.sync_playwright() as play:
        made = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield made
        made.close()


@contextmanager
def page_of(browser: Browser, **more: Any) -> Iterator[Page]:
    """Open a page that must not complain: of a broken policy, of a script, of what is not there."""
    context = browser.new_context(**more)
    context.set_default_timeout(WITHIN_MS)
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: complaints.append(dialog.message))
    yield page
    context.close()
    # A page that is refused or not there is what the test asked for.
    assert [each for each in complaints if "Failed to load resource" not in each] == []


@pytest.mark.parametrize("scripts", [True, False])
def test_every_page_is_there_with_and_without_scripts(browser: Browser, *, scripts: bool) -> None:
    with served(deployment(HOSTILE)) as url, page_of(browser, java_script_enabled=scripts) as page:
        for path in PAGES:
            page.goto(url + path)
            assert page.locator("h1").count() == 1, path
            assert page.locator("main script, main img, main b").count() == 0, path
            assert page.locator("nav a").count() >= 7, path


def test_a_halted_partition_and_what_mends_it_are_three_clicks_away(browser: Browser) -> None:
    with served(deployment("x")) as url, page_of(browser) as page:
        page.goto(url)
        page.get_by_role("link", name="Partitions", exact=True).click()
        row = page.get_by_role("row").filter(has_text="halted")
        row.get_by_role("link").click()
        page.get_by_text("session-processor dead-letters summary --partition 1").wait_for()
        page.get_by_text("restart the process").wait_for()
        page.get_by_role("link", name="3", exact=True).click()
        page.get_by_role("heading", name="Dead letters").wait_for()


def test_the_pages_are_used_by_keyboard_alone(browser: Browser) -> None:
    with served(deployment("x")) as url, page_of(browser) as page:
        page.goto(url)
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "To the content"
        page.keyboard.press("Enter")
        seen = set()
        for _ in range(40):
            page.keyboard.press("Tab")
            seen.add(page.evaluate("document.activeElement.getAttribute('href') || ''"))
        assert {"/partitions/1", "/overview.json"} <= seen
        page.goto(f"{url}/session")
        page.get_by_label("Key").focus()
        page.keyboard.type("1:cart-1")
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="Now, in partition 3").wait_for()


def test_what_becomes_of_the_deployment_is_seen_until_a_page_is_held(browser: Browser) -> None:
    source = deployment("x")
    with served(source) as url, page_of(browser) as page:
        page.goto(url)
        page.get_by_text("It is not well").wait_for()
        source.statuses["http://node-0:9464"] = status(partition(0), partition(1))
        page.get_by_text("It is well.").wait_for()
        page.goto(f"{url}/partitions")
        source.statuses["http://node-0:9464"] = status(partition(7, lagRecords=4711))
        page.get_by_text("4,711").wait_for()
        page.get_by_role("link", name="Hold it").click()
        assert page.locator("[hx-get]").count() == 0


def test_a_redrive_is_tried_by_a_form_of_our_own(browser: Browser) -> None:
    with served(deployment("x"), actions=True) as url, page_of(browser) as page:
        page.goto(f"{url}/dead-letters")
        page.get_by_role("button", name="See what a redrive").click()
        page.get_by_text("12 letters would be sent").wait_for()


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The text of axe-core, from npm."""
    if shutil.which("npm") is None:
        pytest.skip("there is no npm to fetch axe-core with")
    where = tmp_path_factory.mktemp("axe")
    fetched = ["npm", "install", "--silent", "--no-save", "--no-package-lock", "axe-core@4"]
    subprocess.run(fetched, cwd=where, check=True, timeout=300)
    return (where / "node_modules/axe-core/axe.min.js").read_text("utf-8")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(browser: Browser, axe: str, scheme: str) -> None:
    phone = {"width": 390, "height": 844}
    look = {"color_scheme": scheme, "viewport": phone if scheme == "dark" else None}
    with served(deployment("x"), actions=True) as url, page_of(browser, **look) as page:
        for path in PAGES:
            page.goto(url + path)
            page.evaluate(axe)
            found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
            bad = [
                (each["id"], each["impact"], [node["html"][:200] for node in each["nodes"][:3]])
                for each in found["violations"]
                if each["impact"] in {"serious", "critical"}
            ]
            assert bad == [], path
            wide = page.evaluate("document.documentElement.scrollWidth > innerWidth")
            assert not wide, f"{path} is wider than its window"


def test_a_page_of_another_site_has_nothing_done(browser: Browser, tmp_path: Path) -> None:
    """The other site is a page on another port, which a browser sends from without asking."""
    source = deployment("x")
    with served(source, actions=True) as url, page_of(browser) as page:
        other = tmp_path / "other.html"
        other.write_text(
            f'<form method="post" action="{url}/dead-letters/redrive"><button>Win</button></form>'
        )
        page.goto(other.as_uri())
        source.asked.clear()
        with page.expect_response("**/dead-letters/redrive") as answer:
            page.get_by_role("button").click()
        assert answer.value.status == 403
        assert source.asked == []
