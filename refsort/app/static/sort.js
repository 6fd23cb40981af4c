// Sort: look what would happen, leave out what is wrong, move the rest, take runs back.

import { button, choose, current, duration, el, followed, get, language, look, percent, post, progress, say, tell, thumbnail, tried } from "./api.js";
import { Grid } from "./grid.js";

const ASIDE = ["unsure", "unknown", "bad"];

export function draw(place) {
  const page = new Sorting(place);
  document.addEventListener("refsort:dataset", () => page.begin());
  document.addEventListener("refsort:changed", () => page.runs());
  page.begin();
}

class Sorting {
  constructor(place) {
    this.bar = el("div", { class: "rs-bar" });
    this.words = el("div", { class: "rs-words", "aria-live": "polite" });
    this.window = el("div", { class: "rs-window" });
    this.list = el("div", { class: "rs-runs" });
    place.replaceChildren(this.bar, this.words, this.window, el("h2", {}, say("sort.runs")), this.list);
    this.grid = new Grid(this.window, {
      label: say("sort.pictures"),
      picture: (index) => ({ address: thumbnail(this.plan.ids[index]), alt: this.plan.names[index] }),
      caption: (index) => this.caption(index),
      state: (index) => (this.movable(index) ? (this.chosen.has(index) ? "on" : "off") : ""),
      click: (index) => this.toggle([index]),
      open: (index) => look(this.plan.ids, index, (at) => this.plan.names[at]),
    });
  }

  async begin() {
    this.plan = null;
    this.chosen = new Set();
    this.show();
    await tried(async () => this.take(await get("/sort/plan")));
    await tried(() => this.runs());
  }

  take(plan) {
    this.plan = plan.job === null ? null : plan;
    this.chosen = new Set(this.plan ? this.plan.ids.keys() : []);
    for (const index of [...this.chosen]) if (!this.movable(index)) this.chosen.delete(index);
    this.show();
  }

  movable(index) {
    return this.plan.kinds[index] === "sorted" || ASIDE.includes(this.plan.kinds[index]);
  }

  caption(index) {
    const { names, probabilities, kinds, classes } = this.plan;
    const said = probabilities[index] === null ? kinds[index] : `${percent(probabilities[index])}${kinds[index] === "sorted" ? "" : ` ${classes[index] ?? ""}`}`;
    return el("span", {}, el("b", {}, said), el("small", {}, names[index]));
  }

  toggle(indexes, on = null) {
    for (const index of indexes) {
      if (!this.movable(index)) continue;
      if (on ?? !this.chosen.has(index)) this.chosen.add(index);
      else this.chosen.delete(index);
    }
    this.mark();
  }

  /** A new plan, or none. */
  show() {
    const plan = this.plan;
    this.bar.replaceChildren(button(plan ? say("sort.again") : say("sort.look"), () => this.look(), plan ? "" : "primary"));
    this.window.hidden = !plan || !plan.ids.length;
    if (!plan) {
      this.words.replaceChildren(el("p", {}, say("sort.intro")));
      return;
    }
    if (!plan.ids.length) {
      this.words.replaceChildren(el("p", {}, say("sort.nothing")));
      return;
    }
    this.grid.show(this.sections());
    this.mark();
  }

  /** What is chosen has changed: the words, the boxes of the sections, and the frames that are seen. */
  mark() {
    const plan = this.plan;
    this.bar.replaceChildren(button(say("sort.again"), () => this.look()));
    const into = [...this.chosen].filter((index) => plan.kinds[index] === "sorted").length;
    const aside = this.chosen.size - into;
    this.bar.append(button(say("sort.move", { count: this.chosen.size }), () => this.move(), "primary"));
    this.bar.lastChild.disabled = !this.chosen.size;
    this.words.replaceChildren(
      el("p", {}, say("sort.summary", { into, aside, all: plan.ids.length })),
      el("p", { class: "soft" }, this.terms(plan.run)),
    );
    for (const section of this.grid.sections) section.mark();
    this.grid.refresh();
  }

  terms(run) {
    if (run.cut === null) return run.terms;
    const expected = run.expected_wrong === null ? "" : say("sort.expected", { share: percent(run.expected_wrong) });
    return `${say("sort.cut", { cut: percent(run.cut) })} ${expected}`;
  }

  sections() {
    const { kinds, classes, probabilities } = this.plan;
    const groups = new Map();
    kinds.forEach((kind, index) => {
      const key = kind === "sorted" ? `c${classes[index]}` : kind;
      if (!groups.has(key)) groups.set(key, []);
      groups.get(key).push(index);
    });
    const order = [...groups.keys()].sort((a, b) => (a[0] === "c") === (b[0] === "c") ? a.localeCompare(b) : a[0] === "c" ? -1 : 1);
    return order.map((key) => {
      const items = groups.get(key).sort((a, b) => (probabilities[a] ?? 0) - (probabilities[b] ?? 0));
      return { key, items, ...this.head(key, items) };
    });
  }

  /** The head of a section, and how to bring it up to date. */
  head(key, items) {
    const name = key[0] === "c" ? key.slice(1) : say(`sort.${key}`);
    const box = el("input", { type: "checkbox", "aria-label": say("sort.all_of", { name }), onchange: () => this.toggle(items, box.checked) });
    const number = el("span", { class: "soft" });
    const mark = () => {
      const count = items.filter((index) => this.chosen.has(index)).length;
      box.checked = count === items.length;
      box.indeterminate = count > 0 && count < items.length;
      number.textContent = say("sort.of", { count, all: items.length });
    };
    box.disabled = !items.some((index) => this.movable(index));
    mark();
    return { head: el("label", { class: "rs-section" }, box, el("b", {}, name), number), mark };
  }

  async look() {
    await tried(async () => {
      const job = await post("/sort/plan");
      const ended = await followed(job, (seen) => this.words.replaceChildren(progress(seen)));
      if (ended.state === "done") this.take(await get("/sort/plan"));
      else this.show();
    });
    if (!this.plan) this.show();
  }

  async move() {
    const all = this.plan.ids.every((_, index) => !this.movable(index) || this.chosen.has(index));
    const ids = all ? null : [...this.chosen].map((index) => this.plan.ids[index]);
    await tried(async () => {
      const job = await post("/sort/move", { job: this.plan.job, ids });
      await followed(job, (seen) => this.words.replaceChildren(progress(seen)));
      const { result } = await get(`/sort/result?job=${job.id}`);
      tell(say("sort.moved", { sorted: result.sorted, aside: result.unsure + result.unknown + result.bad, time: duration(result.seconds) }), {
        action: result.run ? say("sort.undo") : null,
        does: () => this.undo(result.run),
      });
      if (result.failed + result.skipped) tell(say("sort.stayed", { count: result.failed + result.skipped }), { bad: true });
      this.take({ job: null });
    });
    if (this.plan) this.show();
    await tried(() => this.runs());
  }

  async undo(run) {
    await tried(async () => {
      const job = await post("/sort/undo", { run });
      await followed(job, (seen) => this.words.replaceChildren(progress(seen)));
      const { result } = await get(`/sort/result?job=${job.id}`);
      tell(say("sort.undone", { count: result.restored }));
      for (const one of result.left.slice(0, 2)) tell(`${one.name}: ${one.reason}`, { bad: true });
    });
    this.show();
    await tried(() => this.runs());
  }

  async runs() {
    const shown = current();
    const found = await get("/sort/runs");
    if (shown !== current()) return;
    if (!found.length) {
      this.list.replaceChildren(el("p", { class: "soft" }, say("sort.no_runs")));
      return;
    }
    const rows = found.map((run) => el("tr", {},
      el("td", {}, `${run.run}`), el("td", {}, say(`run.${run.kind}`)), el("td", {}, new Date(run.started).toLocaleString(language)),
      el("td", {}, run.undoes ?? say("sort.files", { count: run.files })),
      el("td", {}, run.files && run.kind !== "undo" ? button(say("sort.undo"), () => this.undo(run.run)) : "")));
    const heads = ["run", "what", "when", "how_many", "undo"].map((key) => el("th", { scope: "col" }, say(`sort.${key}`)));
    this.list.replaceChildren(el("table", { class: "rs-table" }, el("thead", {}, el("tr", {}, ...heads)), el("tbody", {}, ...rows)));
  }
}
