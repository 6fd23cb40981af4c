// Search: words, a picture, or both; what is found in a grid, best first.

import { button, current, el, followed, get, language, look, percent, post, progress, say, send, tell, thumbnail, tried } from "./api.js";
import { Grid } from "./grid.js";

const thousandths = new Intl.NumberFormat(language, { minimumFractionDigits: 3, maximumFractionDigits: 3 });
const TOPS = [24, 96];
const MATCHES = ["pictures", "captions", "both"];

export function draw(place) {
  const page = new Searching(place);
  document.addEventListener("refsort:dataset", () => page.begin());
  document.addEventListener("refsort:changed", () => page.state());
  return page.begin();
}

const named = (label, control) => el("label", { class: "rs-field" }, el("span", {}, label), control);
const select = (options) => el("select", { class: "rs-input" }, ...options.map(([value, text]) => el("option", { value }, text)));

class Searching {
  constructor(place) {
    this.number = 0;
    this.words = el("input", { class: "rs-input rs-query", type: "search", maxlength: 5000, placeholder: say("search.placeholder"), "aria-label": say("search.words") });
    this.avoid = el("input", { type: "text", class: "rs-input", maxlength: 5000, placeholder: say("search.avoid_placeholder") });
    this.file = el("input", { type: "file", class: "rs-file", "aria-label": say("search.file"), onchange: () => this.upload(this.file.files[0]) });
    this.chip = el("span", { class: "rs-picked" });
    this.class = select([]);
    this.folder = select([]);
    this.since = el("input", { class: "rs-input", type: "date" });
    this.until = el("input", { class: "rs-input", type: "date" });
    this.top = select(TOPS.map((top) => [top, top]));
    this.match = select(MATCHES.map((match) => [match, say(`search.match_${match}`)]));
    this.matching = named(say("search.match"), this.match);
    this.told = el("div", { class: "rs-words", "aria-live": "polite" });
    this.does = el("div", { class: "rs-bar rs-does" });
    this.window = el("div", { class: "rs-window rs-hits" });
    const drop = el("label", { class: "rs-drop" }, this.file, el("span", {}, say("search.file")));
    const form = el("form", { class: "rs-searching", onsubmit: (event) => (event.preventDefault(), this.search()) },
      el("div", { class: "rs-bar" }, this.words, el("button", { type: "submit", class: "rs-button primary" }, say("search.go"))),
      el("div", { class: "rs-bar rs-examples" }, el("span", { class: "soft" }, say("search.examples")),
        ...[1, 2, 3].map((n) => el("button", { type: "button", class: "rs-link", onclick: () => this.example(say(`search.example_${n}`)) }, say(`search.example_${n}`)))),
      el("div", { class: "rs-bar" }, drop, this.chip),
      el("details", {}, el("summary", {}, say("search.filters")), el("div", { class: "rs-bar rs-filters" },
        named(say("search.avoid"), this.avoid), named(say("search.class"), this.class), named(say("search.folder"), this.folder),
        named(say("search.since"), this.since), named(say("search.until"), this.until), named(say("search.top"), this.top), this.matching)));
    place.replaceChildren(form, this.told, this.does, this.window);
    this.dropping(form, drop);
    this.make();
  }

  make() {
    this.grid = new Grid(this.window, {
      label: say("search.hits"),
      picture: (hit) => ({ address: thumbnail(hit.id), alt: [hit.where, hit.caption, hit.more && say("search.more_title", { count: hit.more })].filter(Boolean).join(" · ") }),
      caption: (hit) => this.caption(hit),
      state: (hit) => (this.marked.has(hit.id) ? "on" : ""),
      click: (hit) => this.mark(hit),
      open: (hit) => look(this.hits.map((one) => one.id), this.hits.indexOf(hit), (at) => this.hits[at].where),
    });
    this.window.addEventListener("keydown", (event) => {
      if (event.key.toLowerCase() === "l" && !event.ctrlKey && !event.metaKey && this.grid.at !== null) this.like(this.hits[this.grid.at]);
    });
  }

  dropping(form, drop) {
    form.addEventListener("dragover", (event) => (event.preventDefault(), drop.classList.add("over")));
    form.addEventListener("dragleave", () => drop.classList.remove("over"));
    form.addEventListener("drop", (event) => {
      event.preventDefault();
      drop.classList.remove("over");
      if (event.dataTransfer.files.length) this.upload(event.dataTransfer.files[0]);
    });
  }

  async begin() {
    this.number += 1;
    this.class.replaceChildren();
    this.folder.replaceChildren();
    this.matching.hidden = true;
    this.match.value = "pictures";
    this.pick(null);
    this.take([]);
    this.told.replaceChildren(el("p", { class: "soft" }, say("search.intro")));
    await this.state();
  }

  /** What can be chosen; what somebody has chosen stays. */
  async state() {
    const shown = current();
    const known = await tried(() => get("/searching/state"));
    if (!known || shown !== current()) return;
    for (const [box, any, found] of [[this.class, "search.any_class", known.classes], [this.folder, "search.any_folder", known.folders]]) {
      const kept = box.value;
      box.replaceChildren(el("option", { value: "" }, say(any)), ...found.map((one) => el("option", { value: one.id }, one.name)));
      box.value = found.some((one) => one.id === kept) ? kept : "";
    }
  }

  // -- what is looked for

  example(text) {
    this.words.value = text;
    this.pick(null);
    this.search();
  }

  /** The picture that is searched with: { token } or { like }, with its name and a small one to see; null: none. */
  pick(picked) {
    this.picked = picked;
    this.file.value = "";
    if (!picked) return this.chip.replaceChildren();
    return this.chip.replaceChildren(el("img", { src: picked.address, alt: "" }), el("span", {}, say("search.like", { name: picked.name })),
      el("button", { type: "button", class: "rs-close", "aria-label": say("search.forget"), onclick: () => this.pick(null) }, "×"));
  }

  async upload(file) {
    if (!file) return;
    const shown = current();
    const form = new FormData();
    form.append("file", file);
    try {
      const held = await send("/searching/picture", form);
      if (shown !== current()) return;
      this.pick({ token: held.token, name: held.name, address: held.picture });
      this.search();
    } catch (error) {
      this.pick(null);
      if (shown === current()) this.refused(error.message);
    }
  }

  like(hit) {
    if (!hit) return;
    this.words.value = this.avoid.value = "";
    this.pick({ like: hit.id, name: hit.name, address: thumbnail(hit.id) });
    this.search();
  }

  query() {
    return {
      words: this.words.value, avoid: this.avoid.value, token: this.picked?.token ?? null, like: this.picked?.like ?? null,
      classes: this.class.value ? [this.class.value] : [], folder: this.folder.value || null,
      since: this.since.value || null, until: this.until.value || null, top: Number(this.top.value), match: this.match.value,
    };
  }

  // -- searching

  /** An answer that comes after a newer question was asked is not shown. */
  async search() {
    const query = this.query();
    if (!query.words.trim() && !this.picked) return this.refused(say("search.need"));
    const mine = (this.number += 1);
    const begun = performance.now();
    this.told.replaceChildren(el("p", { class: "soft" }, say("search.searching")));
    try {
      let found = await post("/searching/find", query);
      if (found.behind && mine === this.number) {
        await this.update(found.behind, mine);
        if (mine === this.number) found = await post("/searching/find", { ...query, as_is: true });
      }
      if (mine === this.number) this.answer(found);
      this.window.dataset.ms = Math.round(performance.now() - begun);
    } catch (error) {
      if (mine === this.number) this.refused(error.message);
    }
    return undefined;
  }

  /** Read what is new first; if something else is running here, or it is stopped, what is indexed is searched. */
  async update(count, mine) {
    await tried(async () => {
      const job = await post("/searching/update");
      await followed(job, (seen) => mine === this.number && this.told.replaceChildren(el("p", {}, say("search.reading", { count })), progress(seen)));
    });
  }

  refused(text) {
    this.told.replaceChildren(el("p", { class: "bad rs-lines" }, text));
    this.take([]);
  }

  answer(found) {
    const how = found.recall === null ? say("search.exact") : say("search.graph", { recall: percent(found.recall) });
    const told = [];
    if (!found.hits.length) told.push(el("p", {}, say(found.pictures ? "search.nothing" : "search.empty")));
    told.push(el("p", { class: "soft rs-small" }, say("search.how", { count: found.hits.length, all: found.pictures, ms: Math.max(1, Math.round(1000 * found.seconds)), how, encoder: found.encoder })));
    if (found.updating) told.push(el("p", { class: "rs-warn" }, say("search.updating")));
    for (const note of found.notes) told.push(el("p", { class: "rs-warn" }, note));
    if (found.approximate) told.push(el("p", { class: "soft rs-small" }, say("search.approximate", { encoder: found.encoder })));
    this.told.replaceChildren(...told);
    this.matching.hidden = !found.captions;
    this.take(found.hits);
  }

  // -- what was found

  take(hits) {
    this.hits = hits;
    this.marked = new Set();
    this.window.hidden = !hits.length;
    if (this.grid) {
      this.grid.at = null;
      this.window.scrollTop = 0;
      this.grid.show([{ key: "hits", head: null, items: hits }]);
    }
    this.bar();
  }

  caption(hit) {
    const first = el("b", {}, thousandths.format(hit.similarity));
    if (hit.more) first.append(el("span", { class: "rs-more", title: say("search.more_title", { count: hit.more }), onclick: (event) => {
      event.stopPropagation();
      look([hit.id, ...hit.others], 0, (at) => [hit.where, ...hit.names][at]);
    } }, ` +${hit.more}`));
    // By mouse only: for the keyboard there is L, for both the button above the grid.
    const like = el("span", { class: "rs-like", "aria-hidden": "true", title: say("search.more_like"), onclick: (event) => (event.stopPropagation(), this.like(hit)) }, "≈");
    return el("span", { class: "rs-hit" }, el("span", {}, first, el("small", {}, hit.caption || hit.name)), like);
  }

  mark(hit) {
    if (!this.marked.delete(hit.id)) this.marked.add(hit.id);
    this.grid.refresh();
    this.bar();
  }

  bar() {
    this.does.hidden = !this.hits.length;
    const count = this.marked.size || this.hits.length;
    const name = this.name ?? (this.name = el("input", { type: "text", class: "rs-input", "aria-label": say("search.copy_name"), placeholder: say("search.copy_short"), onkeydown: (event) => event.key === "Enter" && this.copy() }));
    this.does.replaceChildren(button(say("search.more_like_key"), () => this.like(this.hits[this.grid.at ?? 0])), name,
      button(say(this.marked.size ? "search.copy_marked" : "search.copy", { count }), () => this.copy()), el("span", { class: "soft rs-small" }, say("search.help")));
  }

  async copy() {
    const ids = this.marked.size ? [...this.marked] : this.hits.map((hit) => hit.id);
    await tried(async () => {
      const job = await post("/searching/copy", { name: this.name.value, ids });
      await followed(job);
      const { result } = await get(`/sort/result?job=${job.id}`);
      if (!result) return;
      tell(say("search.copied", { count: result.copied, folder: result.folder }));
      if (result.failed.length) tell(say("search.not_copied", { count: result.failed.length, ...result.failed[0] }), { bad: true });
    });
  }
}
