// Where everything stands. Each open box is laid out by itself; in the box around it, it is one node of its size.

const DAGRE_UP_TO = 260; // things in one box: dagre's time grows faster than their number
const TITLE = 12; // room for a box's name, above its contents

/** Rectangles of items and of open boxes, points of edges, and the whole size. */
function layOut(graph, visible) {
  const levels = levelsIn(graph, visible);
  const sizes = new Map([...visible.items.values()].map((item) => [item.key, sizeOf(graph, item)]));
  const plan = { items: new Map(), boxes: [], edges: new Map() };
  const inside = new Map(); // the layout of each box, the innermost first
  for (const key of [...levels.keys()].reverse()) {
    const { children, edges } = levels.get(key);
    const nodes = new Map([...children].map((child) => [child, sizes.get(child) || inside.get(child)]));
    const found = nodes.size <= DAGRE_UP_TO ? withDagre(nodes, edges) : inColumns(nodes, edges);
    inside.set(key, { ...found, height: found.height + (key === ROOT ? 0 : TITLE) });
  }
  placeAll(ROOT, { x: 0, y: 0 }, inside, plan);
  for (const [key, points] of plan.edges) plan.edges.set(key, fromCardToCard(visible, plan, key, points));
  const { width, height } = inside.get(ROOT);
  return { ...plan, width, height };
}

const ROOT = "root";

/** For the whole and for each open box: what stands right in it, and the edges between those. Outer boxes come first. */
function levelsIn(graph, visible) {
  const levels = new Map([[ROOT, { children: new Set(), edges: [] }]]);
  const pathOf = new Map();
  for (const item of visible.items.values()) {
    const path = [...graph.modulesAround(item.parent).map(({ id }) => `b${id}`), item.key];
    pathOf.set(item.key, path);
    path.forEach((child, depth) => {
      const level = depth ? path[depth - 1] : ROOT;
      if (!levels.has(level)) levels.set(level, { children: new Set(), edges: [] });
      levels.get(level).children.add(child);
    });
  }
  for (const edge of visible.edges) {
    const [from, to] = [pathOf.get(edge.from), pathOf.get(edge.to)];
    let depth = 0;
    while (from[depth] === to[depth]) depth += 1;
    levels.get(depth ? from[depth - 1] : ROOT).edges.push({ key: edge.key, from: from[depth], to: to[depth] });
  }
  return levels;
}

/** Move what was laid out by itself to where its box stands. */
function placeAll(level, corner, inside, plan) {
  const { places, lines } = inside.get(level);
  const moved = ({ x, y, ...rest }) => ({ ...rest, x: x + corner.x, y: y + corner.y });
  for (const [key, points] of lines) plan.edges.set(key, points.map(moved));
  for (const [key, place] of places) {
    const at = moved(place);
    if (!inside.has(key)) {
      plan.items.set(key, at);
      continue;
    }
    plan.boxes.push({ module: Number(key.slice(1)), ...at });
    placeAll(key, { x: at.x, y: at.y + TITLE }, inside, plan);
  }
}

/** Lead a line that ends at the edge of a box on to the card inside it. */
function fromCardToCard(visible, plan, key, points) {
  const edge = visible.edgeOf.get(key);
  const [from, to] = [plan.items.get(edge.from), plan.items.get(edge.to)];
  const start = { x: from.x + from.width, y: from.y + from.height / 2 };
  const end = { x: to.x, y: to.y + to.height / 2 };
  const touches = ({ x, y }, card) =>
    x >= card.x - 2 && x <= card.x + card.width + 2 && y >= card.y - 2 && y <= card.y + card.height + 2;
  const before = touches(points[0], from) ? [] : [start];
  const after = touches(points[points.length - 1], to) ? [] : [end];
  return [...before, ...points, ...after];
}

function withDagre(nodes, edges) {
  const plan = new dagre.graphlib.Graph({ multigraph: true });
  plan.setGraph({ rankdir: "LR", nodesep: 18, ranksep: 46, edgesep: 12, marginx: 14, marginy: 14 });
  for (const [key, { width, height }] of nodes) plan.setNode(key, { width, height });
  for (const { key, from, to } of edges) plan.setEdge(from, to, {}, key);
  dagre.layout(plan);
  const corner = ({ x, y, width, height }) => ({ x: x - width / 2, y: y - height / 2, width, height });
  return {
    places: new Map([...nodes.keys()].map((key) => [key, corner(plan.node(key))])),
    lines: new Map(edges.map(({ key, from, to }) => [key, plan.edge(from, to, key).points])),
    width: plan.graph().width,
    height: plan.graph().height,
  };
}

/** For very many: columns by the longest way from an input; in a column, close to where the inputs stand. */
function inColumns(nodes, edges) {
  const [column, users, makers] = [new Map(), new Map(), new Map()];
  for (const { from, to } of edges) {
    if (!makers.has(to)) makers.set(to, []);
    makers.get(to).push(from);
    if (!users.has(from)) users.set(from, []);
    users.get(from).push(to);
  }
  for (const key of nodes.keys()) {
    column.set(key, Math.max(-1, ...(makers.get(key) || []).map((from) => column.get(from) ?? -1)) + 1);
  }
  for (const key of nodes.keys()) {
    if (makers.has(key) || !users.has(key)) continue; // a leaf stands right before its first use
    const first = users.get(key).reduce((least, to) => Math.min(least, column.get(to)), Infinity);
    column.set(key, Math.max(0, first - 1));
  }
  const columns = [];
  for (const [key, k] of column) (columns[k] ||= []).push(key);
  return placedInColumns(nodes, edges, columns.filter(Boolean), makers);
}

function placedInColumns(nodes, edges, columns, makers) {
  const places = new Map();
  let [x, height] = [14, 0];
  const middle = (key) => {
    const placed = (makers.get(key) || []).map((from) => places.get(from)).filter(Boolean);
    return placed.length ? placed.reduce((sum, place) => sum + place.y, 0) / placed.length : 0;
  };
  for (const keys of columns) {
    const order = keys.map((key) => [middle(key), key]).sort((a, b) => a[0] - b[0]);
    let y = 14;
    for (const [, key] of order) {
      const { width, height: tall } = nodes.get(key);
      places.set(key, { x, y, width, height: tall });
      y += tall + 18;
    }
    height = Math.max(height, y);
    x += keys.reduce((widest, key) => Math.max(widest, nodes.get(key).width), 0) + 46;
  }
  const points = ({ from, to }) => {
    const [a, b] = [places.get(from), places.get(to)];
    const [start, end] = [
      { x: a.x + a.width, y: a.y + a.height / 2 },
      { x: b.x, y: b.y + b.height / 2 },
    ];
    return [start, { x: (start.x + end.x) / 2, y: (start.y + end.y) / 2 }, end];
  };
  return { places, lines: new Map(edges.map((edge) => [edge.key, points(edge)])), width: x, height };
}
