// Predict first: one question for a node, before its numbers are seen. Nothing is scored.

/**
 * The question that belongs to a step, with the node that it is about, or null. For a node's gradient as a number the
 * page asks when the last share is on its way: one step later the graph shows the answer.
 */
function questionAt(graph, position) {
  if (position === 0) return null;
  const step = graph.steps[position - 1];
  if (step.direction === "leaf" || step.sweep > 1) return null; // a second sweep brings the same numbers again
  if (step.direction === "backward") {
    const completed = step.shares.filter(({ nth, of }) => nth === of).map(({ to }) => graph.nodes[to]);
    const order = [...completed.filter(isGiven), ...completed.filter((node) => !isGiven(node))];
    const node = order.find(asksForGradient);
    if (node) return { ...node.question, node };
  }
  const node = graph.nodes[step.node];
  const fits = node.question && node.question.at === step.direction && !asksForGradient(node);
  return fits ? { ...node.question, node } : null;
}

const asksForGradient = ({ question }) => question !== null && question.kind === "number" && question.at === "backward";

/** A form that asks. `onDone` is called when the answer was compared or the reader asks to see it. */
function questionForm(graph, values, question, onDone) {
  const input = answerInput(graph, values, question);
  const complaint = el("p", { class: "complaint", role: "alert" });
  const form = el(
    "form",
    { class: "question" },
    el("p", {}, el("strong", {}, "Predict first: "), question.ask),
    input.element,
    el(
      "span",
      { class: "buttons" },
      el("button", { type: "submit" }, "compare"),
      el("button", { type: "button", onclick: () => onDone(null) }, "show me"),
    ),
    complaint,
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const answer = input.read();
    if (answer === null) complaint.textContent = input.wants;
    else onDone(compared(question, answer));
  });
  return form;
}

/** How the reader answers: `read` returns null where the answer cannot be understood. */
function answerInput(graph, values, question) {
  if (question.kind === "choice") return choiceInput(question);
  if (question.kind === "zeros") return zerosInput(graph, values, question);
  const field = el("input", {
    type: "text",
    class: "answer",
    autocomplete: "off",
    spellcheck: "false",
    "aria-label": question.ask,
  });
  const kinds = {
    number: {
      read: () => readNumber(field.value),
      wants: "A number is asked for, such as 0.25 or 1/4.",
      hint: "a number",
    },
    shape: {
      read: () => readIntegers(field.value),
      wants: "A shape is asked for, such as 2, 3; empty brackets () for a single number.",
      hint: "such as 2, 3",
    },
    axis: {
      read: () => readIntegers(field.value),
      wants: "Axes are asked for, such as 0 or 0, 1; or none.",
      hint: "such as 0, or none",
    },
  };
  field.setAttribute("placeholder", kinds[question.kind].hint);
  return { element: field, ...kinds[question.kind] };
}

function choiceInput(question) {
  const buttons = question.choices.map((choice, k) => el("input", { type: "radio", name: "choice", value: k }));
  const labels = buttons.map((button, k) => el("label", {}, button, ` ${question.choices[k]}`));
  const read = () => {
    const k = buttons.findIndex((button) => button.checked);
    return k < 0 ? null : question.choices[k];
  };
  return { element: el("div", { class: "choices" }, labels), read, wants: "Choose one of them." };
}

/** The entries as buttons that are pressed to say "0 here". */
function zerosInput(graph, values, question) {
  const { node } = question;
  const asked = question.at === "backward" && node.inputs.length ? graph.nodes[node.inputs[0]] : node;
  const value = values.get(asked.value);
  const columns = asked.shape.length ? asked.shape[asked.shape.length - 1] : 1;
  const show = question.at === "backward" || asked !== node;
  const buttons = everything(asked.shape).map((flat) => {
    const words =
      show && value && value.data ? digits(entryOf(value, flat), value.dtype) : placeText(unravel(flat, asked.shape));
    const button = el("button", { type: "button", "aria-pressed": "false", "data-flat": flat }, words);
    button.addEventListener("click", () =>
      button.setAttribute("aria-pressed", String(button.getAttribute("aria-pressed") !== "true")),
    );
    return button;
  });
  const hint = el(
    "p",
    { class: "quiet" },
    show ? `The entries of ${nameOf(asked)}. Press those whose gradient is 0.` : "Press those that are 0.",
  );
  const grid = el("div", { class: "zeros", style: `grid-template-columns:repeat(${columns},auto)` }, buttons);
  return {
    element: el("div", {}, hint, grid),
    read: () => buttons.filter((b) => b.getAttribute("aria-pressed") === "true").map((b) => Number(b.dataset.flat)),
    wants: "",
  };
}

function readNumber(text) {
  const plain = text.trim().replaceAll("−", "-").replace(",", ".");
  const parts = plain.split("/").map((part) => (part.trim() === "" ? NaN : Number(part)));
  const x = parts.length === 2 ? parts[0] / parts[1] : parts.length === 1 ? parts[0] : NaN;
  return Number.isNaN(x) ? null : x;
}

function readIntegers(text) {
  const plain = text
    .trim()
    .replace(/^[([]|[)\]]$/g, "")
    .replaceAll("−", "-")
    .trim();
  if (plain === "" && text.trim() === "") return null;
  if (plain === "" || plain.toLowerCase() === "none") return [];
  const parts = plain.split(/[\s,×x]+/).filter(Boolean);
  return parts.every((part) => /^-?\d+$/.test(part)) ? parts.map(Number) : null;
}

/** Whether two answers are the same; numbers to three significant digits. */
function sameAnswer(kind, answer, expected) {
  if (kind === "number") {
    const wanted = Number(SPECIAL[expected] ?? expected);
    return answer === wanted || Number(answer.toPrecision(3)) === Number(wanted.toPrecision(3));
  }
  if (kind === "choice") return String(answer) === String(expected);
  const ordered = (list) => (kind === "shape" ? [...list] : [...list].sort((a, b) => a - b));
  return JSON.stringify(ordered(answer)) === JSON.stringify(ordered(expected));
}

/** What is said to an answer: the sentence of the right one, of a known wrong one, or only that it differs. */
function compared(question, answer) {
  if (sameAnswer(question.kind, answer, question.answer))
    return { right: true, says: question.right || "That is what comes out." };
  const known = question.wrong.find((wrong) => sameAnswer(question.kind, answer, wrong.answer));
  return { right: false, says: known ? known.says : `It comes out differently: ${answerText(question)}.` };
}

function answerText(question) {
  const { kind, answer } = question;
  if (kind === "number") return digits(Number(SPECIAL[answer] ?? answer));
  if (kind === "choice") return String(answer);
  if (kind === "shape") return shapeText(answer);
  if (kind === "axis") return answer.length ? `axis ${listed(answer.map(String))}` : "no axis";
  return answer.length
    ? `the entries at ${listed(answer.map(String))} are 0, counted row by row from 0`
    : "no entry is 0";
}
