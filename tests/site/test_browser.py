"""The pages in headless Chromium, opened from files; with axe-core, and a Perfetto that is played.

Skipped where playwright, axe-playwright-python (extra ``site-test``) or Chromium is missing.
"""

import json
import shutil
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from go_gym.site import write_site
from go_gym.site.write import write_boards
from tests.site.pages import HOSTILE, hostile
from tests.site.test_site import BOARDS, FRONT_BYTES

pytestmark = pytest.mark.slow

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
DESKTOP, PHONE = (1280, 900), (390, 844)
CELL = "table2 placement p100x4 fifo calls"
KINDS = {
    "front": "index.html",
    "board": "boards/table2.html",
    "measured": "boards/hardware.html",
    "graph": "graphs/amoebanet.html",
}
PERFETTO = """<!doctype html><title>played</title><script>
addEventListener("message", (event) => {
  if (event.data === "PING") event.source.postMessage("PONG", "*");
  const trace = event.data.perfetto;
  if (trace) document.title = new TextDecoder().decode(trace.buffer);
});
</script>"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    out = tmp_path_factory.mktemp("site")
    write_site(BOARDS, out, plans=2)
    return out


@pytest.fixture(scope="module")
def chromium():
    reason = "playwright is not installed: pip install 'go-gym[site-test]'"
    playwright = pytest.importorskip("playwright.sync_api", reason=reason)
    with playwright.sync_playwright() as player:
        try:
            browser = player.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        except playwright.Error:
            pytest.skip("Chromium is not installed: neither the system's nor playwright's")
        yield browser
        browser.close()


@contextmanager
def opened(chromium, url, size=DESKTOP, scheme="light", **more):
    """A page that is drawn; fails on whatever the console says and whatever leaves the folder."""
    width, height = size
    context = chromium.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, **more
    )
    page, said = context.new_page(), []
    page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: said.append(f"error: {error}"))
    page.on("dialog", lambda dialog: said.append(f"dialog: {dialog.message}"))
    page.on("requestfailed", lambda request: said.append(f"failed: {request.url}"))
    page.on("request", lambda request: said.append(request.url) if outside(request.url) else None)
    page.goto(url)
    page.wait_for_load_state("networkidle")
    yield page
    context.close()
    assert said == []


def outside(url):
    return not url.startswith(("file:", "data:", "blob:", "http://127.0.0.1:"))


def url_of(site, path, fragment=""):
    return (site / path).as_uri() + (f"#{fragment}" if fragment else "")


def column(page, table, index):
    return page.locator(f"{table} tbody tr > :nth-child({index + 1})").all_inner_texts()


def test_every_page_loads_without_a_word(site, chromium):
    paths = [path.relative_to(site) for path in site.rglob("*.html")]
    assert len(paths) > 20
    for path in paths:
        with opened(chromium, url_of(site, path)) as page:
            assert page.locator("h1").inner_text()
            assert page.locator("canvas").count() >= 1, path


@pytest.fixture
def served(site):
    handler = partial(Quiet, directory=site)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.mark.parametrize("kind", KINDS)
def test_a_web_server_serves_them_alike(site, served, chromium, kind):
    texts = []
    for url in (url_of(site, KINDS[kind]), f"{served}/{KINDS[kind]}"):
        with opened(chromium, url) as page:
            assert page.locator("canvas").count() >= 1
            texts.append(page.locator("main").inner_text())
    assert texts[0] == texts[1]


@pytest.mark.parametrize("kind", KINDS)
def test_a_phone_needs_no_sideways_scrolling(site, chromium, kind):
    with opened(chromium, url_of(site, KINDS[kind]), PHONE) as page:
        assert page.evaluate("document.documentElement.scrollWidth") == PHONE[0]


def test_filters_change_rows_and_the_address_brings_them_back(site, chromium):
    with opened(chromium, url_of(site, "index.html", "board=main")) as page:
        assert len(set(column(page, "#cells", 1))) > 1
        page.get_by_label("Cluster", exact=True).select_option("p100x8")
        page.get_by_label("Family", exact=True).select_option("gnmt")
        page.get_by_label("Priorities", exact=True).select_option("critical-path")
        assert set(column(page, "#cells", 1)) == {"p100x8"}
        assert set(column(page, "#cells", 0)) == {"gnmt-2", "gnmt-4", "gnmt-8"}
        assert "on 3 problems" in page.locator("#note").inner_text()
        ranking = page.locator("#ranking").inner_text()
        page.get_by_placeholder("agent or graph").fill("heft-contention gnmt-4")
        assert column(page, "#cells", 2) == ["heft-contention"]
        url = page.url
    with opened(chromium, url) as page:
        assert page.get_by_label("Family", exact=True).input_value() == "gnmt"
        assert page.locator("#ranking").inner_text() == ranking
        assert column(page, "#cells", 2) == ["heft-contention"]
        page.get_by_label("Task", exact=True).select_option("fusion")
        assert set(column(page, "#ranking", 0)) == {
            "framework-default",
            "random-fusion",
            "no-fusion",
        }


def test_track_and_budget_choose_agents(site, chromium):
    with opened(chromium, url_of(site, "index.html", "board=table2&effort=equal+time")) as page:
        everyone = column(page, "#ranking", 0)
        budgets = page.get_by_label("Budget", exact=True).locator("option")
        values = [option.get_attribute("value") for option in budgets.all()]
        page.get_by_label("Budget", exact=True).select_option(values[-1])
        chosen = column(page, "#ranking", 0)
        assert 0 < len(chosen) < len(everyone) and set(chosen) < set(everyone)


def test_columns_sort_with_the_keyboard(site, chromium):
    with opened(chromium, url_of(site, "index.html", "board=main")) as page:
        head = page.locator("#cells thead button").nth(3)
        for direction, turned in (("ascending", False), ("descending", True)):
            head.focus()
            page.keyboard.press("Enter")
            times = [float(text) for text in column(page, "#cells", 3) if text != "invalid"]
            assert times == sorted(times, reverse=turned) and len(times) > 50
            assert page.locator("#cells thead th").nth(3).get_attribute("aria-sort") == direction
            assert page.evaluate("document.activeElement.textContent") == "step time, ms"


def test_the_tables_of_a_report_sort(site, chromium):
    with opened(chromium, url_of(site, "boards/table2.html")) as page:
        first = ".report table >> nth=0"
        page.locator(f"{first} >> thead button >> nth=0").click()
        names = page.locator(f"{first} >> tbody td:first-child").all_inner_texts()
        assert names == sorted(names) and "amoebanet" in names


def test_plans_open_side_by_side_and_by_their_address(site, chromium):
    with opened(chromium, url_of(site, "graphs/amoebanet.html", f"cell={CELL}")) as page:
        left, right = page.locator("#plan-a .shown"), page.locator("#plan-b .shown")
        assert left.inner_text().startswith("go on p100x4, placement, first in, first out")
        assert right.inner_text().startswith("human-expert on p100x4")
        assert left.locator("canvas").count() == right.locator("canvas").count() == 2
        assert drawn(page, "#plan-a .chart >> nth=0") and drawn(page, "#plan-b .chart >> nth=1")
        page.get_by_label("plan of sa as plan B").or_(
            page.get_by_label("plan of cem as plan B")
        ).first.click()
        page.wait_for_function(
            "!document.querySelector('#plan-b .shown').textContent.startsWith('h')"
        )
        text, url = right.inner_text(), page.url
        assert text.split()[0] in ("sa", "cem")
    with opened(chromium, url) as page:
        assert page.locator("#plan-b .shown").inner_text() == text


def drawn(page, place):
    """Whether a chart shows more than three colours."""
    return page.locator(f"{place} >> canvas").evaluate(
        """(canvas) => {
          const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
          return new Set(new Uint32Array(data.buffer)).size > 3;
        }"""
    )


def test_boxes_hide_curves(site, chromium):
    with opened(chromium, url_of(site, "graphs/amoebanet.html", f"cell={CELL}")) as page:
        names = """[...new Set(echarts.getInstanceByDom(document.getElementById("curves"))
            .getOption().series.map((each) => each.name))]"""
        assert "go" in page.evaluate(names)
        box = page.get_by_label("show go", exact=True)
        box.focus()
        page.keyboard.press("Space")
        left = page.evaluate(names)
        assert "go" not in left and not box.is_checked()
        url = page.url
    with opened(chromium, url) as page:
        assert page.evaluate(names) == left


def test_a_trace_is_downloaded_and_handed_to_perfetto(site, chromium):
    with opened(chromium, url_of(site, "graphs/amoebanet.html", f"cell={CELL}")) as page:
        with page.expect_download() as downloaded:
            page.locator("#plan-a").get_by_text("Download the trace").click()
        trace = json.loads(downloaded.value.path().read_text())
        spans = [event for event in trace["traceEvents"] if event["ph"] == "X"]
        assert downloaded.value.suggested_filename.startswith("amoebanet_on_p100x4_go_fifo")
        assert len(spans) > 100 and {event["pid"] for event in spans} == {0, 1, 2, 3}
        text = page.locator("#plan-a .shown p").first.inner_text()
        end = max(event["ts"] + event["dur"] for event in spans) / 1e3
        assert f"{end:.2f}" == f"{float(text.split(': ')[1].split(' ms')[0]):.2f}"

        page.context.route(
            "https://ui.perfetto.dev/**",
            lambda route: route.fulfill(body=PERFETTO, content_type="text/html"),
        )
        with page.context.expect_page() as other:
            page.locator("#plan-a").get_by_text("Open in Perfetto").click()
        other.value.wait_for_function("document.title.startsWith('{')")
        assert json.loads(other.value.title()) == trace


def test_hostile_names_are_shown_as_they_are(tmp_path, chromium):
    write_boards([hostile(tmp_path / "board")], tmp_path / "site", plans=0)
    for path in (tmp_path / "site").rglob("*.html"):
        with opened(chromium, path.as_uri()) as page:
            assert page.locator("img").count() == 0
            assert "{{7*7}}" in page.locator("main").inner_text()
            page.evaluate(
                """document.querySelectorAll(".chart").forEach((place) =>
                  echarts.getInstanceByDom(place)?.dispatchAction(
                    { type: "showTip", seriesIndex: 1, dataIndex: 0 }))"""
            )
            page.wait_for_timeout(200)
            assert page.locator("img").count() == 0
    with opened(chromium, (tmp_path / "site" / "index.html").as_uri()) as page:
        shown = " ".join(HOSTILE.split())
        assert shown in [" ".join(text.split()) for text in column(page, "#cells", 2)]


def test_the_theme_follows_the_system_until_it_is_chosen(site, chromium):
    colour = "getComputedStyle(document.body).backgroundColor"
    with opened(chromium, url_of(site, "index.html"), scheme="dark") as page:
        dark = page.evaluate(colour)
        page.get_by_role("button", name="Dark").click()
        light = page.evaluate(colour)
        assert light != dark
        page.goto(url_of(site, "boards/table2.html"))
        assert page.evaluate(colour) == light
        assert page.locator("#theme").get_attribute("aria-pressed") == "false"


def test_the_front_page_is_small_and_quick(site, chromium):
    """Content is there before any script: the first paint of the best of three."""
    sizes, paints = {}, []
    for _ in range(3):
        with opened(chromium, url_of(site, "index.html")) as page:
            links = "script[src], link[href]"
            urls = page.eval_on_selector_all(links, "them => them.map((it) => it.src || it.href)")
            paint = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
            paints.append(page.evaluate(paint))
            for url in (page.url.partition("#")[0], *urls):
                if url.startswith("file:"):
                    sizes[url] = (site / url.removeprefix(f"{site.as_uri()}/")).stat().st_size
    assert len(sizes) >= 7 and sum(sizes.values()) < FRONT_BYTES
    assert min(paints) < 1000
    with opened(chromium, url_of(site, "index.html"), java_script_enabled=False) as page:
        assert "sa:start=best" in page.locator("#ranking").inner_text()


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("kind", KINDS)
def test_axe_finds_nothing(site, chromium, kind, scheme, size):
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright",
        reason="axe-playwright-python is not installed: pip install 'go-gym[site-test]'",
    ).Axe()
    with opened(chromium, url_of(site, KINDS[kind]), size, scheme, bypass_csp=True) as page:
        found = axe.run(page, options={"preload": False}).response["violations"]
        told = [(each["id"], [node["html"][:120] for node in each["nodes"]][:3]) for each in found]
        assert told == []


@pytest.mark.parametrize("kind", KINDS)
def test_the_keyboard_reaches_everything(site, chromium, kind):
    with opened(chromium, url_of(site, KINDS[kind])) as page:
        wanted = page.evaluate(
            """[...document.querySelectorAll("a, button, select, input")]
                 .filter((each) => !each.disabled && each.offsetParent).length"""
        )
        page.evaluate("document.body.focus()")
        reached = set()
        for _ in range(wanted + 60):
            page.keyboard.press("Tab")
            mark = page.evaluate(
                """(() => { const it = document.activeElement;
                  it.dataset.mark ||= String(document.querySelectorAll("[data-mark]").length + 1);
                  return it.matches("a, button, select, input") ? it.dataset.mark : ""; })()"""
            )
            reached.add(mark)
        assert len(reached - {""}) == wanted
