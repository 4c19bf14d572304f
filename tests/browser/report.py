#!/usr/bin/env python3
"""Opens a report page in headless Chromium and uses it.

    python3 tests/browser/report.py DIR [--pictures DIR]

DIR holds index.html (`groktime report DIR`). Needs Python alone and a Chromium (the variable CHROMIUM, or one in
PATH). The page is looked at as a desktop in light and dark and as a phone: nothing on the console, nothing fetched,
every picture and formula drawn, every link leading somewhere, nothing wider than the screen; then the table of
statements is sorted and filtered.
"""

import argparse
import base64
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"]
VIEWS = [("light", 1280, 900), ("dark", 1280, 900), ("light", 390, 844), ("dark", 390, 844)]


class Browser:
    """Chromium at the other end of two pipes, spoken to in its debugging protocol."""

    def __init__(self, program, profile):
        to_browser, self.to = os.pipe()
        self.back, from_browser = os.pipe()
        # The browser reads from descriptor 3 and writes to 4.
        self.process = subprocess.Popen(
            ["sh", "-c", f'exec "$0" "$@" 3<&{to_browser} 4>&{from_browser}', program, "--headless=new", "--no-sandbox",
             "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--hide-scrollbars", "--remote-debugging-pipe",
             f"--user-data-dir={profile}", "about:blank"],
            pass_fds=(to_browser, from_browser), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_browser)
        os.close(from_browser)
        self.last, self.buffer, self.events, self.session = 0, b"", [], None

    def message(self):
        while b"\0" not in self.buffer:
            part = os.read(self.back, 1 << 16)
            if not part:
                sys.exit("the browser ended")
            self.buffer += part
        text, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(text)

    def call(self, method, **parameters):
        self.last += 1
        request = {"id": self.last, "method": method, "params": parameters}
        if self.session:
            request["sessionId"] = self.session
        os.write(self.to, json.dumps(request).encode() + b"\0")
        while True:
            answer = self.message()
            if answer.get("id") == self.last:
                if "error" in answer:
                    sys.exit(f"{method}: {answer['error']}")
                return answer["result"]
            self.events.append(answer)

    def wait_for(self, event):
        while not any(e.get("method") == event for e in self.events):
            self.events.append(self.message())

    def evaluate(self, code):
        answer = self.call("Runtime.evaluate", expression=code, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            sys.exit(f"{code}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def open(self, url, scheme, width, height):
        """A new tab with the page in it."""
        self.session = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ["Runtime", "Log", "Page", "Network"]:
            self.call(f"{domain}.enable")
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 500)
        self.events.clear()
        self.call("Page.navigate", url=url)
        self.wait_for("Page.loadEventFired")
        self.evaluate("Promise.all(Array.from(document.images, image => image.decode()))")


problems = []


def expect(condition, text):
    if not condition:
        problems.append(text)


def complaints(events):
    """What the console says, and what is fetched from elsewhere."""
    for event in events:
        kind, p = event.get("method"), event.get("params", {})
        if kind == "Runtime.exceptionThrown":
            yield f"exception: {p['exceptionDetails']}"
        elif kind == "Runtime.consoleAPICalled" and p["type"] in ("error", "warning", "assert"):
            yield f"console: {p['args']}"
        elif kind == "Log.entryAdded" and p["entry"]["level"] in ("error", "warning"):
            yield f"log: {p['entry']['text']}"
        elif kind == "Network.requestWillBeSent":
            url = p["request"]["url"]
            if not url.startswith("data:") and p.get("type") != "Document":
                yield f"fetched: {url}"


def look(browser, folder, view):
    name = f"{view[0]}, {view[1]} wide"
    for complaint in complaints(browser.events):
        problems.append(f"{name}: {complaint}")
    page = browser.evaluate("""(() => {
      const ids = Array.from(document.querySelectorAll("[id]"), e => e.id);
      const box = e => { const b = e.getBoundingClientRect(); return b.width > 0 && b.height > 0; };
      const seen = Array.from(document.querySelectorAll("body *")).filter(e => e.tagName != "OPTION");
      return {
        images: document.images.length,
        blank: Array.from(document.images).filter(i => !i.complete || !i.naturalWidth || !box(i) || !i.alt).length,
        formulas: document.querySelectorAll("math").length,
        flat: Array.from(document.querySelectorAll("math")).filter(m => !box(m)).length,
        twice: ids.filter((id, k) => ids.indexOf(id) != k),
        anchors: document.querySelectorAll('a[href^="#"]').length,
        dead: Array.from(document.querySelectorAll('a[href^="#"]'), a => a.getAttribute("href").slice(1))
          .filter(id => !document.getElementById(id)),
        files: Array.from(document.querySelectorAll("a[href]"), a => a.getAttribute("href"))
          .filter(h => !h.startsWith("#") && !h.startsWith("https://")),
        width: document.documentElement.scrollWidth, room: innerWidth,
        paper: getComputedStyle(document.body).backgroundColor, ink: getComputedStyle(document.body).color,
        small: seen.filter(e => box(e) && parseFloat(getComputedStyle(e).fontSize) < 10 && !e.closest("math")).length,
      };
    })()""")
    expect(page["images"] >= 1 and page["blank"] == 0, f"{name}: {page['blank']} of {page['images']} pictures are not shown")
    expect(page["formulas"] >= 1 and page["flat"] == 0, f"{name}: {page['flat']} of {page['formulas']} formulas are not drawn")
    expect(not page["twice"], f"{name}: ids given twice: {page['twice']}")
    expect(page["anchors"] >= 2 and not page["dead"], f"{name}: anchors that lead nowhere: {page['dead']}")
    missing = [f for f in page["files"] if not (folder / f).is_file()]
    expect(not missing, f"{name}: files that are not there: {missing}")
    expect(page["width"] <= page["room"], f"{name}: {page['width']} pixels on a screen of {page['room']}")
    expect(page["small"] == 0, f"{name}: {page['small']} elements with letters below 10 pixels")
    light = lambda rgb: sum(map(float, rgb[rgb.index("(") + 1:-1].split(",")[:3])) / 765
    paper, ink = light(page["paper"]), light(page["ink"])
    dark = view[0] == "dark"
    expect((paper < 0.2 and ink > 0.7) if dark else (paper > 0.9 and ink < 0.3), f"{name}: ink {ink:.2f} on {paper:.2f}")


def visible(browser):
    return browser.evaluate("""Array.from(document.querySelectorAll("#statements-table tbody tr"))
      .filter(row => row.getBoundingClientRect().height > 0)
      .map(row => ({ text: row.textContent, model: row.dataset.model, outcome: row.dataset.outcome,
        cells: Array.from(row.cells, c => c.dataset.sort === undefined ? c.textContent.trim().toLowerCase() : c.dataset.sort) }))""")


def use(browser):
    """Sorts by a number and by a text, both ways; filters by text and by outcome."""
    rows = visible(browser)
    expect(len(rows) > 10, f"only {len(rows)} statements")
    headings = browser.evaluate('Array.from(document.querySelectorAll("#statements-table th"), h => h.textContent)')
    click = lambda column: browser.evaluate(
        f'document.querySelectorAll("#statements-table th button")[{column}].click()')
    for name, value in [("slack", lambda c: float(c) if c else None), ("statement", str)]:
        column = headings.index(name)
        for backwards in (False, True):
            click(column)
            seen = [value(row["cells"][column]) for row in visible(browser)]
            there = [x for x in seen if x is not None]
            expect(len(seen) == len(rows), f"sorting by {name} loses rows")
            expect(seen[:len(there)] == there, f"sorted by {name}: what has none is not last")
            expect(there == sorted(there, reverse=backwards), f"not sorted by {name} ({'down' if backwards else 'up'})")
            state = browser.evaluate(f'document.querySelectorAll("#statements-table th")[{column}].getAttribute("aria-sort")')
            expect(state == ("descending" if backwards else "ascending"), f"sorted by {name}, but says {state}")
    type_in = lambda text: browser.evaluate(f"""(() => {{ const box = document.getElementById("filter-text");
      box.value = {json.dumps(text)}; box.dispatchEvent(new Event("input")); }})()""")
    word = rows[0]["cells"][headings.index("statement")].split()[0]
    type_in(word.upper())
    found = visible(browser)
    expect(0 < len(found) and all(word in row["text"].lower() for row in found), f"filtered by {word!r}: wrong rows")
    expect(len(found) == sum(word in row["text"].lower() for row in rows), f"filtered by {word!r}: rows are missing")
    counted = browser.evaluate('document.getElementById("filter-count").textContent')
    expect(counted == f"{len(found)} of {len(rows)}", f"{len(found)} rows are shown, but it says {counted}")
    type_in("no statement says this")
    expect(visible(browser) == [], "rows are shown that do not match")
    type_in("")
    for outcome in sorted({row["outcome"] for row in rows}):
        browser.evaluate(f"""(() => {{ const box = document.querySelector('select[data-key="outcome"]');
          box.value = {json.dumps(outcome)}; box.dispatchEvent(new Event("change")); }})()""")
        found = visible(browser)
        expect(found and all(row["outcome"] == outcome for row in found), f"filtered by {outcome}: wrong rows")
        expect(len(found) == sum(row["outcome"] == outcome for row in rows), f"filtered by {outcome}: rows are missing")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--pictures", type=pathlib.Path, help="folder for a picture of each view")
    arguments = parser.parse_args()
    program = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if not program:
        sys.exit("no Chromium: apt-get install chromium, or set CHROMIUM")
    page = (arguments.folder / "index.html").resolve()
    # The browser's helpers may still write while it goes away.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = Browser(program, profile)
        try:
            for view in VIEWS:
                browser.open(page.as_uri(), *view)
                look(browser, arguments.folder, view)
                if arguments.pictures:
                    arguments.pictures.mkdir(parents=True, exist_ok=True)
                    height = min(browser.evaluate("document.documentElement.scrollHeight"), 12000)
                    clip = {"x": 0, "y": 0, "width": view[1], "height": height, "scale": 1}
                    shot = browser.call("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
                    path = arguments.pictures / f"{view[0]}-{view[1]}.png"
                    path.write_bytes(base64.b64decode(shot["data"]))
            browser.open(page.as_uri(), *VIEWS[0])
            use(browser)
            for complaint in complaints(browser.events):
                problems.append(f"in use: {complaint}")
        finally:
            browser.process.kill()
            browser.process.wait()
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"{page}: {'as it should be' if not problems else f'{len(problems)} problems'}")
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
