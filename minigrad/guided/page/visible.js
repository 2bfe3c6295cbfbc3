// Which nodes and boxes are visible.

const CARD = { height: 68, slot: 64, pad: 8, letter: 7.3 };
const CLOSE_BEYOND = 700; // a page opens with fewer than this where boxes can be closed

/** What is visible while the modules in `open` are open: nodes, closed boxes, and the edges between them. */
function visibleGraph(graph, open) {
  const closedAround = new Map(); // the outermost closed module around each module
  const closed = (module) => {
    if (module === null) return null;
    if (!closedAround.has(module)) {
      const around = graph.modulesAround(module).find(({ id }) => !open.has(id));
      closedAround.set(module, around ? around.id : null);
    }
    return closedAround.get(module);
  };
  const keyOf = graph.nodes.map((node) => {
    const box = closed(node.module);
    return box === null ? `n${node.id}` : `m${box}`;
  });
  const items = new Map();
  for (const node of graph.nodes) {
    const key = keyOf[node.id];
    if (!items.has(key)) {
      const box = key[0] === "m" ? graph.modules.get(closed(node.module)) : null;
      items.set(key, { key, node: box ? null : node, module: box, nodes: [], parent: box ? box.parent : node.module });
    }
    items.get(key).nodes.push(node.id);
  }
  const edges = visibleEdges(graph, keyOf);
  return { items, keyOf, edges, edgeOf: new Map(edges.map((edge) => [edge.key, edge])), open };
}

/** One edge for every use of a value by a visible node; into or out of a closed box one for every value. */
function visibleEdges(graph, keyOf) {
  const edges = new Map();
  for (const node of graph.nodes) {
    node.inputs.forEach((input, operand) => {
      const [from, to] = [keyOf[input], keyOf[node.id]];
      if (from === to) return;
      const key = to[0] === "m" || from[0] === "m" ? `${input}>${to}` : `${input}>${to}:${operand}`;
      if (!edges.has(key)) edges.set(key, { key, from, to, uses: [] });
      edges.get(key).uses.push({ input, node: node.id, operand });
    });
  }
  return [...edges.values()];
}

/** The modules to begin with: those that are said to be open, fewer where too much would be visible. */
function openAtFirst(graph) {
  const open = new Set([...graph.modules.values()].filter((module) => module.open).map(({ id }) => id));
  const byDepth = [...open].sort((a, b) => graph.modulesAround(b).length - graph.modulesAround(a).length);
  while (byDepth.length && visibleGraph(graph, open).items.size > CLOSE_BEYOND) open.delete(byDepth.shift());
  return open;
}

function sizeOf(graph, item) {
  const lines = item.node ? cardLines(item.node) : boxLines(item);
  const text = Math.max(...lines.map((line) => line.length)) * CARD.letter + 2 * CARD.pad;
  const slots = item.node && !item.node.needs_grad ? 1 : 2;
  return { width: Math.min(240, Math.max(text, slots * (CARD.slot + 4) + 2 * CARD.pad - 4)), height: CARD.height };
}

const clipped = (text, length) => (text.length > length ? `${text.slice(0, length - 1)}…` : text);

function cardLines(node) {
  const name = node.operation ? node.name || node.symbol || "" : node.kind === "parameter" ? "parameter" : node.kind;
  const shape = node.shape.length ? node.shape.join("×") : "";
  return [clipped(titleOf(node), 26), clipped([name, shape].filter(Boolean).join("  "), 30)];
}

function boxLines({ module, nodes }) {
  return [clipped(`▸ ${boxName(module)}`, 28), clipped(`${module.type}  ${plural(nodes.length, "node")}`, 30)];
}
