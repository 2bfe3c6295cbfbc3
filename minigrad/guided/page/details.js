// What the reader may unfold in the panel, and the slope beside the gradient.

const unfolded = new Set(); // which details the reader has opened: they stay open from step to step

function fold(title, ...content) {
  const key = title.replace(/\d+|about .*/, "");
  const details = el("details", { open: unfolded.has(key) }, el("summary", {}, title), ...content);
  details.addEventListener("toggle", () => (details.open ? unfolded.add(key) : unfolded.delete(key)));
  return details;
}

/** The slope by finite differences beside the gradient. */
function beliefTable(node) {
  const { belief } = node;
  if (!belief) return null;
  const same = ({ slope, gradient }) =>
    Math.abs(slope - gradient) <= 2e-3 * Math.max(Math.abs(slope), Math.abs(gradient)) + 1e-6;
  const differs = !belief.entries.every(same);
  const rows = belief.entries.map((entry) =>
    el(
      "tr",
      {},
      el("th", { scope: "row" }, entry.index.length ? placeText(entry.index) : nameOf(node)),
      el("td", { class: "slope" }, digits(entry.slope)),
      el("td", { class: "here" }, digits(entry.gradient)),
      el("td", {}, same(entry) ? "✓ agree" : "✗ differ"),
    ),
  );
  const head = ["entry", "slope", "here", ""].map((word) => el("th", { scope: "col" }, word));
  const relative =
    belief.relative === null || belief.relative === undefined
      ? ""
      : ` (relative ${digits(belief.relative, "float64")})`;
  return el(
    "section",
    { class: "belief" },
    el("h3", {}, "Believe it? The slope by finite differences"),
    el("table", {}, el("thead", {}, el("tr", {}, head)), el("tbody", {}, rows)),
    el(
      "p",
      { class: "quiet" },
      `${belief.sampled ? "A seeded sample of the entries. " : ""}The largest disagreement is ${digits(belief.largest, "float64")}${relative}.`,
    ),
    differs &&
      el(
        "p",
        {},
        "Where they differ, a kink of relu or max-pool lies within the step, or the rounding of small numbers shows.",
      ),
  );
}
