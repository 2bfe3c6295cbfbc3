// The panel: one node, with all that is known of it at this step.

/** Builds what the panel shows. `known` is the position whose numbers may be seen. */
class Panel {
  constructor(graph, values, { position, known }) {
    Object.assign(this, { graph, values, position, known, figures: [] });
    this.step = position ? graph.steps[position - 1] : null;
  }

  figure(index, options) {
    const figure = new Figure(this.values.get(index), options);
    this.figures.push(figure);
    return figure.element;
  }

  /** The whole panel for a node. `between` is the question or what was said to its answer. */
  node(id, between) {
    this.shown = this.graph.nodes[id];
    const node = this.shown;
    const working = this.step && this.step.node === id;
    const veiled = this.known < this.position;
    const body = working && veiled ? this.before() : working ? this.atWork() : this.lookedAt();
    for (const figure of this.figures) this.connect(figure);
    return [
      this.head(node, working),
      this.formulas(node),
      ...between,
      el("div", { class: "body" }, body),
      ...(veiled && working ? [] : this.folds(node)),
    ];
  }

  head(node, working) {
    const around = this.graph
      .modulesAround(node.module)
      .map((module) =>
        el(
          "button",
          { type: "button", class: "crumb", "data-close": module.id, title: `${module.type}: close this box` },
          boxName(module),
        ),
      );
    const name = node.operation && (node.name || node.symbol);
    return el(
      "header",
      {},
      el("h2", {}, titleOf(node), name ? el("span", { class: "quiet" }, ` → ${name}`) : ""),
      around.length > 0 && el("p", { class: "crumbs" }, around),
      el("p", { class: "quiet" }, `${KINDS[node.kind]} · ${shapeText(node.shape)} · ${node.dtype}`),
      node.options && el("p", { class: "options" }, node.options),
      !working && el("p", { class: "aside" }, "Not the node at work. Esc goes back to it."),
    );
  }

  formulas(node) {
    const { forward, backward } = node.formula || {};
    if (!forward && !backward) return null;
    const now = this.step && this.step.node === node.id ? this.step.direction : null;
    const line = (text, direction) => text && el("p", { class: `formula${now === direction ? " now" : ""}` }, text);
    return el("div", { class: "formulas" }, line(forward, "forward"), line(backward, "backward"));
  }

  atWork() {
    if (this.step.direction === "forward") return this.forward();
    return this.step.direction === "leaf" ? this.leaf() : this.backward();
  }

  /** While a question is open: only what goes in. */
  before() {
    if (this.step.direction === "forward") return [this.group("goes in", this.inputFigures())];
    return [this.group("known so far", [...this.savedFigures(), this.gradientFigure()])];
  }

  group(title, figures) {
    const present = figures.filter(Boolean);
    return present.length
      ? el("section", { class: "group" }, el("h3", {}, title), el("div", { class: "figures" }, present))
      : null;
  }

  inputFigures() {
    return this.shown.inputs.map((id, operand) => {
      const input = this.graph.nodes[id];
      return this.figure(this.graph.computedAt[id] <= this.known ? input.value : null, {
        title: nameOf(input),
        role: { side: "in", operand },
      });
    });
  }

  forward() {
    const node = this.shown;
    const out = this.figure(node.value, {
      title: nameOf(node),
      role: { side: "out" },
      explain: (flat) => arithmetic(this.graph, this.values, node, flat),
    });
    const saved = node.saved.map(({ label, node: of, shape }) =>
      of === null ? `${label} (${shapeText(shape)})` : nameOf(this.graph.nodes[of]),
    );
    return [
      this.group("goes in", this.inputFigures()),
      this.group("comes out", [out]),
      node.saved.length > 0 && el("p", { class: "saved-line" }, `saved for backward: ${listed([...new Set(saved)])}`),
    ];
  }

  savedFigures() {
    const node = this.shown;
    return node.saved.map(({ label, node: of, shape }) => {
      if (of === null) return el("p", { class: "quiet" }, `saved: ${label}, ${shapeText(shape)}`);
      const operand = node.inputs.indexOf(of);
      const role = of === node.id ? { side: "out" } : operand < 0 ? null : { side: "saved", operand };
      return this.figure(this.graph.nodes[of].value, { title: nameOf(this.graph.nodes[of]), note: "saved", role });
    });
  }

  gradientFigure() {
    const state = this.graph.stateOf(this.shown.id, this.known);
    if (state.gradient === null) return null;
    return this.figure(state.gradient, {
      title: isGiven(this.shown) ? gradientOf(this.shown) : `g = ${gradientOf(this.shown)}`,
      role: { side: "out" },
    });
  }

  backward() {
    const { step, graph } = this;
    const node = this.shown;
    const arrives = this.figure(step.gradient, { title: `g = ${gradientOf(node)}`, role: { side: "out" } });
    const saved = this.savedFigures();
    const shares = step.shares.map((share) => this.share(share));
    const assembly = Assembly.fits(graph, this.values, node, step)
      ? new Assembly(graph, this.values, node, step).element
      : null;
    const without = [...new Set(node.inputs)]
      .filter((id) => !graph.nodes[id].needs_grad)
      .map((id) => nameOf(graph.nodes[id]));
    return [
      this.group("arrives", [arrives]),
      this.group("saved for backward", saved),
      this.group(shares.length === 1 ? "leaves: one share" : `leave: ${shares.length} shares`, shares.flat()),
      without.length > 0 && el("p", { class: "quiet" }, `No gradient is asked for: ${listed(without)}.`),
      assembly,
      step.released.length > 0 &&
        el(
          "p",
          { class: "saved-line" },
          `released: what ${listed(step.released.map((id) => nameOf(graph.nodes[id])))} had saved`,
        ),
    ];
  }

  /** A share that leaves, and where others have arrived before, the sum with it. */
  share(share) {
    const target = this.graph.nodes[share.to];
    const arrived = this.graph.shares[share.to].filter(
      (other) => other.sweep === this.step.sweep && other.position <= this.position && other.nth <= share.nth,
    );
    const folded = share.broadcast
      ? `. Summed over ${share.broadcast.axes.length === 1 ? "axis" : "axes"} ${listed(share.broadcast.axes.map(String))}: ${shapeText(share.broadcast.from)} becomes ${shapeText(share.broadcast.to)}`
      : "";
    const note = shareText(arrived, this.values) + folded;
    const role = { side: "in", operand: share.input };
    const figures = [
      this.figure(share.share, {
        title: share.of > 1 ? `share of ${gradientOf(target)}` : gradientOf(target),
        note,
        role,
      }),
    ];
    if (share.nth > 1) {
      figures.push(
        this.figure(share.sum, {
          title: gradientOf(target),
          note: share.nth === share.of ? "the sum of all shares" : "the sum so far",
          role,
        }),
      );
    }
    return figures;
  }

  leaf() {
    const { step } = this;
    const name = nameOf(this.shown);
    const { shares } = this.graph.stateOf(this.shown.id, this.known);
    const note = shares.length ? shareText(shares, this.values) : "";
    const gradient = this.figure(step.gradient, { title: gradientOf(this.shown), note, role: { side: "out" } });
    const before =
      step.before === null
        ? null
        : this.figure(step.before, {
            title: `${name}.grad before`,
            note: "from the earlier backward",
            role: { side: "out" },
          });
    const after = this.figure(step.after, {
      title: `${name}.grad`,
      note: step.before === null ? "" : "= before + the new gradient",
      role: { side: "out" },
    });
    return [this.group("complete", [gradient]), this.group("accumulated", [before, after]), beliefTable(this.shown)];
  }

  /** A node that the reader has chosen, at work or not. */
  lookedAt() {
    const node = this.shown;
    const state = this.graph.stateOf(node.id, this.known);
    const value = this.figure(state.computed ? node.value : null, {
      title: nameOf(node),
      note: state.saved ? "saved for backward" : "",
      role: { side: "out" },
    });
    if (!node.needs_grad) return [this.group("value", [value])];
    const index = state.gradient ?? state.sum;
    const counted = state.shares.length
      ? shareText(state.shares, this.values)
      : state.of > 1
        ? `0 of ${state.of} shares`
        : "";
    const gradient = this.figure(index, { title: gradientOf(node), note: counted, role: { side: "out" } });
    const kept = state.grad && this.figure(state.grad.after, { title: `${nameOf(node)}.grad`, role: { side: "out" } });
    const using = this.graph.nodes.filter(({ inputs }) => inputs.includes(node.id)).map(nameOf);
    return [
      this.group("value", [value]),
      this.group("gradient", [gradient, kept]),
      using.length > 0 &&
        el("p", { class: "quiet" }, `goes into ${listed(using.slice(0, 12))}${using.length > 12 ? ", …" : ""}`),
      state.gradient !== null && isGiven(node) && beliefTable(node),
    ];
  }

  /** Pointing at an entry marks, in all figures, the entries that it came from or went into. */
  connect(figure) {
    figure.onPoint = (_, flat) => {
      for (const other of this.figures) other.mark(flat === null ? [] : this.touched(figure, flat, other));
    };
  }

  touched(figure, flat, other) {
    if (figure === other) return [flat];
    if (!figure.role || !other.role) return [];
    const inward = ({ side }) => side !== "out";
    if (!inward(figure.role))
      return inward(other.role) ? sources(this.graph, this.shown, flat)[other.role.operand] : [flat];
    if (!inward(other.role)) return destinations(this.graph, this.shown, figure.role.operand, flat);
    return this.shown.inputs[figure.role.operand] === this.shown.inputs[other.role.operand] ? [flat] : [];
  }

  folds(node) {
    const code = node.source && [node.source.forward, node.source.backward].filter(Boolean).join("\n\n");
    return [
      code &&
        fold("the code that ran", el("p", { class: "quiet" }, node.source.file), el("pre", {}, el("code", {}, code))),
      node.line &&
        fold(
          `your line ${node.line.number}`,
          el("p", { class: "quiet" }, `${node.line.file}, line ${node.line.number}`),
          el("pre", {}, el("code", {}, node.line.text)),
        ),
      node.doc && fold(`about ${titleOf(node)}`, el("pre", { class: "doc" }, node.doc)),
    ].filter(Boolean);
  }
}
