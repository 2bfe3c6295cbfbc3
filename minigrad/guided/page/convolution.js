// A convolution's weight gradient, assembled before the reader's eyes: one output position after the other.

/**
 * Each output position (n, i, j) adds g[n, o, i, j] times the window of the input that it saw.
 * The numbers are computed here from the input and from ∂L/∂(output); their end is the share that the sweep sent.
 */
class Assembly {
  constructor(graph, values, node, step) {
    Object.assign(this, { graph, node, filter: 0, channel: 0, upTo: 0 });
    const [x, weight] = node.inputs.map((id) => graph.nodes[id]);
    this.x = values.get(x.value);
    this.gradient = values.get(step.gradient);
    this.weight = weight;
    const [batch, , ...extent] = node.shape;
    this.extent = extent;
    this.positions = batch * extent.reduce((a, b) => a * b, 1);
    this.kernel = weight.shape.slice(2).reduce((a, b) => a * b, 1);
    this.startWithTheLargest(values.get(step.shares.find(({ input }) => input === 1).share));
    this.words = el("p", { class: "assembly-words", "aria-live": "polite" });
    this.holder = el("div", { class: "figures" });
    this.slider = this.range("output positions", this.positions, (k) => (this.upTo = k));
    this.element = this.build();
    this.show();
  }

  /** The filter and channel to begin with: where something is to be seen. */
  startWithTheLargest(share) {
    this.filters = this.gradient.part ? this.gradient.part[1] : this.weight.shape[0]; // those whose g is in the page
    const sizes = share && share.data ? Array.from(share.data, Math.abs) : [];
    const [filter, channel] = unravel(Math.max(0, sizes.indexOf(greatest(sizes))), this.weight.shape);
    if (filter < this.filters) Object.assign(this, { filter, channel });
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
    const channels = this.weight.shape[1];
    const choose = (name, count, chosen, take) =>
      count > 1 && el("label", {}, `${name} `, this.range(name, count - 1, take, chosen));
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
      choose("filter", this.filters, this.filter, (k) => (this.filter = k)),
      choose("input channel", channels, this.channel, (k) => (this.channel = k)),
      this.words,
      this.holder,
    );
  }

  range(name, max, take, value = 0) {
    const slider = el("input", { type: "range", min: 0, max, value, "aria-label": name });
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
      picture: n,
      channel,
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
    const now = this.upTo
      ? this.at(this.upTo - 1)
      : { picture: 0, output: null, spots: [], channel: this.at(0).channel };
    const [o, c] = [this.filter, now.channel];
    const sum = planeValue(this.sum(), this.weight.shape.slice(2));
    const [tall, picture] = [200, now.picture];
    const figures = {
      x: new Figure(planeOf(this.x, picture, c), {
        title: `${this.name(0)}[${picture}, ${c}]`,
        note: "the window",
        tall,
      }),
      g: new Figure(planeOf(this.gradient, picture, o), { title: `g[${picture}, ${o}]`, note: "the entry", tall }),
      sum: new Figure(sum, {
        title: `${gradientOf(this.weight)}[${o}, ${this.channel}]`,
        note: "the running sum",
        tall,
      }),
    };
    this.holder.replaceChildren(...Object.values(figures).map(({ element }) => element));
    const size = (value) => value.shape[2] * value.shape[3];
    if (now.output !== null) figures.g.mark([now.output % size(this.gradient)]);
    figures.x.mark(now.spots.map(({ flat }) => flat % size(this.x)));
    this.words.textContent = this.saying();
  }

  name(operand) {
    return nameOf(this.graph.nodes[this.node.inputs[operand]]);
  }

  saying() {
    if (this.upTo === 0) return `0 of ${this.positions} positions: nothing has been added yet.`;
    const { output, name } = this.at(this.upTo - 1);
    const end = this.upTo === this.positions ? " All are in: this is the share." : "";
    return `${this.upTo} of ${this.positions} positions: g${name} = ${digits(entryOf(this.gradient, output))} times its window was added.${end}`;
  }
}

/** Numbers as a matrix of its own. */
function planeValue(data, shape) {
  const scale = data.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
  return { shape, dtype: "float32", show: "matrix", data, scale, index: "", size: data.length, strange: 0 };
}

/** One channel of one picture. */
function planeOf(value, picture, channel) {
  const shape = value.shape.slice(2);
  const first = ravel([picture, channel, 0, 0], value.shape);
  return planeValue(
    range(shape[0] * shape[1]).map((k) => entryOf(value, first + k)),
    shape,
  );
}
