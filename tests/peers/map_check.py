#!/usr/bin/env python3
"""The page of `podid map` in Chromium, from a file and without a network: clicked, read, and with hostile names; and its DOT in
pydot's parser."""
import os
import pathlib
import shutil
import sys
import tempfile

import pydot
from playwright.sync_api import expect, sync_playwright

from cli import Client, check, done

podid = Client(os.environ["PODID"], PODID_CLUSTER="eks-workshop")
HOSTILE = "<img src=x onerror=\"document.title='hacked'\">"

chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
if not chromium:
    sys.exit("map_check.py: Chromium is needed (on Debian: chromium)")


def counts(number):
    """Whether that many service accounts are shown, or soon will be: the page answers a click in its own time."""
    try:
        expect(shown).to_have_count(number)
    except AssertionError:
        return False
    return True


with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
    home = pathlib.Path(name)
    page_file, picture_file = home / "map.html", home / "map.svg"
    page_file.write_text(podid.run("map --format html"))
    picture_file.write_text(podid.run("map --format svg"))
    browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"] if os.geteuid() == 0 else [])
    page = browser.new_page(offline=True, viewport={"width": 1280, "height": 900})
    requests, said = [], []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))

    page.goto(page_file.as_uri())
    check("the page loads nothing but itself", requests == [page_file.as_uri()], requests)
    check("its policy allows its style and its script, and nothing complains", said == [], said)
    check("no name became markup", page.title() == "podid map: cluster eks-workshop" and page.locator("img").count() == 0, page.title())
    check("a hostile name is shown as it is", page.locator("article code").filter(has_text=HOSTILE).first.is_visible())

    shown = page.locator("article:visible")
    check("every service account is there", counts(3), shown.count())
    check("the way of one of them", page.get_by_role("article", name="service account carts/carts").locator(".way > li").count() == 6)

    page.get_by_role("combobox", name="Namespace").select_option("orders")
    check("one namespace", counts(2) and page.locator("output").inner_text() == "2 of 3 service accounts", page.locator("output").inner_text())
    page.get_by_role("button", name="Reset").click()
    counts(3)
    page.get_by_role("combobox", name="Service").select_option("sqs")
    check("one service", counts(2), shown.count())
    page.get_by_role("button", name="Reset").click()
    counts(3)
    page.get_by_role("searchbox", name="Search").fill("updateitem CARTS/carts")
    check("search finds all words, in any case", counts(1) and "carts/carts" in shown.inner_text(), shown.count())
    page.get_by_role("searchbox", name="Search").fill("no such thing")
    check("nothing is said to match nothing", counts(0) and page.get_by_text("No service account matches.").is_visible())
    page.get_by_role("button", name="Reset").click()
    counts(3)
    page.get_by_role("checkbox", name="with findings only").check()
    check("those with findings", counts(2) and page.locator("article").get_by_text("audit.role-shared").first.is_visible(), shown.count())

    space = page.locator("details.space").filter(has_text="Namespace orders")
    space.locator("summary").click()
    check("a namespace closes", counts(0), shown.count())

    for width, scheme in ((1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")):
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme)
        wide = page.evaluate("document.documentElement.scrollWidth")
        check(f"{scheme}, {width} pixels: nothing is cut off", wide <= width, wide)
    page_file.write_text(podid.run("map --verify --format html"))
    requests.clear()
    page.goto(page_file.as_uri())
    check("with --verify it loads nothing else either, and nothing complains", requests == [page_file.as_uri()] and said == [], (requests, said))
    problems = page.get_by_role("region", name="Problems that verify found")
    missing = problems.get_by_role("row").filter(has_text="service-account.missing")
    check("verify's problems have a table", missing.count() == 2 and missing.first.get_by_text("problem").is_visible(), problems.inner_text())
    check("a problem names its fix", missing.first.locator("td").nth(3).locator("code").count() > 0, missing.first.inner_text())
    batch = page.get_by_role("article", name="service account orders/batch")
    check("a problem is at the service account that it is about", batch.get_by_text("service-account.missing").is_visible(), batch.inner_text())
    check("a healthy one has none", "problem" not in page.get_by_role("article", name="service account carts/carts").inner_text())
    check("a node of the picture names it", page.locator("svg .node").filter(has_text="problem: service-account.missing").count() == 2)
    page.get_by_role("searchbox", name="Search").fill("service-account.missing")
    check("search finds a problem", counts(2), shown.count())
    page.get_by_role("button", name="Reset").click()
    counts(3)
    for width, scheme in ((1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")):
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme)
        wide = page.evaluate("document.documentElement.scrollWidth")
        check(f"with problems, {scheme}, {width} pixels: nothing is cut off", wide <= width, wide)
    page.emulate_media(media="print")
    check("paper has no filters", not page.locator("#filters").is_visible())

    without = browser.new_context(java_script_enabled=False, offline=True).new_page()
    without.goto(page_file.as_uri())
    check("without scripts everything is shown", without.locator("article:visible").count() == 3 and not without.locator("#filters").is_visible())

    page.emulate_media(media="screen")
    page.goto(picture_file.as_uri())
    check("the picture is an image with a name", page.locator("svg > title").text_content().endswith("cluster eks-workshop"))
    check("it has every node, and no element of a name", page.locator("svg .node").count() > 10 and page.locator("svg img").count() == 0)
    browser.close()

(graph,) = pydot.graph_from_dot_data(podid.run("map --format dot"))
spaces = graph.get_subgraphs()
nodes = [node for part in (graph, *spaces) for node in part.get_nodes() if node.get_name().startswith("n") and node.get_name() != "node"]
check("pydot reads the nodes", len(nodes) > 10 and all(node.get("label") for node in nodes), len(nodes))
done()
