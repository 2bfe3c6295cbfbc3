"use strict";
// What the page is told, and what of it is known after each step.

/** A graph with its steps. Position 0 is before the first step; position p is after step p. */
class Graph {
  /** `scalar` is what gradients are taken of: L, or in the gradient's own graph what that begins with. */
  constructor({ nodes, modules, steps }, operations, scalar = "L") {
    const unknown = { formula: null, doc: "", source: null };
    this.nodes = nodes.map((node) => ({ ...unknown, ...operations[node.class], ...node, scalar }));
    this.modules = new Map(modules.map((module) => [module.id, { ...module, nodes: [] }]));
    this.steps = steps;
    this.computedAt = nodes.map((node) => (isGiven(node) ? 0 : Infinity));
    this.shares = nodes.map(() => []);
    this.arrivals = nodes.map(() => []); // complete gradients, one per sweep
    this.accumulated = nodes.map(() => []); // what went into .grad, one per sweep
    this.releasedAt = nodes.map(() => Infinity);
    this.savedBy = nodes.map(() => []);
    this.sweepAt = [0];
    for (const node of nodes) {
      if (node.module !== null) this.modules.get(node.module).nodes.push(node.id);
      for (const { node: saved } of node.saved) if (saved !== null) this.savedBy[saved].push(node.id);
    }
    steps.forEach((step, k) => this.take(step, k + 1));
  }

  take(step, position) {
    this.sweepAt.push(step.direction === "forward" ? 0 : step.sweep);
    if (step.direction === "forward") {
      this.computedAt[step.node] = Math.min(position, this.computedAt[step.node]);
      return;
    }
    const arrived = { position, sweep: step.sweep, gradient: step.gradient };
    if (step.direction === "leaf") {
      this.accumulated[step.node].push({ ...arrived, before: step.before, after: step.after });
      if (this.arrivals[step.node].every(({ sweep }) => sweep !== step.sweep)) this.arrivals[step.node].push(arrived);
      return;
    }
    this.arrivals[step.node].push(arrived);
    for (const share of step.shares) {
      this.shares[share.to].push({ ...share, from: step.node, position, sweep: step.sweep });
    }
    for (const node of step.released) this.releasedAt[node] = Math.min(position, this.releasedAt[node]);
  }

  /** What is known of a node at a position. A gradient of an earlier sweep is not this sweep's. */
  stateOf(id, position) {
    const sweep = this.sweepAt[position];
    const before = (event) => event.position <= position;
    const shares = this.shares[id].filter((share) => before(share) && share.sweep === sweep);
    const arrival = this.arrivals[id].find((event) => before(event) && event.sweep === sweep);
    const last = shares[shares.length - 1];
    const whole = arrival ? arrival.gradient : last && last.nth === last.of ? last.sum : null;
    return {
      computed: this.computedAt[id] <= position,
      saved: this.savedBy[id].some((by) => this.computedAt[by] <= position && position < this.releasedAt[by]),
      shares,
      of: last ? last.of : this.nodes[id].uses,
      gradient: whole, // complete, or null
      sum: last ? last.sum : null, // of the shares that have arrived
      grad: this.accumulated[id].filter(before).pop() || null, // what .grad holds
    };
  }

  /** Whether a gradient comes to a node in any sweep. */
  isReached(id) {
    return this.arrivals[id].length > 0 || this.shares[id].length > 0;
  }

  /** The modules around a node or a module, from the outermost inwards. */
  modulesAround(module) {
    const path = [];
    for (let id = module; id !== null && id !== undefined; id = this.modules.get(id).parent) {
      path.unshift(this.modules.get(id));
    }
    return path;
  }

  /** All nodes inside a module, in the order of making. */
  inside(module) {
    return this.nodes.filter((node) => this.modulesAround(node.module).some(({ id }) => id === module));
  }
}

const isGiven = (node) => ["leaf", "parameter", "constant"].includes(node.kind);

const SPECIAL = { nan: NaN, inf: Infinity, "-inf": -Infinity };

/** The arrays of the page, decoded when they are first looked at. */
class Values {
  constructor(values) {
    this.raw = values;
    this.known = new Map();
  }

  get(index) {
    if (index === null || index === undefined) return null;
    if (!this.known.has(index)) this.known.set(index, this.decode(this.raw[index], index));
    return this.known.get(index);
  }

  decode(raw, index) {
    let data = raw.data;
    if (data && data.f32 !== undefined) {
      data = floatsOf(atob(data.f32));
    } else if (data) {
      data = data.map((x) => (typeof x === "string" ? SPECIAL[x] : Number(x)));
    }
    let scale = 0; // the largest finite magnitude: the ends of the heat map
    let strange = 0;
    let [low, high] = [Infinity, -Infinity];
    for (let i = 0; data && i < data.length; i++) {
      if (data[i] < low) low = data[i];
      if (data[i] > high) high = data[i];
      const size = Math.abs(data[i]);
      if (size > scale && size < Infinity) scale = size;
      else if (!(size < Infinity)) strange += 1; // nan, too
    }
    return { ...raw, data, index, scale, strange, low, high, size: raw.shape.reduce((a, b) => a * b, 1) };
  }
}

/** The numbers in a string of bytes: little endian, as are all machines that browsers run on. */
function floatsOf(text) {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return new Float32Array(bytes.buffer);
}

/** The place [i, j, …] of the entry that lies at `flat` in row-major order. */
function unravel(flat, shape) {
  const index = new Array(shape.length);
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    index[axis] = flat % shape[axis];
    flat = Math.floor(flat / shape[axis]);
  }
  return index;
}

/** The entry at a flat place. A value of which only a `part` is held has the first pictures and channels. */
function entryOf(value, flat) {
  if (!value.part) return value.data[flat];
  const [[n, c], [, channels]] = [value.part, value.shape];
  const plane = value.size / (value.shape[0] * channels);
  const [picture, channel] = [Math.floor(flat / (plane * channels)), Math.floor(flat / plane) % channels];
  return picture < n && channel < c ? value.data[(picture * c + channel) * plane + (flat % plane)] : undefined;
}

const isWhole = (value) => Boolean(value && value.data && !value.part);

/** What a box is called; a module that is called twice has two boxes. */
const boxName = ({ path, type, call }) => `${path || type}${call > 1 ? ` (call ${call})` : ""}`;

const ravel = (index, shape) => index.reduce((flat, i, axis) => flat * shape[axis] + i, 0);
