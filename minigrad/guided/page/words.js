// How numbers, shapes, names and steps are written.

/** A number with four significant digits; whole numbers of whole types in full. */
function digits(x, dtype = "float32") {
  if (Number.isNaN(x)) return "nan";
  if (!Number.isFinite(x)) return x > 0 ? "∞" : "−∞";
  if (dtype === "bool") return x ? "True" : "False";
  if (/int/.test(dtype)) return String(x).replace("-", "−");
  const size = Math.abs(x);
  if (size === 0) return "0.0";
  const [mantissa, exponent] = x.toExponential(3).split("e");
  const trimmed = (text) => text.replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, ".0");
  const power = Number(exponent);
  if (power < -4 || power > 3) return `${trimmed(mantissa)}e${power}`.replaceAll("-", "−");
  return trimmed(x.toPrecision(4)).replace("-", "−");
}

const shapeText = (shape) => (shape.length ? shape.join("×") : "a single number");
const placeText = (index) => `[${index.join(", ")}]`;
const plural = (n, one, many = `${one}s`) => `${n} ${n === 1 ? one : many}`;
const listed = (words) =>
  words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words[words.length - 1]}`;

/** What the reader calls a node, else its short symbol. */
const nameOf = (node) => node.name || node.symbol || node.operation || `node ${node.id}`;
const gradientOf = (node) => `∂${node.scalar}/∂${nameOf(node)}`;

/** The end of a dotted name, with the module that says the rest around it. */
const shortName = (node) => (node.kind === "parameter" ? nameOf(node).split(".").pop() : nameOf(node));

const titleOf = (node) => node.operation || shortName(node);
const KINDS = {
  leaf: "leaf",
  parameter: "parameter",
  constant: "constant: no gradient is asked for",
  operation: "operation",
  view: "view: shows the numbers of its input, copies none",
};

/** "1 of 2 shares: 6.0", then "2 of 2: 6.0 + 3.0 = 9.0". Arrays are named by what they are. */
function shareText(shares, values) {
  const last = shares[shares.length - 1];
  const numbers = shares.map(({ share }) => values.get(share));
  const single = numbers.every((value) => value && value.data && value.size === 1);
  const sum = values.get(last.sum);
  const noun = last.nth === 1 ? " shares" : "";
  const head = last.of === 1 ? "the only share" : `${last.nth} of ${last.of}${noun}`;
  if (!single || !sum) return last.nth === 1 ? head : `${head}: added to the sum of shares`;
  if (last.nth === 1) return `${head}: ${digits(numbers[0].data[0])}`;
  const terms = numbers.map((value, k) =>
    k && value.data[0] < 0 ? `(${digits(value.data[0])})` : digits(value.data[0]),
  );
  return `${head}: ${terms.join(" + ")} = ${digits(sum.data[0])}`;
}

/** What happens in a step, in a sentence or two. */
function sentenceOf(graph, position) {
  if (position === 0) {
    const given = graph.nodes.filter((node) => isGiven(node) && node.kind !== "parameter").map(nameOf);
    const some =
      given.length && given.length < 6
        ? `${listed(given)} ${given.length === 1 ? "is" : "are"} given`
        : "the leaves are given";
    return `Nothing has been computed yet: ${some}. Press → for the first step.`;
  }
  const step = graph.steps[position - 1];
  const node = graph.nodes[step.node];
  if (step.direction === "forward") return forwardSentence(graph, node);
  if (step.direction === "leaf") return leafSentence(node, step);
  return backwardSentence(graph, node, step);
}

function forwardSentence(graph, node) {
  const from = listed([...new Set(node.inputs.map((id) => nameOf(graph.nodes[id])))]);
  const made = node.kind === "view" ? "shows the same numbers as" : "is computed from";
  const end = node.is_output ? ` This is ${node.scalar}, the number that backward starts from.` : "";
  return from
    ? `${node.operation}: ${nameOf(node)} ${made} ${from}.${end}`
    : `${node.operation}: ${nameOf(node)} is computed.${end}`;
}

function leafSentence(node, step) {
  if (step.before !== null) {
    return `${gradientOf(node)} is complete. ${nameOf(node)}.grad still holds what an earlier backward left: the new gradient is added to it.`;
  }
  return `${gradientOf(node)} is complete and goes to ${nameOf(node)}.grad.`;
}

function backwardSentence(graph, node, step) {
  const why = node.is_output
    ? `Sweep ${step.sweep} begins at ${node.scalar}: its gradient with respect to itself is 1.`
    : node.uses > 1
      ? `All ${node.uses} shares of ${gradientOf(node)} have arrived, so ${node.operation} goes to work.`
      : `${gradientOf(node)} is complete, so ${node.operation} goes to work.`;
  const sent = [...new Set(step.shares.map(({ to }) => to))].map((to) => {
    const shares = step.shares.filter((share) => share.to === to);
    const nth = listed(shares.map((share) => String(share.nth)));
    const count =
      shares[0].of === 1 ? "the only share" : `share${shares.length > 1 ? "s" : ""} ${nth} of ${shares[0].of}`;
    return `${count} for ${gradientOf(graph.nodes[to])}`;
  });
  if (!sent.length) return `${why} Nothing below it needs a gradient.`;
  const last = new Map(step.shares.map((share) => [share.to, share]));
  const waiting = [...last.values()].filter(({ nth, of }) => nth < of).map(({ to }) => graph.nodes[to]);
  const waits = waiting.length
    ? ` ${listed(waiting.map(nameOf))} ${waiting.length === 1 ? "waits" : "wait"} for the other shares: only their sum is the gradient.`
    : "";
  return `${why} It sends back ${listed(sent)}.${waits}`;
}

/** What happens while the steps of a closed box are taken as one. */
function boxSentence(graph, module, from, to) {
  const steps = graph.steps.slice(from, to);
  const count = steps.length > 1 ? `, ${steps.length} steps in one` : "";
  const name = boxName(module);
  if (steps.every(({ direction }) => direction === "forward")) {
    return `${name} (${module.type}): values pass through${count}. Open the box to see each.`;
  }
  if (steps.every(({ direction }) => direction === "leaf")) {
    return `${name} (${module.type}): gradients of its parameters go to their .grad${count}.`;
  }
  return `${name} (${module.type}): gradients pass through, from its output to its inputs and parameters${count}. Open the box to see each.`;
}

/** An HTML element. Strings become text, never markup. */
function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false)
      element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** An SVG element. */
function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes))
    if (value !== null && value !== undefined) element.setAttribute(name, value);
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}
