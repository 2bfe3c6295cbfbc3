// The reader's way through the steps: buttons, keys, slider, play; what is open, chosen and asked.

const PLAY_EVERY = 1100; // milliseconds

class Page {
  constructor(data) {
    this.data = data;
    this.values = new Values(data.values);
    this.tracks = [data, data.second_order].filter(Boolean).map((part, k) => {
      const graph = new Graph(part, data.operations, k ? "s" : "L");
      return { graph, open: openAtFirst(graph), position: 0, chosen: null, from: 0, verdicts: new Map() };
    });
    this.track = this.tracks[0];
    this.predicting = false;
    this.drawing = new Drawing($("paper"), {
      values: this.values,
      onChoose: (id) => this.choose(id),
      onToggle: (id) => this.toggle(id),
    });
    $("title").textContent = data.title;
    document.title = `tour of: ${data.title}`;
    $("second-label").hidden = !data.second_order;
    $("small-print").replaceChildren(...smallPrint(data));
    this.redraw();
  }

  get graph() {
    return this.track.graph;
  }

  get last() {
    return this.graph.steps.length;
  }

  keyAt(position) {
    return position ? this.drawing.visible.keyOf[this.graph.steps[position - 1].node] : null;
  }

  /** Whether the steps that end at two positions belong to one closed box, in one direction: they are taken as one. */
  together(a, b) {
    const [first, second] = [this.graph.steps[a - 1], this.graph.steps[b - 1]];
    const way = ({ direction, sweep }) => (direction === "forward" ? 0 : sweep);
    return this.keyAt(a)[0] === "m" && this.keyAt(a) === this.keyAt(b) && way(first) === way(second);
  }

  next() {
    if (this.question) return this.reveal(null);
    const { position } = this.track;
    if (position === this.last) return this.stop();
    let to = position + 1;
    while (to < this.last && this.together(to, to + 1)) to += 1;
    return this.go(to, position);
  }

  previous() {
    const { position } = this.track;
    if (position === 0) return;
    let to = position - 1;
    while (to > 0 && this.together(to, to + 1)) to -= 1;
    this.go(to);
  }

  go(position, from = Math.max(0, position - 1)) {
    Object.assign(this.track, { position: Math.min(Math.max(position, 0), this.last), from, chosen: null });
    this.show();
  }

  /** The question that is open: predicting, not answered yet, and about the node in the panel. */
  get question() {
    const { position, chosen, verdicts } = this.track;
    if (!this.predicting || chosen !== null || verdicts.has(position) || (this.keyAt(position) || "m")[0] === "m")
      return null;
    return questionAt(this.graph, position);
  }

  reveal(verdict) {
    this.track.verdicts.set(this.track.position, verdict);
    this.show();
  }

  choose(id) {
    const { position } = this.track;
    this.track.chosen = position && this.graph.steps[position - 1].node === id ? null : id;
    this.show();
  }

  toggle(module) {
    const { open } = this.track;
    if (open.has(module)) open.delete(module);
    else for (const { id } of this.graph.modulesAround(module)) open.add(id);
    this.redraw();
    const inside = this.graph.inside(module).map(({ id }) => this.drawing.visible.keyOf[id]);
    const key = open.has(module) ? inside[0] : `m${module}`;
    const entry = this.drawing.cards.get(key);
    if (entry) entry.card.focus({ preventScroll: true });
    this.drawing.reveal(key);
  }

  openEvery(yes) {
    this.track.open = yes ? new Set(this.graph.modules.keys()) : new Set();
    this.redraw();
  }

  redraw() {
    this.drawing.draw(this.graph, this.track.open);
    this.show();
  }

  show() {
    const { position, chosen } = this.track;
    const question = this.question;
    const known = question ? position - 1 : position;
    const key = this.keyAt(position);
    const inPanel = chosen === null ? key : this.drawing.visible.keyOf[chosen];
    this.drawing.update({ position, known, atWork: key, chosen: inPanel });
    if (inPanel) this.drawing.reveal(inPanel);
    this.showControls(position);
    const sentence = question ? "A question first: the panel asks." : this.sentence(position, key);
    if ($("sentence").textContent !== sentence) $("sentence").textContent = sentence;
    this.showPanel(known, question, key);
  }

  sentence(position, key) {
    if (!key || key[0] === "n") return sentenceOf(this.graph, position);
    const module = this.graph.modules.get(Number(key.slice(1)));
    return boxSentence(this.graph, module, this.track.from, position);
  }

  showControls(position) {
    const step = position ? this.graph.steps[position - 1] : null;
    const way = !step ? "start" : step.direction === "forward" ? "forward" : "backward";
    const sweep =
      step && step.sweep && this.data.backwards > 1 ? ` · sweep ${step.sweep} of ${this.data.backwards}` : "";
    const order = this.track === this.tracks[0] ? "" : " · the gradient's own graph";
    $("where").textContent = `step ${position} of ${this.last} · ${way}${sweep}${order}`;
    document.body.dataset.way = way;
    Object.assign($("slider"), { max: this.last, value: position });
    $("slider").setAttribute("aria-valuetext", $("where").textContent);
    $("first").disabled = $("previous").disabled = position === 0;
    $("last").disabled = position === this.last;
    $("next").disabled = position === this.last && !this.question;
  }

  showPanel(known, question, key) {
    const holder = $("panel");
    const focus = holder.contains(document.activeElement) && document.activeElement !== holder;
    holder.replaceChildren(...this.panelParts(known, question, key).flat().filter(Boolean));
    holder.scrollTop = 0;
    const answer = holder.querySelector(".question input, .question button");
    if (answer && this.drawing.svg.contains(document.activeElement) === false) answer.focus({ preventScroll: true });
    else if (focus) holder.focus({ preventScroll: true });
  }

  panelParts(known, question, key) {
    const { position, chosen, verdicts } = this.track;
    const panel = new Panel(this.graph, this.values, { position, known });
    if (chosen === null && key === null) return startPanel(panel);
    if (chosen === null && key[0] === "m") {
      const { module, nodes } = this.drawing.visible.items.get(key);
      return boxPanel(this.graph, this.values, module, nodes, known, (id) => this.choose(id));
    }
    const id = chosen === null ? this.graph.steps[position - 1].node : chosen;
    const verdict = chosen === null && this.predicting ? verdicts.get(position) : null;
    return panel.node(
      id,
      question
        ? [questionForm(this.graph, this.values, question, (said) => this.reveal(said))]
        : [
            verdict &&
              el(
                "p",
                { class: `verdict ${verdict.right ? "right" : "wrong"}`, role: "status" },
                el("strong", {}, verdict.right ? "✓ As you said. " : "✗ Not so. "),
                verdict.says,
              ),
          ],
    );
  }

  play() {
    if (this.playing) return this.stop();
    if (this.track.position === this.last) this.go(0);
    this.playing = setInterval(() => (this.question ? this.stop() : this.next()), PLAY_EVERY);
    this.showPlay();
  }

  stop() {
    clearInterval(this.playing);
    this.playing = null;
    this.showPlay();
  }

  showPlay() {
    $("play").textContent = this.playing ? "stop" : "play";
    $("play").setAttribute("aria-label", this.playing ? "stop" : "play");
  }

  predict(yes) {
    this.predicting = $("predict").checked = yes;
    for (const track of this.tracks) track.verdicts.clear();
    for (const track of this.tracks) track.verdicts.set(track.position, null); // what is seen already is not asked
    this.show();
  }

  secondOrder(yes) {
    this.stop();
    $("second").checked = yes;
    this.track = this.tracks[yes ? 1 : 0];
    this.redraw();
  }

  turnTheme() {
    document.documentElement.dataset.theme = isDark() ? "light" : "dark";
    this.show();
  }

  closeAround() {
    const focused = document.activeElement.closest && document.activeElement.closest("[data-key]");
    const key = focused
      ? focused.dataset.key
      : this.track.chosen !== null
        ? this.drawing.visible.keyOf[this.track.chosen]
        : this.keyAt(this.track.position);
    const item = key && this.drawing.visible.items.get(key);
    if (item && item.parent !== null) this.toggle(item.parent);
  }
}
