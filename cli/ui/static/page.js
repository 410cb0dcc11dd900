// The page of `deephide ui`.  It talks to the program that served it and to nothing else: files go
// up one by one, jobs answer with lines of JSON, pictures come back by their names.

const $ = (id) => document.getElementById(id);
const number = new Intl.NumberFormat("en");
const percent = (share) => `${(100 * share).toPrecision(2)}\u00a0%`;

const STAGES = {
  starting: "Starting",
  waiting: "Waiting for another job to end",
  inverting: "Reading the secret",
  costs: "Looking for the best places",
  embedding: "Hiding",
  verifying: "Checking that it can be got back",
  extracting: "Looking inside",
};

const TRAVELS = { latent: "as a face", image: "as a small picture", file: "as it is" };

/** What is to be seen, under each of the pictures. */
const SEEN = {
  before: "The photo as it was.",
  after: "The photo with the secret in it, as it will be saved.",
  changes: "White are the places that changed. They are where it is hardest to notice.",
};

/** Make a sentence of a message, which has neither a capital nor a full stop. */
function sentence(text) {
  const line = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(line) ? line : `${line}.`;
}

/** What went wrong, in sentences for people. */
class Failure extends Error {}

const GONE = "deephide is not running any more: start it again and open the address that it prints";

/** Send something, call `tell` with each event, and return the result. */
async function ask(path, body, tell = () => {}, signal = undefined) {
  let response;
  try {
    response = await fetch(path, { method: "POST", body, signal });
    if (!response.ok) throw new Failure(sentence((await response.text()).trim() || "refused"));
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let rest = ""; ; ) {
      const { value, done } = await reader.read();
      const lines = (rest + (value ?? "")).split("\n");
      rest = lines.pop();
      for (const line of lines) {
        const event = JSON.parse(line);
        if (event.error) {
          const { message, hint } = event.error;
          throw new Failure([message, hint].filter(Boolean).map(sentence).join(" "));
        }
        if (event.result) return event.result;
        tell(event);
      }
      if (done) throw new Failure(sentence(GONE));
    }
  } catch (error) {
    if (error instanceof Failure || error.name === "AbortError") throw error;
    throw new Failure(sentence(GONE));
  }
}

/** Tell the program that files are not needed any more. */
function forget(...names) {
  const known = names.filter(Boolean);
  if (!known.length) return;
  fetch("forget", { method: "POST", body: JSON.stringify(known), keepalive: true }).catch(() => {});
}

const address = (name) => `files/${name}`;

/** Show a message in a box, or with an empty one hide the box. */
function show(box, message) {
  box.textContent = message;
  box.hidden = !message;
}

function describe(error) {
  return error.name === "AbortError" ? "" : error.message;
}

/** An area that takes one file, and sends it up at once. */
class Chooser {
  constructor(id, role, onResult) {
    this.role = role;
    this.onResult = onResult;
    this.area = $(`${id}-drop`);
    this.input = $(id);
    this.state = $(`${id}-state`);
    this.image = this.area.querySelector("img");
    this.call = this.area.querySelector("label strong");
    this.empty = this.call.textContent;
    this.file = null;
    this.result = null;
    this.busy = null;
    this.input.addEventListener("change", () => this.take(this.input.files[0]));
    for (const kind of ["dragenter", "dragover"]) {
      this.area.addEventListener(kind, () => this.area.classList.add("over"));
    }
    for (const kind of ["dragleave", "drop"]) {
      this.area.addEventListener(kind, () => this.area.classList.remove("over"));
    }
    this.area.addEventListener("drop", (event) => {
      event.preventDefault();
      this.take(event.dataTransfer.files[0]);
    });
  }

  /** Take a file; the promise `busy` is done when the program has looked at it. */
  take(file) {
    if (!file) return;
    this.clear();
    this.file = file;
    this.aborter = new AbortController();
    this.busy = this.send(file, this.aborter.signal);
  }

  async send(file, signal) {
    this.area.classList.add("full");
    this.call.textContent = file.name;
    this.say(`Looking at ${file.name} …`);
    try {
      const result = await ask(`look/${this.role}`, file, () => {}, signal);
      if (signal.aborted) return;
      this.result = result;
      if (result.picture) {
        this.image.src = address(result.picture);
        this.image.hidden = false;
      }
      const size = result.width
        ? `${number.format(result.width)} × ${number.format(result.height)} pixels`
        : `${number.format(result.bytes)} bytes`;
      this.say(`${file.name}, ${size}`);
      this.call.textContent = "Choose another one";
      this.onResult?.(result);
    } catch (error) {
      if (!signal.aborted) this.clear(describe(error));
    }
  }

  say(text, bad = false) {
    this.state.textContent = text;
    this.state.classList.toggle("bad", bad);
  }

  clear(message = "") {
    this.aborter?.abort();
    forget(this.result?.file, this.result?.picture);
    this.file = this.result = this.busy = null;
    this.input.value = "";
    this.image.hidden = true;
    this.image.removeAttribute("src");
    this.area.classList.remove("full");
    this.call.textContent = this.empty;
    this.say(message, Boolean(message));
    this.onResult?.(null);
  }

  /** Use the file again in another role. */
  become(role) {
    this.role = role;
    if (this.file) this.take(this.file);
  }
}

/** A form that starts a job, with its button, progress and messages. */
class Job {
  constructor(name) {
    this.go = $(`${name}-go`);
    this.stop = $(`${name}-stop`);
    this.box = $(`${name}-progress`);
    this.bar = this.box.querySelector("progress");
    this.stage = this.box.querySelector(".stage");
    this.alert = $(`${name}-alert`);
    this.stop.addEventListener("click", () => {
      this.aborter?.abort();
      this.go.focus();
    });
  }

  /** Run `work(ask)`; messages go to the alert, and the result comes back, or null. */
  async run(work) {
    this.aborter = new AbortController();
    this.running(true);
    show(this.alert, "");
    try {
      return await work((path, order) =>
        ask(path, JSON.stringify(order), (event) => this.tell(event), this.aborter.signal),
      );
    } catch (error) {
      show(this.alert, describe(error));
      return null;
    } finally {
      this.running(false);
    }
  }

  tell({ stage, note, done, total }) {
    if (total) this.bar.value = (done + 0.5) / total;
    else this.bar.removeAttribute("value");
    const step = total ? `Step ${done + 1} of ${total}: ` : "";
    this.stage.textContent = note ? sentence(note) : `${step}${STAGES[stage] ?? stage} …`;
  }

  running(on) {
    this.go.disabled = on;
    this.stop.hidden = this.box.hidden = !on;
    this.stage.textContent = "";
    if (on) this.bar.removeAttribute("value");
  }
}

function element(tag, className, text) {
  const made = document.createElement(tag);
  made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

/** Draw what is safe in a photo, and what is taken or to be expected of it, in bytes. */
function drawGauge(root, { label, text, safe, taken, expected = false, note = "" }) {
  const full = Math.max(safe, taken) * 1.12 || 1;
  const head = element("div", "head");
  const name = element("span", "", label);
  name.id = `${root.id}-label`;
  head.append(name, element("span", "", text));
  const track = element("div", "track");
  const bars = [element("div", "safe"), element("div", "taken")];
  bars[0].style.width = `${(100 * safe) / full}%`;
  bars[1].style.width = `${(100 * taken) / full}%`;
  bars[1].classList.toggle("expected", expected);
  bars[1].classList.toggle("above", taken > safe);
  track.append(...bars);
  for (const [key, value] of Object.entries({
    role: "meter",
    "aria-labelledby": name.id,
    "aria-valuemin": 0,
    "aria-valuemax": Math.round(full),
    "aria-valuenow": expected ? safe : taken,
    "aria-valuetext": text,
  })) {
    track.setAttribute(key, value);
  }
  root.replaceChildren(head, track);
  if (note) root.append(element("p", "", note));
  root.hidden = false;
}

function fillList(list, lines) {
  list.replaceChildren(...lines.map((line) => element("li", "", sentence(line))));
  list.hidden = !lines.length;
}

/** The name to save a stego under: the photo's own, because any other one would tell. */
function nameOf(file, suffix) {
  const same = suffix === ".jpg" ? /\.jpe?g$/i : /\.png$/i;
  return same.test(file.name) ? file.name : file.name.replace(/\.[^.]*$/, "") + suffix;
}

// Hiding

const secret = new Chooser("secret", "secret", refreshHide);
const carrier = new Chooser("carrier", "carrier", (found) => {
  refreshHide();
  fillList($("carrier-warnings"), found?.warnings ?? []);
  if (found) drawRoom(found);
  else $("room").hidden = true;
});
const hiding = new Job("hide");
let hidden = null;

function drawRoom({ safe_bytes: safe, fit }) {
  const usual = fit.latent_bytes ?? 0;
  const verdicts = {
    all: "Nearly every face fits safely.",
    most: "Most faces fit safely.",
    none: "A face would take more than is safe: choose a larger photo with more texture.",
    unknown: "",
  };
  const typical = usual ? `Striped: what a face usually takes, ${number.format(usual)} bytes.` : "";
  drawGauge($("room"), {
    label: "Room in this photo",
    text: `${number.format(safe)} bytes are safe`,
    safe,
    taken: usual,
    expected: true,
    note: safe
      ? [verdicts[fit.latent], typical].filter(Boolean).join(" ")
      : "The warning says why, and what helps.",
  });
}

/** A result shown while its ingredients change would belong to neither. */
function refreshHide() {
  if (hidden) {
    forget(hidden.stego, hidden.shown.picture, hidden.changed.picture, hidden.preview?.picture);
  }
  hidden = null;
  $("hidden-result").hidden = true;
  show(hiding.alert, "");
}

$("codec").addEventListener("change", () => {
  const any = $("codec").value === "file";
  if (any) secret.input.removeAttribute("accept");
  else secret.input.setAttribute("accept", "image/*");
  secret.become(any ? "file" : "secret");
});

$("hide-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  refreshHide();
  const found = await hiding.run(async (send) => {
    await Promise.all([secret.busy, carrier.busy]);
    const missing = [secret, carrier].find((each) => !each.result);
    if (missing) {
      missing.input.focus();
      throw new Failure(
        missing === secret ? "Choose the secret first." : "Choose the photo that hides it first.",
      );
    }
    return send("embed", {
      secret: secret.result.file,
      name: secret.file.name,
      carrier: carrier.result.file,
      passphrase: $("hide-passphrase").value,
      again: $("hide-again").value,
      codec: $("codec").value,
      channel: $("channel").value,
      pad: $("pad").checked,
      strip_metadata: $("strip").checked,
    });
  });
  if (found) showHidden(found);
});

function detectorOf(found) {
  if (found.survived) return "finds photos that survive compression more easily than others";
  return found.detector_error
    ? `the best one of the noise model errs in ${percent(found.detector_error)} of cases; 50\u00a0% is chance`
    : "is certain to find this: see the warning";
}

function showHidden(found) {
  hidden = found;
  $("seen-before").src = address(carrier.result.picture);
  $("seen-after").src = address(found.shown.picture);
  $("seen-changes").src = address(found.changed.picture);
  document.querySelector("[name=seen][value=before]").checked = true;
  look("before");
  $("faces").hidden = !found.preview;
  if (found.preview) {
    $("face-before").src = address(secret.result.picture);
    $("face-after").src = address(found.preview.picture);
  }
  const [taken, safe] = [found.payload_bits, found.safe_bits].map((bits) => Math.ceil(bits / 8));
  drawGauge($("used"), {
    label: "Taken of what is safe",
    text: `${number.format(taken)} of ${number.format(safe)} bytes`,
    safe,
    taken,
  });
  fillList($("hidden-warnings"), found.warnings);
  const facts = {
    "Changed": `${number.format(found.changes)} of ${number.format(found.elements)} ${found.element_name}, by one level each`,
    "The photo": found.psnr === null ? "unchanged" : `${found.psnr.toFixed(1)} dB from the original`,
    "A detector": detectorOf(found),
    ...(found.survived && {
      "It survives": `${found.survived} ways of compressing it again, tried one by one on this computer`,
    }),
    "The secret": sentence(`travels ${found.reason.replace(/^codec \w+/, TRAVELS[found.codec])}`),
  };
  $("facts").replaceChildren(
    ...Object.entries(facts).flatMap(([name, text]) => [element("dt", "", name), element("dd", "", text)]),
  );
  $("hidden-save").href = address(found.stego);
  $("hidden-save").download = nameOf(carrier.file, found.suffix);
  $("hidden-result").hidden = false;
  $("hidden-title").focus();
}

function look(what) {
  for (const each of Object.keys(SEEN)) $(`seen-${each}`).hidden = each !== what;
  $("seen-text").textContent = SEEN[what];
}

for (const radio of document.querySelectorAll("[name=seen]")) {
  radio.addEventListener("change", () => look(radio.value));
}

$("hidden-again").addEventListener("click", () => {
  secret.clear();
  carrier.clear();
  restore($("hide-form"));
  $("secret").focus();
});

// Getting back

const stego = new Chooser("stego", "stego", refreshReveal);
const looking = new Job("reveal");
let found = null;

function refreshReveal() {
  forget(found?.found, found?.shown?.picture);
  found = null;
  $("found-result").hidden = true;
  show(looking.alert, "");
}

$("reveal-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  refreshReveal();
  found = await looking.run(async (send) => {
    await stego.busy;
    if (!stego.result) {
      stego.input.focus();
      throw new Failure("Choose the photo first.");
    }
    return send("extract", { stego: stego.result.file, passphrase: $("reveal-passphrase").value });
  });
  if (!found) return;
  const { shown, bytes, name, codec, model } = found;
  const picture = $("found-picture");
  picture.parentElement.hidden = !shown;
  if (shown) picture.src = address(shown.picture);
  const texts = {
    file:
      `A file of ${number.format(bytes)} bytes` +
      (name ? `, called ${name}.` : ". Its name did not travel: give it one."),
    image: "A picture, made small to be hidden.",
  };
  $("found-text").textContent =
    texts[codec] ?? `A face, painted by the model ${model}: similar to the secret, not the same.`;
  $("found-save").href = address(found.found);
  $("found-save").download = found.save_as;
  $("found-result").hidden = false;
  $("found-title").focus();
});

$("found-again").addEventListener("click", () => {
  stego.clear();
  restore($("reveal-form"));
  $("stego").focus();
});

// The page as a whole

/** Make the fields of a form what they were, and tell those who listen. */
function restore(form) {
  form.reset();
  for (const each of form.querySelectorAll("select, [type=checkbox]")) {
    each.dispatchEvent(new Event("change"));
  }
}

const tabs = [...document.querySelectorAll("[role=tab]")];

function choose(tab) {
  for (const each of tabs) {
    const chosen = each === tab;
    each.setAttribute("aria-selected", String(chosen));
    each.tabIndex = chosen ? 0 : -1;
    $(each.getAttribute("aria-controls")).hidden = !chosen;
  }
}

for (const [index, tab] of tabs.entries()) {
  tab.addEventListener("click", () => choose(tab));
  tab.addEventListener("keydown", (event) => {
    const to = { ArrowLeft: index - 1, ArrowRight: index + 1, Home: 0, End: tabs.length - 1 };
    if (!(event.key in to)) return;
    event.preventDefault();
    const next = tabs.at(to[event.key] % tabs.length);
    choose(next);
    next.focus();
  });
}

for (const [box, ...fields] of [
  ["hide-show", "hide-passphrase", "hide-again"],
  ["reveal-show", "reveal-passphrase"],
]) {
  $(box).addEventListener("change", () => {
    for (const field of fields) $(field).type = $(box).checked ? "text" : "password";
  });
}

// A file dropped beside the areas would replace the page.
for (const kind of ["dragover", "drop"]) {
  window.addEventListener(kind, (event) => event.preventDefault());
}

window.addEventListener("pagehide", () => {
  for (const each of [secret, carrier, stego]) forget(each.result?.file, each.result?.picture);
  refreshHide();
  refreshReveal();
});

$("quit").addEventListener("click", async () => {
  await fetch("quit", { method: "POST" }).catch(() => {});
  for (const each of document.querySelectorAll("main, footer")) each.inert = true;
  show($("page-alert"), "deephide has ended, and has forgotten all pictures. You can close this page.");
});
