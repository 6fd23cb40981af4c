// Review: one picture at a time, large, with the classes it may belong to; a key says which, and the next one is there.

import { button, current, el, get, look, percent, say, tell, thumbnail, tried } from "./api.js";
import { find, name } from "./review_forms.js";

const QUEUES = ["unsure", "unknown", "doubtful"];
const AHEAD = 3;
const STRIP = 8;
/** Nobody has seen a picture in less: a key that comes sooner was meant for the one before. */
const SEEN_MS = 120;
const RELOAD_MS = 4000;
const KEPT = 12;

export function draw(place) {
  const page = new Review(place);
  document.addEventListener("refsort:dataset", () => page.begin());
  document.addEventListener("refsort:changed", () => page.changed());
  document.addEventListener("keydown", (event) => page.key(event));
  window.addEventListener("beforeunload", (event) => page.pending.size && event.preventDefault());
  new IntersectionObserver(() => page.stale && page.changed()).observe(place);
  page.begin();
}

/** As `post` of api.js, to the dataset that the picture is of: another one may be chosen before its turn comes. */
async function sent(dataset, path, body) {
  const headers = { "content-type": "application/json", "x-refsort": "1" };
  const answer = await fetch(`/refsort/api/${encodeURIComponent(dataset)}/review/${path}`, { method: "POST", credentials: "same-origin", headers, body: JSON.stringify(body) })
    .catch(() => { throw new Error(say("page.gone")); });
  const found = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(found.error || found.detail?.[0]?.msg || `${answer.status}`);
  return found;
}

class Review {
  constructor(place) {
    this.place = place;
    this.which = "unsure";
    this.chain = Promise.resolve();
    this.pending = new Map();
    this.tabs = el("div", { class: "rs-bar", role: "group", "aria-label": say("review.queues") });
    this.progress = el("span", { class: "rs-review-progress soft" });
    this.picture = el("div", { class: "rs-review-picture" });
    this.words = el("div", { class: "rs-review-words", "aria-live": "polite" });
    this.rivals = el("div", { class: "rs-rivals" });
    this.others = el("div", { class: "rs-others" });
    this.form = el("div", { class: "rs-review-form" });
    this.acts = {
      back: this.act("U", "back", () => this.back()), skip: this.act("S", "skip", () => this.skip()),
      make: this.act("N", "new", () => this.live && name(this)), find: this.act("/", "find", () => this.live && find(this)),
    };
    this.strip = el("div", { class: "rs-strip", role: "group", "aria-label": say("review.next") });
    this.stage = el("section", { class: "rs-review", tabindex: -1, "aria-label": say("review.stage") },
      el("div", { class: "rs-review-left" }, this.picture, this.words),
      el("div", { class: "rs-review-right" }, this.rivals, this.others, this.form));
    this.empty = el("p", { class: "rs-review-empty" });
    place.replaceChildren(el("div", { class: "rs-review-head" }, this.tabs, this.progress), this.empty, this.stage,
      el("div", { class: "rs-bar rs-review-acts" }, ...Object.values(this.acts)), this.strip);
  }

  act(key, text, does) {
    return el("button", { type: "button", class: "rs-button", "aria-keyshortcuts": key, onclick: does }, el("kbd", {}, key), ` ${say(`review.${text}`)}`);
  }

  // -- the queue

  /** Another dataset or another queue: all anew. What was said and is still on its way goes on. */
  async begin(which = this.which) {
    Object.assign(this, { which, at: null, live: false, line: [], facts: new Map(), looks: new Map(), touched: new Map(), clock: 0, done: 0, times: [], counts: {}, classes: [], loaded: false, stale: false });
    if (this.dataset !== current()) this.stack = [];
    this.dataset = current();
    this.show();
    await this.load();
  }

  async load() {
    const { dataset, which } = this;
    const since = (this.clock += 1);
    this.loading = true;
    const found = await tried(() => get(`/review/queue?which=${which}`));
    this.loading = false;
    if (!found || dataset !== this.dataset || which !== this.which) return;
    this.loaded = true;
    this.counts = found.counts;
    this.classes = found.classes;
    this.merge(found, since);
    this.show();
  }

  /** The order on this page stays; what is gone leaves it, what is new comes behind. What we moved meanwhile is ours to know. */
  merge({ ids, names, best, runners_up, probabilities }, since) {
    const there = new Set(ids);
    const ours = (id) => this.pending.has(id) || (this.touched.get(id) ?? 0) > since;
    const known = new Set(this.line);
    ids.forEach((id, index) => this.facts.set(id, { name: names[index], best: best[index], rival: runners_up[index], probability: probabilities[index] }));
    this.line = this.line.filter((id) => there.has(id) || ours(id));
    for (const id of ids) if (!known.has(id) && !ours(id)) this.line.push(id);
    if (this.at !== null && this.line[0] !== this.at) tell(say("review.elsewhere", { name: this.facts.get(this.at).name }));
  }

  /** Something happened to the dataset: look again, but not all the time while it is we who move. */
  changed() {
    clearTimeout(this.timer);
    if (!this.place.offsetParent) return void (this.stale = true);
    this.stale = false;
    const wait = RELOAD_MS - (performance.now() - (this.last ?? -RELOAD_MS));
    if (wait > 0 || this.loading) return void (this.timer = setTimeout(() => this.changed(), Math.max(wait, 200)));
    this.last = performance.now();
    this.load();
  }

  // -- one picture

  /** Everything about a picture that is needed to show it; asked for ahead of its turn. */
  ahead(id) {
    if (this.looks.has(id)) return this.looks.get(id);
    const one = { data: null, image: null };
    this.looks.set(id, one);
    one.ready = (async () => {
      const data = await get(`/review/look?path=${id}`);
      if (data.state === "here") {
        // The hash comes first: should the picture change in between, what is said of it is refused.
        const image = el("img", { alt: this.facts.get(id)?.name ?? "", src: thumbnail(id, 1600, data.sha256), draggable: "false" });
        one.image = await image.decode().then(() => image, () => el("span", { class: "rs-none" }, "?"));
        for (const rival of data.rivals) rival.images = rival.near.map((near) => el("img", { alt: near.name, src: thumbnail(near.id), width: 72, height: 72, draggable: "false" }));
      }
      one.data = data;
    })();
    one.ready.catch(() => this.looks.delete(id));
    return one;
  }

  /** Bring what is first in line onto the screen, at once if it was fetched ahead. */
  show() {
    const [id = null] = this.line;
    if (id !== this.at || id === null) {
      this.at = id;
      this.live = false;
      this.close();
      if (id !== null) {
        const one = this.ahead(id);
        if (one.data) this.paint(id, one);
        else {
          this.stage.classList.add("rs-review-waiting");
          this.picture.replaceChildren();
          this.words.replaceChildren(el("b", {}, this.facts.get(id).name));
          this.rivals.replaceChildren();
          this.others.replaceChildren();
          one.ready.then(() => this.at === id && this.paint(id, one), (error) => this.at === id && this.failed(id, error));
        }
      }
    }
    this.around();
  }

  failed(id, error) {
    tell(`${this.facts.get(id).name}: ${error.message}`, { bad: true });
    this.words.append(el("p", { class: "bad" }, error.message), button(say("review.again"), () => ((this.at = null), this.show())));
    this.acts.skip.disabled = false;
  }

  paint(id, { data, image }) {
    if (data.state === "gone") return this.gone(id, data.where);
    const held = this.rivals.contains(document.activeElement) || this.others.contains(document.activeElement);
    const shown = new Set(data.rivals.map((rival) => rival.id));
    const rest = this.classes.filter((one) => !shown.has(one.id)).slice(0, Math.max(0, 9 - data.rivals.length));
    this.digits = [...data.rivals, ...rest];
    this.data = data;
    image.onclick = () => look([id], 0, () => this.facts.get(id).name);
    this.picture.replaceChildren(image);
    this.words.replaceChildren(el("b", {}, this.facts.get(id).name), el("p", {}, this.thought(data)));
    this.rivals.replaceChildren(...data.rivals.map((rival, index) => this.rival(rival, index)));
    this.others.replaceChildren(...rest.map((one, index) => this.other(one, data.rivals.length + index)));
    this.stage.classList.remove("rs-review-waiting");
    if (held) this.stage.focus({ preventScroll: true });
    requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(() => this.at === id && this.awake(id), SEEN_MS)));
  }

  /** The picture is on the screen: from now on keys are about it. */
  awake(id) {
    this.live = true;
    this.stage.dataset.at = id;
    this.around();
  }

  thought({ verdict, best, runner_up, probability, run, lies_in }) {
    if (!best) return say("review.thought_none");
    const sure = probability === null ? "" : say("review.sure", { share: percent(probability) });
    const kind = lies_in ? "filed" : verdict === "unknown" ? "unknown" : runner_up ? "unsure" : "only";
    return say(`review.thought_${kind}`, { best, rival: runner_up, sure }) + (run === null ? ` ${say("review.just_now")}` : "");
  }

  rival(rival, index) {
    const score = rival.score === null ? "" : this.data.probability === null ? rival.score.toFixed(2) : percent(rival.score);
    const here = index === 0 && this.data.lies_in !== null;
    const said = [`${index + 1}: ${rival.name}`, score, here ? say("review.lies_here") : ""].filter(Boolean).join(", ");
    return el("button", { type: "button", class: `rs-rival ${here ? "here" : ""}`, "aria-label": said, "aria-keyshortcuts": here ? `${index + 1} Enter` : `${index + 1}`, onclick: () => this.file(rival) },
      el("kbd", {}, `${index + 1}`),
      el("span", { class: "rs-rival-name" }, el("b", {}, rival.name), el("small", {}, score), here && el("small", {}, say("review.lies_here"))),
      el("span", { class: "rs-rival-near" }, ...rival.images));
  }

  other(one, index) {
    return el("button", { type: "button", class: "rs-button rs-other", "aria-label": `${index + 1}: ${one.name}`, "aria-keyshortcuts": `${index + 1}`, onclick: () => this.file(one) }, el("kbd", {}, `${index + 1}`), ` ${one.name}`);
  }

  /** What stands around the picture: counts, buttons, the next ones. */
  around() {
    const none = this.at === null;
    this.tabs.replaceChildren(...QUEUES.map((which) => {
      const count = which === this.which && this.loaded ? this.line.length : this.counts[which];
      return el("button", { type: "button", class: `rs-button ${which === this.which ? "primary" : ""}`, "aria-pressed": which === this.which ? "true" : "false", "data-queue": which, onclick: () => this.begin(which) },
        `${say(`review.${which}`)} `, el("b", {}, count === undefined ? "" : say("review.count", { count })));
    }));
    const now = performance.now();
    this.times = this.times.filter((time) => now - time < 60000);
    const rate = this.times.length < 3 ? "" : say("review.rate", { rate: Math.round((60000 * this.times.length) / Math.max(5000, Math.min(60000, now - this.times[0]))) });
    this.progress.textContent = this.done ? say("review.progress", { done: this.done, all: this.done + this.line.length, rate }) : "";
    this.stage.hidden = this.strip.hidden = this.acts.find.parentNode.hidden = none;
    if (none && this.stack.length) this.acts.back.parentNode.hidden = false;
    this.empty.hidden = !none;
    this.empty.textContent = this.loaded ? say(`review.empty_${this.which}`) : say("page.working");
    this.acts.back.disabled = !this.stack.length;
    for (const key of ["skip", "make", "find"]) this.acts[key].disabled = none;
    if (!this.live) delete this.stage.dataset.at;
    for (const id of this.line.slice(1, 1 + AHEAD)) this.ahead(id).ready.catch(() => {});
    const kept = new Set([...this.line.slice(0, 1 + AHEAD), ...this.stack.slice(-KEPT).map((entry) => entry.id)]);
    for (const id of this.looks.keys()) if (!kept.has(id)) this.looks.delete(id);
    this.draw_strip(this.line.slice(1, 1 + STRIP));
  }

  draw_strip(ids) {
    const old = new Map([...this.strip.children].map((image) => [image.dataset.id, image]));
    this.strip.replaceChildren(...ids.map((id) => old.get(id) ?? el("img", { alt: this.facts.get(id).name, title: this.facts.get(id).name, src: thumbnail(id), width: 64, height: 64, "data-id": id, draggable: "false" })));
  }

  close() {
    if (this.form.contains(document.activeElement)) this.stage.focus({ preventScroll: true });
    this.form.replaceChildren();
  }

  // -- what a person says

  key(event) {
    const { target, key } = event;
    if (!this.place.offsetParent || event.repeat || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (target.closest?.("input, textarea, select, [contenteditable=''], [contenteditable='true'], dialog") || document.querySelector("dialog[open]")) return;
    const low = key.toLowerCase();
    if (/^[1-9]$/.test(key)) this.live && this.digits[key - 1] && this.file(this.digits[key - 1]);
    else if (key === "Enter" && this.live && this.data.lies_in && !target.closest?.("button:not([role='tab']), a, summary")) this.file(this.data.rivals[0]);
    else if (low === "u") this.back();
    else if (low === "s") this.skip();
    else if (low === "n" && this.live) name(this);
    else if (key === "/" && this.live) find(this);
    else return;
    event.preventDefault();
  }

  /** The picture on the screen is of this class. */
  file({ id }) {
    this.say("file", { class_id: id });
  }

  /** It is the first of a new class. */
  found(name) {
    this.say("class", { name });
  }

  say(path, more) {
    if (!this.live) return;
    const { at: id, dataset, which } = this;
    const { sha256 } = this.data;
    const entry = { id, dataset, which, sha256, name: this.facts.get(id).name, answer: null, taken: false };
    this.leave(entry);
    this.times.push(performance.now());
    this.show();
    this.later(id, async () => {
      try {
        entry.answer = await sent(dataset, path, { id, sha256, ...more });
        if (entry.answer.state === "gone") this.forget(entry, () => tell(this.where(entry.name, entry.answer.where)));
        else if (path === "class") tell(say("review.made", { name: entry.answer.class }));
      } catch (error) {
        this.forget(entry, () => this.returned(entry));
        tell(error.message, { bad: true });
      }
    });
  }

  leave(entry) {
    this.line.shift();
    this.stack.push(entry);
    this.done += 1;
  }

  /** It was not done after all. `then`: unless the person has taken it back already. */
  forget(entry, then) {
    this.stack = this.stack.filter((one) => one !== entry);
    if (entry.taken) return;
    if (this.shows(entry)) this.done -= 1;
    then();
    this.around();
  }

  shows = ({ dataset, which }) => dataset === this.dataset && which === this.which;

  /** Next in line, behind what is on the screen just now: that must not change under anybody's fingers. */
  returned(entry) {
    if (!this.shows(entry)) return;
    this.line.splice(this.at === null ? 0 : 1, 0, entry.id);
    this.looks.delete(entry.id);
    this.show();
  }

  /** To the server, one after the other in the order of the keys. */
  later(id, work) {
    this.pending.set(id, (this.pending.get(id) ?? 0) + 1);
    this.chain = this.chain.then(work).finally(() => {
      this.touched.set(id, (this.clock += 1));
      if (this.pending.get(id) > 1) this.pending.set(id, this.pending.get(id) - 1);
      else this.pending.delete(id);
    });
  }

  skip() {
    if (this.at === null || !(this.live || !this.acts.skip.disabled && !this.ahead(this.at).data)) return;
    this.stack.push({ id: this.at, dataset: this.dataset, which: this.which, skipped: true });
    this.line.push(this.line.shift());
    if (this.line.length === 1) this.at = null;
    this.show();
  }

  /** Take the last one back: it is on the screen at once, and what was there is next. */
  back() {
    const entry = this.stack.pop();
    if (!entry) return;
    entry.taken = true;
    if (this.shows(entry)) {
      if (entry.skipped) this.line = this.line.filter((id) => id !== entry.id);
      else this.done -= 1;
      this.line.unshift(entry.id);
    }
    if (!entry.skipped) this.later(entry.id, () => this.undone(entry));
    if (this.shows(entry)) this.show();
    this.around();
  }

  async undone(entry) {
    if (entry.answer?.state !== "done") return;
    try {
      const { move, before, reference } = entry.answer;
      await sent(entry.dataset, "back", { move, before, sha256: entry.sha256 });
      if (reference) tell(say("review.reference_stays", { class: entry.answer.class }));
      else if (!this.shows(entry)) tell(say("review.back_in", { name: entry.name, queue: say(`review.${entry.which}`) }));
    } catch (error) {
      if (this.shows(entry)) this.line = this.line.filter((id) => id !== entry.id);
      tell(`${entry.name}: ${error.message}`, { bad: true });
      this.show();
    }
  }

  where = (name, where) => (where === null ? say("review.elsewhere", { name }) : say("review.elsewhere_in", { name, class: where }));

  /** Somebody else has dealt with it. */
  gone(id, where) {
    tell(this.where(this.facts.get(id).name, where));
    this.line = this.line.filter((one) => one !== id);
    this.looks.delete(id);
    this.show();
  }
}
