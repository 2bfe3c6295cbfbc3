// What a figure is drawn with: squares that fit, outlines, the scale, histograms.

const least = (data) => data.reduce((a, b) => (b < a ? b : a), Infinity);
const greatest = (data) => data.reduce((a, b) => (b > a ? b : a), -Infinity);

const LINE = 20; // entries

/** A long row, as lines of a text are folded: each part is drawn as a matrix of one row. */
function folded({ columns, offset, at }) {
  const starts = range(Math.ceil(columns / LINE)).map((k) => k * LINE);
  return starts.map((start) => ({
    rows: 1,
    columns: Math.min(LINE, columns - start),
    index: [],
    offset: offset + start,
    at: at + start,
  }));
}

/** The largest squares with which so many matrices fit into a column of the panel. */
function packed(count, rows, columns, perRow, tall) {
  const room = Math.min(330, window.innerWidth - 60);
  let fit = null;
  for (let cell = 22; cell >= 1; cell--) {
    const gap = cell > 3 ? 6 : 3;
    const [stepX, stepY] = [columns * cell + gap, rows * cell + gap];
    const inRow =
      perRow && perRow * stepX <= room + gap ? perRow : Math.max(1, Math.min(count, Math.floor((room + gap) / stepX)));
    const lines = Math.ceil(count / inRow);
    fit = { cell, perRow: inRow, stepX, stepY, width: inRow * stepX - gap, height: lines * stepY - gap };
    if (fit.width <= room && fit.height <= tall) break;
  }
  return fit;
}

function sharp(canvas, { width, height }) {
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  return context;
}

function outline(figure, entries) {
  const { grid, planes } = figure;
  const context = sharp(figure.overlay, grid);
  const set = new Set(entries);
  const [{ rows, columns, offset }] = planes;
  const path = new Path2D();
  for (const flat of set) {
    const k = Math.floor((flat - offset) / (rows * columns));
    if (k < 0 || k >= planes.length) continue;
    const [row, column] = [Math.floor((flat % (rows * columns)) / columns), flat % columns];
    const corner = figure.cornerOf(k);
    const [x, y, size] = [corner.x + column * grid.cell, corner.y + row * grid.cell, grid.cell];
    const side = (present, ax, ay, bx, by) => {
      if (present) return;
      path.moveTo(ax, ay);
      path.lineTo(bx, by);
    };
    side(row > 0 && set.has(flat - columns), x, y, x + size, y);
    side(row < rows - 1 && set.has(flat + columns), x, y + size, x + size, y + size);
    side(column > 0 && set.has(flat - 1), x, y, x, y + size);
    side(column < columns - 1 && set.has(flat + 1), x + size, y, x + size, y + size);
  }
  for (const [width, colour] of [
    [4, isDark() ? "#000" : "#fff"],
    [2, isDark() ? "#fff" : "#000"],
  ]) {
    context.lineWidth = width;
    context.strokeStyle = colour;
    context.stroke(path);
  }
}

/** The scale under a heat map, with its ends. */
function scaleBar(value) {
  const end = digits(value.scale, value.dtype);
  return el(
    "p",
    { class: "scale", "aria-hidden": "true" },
    value.scale ? `−${end}` : "",
    el("i", {}),
    value.scale ? end : "all 0",
  );
}

/** What is too large for a picture: how often which sizes occur, with mean, deviation and share of zeros. */
function histogram(value) {
  const { stats } = value;
  if (!stats) return el("p", { class: "quiet" }, "Its entries were left out of this page.");
  const [edges, counts] = stats.bins;
  const [most, width, height] = [Math.max(...counts, 1), 280, 64];
  const bar = width / counts.length;
  const bars = counts.map((count, k) => {
    const tall = (count / most) * height;
    return svg(
      "rect",
      { x: k * bar, y: height - tall, width: Math.max(bar - 1, 0.5), height: tall },
      svg("title", {}, `${digits(edges[k])} to ${digits(edges[k + 1])}: ${count}`),
    );
  });
  const facts = [
    ["mean", stats.mean],
    ["deviation", stats.std],
    ["smallest", stats.min],
    ["largest", stats.max],
  ];
  return el(
    "div",
    { class: "histogram" },
    svg(
      "svg",
      {
        width,
        height,
        viewBox: `0 0 ${width} ${height}`,
        role: "img",
        "aria-label": `histogram of ${shapeText(value.shape)}`,
      },
      ...bars,
    ),
    el("p", { class: "ends" }, el("span", {}, digits(edges[0])), el("span", {}, digits(edges[edges.length - 1]))),
    el(
      "dl",
      {},
      facts.flatMap(([name, x]) => [
        el("dt", {}, name),
        el("dd", { "data-fact": name }, digits(Number(SPECIAL[x] ?? x))),
      ]),
      el("dt", {}, "zeros"),
      el("dd", { "data-fact": "zeros" }, `${digits(100 * stats.zeros)} %`),
    ),
  );
}
