"""The page in Chromium, as people use it; skipped where there is no Chromium."""

import io
import queue
import shutil
import subprocess
import tarfile
import time
from urllib.parse import urlsplit

import pytest
from PIL import Image

import deephide
from deephide.errors import ExtractionError

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
AXE = "axe-core@4.14.1"
MILLISECONDS = 120_000  # the machine may be busy with something else


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip("there is no Chromium: apt-get install chromium")
    with playwright.sync_playwright() as running:
        found = running.chromium.launch(executable_path=path)
        yield found
        found.close()


@pytest.fixture
def open_page(browser, served):
    """Open the page; at the end, nothing but our server must have been asked."""
    contexts, opened, asked, wrong = [], [], [], []

    def call(url=served.url, **settings):
        context = browser.new_context(**settings)
        context.set_default_timeout(MILLISECONDS)
        context.on("request", lambda request: asked.append(request.url))
        context.on("weberror", lambda error: wrong.append(str(error.error)))
        context.on("console", lambda told: wrong.append(told.text))
        page = context.new_page()
        page.goto(url)
        contexts.append(context)
        opened.append(url)
        return page

    yield call
    for context in contexts:
        context.close()
    assert asked
    assert {urlsplit(url).netloc for url in asked} == {urlsplit(url).netloc for url in opened}
    # A server that has gone is the only thing that browsers may complain about.
    assert [text for text in wrong if "ERR_CONNECTION" not in text] == []


@pytest.fixture
def page(open_page):
    return open_page()


def choose_inputs(page, pictures, secret="face.png", carrier="holiday.png"):
    page.set_input_files("#secret", pictures / secret)
    page.set_input_files("#carrier", pictures / carrier)


def wait_for_preview(page):
    page.wait_for_selector("#preview-after[src]:not(.stale)")


def hide(page, passphrase="correct horse"):
    page.fill("#hide-passphrase", passphrase)
    page.fill("#hide-again", passphrase)
    page.click("#hide-go")
    page.wait_for_selector("#hidden-result:not([hidden])")


def save(page, link):
    with page.expect_download() as download:
        page.click(link)
    return download.value.suggested_filename, download.value.path().read_bytes()


def look_inside(page, name, data, passphrase="correct horse"):
    page.click("#reveal-tab")
    page.set_input_files("#stego", {"name": name, "mimeType": "image/png", "buffer": data})
    page.fill("#reveal-passphrase", passphrase)
    page.click("#reveal-go")


def text_of(page, selector):
    return page.inner_text(selector).strip()


def is_loaded(page, selector):
    return page.eval_on_selector(selector, "async (i) => (await i.decode(), i.naturalWidth > 0)")


def test_a_face_is_hidden_and_comes_back(page, pictures, model):
    choose_inputs(page, pictures)
    page.wait_for_selector("#room [role=meter]")
    assert "bytes are safe" in text_of(page, "#room")
    hide(page)
    for picture in ("#seen-before", "#face-before", "#face-after"):
        assert is_loaded(page, picture), picture
    page.check("[name=seen][value=changes]")
    assert is_loaded(page, "#seen-changes") and page.is_hidden("#seen-before")
    assert "of 129,600 samples, by one level each" in text_of(page, "#facts")
    assert page.get_attribute("#used [role=meter]", "aria-valuetext") in text_of(page, "#used")
    name, stego = save(page, "#hidden-save")
    assert name == "holiday.png"
    with Image.open(pictures / name) as before, Image.open(io.BytesIO(stego)) as after:
        assert before.size == after.size and before.tobytes() != after.tobytes()
    expected = deephide.extract(stego, "correct horse", model).file

    look_inside(page, name, stego, "wrong donkey")
    page.wait_for_selector("#reveal-alert:not([hidden])")
    told = text_of(page, "#reveal-alert").lower()
    assert told == f"{ExtractionError().message}. {ExtractionError().hint}."
    assert page.is_hidden("#found-result")

    page.fill("#reveal-passphrase", "correct horse")
    page.click("#reveal-go")
    page.wait_for_selector("#found-result:not([hidden])")
    assert page.is_hidden("#reveal-alert") and is_loaded(page, "#found-picture")
    assert save(page, "#found-save") == ("secret.png", expected)


def test_what_the_receiver_will_see_is_shown_first(page, pictures):
    page.click("#hide summary")
    page.select_option("#codec", "image")
    choose_inputs(page, pictures)
    page.wait_for_selector("#cost [role=meter]")
    wait_for_preview(page)
    assert is_loaded(page, "#preview-before") and is_loaded(page, "#preview-after")
    takes = text_of(page, "#cost")
    page.focus("#quality")
    page.keyboard.press("Home")
    page.wait_for_selector("#preview-after.stale")
    assert text_of(page, "#cost") != takes
    wait_for_preview(page)
    promised = text_of(page, "#cost .head").split("\n")[-1]
    hide(page)
    assert text_of(page, "#used .head").split("\n")[-1] == promised


def test_the_square_is_moved_by_hand_and_with_keys(page, pictures):
    page.set_input_files("#secret", pictures / "holiday.png")
    wait_for_preview(page)
    page.check("[name=part][value=square]")
    wait_for_preview(page)
    first = page.get_attribute("#preview-before", "src")
    page.focus("#crop-box")
    before = page.locator("#crop-box").bounding_box()
    page.keyboard.press("-")
    page.keyboard.press("ArrowRight")
    middle = page.locator("#crop-box").bounding_box()
    assert middle["width"] < before["width"] and middle["x"] > before["x"]
    page.wait_for_selector("#preview-after.stale")
    page.locator("#crop-box").hover(position={"x": 20, "y": 20})
    page.mouse.down()
    page.mouse.move(middle["x"], middle["y"])
    page.mouse.up()
    assert page.locator("#crop-box").bounding_box()["x"] < middle["x"]
    wait_for_preview(page)
    assert page.get_attribute("#preview-before", "src") != first


def test_hide_steps_back_and_the_photo_can_be_compared(page, pictures):
    choose_inputs(page, pictures)
    wait_for_preview(page)
    assert "primary" in page.get_attribute("#hide-go", "class")
    hide(page)
    assert "primary" not in page.get_attribute("#hide-go", "class")
    page.check("[name=seen][value=wipe]")
    assert page.is_visible("#wipe") and page.is_visible("#seen-before")
    assert "50%" in page.eval_on_selector("#seen-after", "e => e.style.clipPath")
    page.fill("#zoom", "4")
    page.focus("#viewer")
    page.keyboard.press("ArrowLeft")
    assert "scale(4) translate(2.5%" in page.eval_on_selector(".pan", "e => e.style.transform")
    page.check("[name=seen][value=over]")
    assert page.is_visible("#seen-after") and page.is_visible("#seen-changes")


def test_a_made_up_passphrase_is_strong_and_a_short_one_is_not(page):
    page.fill("#hide-passphrase", "hunter2")
    assert text_of(page, "#strength-text").startswith("Weak")
    page.click("#generate")
    page.wait_for_selector("#strength-text:has-text('Strong')")
    values = [page.input_value(f"#hide-{each}") for each in ("passphrase", "again")]
    assert values[0] == values[1] and len(values[0]) == 29


def test_several_photos_are_saved_one_by_one(page, pictures):
    page.set_input_files("#secret", pictures / "face.png")
    page.set_input_files("#carrier", [pictures / "holiday.png", pictures / "beach.jpeg"])
    page.wait_for_selector("#several:not([hidden])")
    wait_for_preview(page)
    hide(page)
    links = page.locator("#hidden-saves a")
    assert [each.get_attribute("download") for each in links.all()] == ["holiday.png", "beach.jpeg"]
    page.select_option("#which", "1")
    assert is_loaded(page, "#seen-before")


def test_the_samples_are_there_to_try(page):
    page.click("#try-samples")
    page.wait_for_selector("#room [role=meter]")
    wait_for_preview(page)
    assert page.is_checked("[name=part][value=square]") and page.is_visible("#crop-box")


def test_a_jpeg_photo_stays_one(page, pictures, model):
    choose_inputs(page, pictures, carrier="beach.jpeg")
    hide(page)
    name, stego = save(page, "#hidden-save")
    assert name == "beach.jpeg" and stego.startswith(b"\xff\xd8")
    assert "coefficients" in text_of(page, "#facts")
    assert deephide.extract(stego, "correct horse", model).image is not None


def test_any_file_travels(page, pictures):
    page.click("#hide summary")
    page.select_option("#codec", "file")
    choose_inputs(page, pictures, secret="letter.txt")
    hide(page)
    assert page.is_hidden("#faces")
    name, stego = save(page, "#hidden-save")
    look_inside(page, name, stego)
    page.wait_for_selector("#found-result:not([hidden])")
    assert text_of(page, "#found-text") == "A file of 27 bytes, called letter.txt."
    assert page.is_hidden("#found-picture")
    assert save(page, "#found-save") == ("letter.txt", (pictures / "letter.txt").read_bytes())


def test_what_is_no_picture_is_refused_at_once(page, pictures):
    choose_inputs(page, pictures, secret="letter.txt", carrier="letter.txt")
    for each in ("secret", "carrier"):
        page.wait_for_selector(f"#{each}-state.bad")
        told = text_of(page, f"#{each}-state")
        assert told.startswith(f"The {each} is not an image in a format that can be read. Use ")
    page.click("#hide-go")
    page.wait_for_selector("#hide-alert:not([hidden])")
    assert text_of(page, "#hide-alert") == "Choose the secret first."
    assert page.evaluate("document.activeElement.id") == "secret"


def test_mistakes_are_told_in_sentences(page, pictures):
    choose_inputs(page, pictures)
    page.fill("#hide-passphrase", "correct horse")
    page.fill("#hide-again", "correct hose")
    page.click("#hide-go")
    page.wait_for_selector("#hide-alert:not([hidden])")
    assert text_of(page, "#hide-alert") == "The two passphrases differ. Try again."
    assert page.get_attribute("#hide-alert", "role") == "alert"
    # A new carrier takes the message about the old one away.
    page.set_input_files("#carrier", pictures / "beach.jpeg")
    page.wait_for_selector("#hide-alert", state="hidden")


def test_no_passphrase_is_a_warning(page, pictures):
    choose_inputs(page, pictures)
    hide(page, "")
    assert "No passphrase is set: anyone who has the model" in text_of(page, "#hidden-warnings")


def test_a_result_goes_when_its_ingredients_change(page, pictures):
    choose_inputs(page, pictures)
    hide(page)
    page.set_input_files("#secret", pictures / "holiday.png")
    page.wait_for_selector("#hidden-result", state="hidden")
    hide(page)
    page.click("#hidden-again")
    assert page.is_hidden("#hidden-result") and page.is_hidden("#room")
    assert page.input_value("#hide-passphrase") == ""
    assert page.evaluate("document.activeElement.id") == "secret"


def test_dropping_a_file_is_choosing_it(page, pictures):
    def drop(selector, name):
        transfer = page.evaluate_handle(
            """([name, bytes]) => {
                const transfer = new DataTransfer();
                transfer.items.add(new File([new Uint8Array(bytes)], name));
                return transfer;
            }""",
            [name, list((pictures / name).read_bytes())],
        )
        page.dispatch_event(selector, "drop", {"dataTransfer": transfer})

    drop("#secret-drop", "face.png")
    drop("#carrier-drop", "holiday.png")
    page.wait_for_selector("#room [role=meter]")
    assert text_of(page, "#secret-state") == "face.png, 100 × 100 pixels"
    drop("footer", "face.png")
    hide(page)


def test_the_passphrase_can_be_shown(page):
    assert page.get_attribute("#hide-passphrase", "type") == "password"
    page.check("#hide-show")
    kinds = [page.get_attribute(f"#hide-{each}", "type") for each in ("passphrase", "again")]
    assert kinds == ["text", "text"]


FOCUS_IS_SEEN = """() => {
    const active = document.activeElement;
    const shown = [active, active.closest(".drop"), active.nextElementSibling];
    return shown.some((each) => each && getComputedStyle(each).outlineStyle !== "none");
}"""


def test_the_keyboard_is_enough(page, pictures):
    keys = page.keyboard

    def tab_to(name, key="Tab"):
        for _ in range(40):
            keys.press(key)
            assert page.evaluate(FOCUS_IS_SEEN)
            if page.evaluate("document.activeElement.id || document.activeElement.value") == name:
                return
        raise AssertionError(f"Tab does not lead to {name}")

    def choose(name, path):
        tab_to(name)
        choosers = queue.Queue()
        page.once("filechooser", lambda found: choosers.put(found, block=False))
        # Right after a download Chromium now and then lets one press pass.
        for _ in range(10):
            keys.press("Space")
            page.wait_for_timeout(1000)
            if not choosers.empty():
                break
        choosers.get_nowait().set_files(path)

    choose("secret", pictures / "face.png")
    choose("carrier", pictures / "holiday.png")
    tab_to("hide-passphrase")
    keys.type("correct horse")
    tab_to("hide-again")
    keys.type("correct horse")
    keys.press("Enter")
    page.wait_for_selector("#hidden-result:not([hidden])")
    assert page.evaluate("document.activeElement.id") == "hidden-title"
    tab_to("before")
    keys.press("ArrowRight")
    keys.press("ArrowRight")
    assert page.is_visible("#seen-changes")
    tab_to("hidden-save")
    with page.expect_download() as download:
        keys.press("Enter")
    tab_to("hide-tab", "Shift+Tab")
    keys.press("ArrowRight")
    assert page.get_attribute("#reveal-tab", "aria-selected") == "true"
    assert page.is_visible("#reveal") and page.is_hidden("#hide")
    choose("stego", download.value.path())
    tab_to("reveal-passphrase")
    keys.type("correct horse")
    keys.press("Enter")
    page.wait_for_selector("#found-result:not([hidden])")
    assert page.evaluate("document.activeElement.id") == "found-title"


@pytest.mark.parametrize("width", [320, 375])
def test_a_phone_is_wide_enough(open_page, pictures, width):
    page = open_page(viewport={"width": width, "height": 640})
    sizes = "[document.documentElement.scrollWidth, innerWidth]"
    choose_inputs(page, pictures)
    page.click("#hide summary")
    wait_for_preview(page)
    page.check("[name=part][value=square]")
    page.check("#robust")
    assert page.is_visible("#crop-box") and "What it costs" in text_of(page, "#robust-help")
    page.uncheck("#robust")
    page.check("[name=part][value=whole]")
    wait_for_preview(page)
    hide(page)
    page.check("[name=seen][value=wipe]")
    for part in ("hide", "reveal"):
        page.click(f"#{part}-tab")
        scroll, inner = page.evaluate(sizes)
        assert scroll <= inner == width
    small = page.eval_on_selector_all(
        "button, a, select, summary, input:not([type=file]):not([type=checkbox]):not([type=radio])",
        "all => all.filter((e) => e.offsetHeight && e.offsetHeight < 40).map((e) => e.id)",
    )
    assert small == []


def test_a_job_can_be_stopped_and_others_wait(open_page, page, pictures, model):
    choose_inputs(page, pictures)
    other = open_page()
    other.click("#reveal-tab")
    other.set_input_files("#stego", pictures / "holiday.png")
    other.wait_for_selector("#stego-state:has-text('240 × 180')")
    page.wait_for_selector("#room [role=meter]")
    wait_for_preview(page)
    model.gate.clear()
    try:
        page.click("#hide-go")
        page.wait_for_selector("#hide-progress .stage:has-text('Step 1 of 4: Reading the secret')")
        other.click("#reveal-go")
        other.wait_for_selector("#reveal-progress .stage:has-text('Waiting for another job')")
        page.click("#hide-stop")
        page.wait_for_selector("#hide-progress", state="hidden")
        assert page.is_enabled("#hide-go") and page.is_hidden("#hide-alert")
    finally:
        model.gate.set()
    other.wait_for_selector("#reveal-alert:not([hidden])")
    hide(page)


def test_a_server_that_ended_is_told(open_page, pictures, running_server, model):
    with running_server(model) as short:
        page = open_page(short.url)
        other = open_page(short.url)
        page.click("#quit")
        page.wait_for_selector("#page-alert:not([hidden])")
        assert text_of(page, "#page-alert").startswith("deephide has ended")
        assert short.server.should_exit
    other.set_input_files("#secret", pictures / "face.png")
    other.wait_for_selector("#secret-state.bad")
    assert text_of(other, "#secret-state").startswith("Deephide is not running any more")


def test_leaving_the_page_drops_its_files(page, pictures, ask):
    choose_inputs(page, pictures)
    page.wait_for_selector("#room [role=meter]")
    picture = page.get_attribute("#secret-drop img", "src")
    assert ask(picture).status == 200
    page.goto("about:blank")
    # The browser sends the message after the page has gone, whenever it likes.
    deadline = time.monotonic() + MILLISECONDS / 1000
    while ask(picture).status != 404:
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.fixture(scope="module")
def axe(tmp_path_factory):
    """The source of axe-core, from the npm registry."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("there is no npm to get axe-core with")
    folder = tmp_path_factory.mktemp("axe")
    done = subprocess.run(
        [npm, "pack", AXE, "--silent"], cwd=folder, capture_output=True, check=False, timeout=120
    )
    packed = list(folder.glob("*.tgz"))
    if done.returncode or not packed:
        pytest.skip("axe-core cannot be had from the npm registry")
    with tarfile.open(packed[0]) as archive:
        return archive.extractfile("package/axe.min.js").read().decode()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(open_page, pictures, axe, scheme):
    page = open_page(color_scheme=scheme)
    page.evaluate(axe)

    def violations():
        found = page.evaluate("axe.run()")
        assert found["passes"]
        return [(each["id"], [n["target"] for n in each["nodes"]]) for each in found["violations"]]

    assert violations() == []
    page.click("#hide summary")
    choose_inputs(page, pictures)
    wait_for_preview(page)
    page.check("[name=part][value=square]")
    page.check("#robust")
    page.fill("#hide-passphrase", "a")
    assert violations() == []
    page.check("[name=part][value=whole]")
    page.uncheck("#robust")
    wait_for_preview(page)
    hide(page, "")
    assert violations() == []
    page.check("[name=seen][value=over]")
    look_inside(page, "holiday.png", (pictures / "holiday.png").read_bytes())
    page.wait_for_selector("#reveal-alert:not([hidden])")
    assert violations() == []


def test_a_private_file_leads_a_browser_to_the_page(browser, served):
    from cli.deephide_ui import private_page
    from cli.ui.guard import leading_to

    with private_page(leading_to(served.address.url_for_once)) as file:
        context = browser.new_context()
        context.set_default_timeout(MILLISECONDS)
        page = context.new_page()
        page.goto(file)
        page.wait_for_url(served.url)
        assert page.title() == "deephide"
        assert page.locator("script").count() == 1
        context.close()
