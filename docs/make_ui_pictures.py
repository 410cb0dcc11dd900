"""Screenshots of docs/ui.md: the page in Chromium, with a face that nobody has.

    PYTHONPATH=. python docs/make_ui_pictures.py

It takes the page's own sample pictures, which docs/make_ui_samples.py makes.
"""

import io
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from cli.ui.guard import Address
from cli.ui.server import listen, make_server

HERE = Path(__file__).resolve().parent
MILLISECONDS = 300_000
SIGHTS = {  # name: width, height, scheme, part of the page
    "ui.png": (1100, 900, "light", "#hide-form"),
    "ui-phone.png": (375, 760, "dark", "#hidden-result"),
}


@contextmanager
def served() -> Iterator[str]:
    """Serve the page while it is looked at."""
    with listen() as listening:
        address = Address(listening.getsockname()[1])
        server = make_server(address, lambda _error: None)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield address.url
        finally:
            server.should_exit = True
            thread.join()


def take(browser: Browser, url: str, name: str) -> None:
    """Hide the face, and write an image of the page."""
    width, height, scheme, part = SIGHTS[name]
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
    page.set_default_timeout(MILLISECONDS)
    page.goto(url)
    page.click("#try-samples")
    page.wait_for_selector("#cost [role=meter]")
    page.wait_for_selector("#preview-after[src]:not(.stale)")
    for field in ("#hide-passphrase", "#hide-again"):
        page.fill(field, "correct horse battery staple")
    page.click("#hide-go")
    page.wait_for_selector("#hidden-result:not([hidden])")
    page.mouse.move(0, 0)
    page.wait_for_load_state("networkidle")
    shot = Image.open(io.BytesIO(page.locator(part).screenshot())).convert("RGB")
    path = HERE / "pictures" / name
    shot.quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
    page.close()
    print(path)


def main() -> None:
    """Take all images."""
    path = shutil.which("chromium") or shutil.which("google-chrome")
    with served() as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path)
        for name in SIGHTS:
            take(browser, url, name)
        browser.close()


if __name__ == "__main__":
    main()
