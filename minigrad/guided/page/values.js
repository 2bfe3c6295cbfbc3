// Values as the panel shows them: numbers, heat maps, pictures, filters, histograms. Entries can be pointed at.

const NUMBERS_UP_TO = 128; // entries that are written out, if the matrices are narrow
const PLANES_AT_MOST = 96;

/** A value in the panel. `role` says what its entries are to the node: {side: "out"} or {side: "in", operand}. */
class Figure {
  constructor(value, { title, note = "", role = null, explain = null, tall = 380 }) {
    Object.assign(this, {
      value,
      title,
      role,
      explain,
      tall,
      onPoint: null,
      picture: 0,
      pointed: null,
      marked: new Set(),
    });
    this.readout = el("output", { class: "readout" });
    this.surface = el("div", { class: "surface" });
    this.caption = el(
      "figcaption",
      {},
      el("strong", {}, title),
      " ",
      el("span", { class: "quiet" }, this.shapeWords()),
      note && el("span", { class: "note" }, note),
    );
    this.element = el(
      "figure",
      {
        class: "value",
        "data-value": value ? value.index : "",
        "data-side": role ? role.side + (role.operand ?? "") : "",
      },
      this.caption,
      this.surface,
    );
    this.fill();
  }

  shapeWords() {
    if (!this.value || !this.value.shape.length) return "";
    return `${shapeText(this.value.shape)}${this.value.dtype === "float32" ? "" : ` ${this.value.dtype}`}`;
  }

  fill() {
    const { value } = this;
    if (!value) return this.surface.replaceChildren(el("p", { class: "not-yet" }, "not yet"));
    if (!value.data || value.show === "histogram") return this.surface.replaceChildren(histogram(value));
    if (value.size === 0) return this.surface.replaceChildren(el("p", { class: "quiet" }, "no entries"));
    this.batched = value.show === "pictures" && value.shape.length === 4 && (value.part || value.shape)[0] > 1;
    const all = planesOf(value, this.batched ? this.picture : null);
    this.planes = all.slice(0, PLANES_AT_MOST);
    const [{ rows, columns }] = this.planes;
    const most = this.planes.length === 1 ? NUMBERS_UP_TO : NUMBERS_UP_TO / 2;
    const narrow = columns <= (value.size <= 16 ? 16 : 8) && rows <= 16;
    this.written = narrow && this.planes.length * rows * columns <= most;
    if (!this.written && all.length === 1 && rows === 1) this.planes = folded(this.planes[0]);
    const body = this.written ? this.tables() : this.map();
    this.surface.replaceChildren(body, ...this.extras(all));
    this.listen(body);
    return this.element;
  }

  extras(all) {
    const { value } = this;
    return [
      value.size > 1 && scaleBar(value),
      this.batched && this.pictureChooser(),
      this.leftOut(all),
      value.strange > 0 &&
        el("p", { class: "warning" }, `${plural(value.strange, "entry is", "entries are")} nan or infinite.`),
      value.size > 1 && this.readout,
    ].filter(Boolean);
  }

  leftOut(all) {
    const { part, shape } = this.value;
    if (part && part[1] < shape[1]) return el("p", { class: "quiet" }, `The first ${part[1]} of ${shape[1]} channels.`);
    if (all.length <= this.planes.length) return null;
    return el("p", { class: "quiet" }, `${this.planes.length} of ${all.length} matrices are drawn.`);
  }

  pictureChooser() {
    const count = (this.value.part || this.value.shape)[0];
    const words = el("span", {}, `picture ${this.picture} of 0…${this.value.shape[0] - 1}`);
    const slider = el("input", {
      type: "range",
      min: 0,
      max: count - 1,
      value: this.picture,
      "aria-label": "picture of the batch",
    });
    slider.addEventListener("change", () => {
      this.picture = Number(slider.value);
      this.fill();
    });
    return el("label", { class: "picture" }, slider, words);
  }

  /** Numbers in tables, one for each matrix, on the colours of the scale. */
  tables() {
    const { value } = this;
    this.cells = new Map();
    const dark = isDark();
    const tables = this.planes.map((plane) => {
      const rows = Array.from({ length: plane.rows }, (_, i) =>
        el(
          "tr",
          {},
          Array.from({ length: plane.columns }, (_, j) => this.cell(plane.offset + i * plane.columns + j, dark)),
        ),
      );
      const name = this.planes.length > 1 && placeText([...plane.index, ":", ":"]);
      const kind = value.shape.length === 1 ? "numbers vector" : "numbers";
      return el("table", { class: kind }, name && el("caption", {}, name), el("tbody", {}, rows));
    });
    return el(
      "div",
      {
        class: `tables${value.size === 1 ? " single" : ""}`,
        tabindex: value.size > 1 ? 0 : null,
        role: value.size > 1 ? "group" : null,
        "aria-label": value.size > 1 ? this.summary("numbers") : null,
      },
      tables,
    );
  }

  cell(flat, dark) {
    const { value } = this;
    const x = entryOf(value, flat);
    const colour = colourOf(x, value.scale, dark);
    const style = value.size > 1 ? `background:rgb(${colour});color:${inkOn(colour)}` : null;
    const cell = el("td", { "data-flat": flat, style }, digits(x, value.dtype));
    this.cells.set(flat, cell);
    return cell;
  }

  summary(what) {
    const { value, title } = this;
    return `${title}: ${what}, ${shapeText(value.shape)}, from ${digits(least(value.data), value.dtype)} to ${digits(greatest(value.data), value.dtype)}. Arrow keys go from entry to entry.`;
  }

  /** A heat map: every matrix with one square per entry, side by side, as large as there is room. */
  map() {
    const { rows, columns } = this.planes[0];
    const isFolded = rows === 1 && this.planes.length > 1;
    const perRow = isFolded ? 1 : this.value.show === "filters" && this.value.shape[1] > 1 ? this.value.shape[1] : null;
    this.grid = packed(this.planes.length, rows, columns, perRow, this.tall);
    const { width, height } = this.grid;
    this.canvas = el("canvas", { style: `width:${width}px;height:${height}px` });
    this.overlay = el("canvas", { class: "overlay", style: `width:${width}px;height:${height}px` });
    this.paint();
    const kind = { pictures: "pictures", filters: "filters" }[this.value.show] || "heat map";
    return el(
      "div",
      {
        class: "map",
        tabindex: 0,
        role: "img",
        "aria-label": this.summary(kind),
        style: `width:${width}px;height:${height}px`,
      },
      this.canvas,
      this.overlay,
    );
  }

  paint() {
    const dark = isDark();
    const { cell } = this.grid;
    const context = sharp(this.canvas, this.grid);
    this.planes.forEach((plane, k) => {
      const { x, y } = this.cornerOf(k);
      drawPlane(context, this.value, plane, dark, x, y, cell);
      if (cell >= 11) this.paintSigns(context, plane, x, y, dark);
      context.strokeStyle = "rgba(128, 128, 128, 0.35)";
      context.strokeRect(x + 0.5, y + 0.5, plane.columns * cell - 1, plane.rows * cell - 1);
    });
  }

  paintSigns(context, plane, x, y, dark) {
    const { cell } = this.grid;
    for (let k = 0; k < plane.rows * plane.columns; k++) {
      const entry = this.value.data[plane.at + k];
      if (!(entry < 0) && Number.isFinite(entry)) continue;
      context.fillStyle = inkOn(colourOf(entry, this.value.scale, dark));
      const [left, top] = [x + (k % plane.columns) * cell, y + Math.floor(k / plane.columns) * cell];
      context.fillRect(left + cell * 0.3, top + cell / 2 - 0.5, cell * 0.4, 1);
      if (!Number.isFinite(entry)) context.fillRect(left + cell / 2 - 0.5, top + cell * 0.3, 1, cell * 0.4);
    }
  }

  cornerOf(k) {
    const { perRow, stepX, stepY } = this.grid;
    return { x: (k % perRow) * stepX, y: Math.floor(k / perRow) * stepY };
  }

  listen(body) {
    if (this.value.size < 2) return;
    body.addEventListener("pointermove", (event) => this.point(this.entryAt(event)));
    body.addEventListener("pointerdown", (event) => {
      event.preventDefault(); // the arrow keys go on stepping
      this.point(this.entryAt(event));
    });
    body.addEventListener("pointerleave", () => this.point(null));
    body.addEventListener("blur", () => this.point(null));
    body.addEventListener("keydown", (event) => this.walk(event));
  }

  entryAt(event) {
    if (this.written) {
      const cell = event.target.closest("td");
      return cell ? Number(cell.dataset.flat) : null;
    }
    const box = this.canvas.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    const { cell, perRow, stepX, stepY } = this.grid;
    const plane = this.planes[Math.floor(y / stepY) * perRow + Math.floor(x / stepX)];
    const [row, column] = [Math.floor((y % stepY) / cell), Math.floor((x % stepX) / cell)];
    return plane && row < plane.rows && column < plane.columns ? plane.offset + row * plane.columns + column : null;
  }

  walk(event) {
    const [{ columns, offset }] = this.planes;
    const last = this.planes[this.planes.length - 1];
    const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns };
    if (!(event.key in steps)) return;
    event.preventDefault();
    event.stopPropagation();
    const end = last.offset + last.rows * last.columns - 1;
    const to = this.pointed === null ? offset : this.pointed + steps[event.key];
    if (to >= offset && to <= end) this.point(to);
  }

  point(flat) {
    if (flat === this.pointed) return;
    this.pointed = flat;
    if (this.onPoint) this.onPoint(this, flat);
    else this.mark(flat === null ? [] : [flat]);
    this.readout.textContent = flat === null ? "" : this.says(flat);
  }

  says(flat) {
    const { value } = this;
    const more = this.explain ? this.explain(flat) : "";
    return `${placeText(unravel(flat, value.shape))}  ${digits(entryOf(value, flat), value.dtype)}${more ? `  ${more}` : ""}`;
  }

  /** Outline entries; more than colour says so. */
  mark(entries) {
    if (!this.planes) return;
    if (this.written) {
      for (const flat of this.marked) if (this.cells.has(flat)) this.cells.get(flat).classList.remove("marked");
      for (const flat of entries) if (this.cells.has(flat)) this.cells.get(flat).classList.add("marked");
    } else {
      outline(this, entries);
    }
    this.marked = new Set(entries);
  }
}
