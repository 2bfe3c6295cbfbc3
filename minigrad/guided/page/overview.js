// What the panel shows where no single node is at work: a closed box, and the start.

/** A closed box: what goes in and out, and which nodes are inside. */
function boxPanel(graph, values, module, nodes, known, choose) {
  const inside = new Set(nodes);
  const entering = new Set(nodes.flatMap((id) => graph.nodes[id].inputs).filter((id) => !inside.has(id)));
  const leaving = nodes.filter(
    (id) => graph.nodes[id].is_output || graph.nodes.some((node) => !inside.has(node.id) && node.inputs.includes(id)),
  );
  const rows = (ids) => ids.map((id) => stateRow(graph, values, graph.nodes[id], known, choose));
  const table = (title, ids) =>
    ids.length > 0 &&
    el(
      "section",
      { class: "group" },
      el("h3", {}, title),
      el(
        "table",
        { class: "states" },
        el(
          "thead",
          {},
          el(
            "tr",
            {},
            ["", "shape", "value", "gradient"].map((word) => el("th", { scope: "col" }, word)),
          ),
        ),
        el("tbody", {}, rows(ids)),
      ),
    );
  const shown = nodes.slice(0, 120);
  return [
    el(
      "header",
      {},
      el("h2", {}, boxName(module), el("span", { class: "quiet" }, ` ${module.type}`)),
      el("p", { class: "quiet" }, `closed box · ${plural(nodes.length, "node")} inside`),
    ),
    el("p", {}, el("button", { type: "button", "data-open": module.id }, "open the box")),
    table("goes in", [...entering]),
    table("comes out", leaving),
    table("inside", shown),
    shown.length < nodes.length &&
      el("p", { class: "quiet" }, `and ${nodes.length - shown.length} more: open the box to see them`),
  ];
}

function stateRow(graph, values, node, known, choose) {
  const state = graph.stateOf(node.id, known);
  const value = state.computed ? brief(values.get(node.value)) : "not yet";
  const gradient = !node.needs_grad
    ? "not asked for"
    : state.gradient !== null
      ? brief(values.get(state.gradient))
      : state.shares.length
        ? `${state.shares.length} of ${state.of} shares`
        : "not yet";
  const name = node.operation ? `${node.operation} → ${node.name || node.symbol || ""}` : nameOf(node);
  return el(
    "tr",
    {},
    el("th", { scope: "row" }, el("button", { type: "button", class: "link", onclick: () => choose(node.id) }, name)),
    el("td", {}, node.shape.length ? node.shape.join("×") : "()"),
    el("td", {}, value),
    el("td", {}, gradient),
  );
}

function brief(value) {
  if (!value) return "left out";
  if (value.data && value.size === 1) return digits(value.data[0], value.dtype);
  if (value.data && value.size && value.low > value.high) return "nan";
  if (value.data && value.data.length) return `${digits(value.low, value.dtype)} … ${digits(value.high, value.dtype)}`;
  return value.stats ? `${digits(Number(value.stats.min))} … ${digits(Number(value.stats.max))}` : "left out";
}

/** Before the first step: what is given. */
function startPanel(panel) {
  const { graph } = panel;
  const given = graph.nodes.filter((node) => isGiven(node) && node.kind !== "parameter").slice(0, 6);
  const figures = given.map((node) =>
    panel.figure(node.value, { title: nameOf(node), note: node.needs_grad ? "leaf" : "" }),
  );
  const counts = { operation: "operation", view: "view", parameter: "parameter" };
  const facts = Object.entries(counts)
    .map(([kind, word]) => [graph.nodes.filter((node) => node.kind === kind).length, word])
    .filter(([n]) => n);
  const backward = graph.steps.filter(({ direction }) => direction !== "forward").length;
  return [
    el("header", {}, el("h2", {}, "Before the first step")),
    el(
      "p",
      {},
      `${listed(facts.map(([n, word]) => plural(n, word)))}; ${plural(graph.steps.length - backward, "step")} forward, ${backward} backward.`,
    ),
    el(
      "p",
      {},
      "Forward steps fill in the values from left to right. Backward steps light the same nodes from right to left, and gradients travel back along the same lines.",
    ),
    panel.group("given", figures),
  ];
}

/** What the page leaves out, and what made it. */
function smallPrint({ left_out: leftOut, made_by: madeBy, backwards }) {
  const made = [
    `minigrad ${madeBy.minigrad}`,
    madeBy.numpy && `NumPy ${madeBy.numpy}`,
    madeBy.seed !== null && madeBy.seed !== undefined && `seed ${madeBy.seed}`,
    backwards > 1 && `${backwards} backward sweeps`,
  ];
  return [
    leftOut.length
      ? el(
          "ul",
          {},
          leftOut.map((sentence) => el("li", {}, sentence)),
        )
      : el("p", {}, "Nothing was left out."),
    el(
      "p",
      {},
      made.filter(Boolean).join(" · "),
      madeBy.command ? [" · made by ", el("code", {}, madeBy.command)] : "",
    ),
  ];
}
