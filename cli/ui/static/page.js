// The page of `deephide ui`.  It talks to the program that served it and to nothing else: files go
// up one by one, jobs answer with lines of JSON, pictures come back by their names.

import { Crop } from "./crop.js";
import { Viewer } from "./viewer.js";

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

/** An area that takes a file, or several where its input does, and sends them up at once. */
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
    this.all = []; // { file, result }, of each file that the program has looked at
    this.busy = null;
    this.input.addEventListener("change", () => this.take(this.input.files));
    for (const kind of ["dragenter", "dragover"]) {
      this.area.addEventListener(kind, () => this.area.classList.add("over"));
    }
    for (const kind of ["dragleave", "drop"]) {
      this.area.addEventListener(kind, () => this.area.classList.remove("over"));
    }
    this.area.addEventListener("drop", (event) => {
      event.preventDefault();
      this.take(event.dataTransfer.files);
    });
  }

  get file() {
    return this.files?.[0];
  }

  get result() {
    return this.all[0]?.result;
  }

  /** The names of all files, as the program wants them. */
  get names() {
    return this.all.map(({ result }) => result.file).join(" ");
  }

  /** Take files; the promise `busy` is done when the program has looked at them. */
  take(files) {
    const chosen = this.input.multiple ? [...files] : [...files].slice(0, 1);
    if (!chosen.length) return;
    this.clear();
    this.files = chosen;
    this.aborter = new AbortController();
    this.busy = this.send(chosen, this.aborter.signal);
  }

  async send(files, signal) {
    this.area.classList.add("full");
    this.call.textContent = files[0].name;
    try {
      for (const file of files) {
        this.say(`Looking at ${file.name} …`);
        const result = await ask(`look/${this.role}`, file, () => {}, signal);
        if (signal.aborted) return;
        this.all.push({ file, result });
        this.show(this.all[0]);
      }
      if (files.length > 1) this.say(`${files[0].name} and ${files.length - 1} more`);
      this.call.textContent = files.length > 1 ? "Choose other ones" : "Choose another one";
      this.onResult?.(this.result);
    } catch (error) {
      if (!signal.aborted) this.clear(describe(error));
    }
  }

  show({ file, result }) {
    if (result.picture) {
      this.image.src = address(result.picture);
      this.image.hidden = false;
    }
    const size = result.width
      ? `${number.format(result.width)} × ${number.format(result.height)} pixels`
      : `${number.format(result.bytes)} bytes`;
    this.say(`${file.name}, ${size}`);
  }

  say(text, bad = false) {
    this.state.textContent = text;
    this.state.classList.toggle("bad", bad);
  }

  /** Drop all files, for the program, too. */
  release() {
    forget(...this.all.flatMap(({ result }) => [result.file, result.picture]));
  }

  clear(message = "") {
    this.aborter?.abort();
    this.release();
    this.all = [];
    this.files = this.busy = null;
    this.input.value = "";
    this.image.hidden = true;
    this.image.removeAttribute("src");
    this.area.classList.remove("full", "slim");
    this.call.textContent = this.empty;
    this.say(message, Boolean(message));
    this.onResult?.(null);
  }

  /** Use the file again in another role. */
  become(role) {
    this.role = role;
    if (this.files) this.take(this.files);
  }
}

/** A field for a key, which is a file. */
class KeyFile {
  constructor(id) {
    this.input = $(id);
    this.state = $(`${id}-state`);
    this.name = "";
    this.input.addEventListener("change", () => {
      this.busy = this.take(this.input.files[0]);
    });
  }

  async take(file) {
    this.clear();
    if (!file) return;
    try {
      this.name = (await ask("look/key", file)).file;
    } catch (error) {
      this.input.value = "";
      this.state.textContent = describe(error);
      this.state.classList.add("bad");
    }
  }

  clear() {
    forget(this.name);
    this.name = this.state.textContent = "";
    this.state.classList.remove("bad");
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

const GENEROUS = 4096; // bytes that are taken for safe before there is a photo

const secret = new Chooser("secret", "secret", (found) => {
  refreshHide();
  begun(found);
});
const carrier = new Chooser("carrier", "carrier", (found) => {
  refreshHide();
  const texts = carrier.all.flatMap(({ result }) => result.warnings);
  fillList($("carrier-warnings"), found ? [...new Set(texts)] : []);
  listCarriers();
  drawRoom();
  if (found) preview();
});
const hideKey = new KeyFile("hide-key");
const hiding = new Job("hide");
let hidden = null;

const chosen = (name) => document.querySelector(`[name=${name}]:checked`).value;

/** What is to survive, or nothing. */
function channel() {
  return $("robust").checked ? chosen("robust") : "";
}

/** The bytes that are safe in the photos, of which the least counts, or null without one. */
function safeBytes() {
  const way = channel();
  const found = carrier.all.map(({ result }) => (way ? result.channels[way] : result.safe_bytes));
  return found.length ? Math.min(...found) : null;
}

/** How many photos share what is hidden. */
function shares() {
  return carrier.all.length > 1 ? Number($("needed").value) : 1;
}

function listCarriers() {
  const count = carrier.all.length;
  $("several").hidden = count < 2;
  $("carrier-list").replaceChildren(...carrier.all.map(({ file }) => element("li", "", file.name)));
  const options = carrier.all.map((_, index) => {
    const needed = index + 1;
    const text = needed === count ? `All ${count}: least is hidden in each` : `Any ${needed}`;
    const option = element("option", "", text);
    option.value = String(needed);
    return option;
  });
  $("needed").replaceChildren(...options);
  $("needed").value = String(count);
}

function drawRoom() {
  const safe = safeBytes();
  if (safe === null) {
    $("room").hidden = true;
    return;
  }
  const fit = carrier.result.fit;
  const usual = Math.ceil((fit.latent_bytes ?? 0) / shares());
  const verdict = safe >= usual ? "A face fits." : "A face takes more than is safe here: choose a larger photo with more texture.";
  const typical = usual ? `Striped: what a face usually takes, ${number.format(usual)} bytes.` : "";
  drawGauge($("room"), {
    label: carrier.all.length > 1 ? "Room in the smallest of these photos" : "Room in this photo",
    text: `${number.format(safe)} bytes are safe`,
    safe,
    taken: usual,
    expected: true,
    note: safe ? `${usual ? verdict : ""} ${typical}`.trim() : "The warning says why, and what helps.",
  });
}

const ROBUST = {
  any:
    "What it costs: the program makes a new JPEG file of at most 1,080 pixels, in which far more " +
    "places change, so that a detector finds it more easily. It survives JPEG compression of quality 75 " +
    "or better, and no resizing.",
  strong:
    "What it costs: any detector finds it, so use it only where nobody looks for hidden messages. " +
    "It survives being made smaller, down to 0.6 of its size, small crops, WebP and AVIF.",
};

function refreshRobust() {
  const on = $("robust").checked;
  $("robust-more").hidden = !on;
  $("robust-help").textContent = on ? ROBUST[chosen("robust")] : "";
  refreshHide();
  drawRoom();
  if (!secret.result) return;
  drawCost();
  preview();
}

for (const each of [$("robust"), ...document.querySelectorAll("[name=robust]")]) {
  each.addEventListener("change", refreshRobust);
}
$("needed").addEventListener("change", () => {
  refreshHide();
  drawRoom();
  drawCost();
});

/** A result shown while its ingredients change would belong to neither. */
function refreshHide() {
  if (hidden) {
    forget(
      hidden.cut?.picture,
      ...hidden.photos.flatMap((each) => [
        each.stego,
        each.shown.picture,
        each.changed.picture,
        each.preview?.picture,
      ]),
    );
  }
  hidden = null;
  $("hidden-result").hidden = true;
  hiding.go.classList.add("primary");
  hiding.go.textContent = "Hide it";
  show(hiding.alert, "");
}

// What of the secret travels

const crop = new Crop(
  {
    stage: $("crop-stage"),
    image: $("crop-image"),
    box: $("crop-box"),
    handle: $("crop-handle"),
    size: $("crop-size"),
    turn: $("crop-turn"),
    reset: $("crop-reset"),
    state: $("crop-state"),
  },
  () => {
    refreshHide();
    stale();
  },
  () => preview(),
);

/** Begin with another secret, or with none. */
function begun(found) {
  step = 0;
  const picture = found?.picture;
  $("crop").hidden = !picture;
  if (picture) {
    $("crop-image").src = address(picture);
    const [first] = found.faces;
    $("crop-square-label").textContent = first ? "The face" : "A square";
    document.querySelector(`[name=part][value=${first ? "square" : "whole"}]`).checked = true;
    crop.begin(found.width, found.height, first);
  }
  refreshPart();
}

function refreshPart() {
  const square = chosen("part") === "square" && Boolean(secret.result?.picture);
  $("crop-editor").hidden = !square;
  secret.area.classList.toggle("slim", square);
  if (square) crop.draw();
  preview();
}

for (const radio of document.querySelectorAll("[name=part]")) {
  radio.addEventListener("change", () => {
    refreshHide();
    step = 0;
    refreshPart();
  });
}
$("crop-image").addEventListener("load", () => crop.draw());

function square() {
  return secret.role === "secret" && chosen("part") === "square" ? crop.text : "";
}

// What the receiver will see

let shown = null;
let step = 0; // of the slider, once somebody has moved it
let previewing = null;

function stale() {
  previewing?.abort();
  $("preview-after").classList.add("stale");
}

function forgetPreview() {
  forget(shown?.picture, shown?.cut.picture);
  shown = null;
}

async function preview() {
  previewing?.abort();
  const wanted = Boolean(secret.result) && secret.role === "secret";
  $("preview-card").hidden = !wanted;
  $("key-number").textContent = wanted ? "4" : "3";
  if (!wanted) {
    forgetPreview();
    return;
  }
  stale();
  previewing = new AbortController();
  const { signal } = previewing;
  const tell = (text, bad = false) => {
    $("preview-state").textContent = text;
    $("preview-state").classList.toggle("bad", bad);
  };
  tell("Drawing what the receiver will see …");
  try {
    const order = {
      secret: secret.result.file,
      square: square(),
      codec: $("codec").value,
      safe_bytes: safeBytes() === null ? GENEROUS : safeBytes() * shares(),
      step,
    };
    const found = await ask("preview", JSON.stringify(order), () => {}, signal);
    if (signal.aborted) return;
    if (shown && shown.codec !== found.codec) step = 0;
    forgetPreview();
    shown = found;
    tell("");
    drawPreview();
  } catch (error) {
    if (signal.aborted) return;
    forgetPreview();
    $("cost").hidden = true;
    tell(describe(error), true);
  }
}

function drawPreview() {
  $("preview-before").src = address(shown.cut.picture);
  $("preview-after").src = address(shown.picture);
  $("preview-after").classList.remove("stale");
  $("preview-reason").textContent = shown.reason;
  $("quality").max = String(shown.sizes.length);
  $("quality").value = String(shown.step);
  $("quality").disabled = shown.sizes.length < 2;
  drawCost(shown.takes);
}

/** Say what the step of the slider takes, before it is drawn, too. */
function drawCost(takes = shown?.sizes[Number($("quality").value) - 1]) {
  if (!shown || !takes) return;
  const at = Number($("quality").value);
  const each = Math.ceil(takes / shares());
  const safe = safeBytes();
  $("quality-text").textContent =
    `Step ${at} of ${shown.sizes.length}: ${number.format(takes)} bytes, as everything is counted.`;
  $("quality").setAttribute("aria-valuetext", `${at} of ${shown.sizes.length}, ${takes} bytes`);
  if (safe === null) {
    $("cost").hidden = true;
    return;
  }
  drawGauge($("cost"), {
    label: "Takes of what is safe",
    text: `${number.format(each)} of ${number.format(safe)} bytes`,
    safe,
    taken: each,
    note: each > safe ? "More than is safe in this photo: take a lower quality or a larger photo." : "",
  });
}

$("quality").addEventListener("input", () => {
  if (!shown) return;
  step = Number($("quality").value);
  refreshHide();
  stale();
  drawCost();
  clearTimeout(stale.waiting);
  stale.waiting = setTimeout(preview, 350);
});

// Who can get it back

const WORD = /^[bdfghjklmnprstvz][aiou][bdfghjklmnprstvz][aiou][bdfghjklmnprstvz]$/;

/** A cautious guess of how many bits a passphrase is worth. */
function bitsOf(text) {
  const words = text.split(/[-\s]+/).filter(Boolean);
  if (words.length > 1 && words.every((each) => WORD.test(each))) return 16 * words.length;
  const short = text.length < 12 || new Set(text).size < 6;
  if (short) return Math.min(35, 2.5 * text.length);
  const long = new Set(words.filter((each) => each.length > 2)).size;
  return long > 1 ? 12 * long : Math.min(70, 3.5 * text.length);
}

function drawStrength() {
  const text = $("hide-passphrase").value;
  const bits = Math.round(bitsOf(text));
  $("strength").hidden = !text;
  $("strength-meter").value = Math.min(80, bits);
  const verdict =
    bits < 40
      ? "Weak: whoever tries can guess it. Take four random words or more."
      : bits < 60
        ? "Fair, if its words were drawn at random."
        : "Strong, if its words were drawn at random.";
  $("strength-text").textContent = text ? verdict : "";
}

$("hide-passphrase").addEventListener("input", drawStrength);

$("generate").addEventListener("click", async () => {
  try {
    const response = await fetch("passphrase", { method: "POST" });
    const { passphrase } = await response.json();
    for (const id of ["hide-passphrase", "hide-again"]) $(id).value = passphrase;
    if (!$("hide-show").checked) $("hide-show").click();
    drawStrength();
    refreshHide();
  } catch {
    show(hiding.alert, sentence(GONE));
  }
});

for (const radio of document.querySelectorAll("[name=who]")) {
  radio.addEventListener("change", () => {
    refreshHide();
    $("who-passphrase").hidden = chosen("who") !== "passphrase";
    $("who-recipients").hidden = chosen("who") !== "recipients";
  });
}

function keys() {
  if (chosen("who") === "recipients") {
    const found = $("recipients").value.split(/\s+/).filter(Boolean);
    if (!found.length) {
      $("recipients").focus();
      throw new Failure("Enter a public key first.");
    }
    return { recipients: found.join(" ") };
  }
  return {
    passphrase: $("hide-passphrase").value,
    again: $("hide-again").value,
    key_file: hideKey.name,
  };
}

$("codec").addEventListener("change", () => {
  const any = $("codec").value === "file";
  if (any) secret.input.removeAttribute("accept");
  else secret.input.setAttribute("accept", "image/*");
  step = 0;
  const role = any ? "file" : "secret";
  if (role === secret.role) preview();
  else secret.become(role);
});

$("try-samples").addEventListener("click", async () => {
  for (const [area, name, shownAs] of [
    [secret, "face", "portrait.jpg"],
    [carrier, "photo", "coffee.jpg"],
  ]) {
    const response = await fetch(`samples/${name}.jpg`);
    area.take([new File([await response.blob()], shownAs, { type: "image/jpeg" })]);
  }
});

$("hide-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  refreshHide();
  const found = await hiding.run(async (send) => {
    await Promise.all([secret.busy, carrier.busy, hideKey.busy]);
    const missing = [secret, carrier].find((each) => !each.result);
    if (missing) {
      missing.input.focus();
      throw new Failure(
        missing === secret ? "Choose the secret first." : "Choose the photo that hides it first.",
      );
    }
    // What was seen is what is sent; what is not there yet, the program decides.
    const ready = shown && !$("preview-after").classList.contains("stale");
    if (!ready) previewing?.abort();
    return send("embed", {
      secret: secret.result.file,
      name: secret.file.name,
      carrier: carrier.names,
      needed: carrier.all.length > 1 ? shares() : 0,
      square: square(),
      codec: $("codec").value,
      ...(ready && secret.role === "secret" && shown.options),
      channel: channel(),
      pad: $("pad").checked,
      strip_metadata: $("strip").checked,
      ...keys(),
    });
  });
  if (found) showHidden(found);
});

function detectorOf(found) {
  if (found.survived) return "finds photos that survive compression more easily than others";
  return found.detector_error
    ? `by the noise of this photo, the best one would be wrong in ${percent(found.detector_error)} of cases; guessing is wrong in 50\u00a0%`
    : "is certain to find this: see the warning";
}

const viewer = new Viewer({
  frame: $("viewer"),
  before: $("seen-before"),
  after: $("seen-after"),
  changes: $("seen-changes"),
  line: $("wipe-line"),
  wipe: $("wipe"),
  wipeField: $("wipe-field"),
  zoom: $("zoom"),
  radios: [...document.querySelectorAll("[name=seen]")],
  text: $("seen-text"),
});

function showHidden(result) {
  hidden = result;
  const several = hidden.photos.length > 1;
  $("faces").hidden = !hidden.preview;
  if (hidden.preview) {
    $("face-before").src = address(hidden.cut.picture);
    $("face-after").src = address(hidden.preview.picture);
  }
  fillList($("hidden-warnings"), hidden.warnings);
  const links = hidden.photos.map((each, index) => {
    const link = index || several ? element("a", "button", "") : $("hidden-save");
    link.href = address(each.stego);
    link.download = nameOf(carrier.all[index].file, each.suffix);
    if (several) link.textContent = `Save ${link.download}`;
    return link;
  });
  $("hidden-save").hidden = several;
  $("hidden-saves").hidden = $("which-field").hidden = !several;
  $("hidden-saves").replaceChildren();
  if (several) {
    for (const link of links) {
      const item = element("li", "");
      item.append(link);
      $("hidden-saves").append(item);
    }
    $("which").replaceChildren(
      ...carrier.all.map(({ file }, index) => {
        const option = element("option", "", file.name);
        option.value = String(index);
        return option;
      }),
    );
  }
  showPhoto(0);
  hiding.go.classList.remove("primary");
  hiding.go.textContent = "Hide it again";
  $("hidden-result").hidden = false;
  $("hidden-title").focus();
}

$("which").addEventListener("change", () => showPhoto(Number($("which").value)));

function showPhoto(index) {
  const found = hidden.photos[index];
  viewer.show(
    address(carrier.all[index].result.picture),
    address(found.shown.picture),
    address(found.changed.picture),
  );
  const [taken, safe] = [found.payload_bits, found.safe_bits].map((bits) => Math.ceil(bits / 8));
  drawGauge($("used"), {
    label: "Taken of what is safe",
    text: `${number.format(taken)} of ${number.format(safe)} bytes`,
    safe,
    taken,
  });
  const facts = {
    "Changed": `${number.format(found.changes)} of ${number.format(found.elements)} ${found.element_name}, by one level each`,
    "The photo": found.psnr === null ? "unchanged" : `looks the same (${found.psnr.toFixed(1)} dB from the original)`,
    "A detector": detectorOf(found),
    ...(found.survived && {
      "It survives": `${found.survived} ways of compressing it again, tried one by one on this computer`,
    }),
    "The secret": shown && secret.role === "secret" ? shown.reason : found.plainly,
  };
  $("facts").replaceChildren(
    ...Object.entries(facts).flatMap(([name, text]) => [element("dt", "", name), element("dd", "", text)]),
  );
}

$("hidden-again").addEventListener("click", () => {
  secret.clear();
  carrier.clear();
  restore($("hide-form"));
  $("secret").focus();
});

// Getting back

const stego = new Chooser("stego", "stego", refreshReveal);
const revealKey = new KeyFile("reveal-key");
const identity = new KeyFile("identity");
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
    await Promise.all([revealKey.busy, identity.busy]);
    return send("extract", {
      stego: stego.names,
      passphrase: $("reveal-passphrase").value,
      key_file: revealKey.name,
      identity: identity.name,
    });
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
    texts[codec] ?? `A face, drawn by the model ${model}: similar to the secret, not the same.`;
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
  for (const each of form.querySelectorAll("select, [type=checkbox], [type=radio]:checked")) {
    each.dispatchEvent(new Event("change"));
  }
  for (const each of [hideKey, revealKey, identity]) if (form.contains(each.input)) each.clear();
  drawStrength();
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
  for (const each of [secret, carrier, stego]) each.release();
  forgetPreview();
  refreshHide();
  refreshReveal();
});

$("quit").addEventListener("click", async () => {
  await fetch("quit", { method: "POST" }).catch(() => {});
  for (const each of document.querySelectorAll("main, footer")) each.inert = true;
  show($("page-alert"), "deephide has ended, and has forgotten all pictures. You can close this page.");
});
