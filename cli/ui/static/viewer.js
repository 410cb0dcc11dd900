// The photo before and after: one beside the other under a wipe, its changes, and a closer look.

/** What is to be seen, under each of the pictures. */
const SEEN = {
  before: "The photo as it was.",
  after: "The photo with the secret in it, as it will be saved.",
  changes: "White are the places that changed. They are where it is hardest to notice.",
  over: "The places that changed, marked on the photo.",
  wipe: "Before on the left of the line, after on the right.",
};

/** The viewer of one photo; `parts` are its elements, found by the page. */
export class Viewer {
  constructor(parts) {
    Object.assign(this, parts);
    this.pan = this.frame.querySelector(".pan");
    this.place = { x: 0, y: 0 };
    for (const radio of this.radios) radio.addEventListener("change", () => this.look(radio.value));
    this.wipe.addEventListener("input", () => this.draw());
    this.zoom.addEventListener("input", () => this.draw());
    this.frame.addEventListener("keydown", (event) => this.key(event));
    this.frame.addEventListener("pointerdown", (event) => this.drag(event));
  }

  /** Show other pictures, from the beginning. */
  show(before, after, changes) {
    [this.before.src, this.after.src, this.changes.src] = [before, after, changes];
    this.zoom.value = "1";
    this.wipe.value = "50";
    this.place = { x: 0, y: 0 };
    this.radios[0].checked = true;
    this.look("before");
  }

  look(what) {
    this.what = what;
    this.before.hidden = !["before", "wipe"].includes(what);
    this.after.hidden = !["after", "over", "wipe"].includes(what);
    this.changes.hidden = !["changes", "over"].includes(what);
    for (const each of [this.after, this.changes]) each.classList.toggle("over", what === "over");
    this.line.hidden = this.wipeField.hidden = what !== "wipe";
    this.text.textContent = SEEN[what];
    this.draw();
  }

  get factor() {
    return Number(this.zoom.value);
  }

  draw() {
    const most = 50 * (1 - 1 / this.factor); // percent, until an edge shows
    for (const axis of ["x", "y"]) this.place[axis] = Math.min(Math.max(this.place[axis], -most), most);
    this.pan.style.transform =
      `scale(${this.factor}) translate(${this.place.x}%, ${this.place.y}%)`;
    this.pan.classList.toggle("close", this.factor > 2);
    this.frame.classList.toggle("zoomed", this.factor > 1);
    const share = Number(this.wipe.value);
    this.line.style.left = `${share}%`;
    // The line stands still while the photo below it is zoomed and moved.
    const cut = 50 + (share - 50) / this.factor - this.place.x;
    this.after.style.clipPath = this.what === "wipe" ? `inset(0 0 0 ${cut}%)` : "none";
  }

  move(x, y) {
    this.place = { x: this.place.x + x, y: this.place.y + y };
    this.draw();
  }

  key(event) {
    const step = 10 / this.factor;
    const moves = {
      ArrowLeft: [step, 0],
      ArrowRight: [-step, 0],
      ArrowUp: [0, step],
      ArrowDown: [0, -step],
    };
    const zooms = { "+": 0.5, "=": 0.5, "-": -0.5 };
    if (event.key in zooms) {
      this.zoom.value = String(this.factor + zooms[event.key]);
      this.draw();
    } else if (event.key in moves && this.factor > 1) {
      this.move(...moves[event.key]);
    } else {
      return;
    }
    event.preventDefault();
  }

  drag(event) {
    if (event.button > 0 || this.factor === 1) return;
    event.preventDefault();
    this.frame.setPointerCapture(event.pointerId);
    let [x, y] = [event.clientX, event.clientY];
    const move = (now) => {
      const per = 100 / this.factor;
      this.move((per * (now.clientX - x)) / this.frame.clientWidth, (per * (now.clientY - y)) / this.frame.clientHeight);
      [x, y] = [now.clientX, now.clientY];
    };
    const end = () => this.frame.removeEventListener("pointermove", move);
    this.frame.addEventListener("pointermove", move);
    this.frame.addEventListener("pointerup", end, { once: true });
    this.frame.addEventListener("pointercancel", end, { once: true });
  }
}
