// Map: pictures laid out by likeness; what is ringed with the lasso becomes a new class or goes into one.

import { button, current, el, followed, get, language, look, percent, post, progress, say, tell, thumbnail, tried } from "./api.js";
import { Grid } from "./grid.js";

const LIMITS = [500, 2000, 5000, 20000];
const FRAME = ["lasso", "lasso_hint", "seen", "zoom_in", "zoom_out", "all", "search", "names", "labels", "every", "none", "legend", "canvas", "found", "open", "phrase"];

export async function draw(place) {
  const page = new Mapping(place);
  document.addEventListener("refsort:dataset", () => page.begin());
  document.addEventListener("refsort:changed", () => page.changed());
  await page.begin();
}

class Mapping {
  constructor(place) {
    this.form = el("div", { class: "rs-map-form" });
    this.words = el("div", { class: "rs-words", "aria-live": "polite" });
    this.stage = el("div", { class: "rs-map-stage" });
    this.count = el("h3", { "aria-live": "polite" });
    this.hint = el("p", { class: "soft" });
    this.window = el("div", { class: "rs-map-grid" });
    this.does = el("div", { class: "rs-map-does" });
    this.undoing = el("div", { class: "rs-map-undo" });
    this.panel = el("section", { class: "rs-map-panel", "aria-label": say("map.chosen") }, this.count, this.hint, this.window, this.does, this.undoing);
    this.whole = el("div", { class: "rs-map-whole", hidden: true }, this.stage, this.panel);
    place.replaceChildren(this.form, this.words, this.whole);
    this.grid = new Grid(this.window, {
      label: say("map.chosen"), size: 96, foot: 20,
      picture: (i) => ({ address: thumbnail(this.id(i)), alt: this.inner.name(i) }),
      caption: (i) => el("span", {}, el("small", {}, this.inner.group(i))),
      state: (i) => (this.out.has(i) ? "off" : "on"),
      click: (i) => { this.out.has(i) ? this.out.delete(i) : this.out.add(i); this.grid.refresh(); this.tell(); },
      open: (i) => this.look(i, this.picked),
    });
    // Keys reach the map's own frame by themselves; from the rest of the tab L does as well.
    place.addEventListener("keydown", (event) => {
      if (event.key.toLowerCase() === "l" && !event.ctrlKey && !event.metaKey && !event.altKey && !event.target.closest("input, textarea, select")) this.inner?.lasso();
    });
  }

  async begin() {
    this.map = this.inner = null;
    this.picked = [];
    this.out = new Set();
    this.stage.replaceChildren();
    this.undoing.replaceChildren();
    this.words.replaceChildren(el("p", {}, say("map.intro")));
    this.whole.hidden = true;
    await tried(async () => {
      this.options = await get("/mapping/options");
      this.choices();
      await this.load();
    });
  }

  // ---- what is to be drawn

  choices() {
    const { parts, methods } = this.options;
    this.parts = Object.entries(parts).map(([key, { name }]) => {
      const box = el("input", { type: "checkbox", value: key, onchange: () => this.ready() });
      box.checked = true;
      return [box, el("label", {}, box, name)];
    });
    this.method = select(methods.map((key) => [key, say(`map.${key}`)]));
    this.limit = select(LIMITS.map((most) => [most, say("map.most", { count: most })]), 2000);
    this.colour = select([["class", say("map.by_class")], ["folder", say("map.by_folder")]]);
    this.colour.addEventListener("change", () => tried(() => this.load()));
    this.phrases = el("textarea", { class: "rs-input", rows: 3, id: "rs-map-phrases", placeholder: say("map.phrases_how") });
    this.described = el("input", { type: "checkbox" });
    this.go = button(say("map.draw"), () => this.draw(), "primary");
    this.form.replaceChildren(
      el("fieldset", {}, el("legend", {}, say("map.parts")), ...this.parts.map(([, label]) => label)),
      el("div", { class: "rs-bar" }, labelled(say("map.method"), this.method), labelled(say("map.number"), this.limit), labelled(say("map.colour"), this.colour), this.go),
      el("details", {}, el("summary", {}, say("map.phrases")), el("label", { for: "rs-map-phrases", class: "soft" }, say("map.phrases_note")), this.phrases, el("label", { class: "rs-map-check" }, this.described, say("map.phrases_classes"))),
    );
  }

  ready() {
    this.go.disabled = !this.parts.some(([box]) => box.checked);
  }

  async draw() {
    this.go.disabled = true;
    await tried(async () => {
      const job = await post("/mapping/draw", {
        parts: this.parts.filter(([box]) => box.checked).map(([box]) => box.value),
        method: this.method.value, limit: Number(this.limit.value), phrases: this.phrases.value.split("\n").filter((line) => line.trim()), class_phrases: this.described.checked,
      });
      // The layout itself, after the last picture, can't say how far it is.
      const ended = await followed(job, (seen) => this.words.replaceChildren(progress(seen.done < seen.total ? seen : { ...seen, total: 0 })));
      for (const text of ended.messages.slice(-2)) tell(text);
      if (ended.state === "done") await this.load(true);
    });
    this.ready();
    this.describe();
  }

  // ---- the map itself

  /** Show the map as the server has it now; `fresh`: a new one, of which nothing is kept. */
  async load(fresh = false) {
    const shown = current();
    const found = await get(`/mapping/map?colour=${this.colour.value}`);
    if (shown !== current()) return;
    if (found.job === null || !found.data.names.length) {
      this.map = null;
      this.whole.hidden = true;
      this.describe(found.job !== null);
      return;
    }
    this.prefix = thumbnail("", 320);
    found.data.folders = found.data.folders.map((folder) => this.prefix + folder);
    for (const group of found.data.groups) if (group.name === "(phrases)") group.name = say("map.phrases_group");
    this.whole.hidden = false;
    await this.frame(found, fresh);
  }

  /** A new frame takes the place of the old one when it is drawn, so nothing flickers. */
  async frame(found, fresh) {
    const made = el("iframe", { class: "rs-map", title: say("map.frame"), src: "/refsort/static/map_frame.html" });
    made.classList.add("coming");
    const turn = (this.turn = (this.turn ?? 0) + 1);
    await new Promise((done) => {
      made.addEventListener("load", done, { once: true });
      this.stage.append(made);
    });
    const inner = made.contentWindow.refsortMap;
    const same = () => !fresh && this.map?.job === found.job;
    await inner.begin({
      data: found.data, state: () => (same() ? this.inner.state() : null), script: thumbnail("").replace(/thumbnail.*$/, "mapping/map.js"),
      says: { language, gone: say("page.gone"), ...Object.fromEntries(FRAME.map((key) => [key, say(`map.${key}`, { count: "{count}" })])) },
      told: { look: (i) => this.look(i), picked: (indexes) => this.pick(indexes) },
    });
    if (turn !== this.turn) {
      made.remove();
      return;
    }
    // All at once: a number of a point never meets another map than its own.
    const [stays, focused] = [same(), document.activeElement?.matches("iframe.rs-map")];
    Object.assign(this, { map: found, inner });
    made.classList.remove("coming");
    for (const old of [...this.stage.children]) if (old !== made) old.remove();
    if (focused) made.contentDocument.querySelector("canvas").focus();
    if (stays) this.grid.refresh();
    else this.pick([]);
    this.describe();
  }

  id(i) {
    return this.inner.link(i).slice(this.prefix.length);
  }

  look(i, among = [i]) {
    look(among.map((one) => this.id(one)), among.indexOf(i), (at) => `${this.inner.place(among[at])}/${this.inner.name(among[at])}`);
  }

  describe(empty = false) {
    const { map } = this;
    if (!map) {
      this.words.replaceChildren(el("p", {}, say(empty ? "map.empty" : "map.intro")));
      return;
    }
    const lines = [say("map.shown", { method: map.method, count: map.data.images, encoder: map.encoder })];
    if (map.total > map.data.images + map.left_out) lines.push(say("map.by_lot", { total: map.total }));
    if (map.explained) lines.push(say("map.explained", { x: percent(map.explained[0]), y: percent(map.explained[1]) }));
    else lines.push(say("map.neighbours"));
    if (map.method !== map.asked) lines.push(say("map.instead", { asked: map.asked }));
    if (map.left_out) lines.push(say("map.left_out", { count: map.left_out }));
    this.words.replaceChildren(el("p", { class: "soft" }, lines.join(" ")));
  }

  /** Something was moved, by us or by anybody: its colour follows, its place stays. */
  async changed() {
    await tried(async () => {
      const { classes } = (this.options = await get("/mapping/options"));
      this.into?.replaceChildren(...classes.map(({ id, name }) => el("option", { value: id }, name)));
      const now = this.map && (await get("/mapping/stamp"));
      if (now && now.job !== null && (now.job !== this.map.job || now.stamp !== this.map.stamp)) await this.load();
    });
  }

  // ---- what was ringed

  pick(indexes) {
    this.picked = indexes;
    this.out.clear();
    if (!indexes.length) this.inner?.clear();
    this.panel.classList.toggle("some", indexes.length > 0);
    this.grid.show([{ key: "picked", head: null, items: indexes }]);
    this.acts();
    this.tell();
  }

  chosen() {
    return this.picked.filter((i) => !this.out.has(i));
  }

  isReference(i) {
    return this.id(i).startsWith(`${this.options.parts.references.id}/`);
  }

  tell() {
    const chosen = this.chosen();
    const references = chosen.filter((i) => this.isReference(i)).length;
    this.count.textContent = this.picked.length ? say("map.ringed", { count: chosen.length }) : say("map.none_ringed");
    this.hint.textContent = [
      this.picked.length ? say("map.leave_out") : say("map.how"),
      references ? say("map.references", { count: references }) : "",
    ].filter(Boolean).join(" ");
    for (const one of this.does.querySelectorAll("button.act")) one.disabled = chosen.length === references;
  }

  acts() {
    if (!this.picked.length) {
      this.does.replaceChildren();
      this.into = null;
      return;
    }
    const { classes } = this.options;
    const name = el("input", { class: "rs-input", "aria-label": say("map.new_name"), placeholder: say("map.new_name"), maxlength: 120, autocomplete: "off", spellcheck: "false" });
    const made = el("form", { class: "rs-map-act", onsubmit: (event) => { event.preventDefault(); if (name.value.trim()) this.file({ new: name.value.trim() }, name.value.trim()); else name.focus(); } },
      name, el("button", { type: "submit", class: "rs-button primary act" }, say("map.make")));
    this.into = el("select", { class: "rs-input", "aria-label": say("map.into") }, ...classes.map(({ id, name: text }) => el("option", { value: id }, text)));
    const filed = el("form", { class: "rs-map-act", onsubmit: (event) => { event.preventDefault(); this.file({ class_id: this.into.value }, this.into.selectedOptions[0].textContent); } },
      this.into, el("button", { type: "submit", class: "rs-button act" }, say("map.file")));
    filed.hidden = !classes.length;
    this.does.replaceChildren(made, filed, button(say("map.clear"), () => this.pick([])));
  }

  async file(into, name) {
    const chosen = this.chosen();
    const { job: shown } = this.map;
    const { sorted } = this.options.parts;
    const movable = chosen.filter((i) => !this.isReference(i));
    const there = into.class_id ? movable.filter((i) => this.id(i).startsWith(`${sorted.id}/${into.class_id}/`)).length : 0;
    const lines = [
      say(into.new ? "map.ask_new" : "map.ask", { count: movable.length - there, name }),
      into.new && say("map.ask_copies", { count: Math.min(10, movable.length) }),
      there && say("map.ask_there", { count: there }),
      chosen.length > movable.length && say("map.references", { count: chosen.length - movable.length }),
    ].filter(Boolean);
    if (!(await agreed(lines, say("map.agree", { count: movable.length - there })))) return;
    await tried(async () => {
      const job = await post("/mapping/file", { job: shown, points: chosen, ...into });
      await followed(job, (seen) => this.words.replaceChildren(progress(seen)));
      const { result } = await get(`/sort/result?job=${job.id}`);
      const text = [say("map.filed", { count: result.moves.length, name: result.class }), result.made.length ? say("map.made", { count: result.made.length }) : ""].filter(Boolean).join(" ");
      this.offer(text, result.moves, into.new ? name : null);
      this.stayed(result);
      this.pick([]);
    });
    await this.changed();
    this.describe();
  }

  /** What was done, and the button that takes it back, until something else is done. */
  offer(text, moves, made = null) {
    const back = button(say("map.undo", { count: moves.length }), () => this.undo(moves, made));
    this.undoing.replaceChildren(el("span", { role: "status" }, text), ...(moves.length ? [back] : []));
  }

  async undo(moves, made) {
    await tried(async () => {
      const job = await post("/mapping/undo", { moves });
      await followed(job, (seen) => this.words.replaceChildren(progress(seen)));
      const { result } = await get(`/sort/result?job=${job.id}`);
      this.offer([say("map.undone", { count: result.restored }), made ? say("map.copies_stay", { name: made }) : ""].join(" "), []);
      this.stayed(result);
    });
    await this.changed();
    this.describe();
  }

  stayed({ left, stopped = 0, reasons }) {
    if (left || stopped) tell(say("map.stayed", { count: left + stopped, why: reasons[0] ? `${reasons[0].name}: ${reasons[0].reason}` : "" }), { bad: true });
  }
}

function select(options, chosen = options[0]?.[0]) {
  const made = el("select", { class: "rs-input" }, ...options.map(([value, text]) => el("option", { value }, text)));
  made.value = chosen;
  return made;
}

const labelled = (text, control) => el("label", { class: "rs-map-label" }, text, control);

/** One question before anything is moved. */
function agreed(lines, yes) {
  return new Promise((done) => {
    const box = el("dialog", { class: "rs-map-ask", "aria-label": say("map.sure") }, ...lines.map((line) => el("p", {}, line)));
    const close = (answer) => (done(answer), box.close());
    box.append(el("div", { class: "rs-bar" }, button(yes, () => close(true), "primary"), button(say("map.cancel"), () => close(false))));
    box.addEventListener("close", () => (done(false), box.remove()));
    document.body.append(box);
    box.showModal();
  });
}
