// Everything that the reader can press is connected here, once.

function $(id) {
  return document.getElementById(id);
}

const page = new Page(JSON.parse($("tour").textContent));

const KEYS = {
  ArrowRight: () => page.next(),
  ArrowLeft: () => page.previous(),
  Home: () => page.go(0),
  End: () => page.go(page.last),
  " ": () => page.play(),
  Escape: () =>
    page.track.chosen !== null &&
    page.choose(page.track.position ? page.graph.steps[page.track.position - 1].node : null),
  Backspace: () => page.closeAround(),
  "+": () => page.drawing.scale(page.drawing.zoom * 1.25),
  "-": () => page.drawing.scale(page.drawing.zoom / 1.25),
  0: () => page.drawing.wholeIn(),
  p: () => page.predict(!page.predicting),
  t: () => page.turnTheme(),
  "?": () => $("help").showModal(),
};

/** Whether a key belongs to the element that has the focus, not to the page. */
function isTakenBy(target, key) {
  if ($("help").open || target.matches("input[type=text], input[type=radio]")) return true;
  if (target.matches("input[type=range]")) return target.id !== "slider" && /^(Arrow|Home|End)/.test(key);
  return key === " " && target.matches("button, summary, input");
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || !(event.key in KEYS) || isTakenBy(event.target, event.key))
    return;
  event.preventDefault();
  if (event.key !== " ") page.stop();
  KEYS[event.key]();
});

const ON_CLICK = {
  first: () => page.go(0),
  previous: () => page.previous(),
  next: () => page.next(),
  last: () => page.go(page.last),
  play: () => page.play(),
  theme: () => page.turnTheme(),
  "help-button": () => $("help").showModal(),
  smaller: () => page.drawing.scale(page.drawing.zoom / 1.25),
  larger: () => page.drawing.scale(page.drawing.zoom * 1.25),
  fit: () => page.drawing.wholeIn(),
  "open-all": () => page.openEvery(true),
  "close-all": () => page.openEvery(false),
};
for (const [id, act] of Object.entries(ON_CLICK)) {
  $(id).addEventListener("click", () => {
    if (id !== "play") page.stop();
    act();
  });
}

$("slider").addEventListener("input", (event) => {
  page.stop();
  page.go(Number(event.target.value));
});
$("predict").addEventListener("change", (event) => page.predict(event.target.checked));
$("second").addEventListener("change", (event) => page.secondOrder(event.target.checked));
$("panel").addEventListener("click", (event) => {
  const button = event.target.closest("[data-open], [data-close]");
  if (button) page.toggle(Number(button.dataset.open ?? button.dataset.close));
});

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => page.show());
for (const [event, onPaper] of [
  ["beforeprint", true],
  ["afterprint", false],
]) {
  window.addEventListener(event, () => {
    printing = onPaper;
    if (onPaper) page.drawing.wholeIn();
    page.show();
  });
}
let width = window.innerWidth;
window.addEventListener("resize", () => {
  if (window.innerWidth === width) return; // a phone's bars come and go
  width = window.innerWidth;
  if (page.drawing.fitted) page.drawing.scale(null);
  page.show();
});
