// The graph as it is drawn: cards with a field for the value and one for the gradient, boxes, edges.

const MANY = 400; // beyond it lines are not dotted: dots on long lines take a browser seconds to paint

/** Draws what is visible once, and afterwards changes only what a step changes. */
class Drawing {
  constructor(paper, { values, onChoose, onToggle }) {
    Object.assign(this, { paper, values, onChoose, onToggle, zoom: 1, fitted: true });
  }

  /** Lay out and draw anew: at first, and when a box is opened or closed. */
  draw(graph, open) {
    this.graph = graph;
    this.visible = visibleGraph(graph, open);
    this.plan = layOut(graph, this.visible);
    this.cards = new Map();
    this.lines = new Map();
    this.svg = svg(
      "svg",
      {
        class: this.visible.items.size > MANY ? "drawing many" : "drawing",
        role: "group",
        "aria-label": "graph: values go from left to right",
      },
      arrowHeads(),
    );
    for (const box of this.plan.boxes.sort((a, b) => b.width * b.height - a.width * a.height)) this.drawBox(box);
    for (const edge of this.visible.edges) this.drawEdge(edge);
    for (const item of this.visible.items.values()) this.drawCard(item);
    this.paper.replaceChildren(this.svg);
    this.scale(this.fitted ? null : this.zoom);
  }

  scale(zoom) {
    this.fitted = zoom === null;
    const { width, height } = this.plan;
    this.zoom =
      zoom === null ? Math.min(1.3, Math.max(this.room(), isPhone() ? 0.7 : 0.78)) : Math.min(3, Math.max(0.08, zoom));
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.svg.setAttribute("width", width * this.zoom);
    this.svg.setAttribute("height", height * this.zoom);
  }

  /** The zoom with which the whole graph is seen. On a phone only the width counts: the paper is as high as the graph. */
  room() {
    const across = (this.paper.clientWidth - 4) / this.plan.width;
    return isPhone() ? across : Math.min(across, (this.paper.clientHeight - 4) / this.plan.height);
  }

  wholeIn() {
    this.scale(Math.min(1.3, this.room()));
  }

  drawBox({ module, x, y, width, height }) {
    const name = boxName(this.graph.modules.get(module));
    const close = () => this.onToggle(module);
    this.svg.append(
      svg(
        "g",
        { class: "box" },
        svg("rect", { x, y, width, height, rx: 10 }),
        this.button(
          {
            class: "box-name",
            "data-module": module,
            "aria-expanded": "true",
            "aria-label": `box ${name}, open: close it`,
          },
          close,
          svg("rect", { x: x + 6, y: y + 2, width: (`▾ ${name}`.length + 1) * CARD.letter, height: 16, rx: 4 }),
          svg("text", { x: x + 10, y: y + 14 }, `▾ ${name}`),
        ),
      ),
    );
  }

  button(attributes, act, ...children) {
    const group = svg("g", { tabindex: 0, role: "button", ...attributes }, ...children);
    group.addEventListener("click", act);
    group.addEventListener("keydown", (event) => {
      if (event.key === "Enter") act();
    });
    return group;
  }

  drawEdge(edge) {
    const points = this.plan.edges.get(edge.key);
    const line = svg("path", { d: curve(points), class: "line", "marker-end": "url(#forward)" });
    const back = svg("path", { d: "M-6,0 l11,-6 v12 z", class: "back" });
    const group = svg("g", { class: "edge" }, line, back);
    this.lines.set(edge.key, { group, edge, line, back, signature: null });
    this.svg.append(group);
  }

  drawCard(item) {
    const { x, y, width, height } = this.plan.items.get(item.key);
    const [title, below] = item.node ? cardLines(item.node) : boxLines(item);
    const act = () => (item.module ? this.onToggle(item.module.id) : this.onChoose(item.node.id));
    const card = this.button(
      {
        class: `card ${item.node ? item.node.kind : "module"}`,
        "data-key": item.key,
        transform: `translate(${x},${y})`,
      },
      act,
      svg("rect", { class: "body", width, height, rx: item.node && isGiven(item.node) ? 16 : 7 }),
      item.module && svg("rect", { class: "shadow", x: 4, y: 4, width: width - 8, height: height - 8, rx: 5 }),
      svg("text", { class: "title", x: CARD.pad, y: 16 }, title),
      svg("text", { class: "sub", x: CARD.pad, y: 30 }, below),
    );
    const slots = item.node && !item.node.needs_grad ? 1 : 2;
    const slot = (width - 2 * CARD.pad - 4 * (slots - 1)) / slots;
    const fields = [];
    for (let k = 0; k < slots; k++) {
      const field = svg("g", { class: "field", transform: `translate(${CARD.pad + k * (slot + 4)},36)` });
      card.append(field);
      fields.push(field);
    }
    this.cards.set(item.key, { card, item, fields, slot, signature: null });
    this.svg.append(card);
  }

  /** Show what is known at `position`, the item `atWork`, and the node in the panel. */
  update({ position, known, atWork, chosen }) {
    for (const entry of this.cards.values()) this.updateCard(entry, { position, known, atWork, chosen });
    const step = position ? this.graph.steps[position - 1] : null;
    for (const line of this.lines.values()) this.updateEdge(line, known, known === position ? step : null);
  }

  updateCard(entry, { known, atWork, chosen }) {
    const { item, card, fields, slot } = entry;
    const shown = item.node ? nodeFields(this.graph, item.node, known) : boxFields(this.graph, item, known);
    const [working, inPanel] = [atWork === item.key, chosen === item.key];
    const signature = JSON.stringify([shown, working, inPanel, isDark()]);
    if (signature === entry.signature) return;
    entry.signature = signature;
    card.classList.toggle("working", working);
    card.classList.toggle("chosen", inPanel);
    fields.forEach((field, k) => drawField(field, shown[k], slot, this.values));
    const what = item.node ? titleOf(item.node) : `closed box ${boxName(item.module)}`;
    const name = item.node && item.node.operation ? ` ${item.node.name || item.node.symbol || ""}` : "";
    const saved = shown[0].saved ? ", saved for backward" : "";
    card.setAttribute(
      "aria-label",
      `${what}${name}: value ${shown[0].says}${saved}${shown[1] ? `, gradient ${shown[1].says}` : ""}${working ? ", at work" : ""}`,
    );
    if (item.module) card.setAttribute("aria-expanded", "false");
  }

  updateEdge(entry, known, step) {
    const { uses } = entry.edge;
    const went = uses.some(({ node }) => this.graph.computedAt[node] <= known);
    const returned = uses.some((use) => shareOf(this.graph, use, known));
    const forward = step && step.direction === "forward" && uses.some(({ node }) => node === step.node);
    const backward =
      step &&
      step.direction === "backward" &&
      uses.some(({ node, input }) => node === step.node && step.shares.some(({ to }) => to === input));
    const signature = `edge${went ? " went" : ""}${returned ? " returned" : ""}${forward ? " forward" : ""}${backward ? " backward" : ""}`;
    if (signature === entry.signature) return;
    entry.signature = signature;
    entry.group.setAttribute("class", signature);
    if (returned && !entry.back.hasAttribute("transform")) entry.back.setAttribute("transform", halfway(entry.line));
    entry.group.firstChild.setAttribute("marker-end", backward ? "" : "url(#forward)");
    entry.group.firstChild.setAttribute("marker-start", backward ? "url(#backward)" : "");
  }

  /** Bring an item into sight, without moving the page. */
  reveal(key) {
    const place = this.plan.items.get(key);
    if (!place) return;
    const [x, y] = [place.x * this.zoom, place.y * this.zoom];
    const { scrollLeft, scrollTop, clientWidth, clientHeight } = this.paper;
    const [width, height] = [place.width * this.zoom, place.height * this.zoom];
    const inside =
      x >= scrollLeft + 20 &&
      x + width <= scrollLeft + clientWidth - 20 &&
      y >= scrollTop + 10 &&
      y + height <= scrollTop + clientHeight - 10;
    if (inside) return;
    const behavior = matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth";
    this.paper.scrollTo({ left: x + width / 2 - clientWidth / 2, top: y + height / 2 - clientHeight / 2, behavior });
  }
}

const isPhone = () => matchMedia("(max-width: 860px)").matches;

function arrowHeads() {
  const head = (id, orient) =>
    svg(
      "marker",
      {
        id,
        viewBox: "0 0 10 10",
        refX: orient === "auto" ? 9 : 9,
        refY: 5,
        markerWidth: 9,
        markerHeight: 9,
        markerUnits: "userSpaceOnUse",
        orient,
      },
      svg("path", { d: "M0,1 L9,5 L0,9 z" }),
    );
  return svg("defs", {}, head("forward", "auto"), head("backward", "auto-start-reverse"));
}

/** A smooth line through the points of the layout. */
function curve(points) {
  const [first, ...rest] = points;
  let d = `M${first.x},${first.y}`;
  for (let k = 0; k < rest.length - 1; k++) {
    const end =
      k === rest.length - 2 ? rest[k + 1] : { x: (rest[k].x + rest[k + 1].x) / 2, y: (rest[k].y + rest[k + 1].y) / 2 };
    d += ` Q${rest[k].x},${rest[k].y} ${end.x},${end.y}`;
  }
  return rest.length === 1 ? `${d} L${rest[0].x},${rest[0].y}` : d;
}

/** The middle of a line, turned as the line runs there. */
function halfway(line) {
  const half = line.getTotalLength() / 2;
  const [before, { x, y }, after] = [-2, 0, 2].map((by) => line.getPointAtLength(half + by));
  const angle = (Math.atan2(after.y - before.y, after.x - before.x) * 180) / Math.PI;
  return `translate(${x},${y}) rotate(${angle})`;
}

/** The share that a use of a value has sent back by now, if any. */
function shareOf(graph, { input, node, operand }, known) {
  const sweep = graph.sweepAt[known];
  return graph.shares[input].find(
    (share) => share.from === node && share.input === operand && share.position <= known && share.sweep === sweep,
  );
}

/** What the two fields of a card say: `value` an index of an array, or a text. */
function nodeFields(graph, node, known) {
  const state = graph.stateOf(node.id, known);
  const value = state.computed
    ? { value: node.value, says: "computed", saved: state.saved }
    : { text: "not yet", says: "not yet" };
  if (!node.needs_grad) return [value];
  if (!graph.isReached(node.id)) return [value, { text: "none comes", says: "none comes: nothing depends on it" }];
  if (state.gradient !== null) return [value, { value: state.gradient, says: "complete" }];
  if (state.shares.length) {
    const count = `${state.shares.length} of ${state.of}`;
    return [value, { text: count, says: `${count} shares`, partial: true }];
  }
  return [value, { text: "not yet", says: "not yet" }];
}

function boxFields(graph, item, known) {
  const made = item.nodes.filter((id) => !isGiven(graph.nodes[id]));
  const asking = item.nodes.filter((id) => graph.nodes[id].needs_grad);
  const done = made.filter((id) => graph.computedAt[id] <= known).length;
  const back = asking.filter((id) => graph.stateOf(id, known).gradient !== null).length;
  const field = (n, of) =>
    n === 0 && of > 0
      ? { text: "not yet", says: "not yet" }
      : { text: `${n}/${of}`, says: `${n} of ${of}`, partial: n < of, full: n === of };
  return [field(done, made.length), field(back, asking.length)];
}

/** Fill a field: hollow where there is nothing yet, else a number or a small picture. */
function drawField(field, shown, width, values) {
  const filled = shown.value !== undefined || shown.full;
  const kind = filled ? "filled" : shown.partial ? "partial" : "hollow";
  const frame = svg("rect", { class: `${kind}${shown.saved ? " saved" : ""}`, width, height: 25, rx: 4 });
  const text = (words, kindOf = "") => svg("text", { x: width / 2, y: 17, class: kindOf }, words);
  const value = values.get(shown.value);
  if (!value) return field.replaceChildren(frame, text(shown.text ?? "left out", "small"));
  if (value.data && value.size === 1) return field.replaceChildren(frame, text(digits(value.data[0], value.dtype)));
  const href = thumbnail(value);
  if (!href) return field.replaceChildren(frame, text(value.shape.join("×"), "small"));
  return field.replaceChildren(
    frame,
    svg("image", { href, x: 3, y: 3, width: width - 6, height: 19, preserveAspectRatio: "xMidYMid meet" }),
  );
}
