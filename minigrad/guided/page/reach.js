// Which entries of the inputs an entry of the output came from.

const WORK_AT_MOST = 3e6; // entries looked at to find the outputs that an input went into

/** For one operand after the other, the flat places that entry `flat` of the node's output came from. */
function sources(graph, node, flat) {
  if (!node.reach) return node.inputs.map(() => []);
  const inputs = node.inputs.map((id) => graph.nodes[id].shape);
  const index = unravel(flat, node.shape);
  const found = REACHES[node.reach.kind](node.reach, index, inputs, node.shape);
  return inputs.map((shape, operand) => found[operand] || []);
}

const REACHES = {
  elementwise: (_, index, inputs) => inputs.map((shape) => [repeated(index, shape)]),
  all: (_, index, inputs) => inputs.map(everything),
  reduce: (reach, index, inputs, output) => inputs.map((shape) => reduced(reach.axes, index, shape, output)),
  matmul: (_, index, [a, b]) => product(index, a, b),
  linear: (_, index, [x, weight, bias]) => {
    const [unit, before] = [index[index.length - 1], index.slice(0, -1)];
    const places = range(x[x.length - 1]).map((k) => ravel([...before, k], x));
    return [places, range(weight[1]).map((k) => unit * weight[1] + k), bias ? [unit] : []];
  },
  window: (reach, [n, channel, ...at], [x, weight, bias]) => {
    const groups = reach.groups || 1;
    const [perGroup, first] = [weight[1], Math.floor(channel / (weight[0] / groups)) * weight[1]];
    const places = [];
    for (let c = 0; c < perGroup; c++) {
      for (const spot of windowAt(reach, at, x.slice(2))) places.push(ravel([n, first + c, ...spot.place], x));
    }
    const kernel = weight.slice(1).reduce((a, b) => a * b, 1);
    return [places, range(kernel).map((k) => channel * kernel + k), bias ? [channel] : []];
  },
  pool: (reach, index, [x]) => {
    const spatial = pairOf(reach.kernel).length;
    const [before, at] = [index.slice(0, index.length - spatial), index.slice(-spatial)];
    return [windowAt(reach, at, x.slice(-spatial)).map(({ place }) => ravel([...before, ...place], x))];
  },
};

const range = (n) => Array.from({ length: n }, (_, k) => k);
const everything = (shape) => range(shape.reduce((a, b) => a * b, 1));
const pairOf = (x) => (Array.isArray(x) ? x : [x, x]);

/** The one entry that broadcasting repeats to `index`. */
function repeated(index, shape) {
  const own = index.slice(index.length - shape.length);
  return ravel(
    own.map((i, axis) => (shape[axis] === 1 ? 0 : i)),
    shape,
  );
}

function reduced(axes, index, shape, output) {
  const along = new Set(axes.map((axis) => (axis + shape.length) % shape.length));
  const kept = output.length === shape.length ? index.filter((_, axis) => !along.has(axis)) : [...index];
  let places = [[]];
  shape.forEach((n, axis) => {
    const next = along.has(axis) ? range(n) : [kept.shift()];
    places = places.flatMap((place) => next.map((i) => [...place, i]));
  });
  return places.map((place) => ravel(place, shape));
}

/** Row and column of a matrix product, as NumPy's matmul has it: vectors, matrices, stacks. */
function product(index, a, b) {
  const rest = [...index];
  const column = b.length > 1 ? [rest.pop()] : [];
  const row = a.length > 1 ? [rest.pop()] : [];
  const stack = (shape) =>
    rest.slice(rest.length - Math.max(0, shape.length - 2)).map((i, axis) => (shape[axis] === 1 ? 0 : i));
  const terms = range(a[a.length - 1]);
  return [
    terms.map((k) => ravel([...stack(a), ...row, k], a)),
    terms.map((k) => ravel([...stack(b), k, ...column], b)),
  ];
}

/** The places of the input under the window for output position `at`; what lies in the padding is left out. */
function windowAt(reach, at, extent) {
  const [kernel, stride, dilation] = [pairOf(reach.kernel), pairOf(reach.stride), pairOf(reach.dilation ?? 1)];
  const padding = pairOf(reach.padding ?? 0).map((p) => (Array.isArray(p) ? p[0] : p));
  const spots = [];
  const size = kernel.reduce((a, b) => a * b, 1);
  for (let k = 0; k < size; k++) {
    const offset = unravel(k, kernel);
    const place = offset.map((o, axis) => at[axis] * stride[axis] + o * dilation[axis] - padding[axis]);
    if (place.every((p, axis) => p >= 0 && p < extent[axis])) spots.push({ place, kernel: k });
  }
  return spots;
}

const destinationsKnown = new WeakMap();

/** The entries of the output that entry `flat` of an operand went into. */
function destinations(graph, node, operand, flat) {
  if (!node.reach) return [];
  if (!destinationsKnown.has(node)) destinationsKnown.set(node, inverted(graph, node));
  const maps = destinationsKnown.get(node);
  return maps ? maps[operand].get(flat) || [] : [];
}

function inverted(graph, node) {
  const size = node.shape.reduce((a, b) => a * b, 1);
  if (!size) return null;
  const each = sources(graph, node, 0).reduce((sum, places) => sum + places.length, 0);
  if (size * each > WORK_AT_MOST) return null;
  const maps = node.inputs.map(() => new Map());
  for (let flat = 0; flat < size; flat++) {
    sources(graph, node, flat).forEach((places, operand) => {
      for (const place of places) {
        if (!maps[operand].has(place)) maps[operand].set(place, []);
        maps[operand].get(place).push(flat);
      }
    });
  }
  return maps;
}

/** The sum of products behind an entry of a convolution, a linear layer or a matrix product, written out if short. */
function arithmetic(graph, values, node, flat) {
  if (!["window", "linear", "matmul"].includes(node.reach && node.reach.kind)) return "";
  const [a, b, bias] = node.inputs.map((id) => values.get(graph.nodes[id].value));
  if (![a, b, bias ?? a].every(isWhole)) return "";
  const pairs = pairsOf(graph, node, flat);
  const written = (x) => (x < 0 ? `(${digits(x)})` : digits(x));
  const terms = pairs
    .filter(([i, j]) => a.data[i] !== 0 && b.data[j] !== 0)
    .map(([i, j]) => `${written(a.data[i])}·${written(b.data[j])}`);
  const plus = bias ? ` + ${written(bias.data[sources(graph, node, flat)[2][0]])}` : "";
  if (terms.length > 9) return `= a sum of ${pairs.length} products${bias ? " and the bias" : ""}`;
  return terms.length ? `= ${terms.join(" + ")}${plus}` : `= 0.0${plus}: every product is 0`;
}

function pairsOf(graph, node, flat) {
  const [left, right] = sources(graph, node, flat);
  if (node.reach.kind !== "window") return left.map((place, k) => [place, right[k]]);
  const [x, weight] = node.inputs.slice(0, 2).map((id) => graph.nodes[id].shape);
  const spots = windowAt(node.reach, unravel(flat, node.shape).slice(2), x.slice(2));
  const kernel = weight.slice(2).reduce((p, q) => p * q, 1);
  return left.map((place, k) => [place, right[Math.floor(k / spots.length) * kernel + spots[k % spots.length].kernel]]);
}
