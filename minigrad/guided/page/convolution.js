// A convolution's weight gradient, assembled before the reader's eyes: one output position after the other.

/**
 * Each output position (n, i, j) adds g[n, o, i, j] times the window of the input that it saw.
 * The numbers are computed here from the input and from ∂L/∂(output); their end is the share that the sweep sent.
 */
class Assembly {
  constructor(graph, values, node, step, figures) {
    Object.assign(this, { graph, node, figures, filter: 0, channel: 0, upTo: 0 });
    const [x, weight] = node.inputs.map((id) => graph.nodes[id]);
    this.x = values.get(x.value);
    this.gradient = values.get(step.gradient);
    this.weight = weight;
    const [batch, , ...extent] = node.shape;
    this.extent = extent;
    this.positions = batch * extent.reduce((a, b) => a * b, 1);
    this.kernel = weight.shape.slice(2).reduce((a, b) => a * b, 1);
    this.words = el("p", { class: "assembly-words", "aria-live": "polite" });
    this.holder = el("div", {});
    this.slider = this.range("output positions", this.positions, (k) => (this.upTo = k));
    this.element = this.build();
    this.show();
  }

  /** Whether all that it takes is in the page. */
  static fits(graph, values, node, step) {
    if (!node.reach || node.reach.kind !== "window" || node.inputs.length < 2 || node.shape.length !== 4) return false;
    if (!step.shares.some(({ input }) => input === 1)) return false;
    const [x, gradient] = [graph.nodes[node.inputs[0]].value, step.gradient].map((index) => values.get(index));
    const allPictures = gradient && gradient.data && (!gradient.part || gradient.part[0] === node.shape[0]);
    return isWhole(x) && Boolean(allPictures);
  }

  build() {
    const [all, channels] = this.weight.shape;
    const filters = this.gradient.part ? this.gradient.part[1] : all; // those whose g is in the page
    const choose = (name, count, take) => count > 1 && el("label", {}, `${name} `, this.range(name, count - 1, take));
    return el(
      "section",
      { class: "assembly" },
      el("h3", {}, `${gradientOf(this.weight)}, position by position`),
      el(
        "p",
        { class: "quiet" },
        "Each output position adds its g times the window that it saw. Move the slider to let the window slide.",
      ),
      el("label", { class: "positions" }, "positions ", this.slider),
      choose("filter", filters, (k) => (this.filter = k)),
      choose("input channel", channels, (k) => (this.channel = k)),
      this.words,
      this.holder,
    );
  }

  range(name, max, take) {
    const slider = el("input", { type: "range", min: 0, max, value: 0, "aria-label": name });
    slider.addEventListener("input", () => {
      take(Number(slider.value));
      this.show();
    });
    return slider;
  }

  /** Flat places of g and of the window at the k-th position, for the chosen filter and input channel. */
  at(k) {
    const [n, ...at] = unravel(k, [this.node.shape[0], ...this.extent]);
    const perGroup = this.weight.shape[0] / (this.node.reach.groups || 1);
    const channel = Math.floor(this.filter / perGroup) * this.weight.shape[1] + this.channel;
    const spots = windowAt(this.node.reach, at, this.x.shape.slice(2));
    return {
      output: ravel([n, this.filter, ...at], this.node.shape),
      spots: spots.map(({ place, kernel }) => ({ kernel, flat: ravel([n, channel, ...place], this.x.shape) })),
      name: placeText([n, this.filter, ...at]),
    };
  }

  sum() {
    const sum = new Array(this.kernel).fill(0);
    for (let k = 0; k < this.upTo; k++) {
      const { output, spots } = this.at(k);
      for (const { kernel, flat } of spots) sum[kernel] += entryOf(this.gradient, output) * this.x.data[flat];
    }
    return sum;
  }

  show() {
    const shape = this.weight.shape.slice(2);
    const value = {
      shape,
      dtype: "float32",
      show: "numbers",
      data: this.sum(),
      index: "",
      size: this.kernel,
      strange: 0,
    };
    value.scale = Math.max(...value.data.map(Math.abs));
    const which = placeText([this.filter, this.channel, ...shape.map(() => ":")]);
    this.holder.replaceChildren(
      new Figure(value, { title: `running sum of ${gradientOf(this.weight)}${which}` }).element,
    );
    this.words.textContent = this.saying();
    const now = this.upTo ? this.at(this.upTo - 1) : { output: null, spots: [] };
    for (const figure of this.figures) {
      if (figure.role && figure.role.side === "out") figure.mark(now.output === null ? [] : [now.output]);
      if (figure.role && figure.role.side === "saved" && figure.role.operand === 0)
        figure.mark(now.spots.map(({ flat }) => flat));
    }
  }

  saying() {
    if (this.upTo === 0) return `0 of ${this.positions} positions: nothing has been added yet.`;
    const { output, name } = this.at(this.upTo - 1);
    const end = this.upTo === this.positions ? " All are in: this is the share." : "";
    return `${this.upTo} of ${this.positions} positions: g${name} = ${digits(entryOf(this.gradient, output))} times its window was added.${end}`;
  }
}
