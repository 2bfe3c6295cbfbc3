// Which nodes and boxes are visible, and where they stand.

const CARD = { height: 68, slot: 64, pad: 8, letter: 7.3 };
const DAGRE_UP_TO = 260; // visible things: dagre's time grows faster than their number
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
  return { items, keyOf, edges: visibleEdges(graph, keyOf), open };
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

/** Where everything stands: rectangles of items and of open modules, points of edges, and the whole size. */
function layOut(graph, visible) {
  const sizes = new Map([...visible.items.values()].map((item) => [item.key, sizeOf(graph, item)]));
  return visible.items.size <= DAGRE_UP_TO ? withDagre(graph, visible, sizes) : inLayers(visible, sizes);
}

function withDagre(graph, visible, sizes) {
  const plan = new dagre.graphlib.Graph({ compound: true, multigraph: true });
  plan.setGraph({ rankdir: "LR", nodesep: 18, ranksep: 46, edgesep: 12, marginx: 14, marginy: 14 });
  const boxes = new Set();
  for (const item of visible.items.values()) {
    plan.setNode(item.key, { ...sizes.get(item.key) });
    for (const module of graph.modulesAround(item.parent)) {
      const key = `b${module.id}`;
      if (!boxes.has(key)) plan.setNode(key, { module: module.id });
      boxes.add(key);
      if (module.parent !== null) plan.setParent(key, `b${module.parent}`);
    }
    if (item.parent !== null) plan.setParent(item.key, `b${item.parent}`);
  }
  for (const edge of visible.edges) plan.setEdge(edge.from, edge.to, { weight: 1 }, edge.key);
  dagre.layout(plan);
  const corner = ({ x, y, width, height }) => ({ x: x - width / 2, y: y - height / 2, width, height });
  return {
    items: new Map([...sizes.keys()].map((key) => [key, corner(plan.node(key))])),
    boxes: [...boxes].map((key) => ({ module: plan.node(key).module, ...corner(plan.node(key)) })),
    edges: new Map(visible.edges.map((edge) => [edge.key, plan.edge(edge.from, edge.to, edge.key).points])),
    width: plan.graph().width,
    height: plan.graph().height,
    simple: false,
  };
}

/** For very many: columns by the longest way from an input; in a column, close to where the inputs stand. */
function inLayers(visible, sizes) {
  const column = new Map();
  const users = new Map();
  const makers = new Map();
  for (const edge of visible.edges) {
    if (!makers.has(edge.to)) makers.set(edge.to, []);
    makers.get(edge.to).push(edge.from);
    if (!users.has(edge.from)) users.set(edge.from, []);
    users.get(edge.from).push(edge.to);
  }
  for (const key of visible.items.keys()) {
    column.set(key, Math.max(-1, ...(makers.get(key) || []).map((from) => column.get(from) ?? -1)) + 1);
  }
  for (const key of visible.items.keys()) {
    if (makers.has(key) || !users.has(key)) continue; // a leaf stands right before its first use
    column.set(key, Math.max(0, Math.min(...users.get(key).map((to) => column.get(to))) - 1));
  }
  const columns = [];
  for (const [key, k] of column) (columns[k] ||= []).push(key);
  return columnsPlaced(visible, sizes, columns, makers);
}

function columnsPlaced(visible, sizes, columns, makers) {
  const items = new Map();
  let [x, height] = [14, 0];
  for (const keys of columns) {
    if (!keys) continue;
    const middle = (key) => {
      const placed = (makers.get(key) || []).map((from) => items.get(from)).filter(Boolean);
      return placed.length ? placed.reduce((sum, place) => sum + place.y, 0) / placed.length : 0;
    };
    const order = keys.map((key) => [middle(key), key]).sort((a, b) => a[0] - b[0]);
    const width = Math.max(...keys.map((key) => sizes.get(key).width));
    let y = 14;
    for (const [, key] of order) {
      items.set(key, { x, y, ...sizes.get(key) });
      y += CARD.height + 18;
    }
    height = Math.max(height, y);
    x += width + 46;
  }
  const points = ({ from, to }) => {
    const [a, b] = [items.get(from), items.get(to)];
    const [start, end] = [
      { x: a.x + a.width, y: a.y + a.height / 2 },
      { x: b.x, y: b.y + b.height / 2 },
    ];
    return [start, { x: (start.x + end.x) / 2, y: (start.y + end.y) / 2 }, end];
  };
  return {
    items,
    boxes: [],
    edges: new Map(visible.edges.map((edge) => [edge.key, points(edge)])),
    width: x,
    height,
    simple: true,
  };
}
