// The square of the secret that travels: drawn on the picture, moved by hand or with keys.

const LEAST = 64; // pixels of the secret, as the program asks for

/** An editor of one square: `square` is { x, y, side, degrees } in pixels of the secret. */
export class Crop {
  /**
   * @param parts the elements: stage, image, box, handle, size, turn, reset, state
   * @param onBegin called whenever somebody changes the square
   * @param onChange called when it stands still again
   */
  constructor(parts, onBegin, onChange) {
    Object.assign(this, parts);
    this.onBegin = onBegin;
    this.onChange = onChange;
    this.square = null;
    this.box.addEventListener("pointerdown", (event) => this.drag(event));
    this.box.addEventListener("keydown", (event) => this.key(event));
    this.size.addEventListener("input", () => this.set({ side: this.sideOf(this.size.value) }));
    this.turn.addEventListener("input", () => this.set({ degrees: Number(this.turn.value) }));
    this.reset.addEventListener("click", () => {
      this.begin(this.width, this.height, this.first);
      this.set({});
    });
    new ResizeObserver(() => this.draw()).observe(this.stage);
  }

  /** Show a picture of so many pixels, with the square to begin with; without one, the largest. */
  begin(width, height, first) {
    this.width = width;
    this.height = height;
    this.first = first;
    const side = Math.min(width, height);
    this.square = first ? { ...first } : { x: width / 2, y: height / 2, side, degrees: 0 };
    this.reset.textContent = first ? "Back to the face" : "Back to the middle";
    clearTimeout(this.waiting);
    this.draw();
  }

  get text() {
    const { x, y, side, degrees } = this.square;
    return [x, y, side, degrees].map((each) => each.toFixed(2)).join(" ");
  }

  /** Sizes grow by the same factor with every step of the slider. */
  sideOf(step) {
    return LEAST * (this.most / LEAST) ** (step / 100);
  }

  get most() {
    return Math.max(LEAST + 1, 1.5 * Math.min(this.width, this.height));
  }

  set(change) {
    const next = { ...this.square, ...change };
    next.side = Math.min(Math.max(next.side, LEAST), this.most);
    next.x = Math.min(Math.max(next.x, 0), this.width);
    next.y = Math.min(Math.max(next.y, 0), this.height);
    next.degrees = Math.min(Math.max(next.degrees, -45), 45);
    this.square = next;
    this.draw();
    this.onBegin();
    clearTimeout(this.waiting);
    this.waiting = setTimeout(() => {
      const { x, y, side } = this.square;
      this.state.textContent =
        `${Math.round(side)} pixels wide, its middle ${Math.round((100 * x) / this.width)} % from the ` +
        `left and ${Math.round((100 * y) / this.height)} % from the top`;
      this.onChange();
    }, 500);
  }

  /** Pixels of the screen for one of the secret. */
  get scale() {
    return this.image.clientWidth / this.width;
  }

  draw() {
    if (!this.square || !this.image.clientWidth) return;
    const { x, y, side, degrees } = this.square;
    const style = this.box.style;
    style.width = style.height = `${side * this.scale}px`;
    style.left = `${(x - side / 2) * this.scale}px`;
    style.top = `${(y - side / 2) * this.scale}px`;
    style.transform = `rotate(${degrees}deg)`;
    this.size.value = String((100 * Math.log(side / LEAST)) / Math.log(this.most / LEAST));
    this.turn.value = String(degrees);
  }

  drag(event) {
    if (event.button > 0) return;
    event.preventDefault();
    this.box.focus({ preventScroll: true });
    this.box.setPointerCapture(event.pointerId);
    const [startX, startY] = [event.clientX, event.clientY];
    const begun = { ...this.square };
    const sizing = event.target === this.handle;
    const move = (now) => {
      const [dx, dy] = [(now.clientX - startX) / this.scale, (now.clientY - startY) / this.scale];
      if (sizing) this.set({ side: begun.side + dx + dy });
      else this.set({ x: begun.x + dx, y: begun.y + dy });
    };
    const end = () => {
      this.box.removeEventListener("pointermove", move);
      this.box.removeEventListener("pointerup", end);
      this.box.removeEventListener("pointercancel", end);
    };
    this.box.addEventListener("pointermove", move);
    this.box.addEventListener("pointerup", end);
    this.box.addEventListener("pointercancel", end);
  }

  key(event) {
    const { x, y, side } = this.square;
    const step = (event.shiftKey ? 0.1 : 0.02) * side;
    const changes = {
      ArrowLeft: { x: x - step },
      ArrowRight: { x: x + step },
      ArrowUp: { y: y - step },
      ArrowDown: { y: y + step },
      "+": { side: side * 1.05 },
      "=": { side: side * 1.05 },
      "-": { side: side / 1.05 },
    };
    if (!(event.key in changes)) return;
    event.preventDefault();
    this.set(changes[event.key]);
  }
}
