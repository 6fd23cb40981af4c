// Ask: how well phrases fit one picture, as bars; and many pictures, as a table.

import { button, current, el, followed, get, language, look, percent, post, progress, say, thumbnail, tried } from "./api.js";

const thousandths = new Intl.NumberFormat(language, { minimumFractionDigits: 3, maximumFractionDigits: 3 });
const cosine = (value) => thousandths.format(value);

export function draw(place) {
  const page = new Asking(place);
  document.addEventListener("refsort:dataset", () => page.begin());
  document.addEventListener("refsort:changed", () => page.state());
  document.addEventListener("refsort:dropped", ({ detail }) => page.dropped(detail));
  return page.begin();
}

class Asking {
  constructor(place) {
    this.figure = el("figure", { class: "rs-asked" });
    this.offers = el("div", { class: "rs-offers" });
    this.offers.hidden = true;
    this.phrases = el("textarea", { class: "rs-input rs-phrases", rows: 8, spellcheck: "false", id: "rs-phrases", onkeydown: (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) this.ask();
    } });
    this.told = el("div", { class: "rs-words", "aria-live": "polite" });
    this.bars = el("div", { class: "rs-bars", role: "list", "aria-label": say("ask.result") });
    this.folder = el("select", { class: "rs-input", id: "rs-ask-folder" });
    this.count = el("input", { class: "rs-input", id: "rs-ask-count", type: "number", min: 1, max: 200, value: 12 });
    this.compared = el("div", { class: "rs-words", "aria-live": "polite" });
    this.choices = el("div", { class: "rs-bar" });
    this.matrix = el("div", { class: "rs-matrix" });
    this.number = 0;
    this.opener = button(say("ask.take"), () => this.offer(this.offers.hidden));
    this.opener.setAttribute("aria-expanded", "false");
    place.replaceChildren(
      el("p", { class: "soft" }, say("ask.intro")), el("h2", {}, say("ask.one")),
      el("div", { class: "rs-ask" },
        el("div", {}, this.figure, this.opener, this.offers),
        el("div", {},
          el("label", { class: "rs-named", for: "rs-phrases" }, say("ask.phrases")), this.phrases,
          el("div", { class: "rs-bar" }, button(say("ask.ask"), () => this.ask(), "primary"),
            button(say("ask.names"), () => this.fill(this.known.names)), button(say("ask.phrases_of_classes"), () => this.own())),
          this.told, this.bars)),
      el("h2", {}, say("ask.many")), el("p", { class: "soft" }, say("ask.many_intro")),
      el("div", { class: "rs-bar" }, el("label", { for: "rs-ask-folder" }, say("ask.folder")), this.folder,
        el("label", { for: "rs-ask-count" }, say("ask.count")), this.count, button(say("ask.compare"), () => this.compare(), "primary")),
      this.compared, this.choices, this.matrix);
  }

  async begin() {
    this.number += 1;
    this.asked = null;
    this.known = { names: [], phrases: [], folders: [] };
    this.offers.hidden = true;
    this.opener.setAttribute("aria-expanded", "false");
    for (const part of [this.told, this.bars, this.compared, this.choices, this.matrix, this.offers]) part.replaceChildren();
    this.matrix.hidden = true;
    this.show();
    await this.state();
  }

  /** What can be chosen; phrases that somebody wrote stay. */
  async state() {
    const shown = current();
    const known = await tried(() => get("/asking/state"));
    if (!known || shown !== current()) return;
    this.known = known;
    const kept = this.folder.value;
    this.folder.replaceChildren(...known.folders.map((one) => el("option", { value: one.id }, one.name)));
    if (known.folders.some((one) => one.id === kept)) this.folder.value = kept;
    if (this.phrases.value === (this.filled ?? "")) this.fill([...known.names, ...say("ask.examples").split("\n")]);
  }

  fill(lines) {
    this.phrases.value = this.filled = lines.join("\n");
  }

  own() {
    if (this.known.phrases.length) return this.fill(this.known.phrases);
    this.told.replaceChildren(el("p", {}, say("ask.no_phrases")));
    return this.fill(this.known.names);
  }

  // -- one picture

  /** A picture that was dropped: as the server has read it, or why it has not. */
  dropped(told) {
    if (!told || !(told.token || told.error)) return;
    if (told.error) this.refused(told.error);
    else this.use({ token: told.token, name: told.name, address: told.picture });
  }

  refused(text) {
    this.bars.replaceChildren();
    this.told.replaceChildren(el("p", { class: "bad rs-lines" }, text));
  }

  use(asked) {
    this.asked = asked;
    this.show();
    if (this.phrases.value.trim()) this.ask();
  }

  show() {
    if (!this.asked) {
      this.figure.replaceChildren(el("figcaption", { class: "soft" }, say("ask.no_picture")));
      return;
    }
    const { address, name } = this.asked;
    this.figure.replaceChildren(el("img", { src: address, alt: name }), el("figcaption", { class: "soft" }, name));
  }

  async offer(open = true) {
    this.offers.hidden = !open;
    this.opener.setAttribute("aria-expanded", `${open}`);
    if (!open) return;
    const find = el("input", { class: "rs-input", type: "search", placeholder: say("ask.find"), "aria-label": say("ask.find_label"), onkeydown: (event) => event.key === "Enter" && fill() });
    const list = el("div", { class: "rs-offered", role: "group", "aria-label": say("ask.offered") });
    const fill = () => tried(async () => {
      const found = await get(`/asking/offered?find=${encodeURIComponent(find.value)}`);
      const made = found.map((one) => el("button", { type: "button", title: one.where, onclick: () => this.use({ id: one.id, name: one.where, address: thumbnail(one.id, 1600) }) },
        el("img", { src: thumbnail(one.id), alt: one.where })));
      list.replaceChildren(...(made.length ? made : [el("p", { class: "soft" }, say("ask.none_offered"))]));
    });
    this.offers.replaceChildren(el("div", { class: "rs-bar" }, find, button(say("ask.others"), fill)), list);
    await fill();
  }

  async ask() {
    if (!this.asked) return this.refused(say("ask.need_picture"));
    if (!this.phrases.value.trim()) return this.refused(say("ask.need_phrases"));
    const mine = (this.number += 1);
    this.told.replaceChildren(el("p", { class: "soft" }, say("ask.working")));
    try {
      const { id, token } = this.asked;
      const found = await post("/asking/picture", { id, token, phrases: this.phrases.value });
      if (mine === this.number) this.answer(found);
    } catch (error) {
      if (mine === this.number) this.refused(error.message);
    }
    return undefined;
  }

  answer(found) {
    this.told.replaceChildren(...remarks(found, "ask.answer"));
    if (found.all > found.labels.length) this.told.append(el("p", { class: "soft" }, say("ask.shown_of", { count: found.labels.length, all: found.all })));
    this.bars.replaceChildren(...found.labels.map(({ label, share, cosine: value }, place) => el("div", { class: `rs-share ${place ? "" : "best"}`, role: "listitem" },
      el("span", { class: "rs-phrase" }, label),
      el("span", { class: "rs-track", "aria-hidden": "true" }, el("i", { style: `width:${(100 * share).toFixed(2)}%` })),
      el("b", {}, percent(share)), el("small", { class: "soft" }, say("ask.cosine", { value: cosine(value) })))));
  }

  // -- many pictures

  async compare() {
    if (!this.phrases.value.trim()) return this.compared.replaceChildren(el("p", { class: "bad" }, say("ask.need_phrases")));
    if (!this.folder.value) return this.compared.replaceChildren(el("p", { class: "bad" }, say("ask.no_folders")));
    const shown = current();
    this.compared.replaceChildren(el("p", { class: "soft" }, say("ask.working")));
    try {
      const job = await post("/asking/table", { folder: this.folder.value, count: Number(this.count.value) || 12, phrases: this.phrases.value });
      const ended = await followed(job, (seen) => shown === current() && this.compared.replaceChildren(progress(seen)));
      if (shown !== current()) return undefined;
      if (ended.state !== "done") return this.compared.replaceChildren();
      this.table({ job: job.id, ...(await get(`/asking/table?job=${job.id}`)) });
    } catch (error) {
      if (shown === current()) this.compared.replaceChildren(el("p", { class: "bad rs-lines" }, error.message));
    }
    return undefined;
  }

  table(found) {
    this.compared.replaceChildren(...remarks(found, "ask.table_answer"));
    const link = el("a", { class: "rs-button", download: "" }, say("ask.csv"));
    const choose = (raw) => {
      link.href = `/refsort/api/${encodeURIComponent(current())}/asking/csv?job=${found.job}&cosines=${raw}`;
      this.matrix.replaceChildren(matrix(found, raw));
    };
    const choice = (raw) => {
      const box = el("input", { type: "radio", name: "rs-ask-values", checked: !raw, onchange: () => choose(raw) });
      return el("label", { class: "rs-choice" }, box, say(raw ? "ask.cosines" : "ask.shares"));
    };
    this.choices.replaceChildren(el("span", { role: "radiogroup", "aria-label": say("ask.values"), class: "rs-bar" }, choice(false), choice(true)), link);
    this.matrix.hidden = false;
    this.matrix.tabIndex = 0;
    this.matrix.setAttribute("role", "region");
    this.matrix.setAttribute("aria-label", say("ask.many"));
    choose(false);
  }
}

/** Who answered, and what is to be known about it. */
function remarks(found, key) {
  const told = [el("p", { class: "soft" }, say(key, { encoder: found.encoder }))];
  if (found.approximate) told.push(el("p", { class: "soft rs-small" }, say("ask.approximate", { encoder: found.encoder })));
  return [...told, ...found.notes.map((note) => el("p", { class: "rs-warn" }, note))];
}

/** Strength of the ground: shares as they are, cosines between the extremes of the table. */
function matrix(found, raw) {
  const values = raw ? found.cosines : found.shares;
  const flat = values.flat();
  const low = raw ? flat.reduce((a, b) => Math.min(a, b), 1) : 0;
  const high = raw ? flat.reduce((a, b) => Math.max(a, b), -1) : 1;
  const ids = found.pictures.map((one) => one.id);
  const rows = found.pictures.map((one, row) => {
    const best = Math.max(...values[row]);
    const open = el("button", { type: "button", class: "rs-thumb", title: one.where, onclick: () => look(ids, row, (at) => found.pictures[at].where) },
      el("img", { src: thumbnail(one.id), alt: one.where, loading: "lazy", width: 56, height: 56 }), el("span", {}, one.name));
    return el("tr", {}, el("th", { scope: "row" }, open), ...values[row].map((value) => el("td", {
      class: value === best ? "best" : "", style: `--strength:${(high > low ? (value - low) / (high - low) : 0).toFixed(3)}`,
    }, raw ? cosine(value) : percent(value))));
  });
  const heads = found.labels.map((label) => el("th", { scope: "col", title: label }, el("span", {}, label)));
  return el("table", {}, el("thead", {}, el("tr", {}, el("th", { scope: "col" }, say("ask.picture")), ...heads)), el("tbody", {}, ...rows));
}
