"""The page in a real browser: quiet, alone, sortable, filterable, readable at any width.

Debian's chromium is driven by playwright; both come with `make browser`. Where either is absent
every test here is skipped by name.
"""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from bench.report import render
from bench.report.model import Mishap, Place, Plate, Report

playwright = pytest.importorskip(
    "playwright.sync_api", reason="playwright is not installed: see 'make browser'"
)
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="there is no chromium here: see 'make browser'"
)
ARGUMENTS = (
    "--no-sandbox", "--headless", "--disable-gpu", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--no-first-run",
)  # fmt: skip
SVG = (
    b'<svg xmlns="http://www.w3.org/2000/svg" width="900pt" height="300pt" viewBox="0 0 900 300">'
    b"<title>A curve</title><style>*{stroke:blue}</style><path d='M0 0L900 300'/></svg>"
)
PLATE = Plate(
    "capacity curve",
    "curve--recall",
    "Recall over items",
    "Mean, n = 5.",
    "Recall falls.",
    SVG,
    b"x,y\n1,2\n",
)
FAILED = Mishap(
    "error",
    "ZeroDivisionError: <b>division</b>",
    "Traceback (most recent call last):\n" + "  File memory.py, a line of code\n" * 40 + "x" * 500,
    (Place("frail", "recall[n=5]", (0, 3), ("k0", "k3")),),
)


@dataclass
class Visit:
    """An open page, with everything it said and asked for."""

    page: Any
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield started
        started.close()


@pytest.fixture(scope="module")
def shown(made: Report) -> Report:
    """The report with a figure and a long traceback, so that every kind of part is there."""
    return replace(made, plates=(PLATE,), failures=(FAILED,))


@pytest.fixture(scope="module")
def file(shown: Report, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(render(shown), encoding="utf-8")
    return path


def watched(page: Any) -> Visit:
    visit = Visit(page)
    page.on("console", lambda message: visit.said.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: visit.said.append(f"error: {error}"))
    page.on("request", lambda request: visit.asked.append(request.url))
    return visit


def opened(browser: Any, file: Path, **options: Any) -> Visit:
    visit = watched(browser.new_page(**options))
    visit.page.goto(file.as_uri())
    return visit


@pytest.fixture(scope="module")
def tab(browser: Any) -> Visit:
    """One for many tests: a new one takes three times as long as to load the page anew."""
    return watched(browser.new_page(viewport={"width": 1280, "height": 900}))


@pytest.fixture
def visit(tab: Visit, file: Path) -> Iterator[Visit]:
    """The page at 1280 px, loaded anew; it must have stayed quiet and asked for nothing."""
    tab.page.goto("about:blank")
    tab.said.clear()
    tab.asked.clear()
    tab.page.goto(file.as_uri())
    yield tab
    assert file.as_uri() in tab.asked
    assert tab.said == []
    assert outside(tab, file) == []


def outside(visit: Visit, file: Path) -> list[str]:
    """Requests other than for the page itself and for what is inside of it."""
    return [u for u in visit.asked if u != file.as_uri() and not u.startswith(("data:", "blob:"))]


def board(visit: Visit, task: str) -> Any:
    return visit.page.locator(f'.board[data-task="{task}"]')


def first_cells(table: Any) -> list[str]:
    found: list[str] = table.locator("tbody tr:not([hidden]) th").all_inner_texts()
    return found


def open_all(visit: Visit) -> None:
    visit.page.get_by_role("button", name="Open all").click()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1600])
def test_the_page_never_scrolls_sideways(browser: Any, file: Path, width: int, scheme: str) -> None:
    visit = opened(browser, file, viewport={"width": width, "height": 900}, color_scheme=scheme)
    visit.page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
    wide = visit.page.evaluate("document.documentElement.scrollWidth")
    spilled = visit.page.evaluate(
        """() => Array.from(document.querySelectorAll("main *")).filter(element =>
            element.getBoundingClientRect().right > innerWidth + 1
            && !element.closest(".scroll") && !element.closest(".unseen")).length"""
    )
    paper = visit.page.evaluate("getComputedStyle(document.body).backgroundColor")
    visit.page.close()
    assert wide == width
    assert spilled == 0
    assert (paper == "rgb(255, 255, 255)") == (scheme == "light")
    assert visit.said == []
    assert outside(visit, file) == []


def test_a_wide_table_scrolls_inside_its_own_frame(browser: Any, file: Path) -> None:
    visit = opened(browser, file, viewport={"width": 400, "height": 900})
    region = visit.page.locator("#overview .scroll").first
    inner, outer = region.evaluate("e => [e.scrollWidth, e.clientWidth]")
    reached = region.get_attribute("tabindex")
    visit.page.close()
    assert inner > outer
    assert reached == "0"  # so that the keyboard can scroll it


def test_a_table_that_fits_is_no_stop_of_the_tab_key(visit: Visit) -> None:
    region = visit.page.locator("#audit .scroll, #plan .scroll, #failures .scroll").first
    visit.page.wait_for_selector("#failures .scroll.fits")
    assert visit.page.locator(".scroll.fits[tabindex]").count() == 0
    assert region.count() == 1


def test_a_click_sorts_best_first_then_worst_then_as_planned(visit: Visit) -> None:
    table = board(visit, "recall[n=50]").locator("table")
    open_all(visit)
    head = table.locator("thead tr:last-child th").nth(1)  # accuracy, higher is better
    orders, states = [], []
    for _ in range(3):
        head.get_by_role("button").click()
        orders.append(first_cells(table))
        states.append(head.get_attribute("aria-sort"))
    assert orders[0] == ["good", "same", "base", "bad"]
    assert orders[1] == ["bad", "base", "same", "good"]
    assert orders[2] == ["base", "good", "same", "bad"]
    assert states == ["descending", "ascending", None]


def test_the_keyboard_sorts_and_a_screen_reader_hears_of_it(visit: Visit) -> None:
    open_all(visit)
    table = board(visit, "drift").locator("table")
    button = table.locator("thead tr:last-child th").nth(1).get_by_role("button")
    button.focus()
    visit.page.keyboard.press("Enter")
    assert first_cells(table)[0] == "bad"  # the smallest mse
    assert "ascending" in visit.page.locator("#announcements").inner_text()
    visit.page.keyboard.press("Space")
    assert first_cells(table)[0] == "good"
    assert button.evaluate("e => e === document.activeElement")


def test_one_column_is_sorted_at_a_time(visit: Visit) -> None:
    open_all(visit)
    table = board(visit, "recall[n=50]").locator("table")
    for column in (0, 1):
        table.locator("thead tr:last-child th").nth(column).get_by_role("button").click()
    assert table.locator("[aria-sort]").count() == 1


def test_holes_stay_last_in_either_direction(visit: Visit) -> None:
    open_all(visit)
    table = board(visit, "drift").locator("table")
    button = table.locator("thead tr:last-child th").nth(1).get_by_role("button")
    for _ in range(2):
        button.click()
        assert first_cells(table)[-1] == "frail"  # skipped: n/a


def test_a_memory_that_failed_on_some_seeds_is_last_in_either_direction(visit: Visit) -> None:
    """Its mean lies between the others', but over the seeds that happened not to fail."""
    open_all(visit)
    table = board(visit, "recall[n=5]").locator("table")
    button = table.locator("thead tr:last-child th").nth(1).get_by_role("button")
    for _ in range(2):
        button.click()
        assert first_cells(table)[-1] == "frail"


def test_only_the_title_that_the_heading_repeats_is_hidden(
    browser: Any, shown: Report, tmp_path: Path
) -> None:
    first = shown.boards[0]
    again = replace(first.grids[0], title="published accuracy")
    boards = (replace(first, grids=(first.grids[0], again)), *shown.boards[1:])
    file = tmp_path / "two.html"
    file.write_text(render(replace(shown, boards=boards)), encoding="utf-8")
    visit = opened(browser, file, viewport={"width": 1280, "height": 900})
    open_all(visit)
    captions = board(visit, first.task).locator("caption")
    heights = [box["height"] for box in (captions.nth(i).bounding_box() for i in range(2))]
    visit.page.close()
    assert heights[0] <= 1 < 10 < heights[1]


def test_text_filters_rows_and_hides_what_is_left_empty(visit: Visit) -> None:
    visit.page.get_by_label("Text", exact=True).fill("frail")
    visible = visit.page.locator(".board[data-task]:not([hidden])")
    assert visible.count() == 2
    assert first_cells(board(visit, "recall[n=5]")) == ["frail"]
    assert board(visit, "noise").is_hidden()
    assert visit.page.locator("#filter-count").inner_text() == "2 of 18 rows fit"


def test_a_memory_and_a_task_are_chosen_and_cleared(visit: Visit) -> None:
    page = visit.page
    page.get_by_label("Memory", exact=True).select_option("good")
    page.get_by_label("Task point", exact=True).select_option("noise")
    assert first_cells(board(visit, "noise")) == ["good"]
    assert board(visit, "noise").get_attribute("open") is not None
    assert page.locator(".board[data-task]:not([hidden])").count() == 1
    page.get_by_role("button", name="Clear").click()
    playwright.expect(page.locator(".board[data-task][hidden]")).to_have_count(0)
    assert board(visit, "noise").locator("tbody tr:not([hidden])").count() == 4
    assert board(visit, "noise").get_attribute("open") is None  # as it was before


def test_disclosures_open_by_keyboard(visit: Visit) -> None:
    details = visit.page.locator("#failures details").first
    assert details.locator("pre").is_hidden()
    details.locator("summary").focus()
    visit.page.keyboard.press("Enter")
    assert details.locator("pre").is_visible()
    assert "a line of code" in details.locator("pre").inner_text()


def test_a_file_is_saved_with_the_bytes_of_the_report(visit: Visit, shown: Report) -> None:
    for file in shown.downloads:
        with visit.page.expect_download() as waiting:
            visit.page.get_by_role("link", name=file.name, exact=True).click()
        saved = waiting.value
        assert saved.suggested_filename == file.name
        assert Path(saved.path()).read_bytes() == file.content
    rows = list(csv.DictReader(io.StringIO(shown.downloads[0].content.decode())))
    assert {row["label"] for row in rows} == set(shown.labels)


def test_a_figure_is_saved_as_drawing_and_as_data(visit: Visit) -> None:
    figure = visit.page.get_by_role("figure")
    visit.page.wait_for_selector("figure img:not([hidden])")
    assert figure.locator("img").evaluate("e => e.decode().then(() => e.naturalWidth)") == 1200
    for name, suffix, content in (("SVG", "svg", PLATE.svg), ("CSV", "csv", PLATE.data)):
        with visit.page.expect_download() as waiting:
            figure.get_by_role("link", name=name).click()
        assert waiting.value.suggested_filename == f"curve--recall.{suffix}"
        assert Path(waiting.value.path()).read_bytes() == content


def test_a_screen_reader_finds_tables_and_figures_by_name(visit: Visit, shown: Report) -> None:
    page = visit.page
    open_all(visit)
    for title in (shown.overview[0].title, shown.boards[0].title):
        assert page.get_by_role("table", name=title).count() == 1
    assert page.get_by_role("figure", name="Recall over items.").count() == 1
    assert page.get_by_role("img", name="Recall falls.").count() == 1
    assert page.get_by_role("navigation", name="On this page").count() == 1
    for heading in ("Findings", "Overview", "Leaderboards", "Figures", "Data"):
        assert page.get_by_role("region", name=heading, exact=True).count() == 1
    nameless = page.locator("main").aria_snapshot().splitlines()
    assert not [x for x in nameless if x.strip(" -:") in ("table", "figure", "button", "link")]


def test_the_first_tab_leads_past_the_head(visit: Visit) -> None:
    page = visit.page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the findings"
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


def test_what_is_printed_is_open(visit: Visit) -> None:
    page = visit.page
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details:not([open])").count() == 0
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("details:not([open])").count() > 0


def test_without_scripts_everything_is_there(browser: Any, file: Path, shown: Report) -> None:
    visit = opened(browser, file, java_script_enabled=False)
    page = visit.page
    page.locator(".board summary").first.click()
    table = page.get_by_role("table", name=shown.boards[0].title)
    assert table.locator("tbody tr").count() == len(shown.boards[0].grids[0].rows)
    assert page.locator(".filters").is_hidden()
    with page.expect_download() as waiting:
        page.get_by_role("link", name=shown.downloads[0].name, exact=True).click()
    assert waiting.value.suggested_filename == shown.downloads[0].name + ".gz"
    page.close()


def test_hostile_names_do_nothing(browser: Any, made: Report, tmp_path: Path) -> None:
    hostile = (
        '</script><script>document.title="taken"</script><img src=x onerror="document.title=1">'
    )
    path = tmp_path / "hostile.html"
    changed = replace(made, title=hostile, labels=(hostile,), warnings=(hostile,))
    path.write_text(render(changed), encoding="utf-8")
    visit = opened(browser, path)
    assert visit.page.locator("h1").inner_text() == hostile
    assert visit.page.title() == hostile
    visit.page.close()
    assert visit.said == []
    assert outside(visit, path) == []
