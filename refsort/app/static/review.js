// Review: one picture at a time, large, with the classes it may belong to; a key says which, and the next one is there.

import { button, current, el, get, look, say, tell, thumbnail, tried } from "./api.js";
import { Moves, sent } from "./review_moves.js";
import { key, MINUTE_MS, other, queue, rate, rival, shell, strip, thought } from "./review_parts.js";

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
  document.addEventListener("keydown", (event) => key(page, event));
  window.addEventListener("beforeunload", (event) => page.moves.pending.size && event.preventDefault());
  new IntersectionObserver(() => page.stale && page.changed()).observe(place);
  page.begin();
}

class Review {
  constructor(place) {
    this.place = place;
    this.which = "unsure";
    this.moves = new Moves();
    shell(this, place);
  }

  // -- the queue

  /** Another dataset or another queue: all anew. What was said and is still on its way goes on. */
  async begin(which = this.which) {
    Object.assign(this, { which, at: null, live: false, line: [], names: new Map(), looks: new Map(), done: 0, times: [], counts: {}, classes: [], loaded: false, stale: false });
    if (this.dataset !== current()) this.stack = [];
    this.dataset = current();
    this.show();
    await this.load();
  }

  async load() {
    const { dataset, which } = this;
    const since = this.moves.now();
    this.loading = true;
    const begun = performance.now();
    const found = await tried(() => get(`/review/queue?which=${which}`));
    this.took = performance.now() - begun;
    this.loading = false;
    if (!found || dataset !== this.dataset || which !== this.which) return;
    this.loaded = true;
    this.counts = found.counts;
    this.classes = found.classes;
    this.merge(found, since);
    this.show();
  }

  /** The order on this page stays; what is gone leaves it, what is new comes behind. What we moved meanwhile is ours to know. */
  merge({ ids, names }, since) {
    const there = new Set(ids);
    const known = new Set(this.line);
    const ours = (id) => this.moves.ours(id, since);
    ids.forEach((id, index) => this.names.set(id, names[index]));
    this.line = [...this.line.filter((id) => there.has(id) || ours(id)), ...ids.filter((id) => !known.has(id) && !ours(id))];
    this.moves.forget(since);
    if (this.at !== null && this.line[0] !== this.at) tell(say("review.elsewhere", { name: this.names.get(this.at) }));
  }

  /** Something happened to the dataset: look again, but not all the time while it is we who move. */
  changed() {
    clearTimeout(this.timer);
    if (!this.place.offsetParent) return void (this.stale = true);
    this.stale = false;
    const pause = Math.max(RELOAD_MS, 20 * (this.took ?? 0));
    const wait = pause - (performance.now() - (this.last ?? -pause));
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
      await this.moves.settled(id);
      const data = await get(`/review/look?path=${id}`);
      if (data.state === "here") {
        // The hash comes first: should the picture change in between, what is said of it is refused.
        const image = el("img", { alt: this.names.get(id), src: thumbnail(id, 1600, data.sha256), draggable: "false" });
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
      this.live = this.broken = this.turn = false;
      this.close();
      if (id !== null) {
        const one = this.ahead(id);
        if (one.data) this.paint(id, one);
        else {
          this.stage.classList.add("rs-review-waiting");
          this.picture.replaceChildren();
          this.words.replaceChildren(el("b", {}, this.names.get(id)), el("p", { class: "soft" }, say("page.working")));
          this.rivals.replaceChildren();
          this.others.replaceChildren();
          one.ready.then(() => this.at === id && this.paint(id, one), (error) => this.at === id && this.failed(id, error));
        }
      }
    }
    this.around();
  }

  failed(id, error) {
    tell(`${this.names.get(id)}: ${error.message}`, { bad: true });
    this.words.append(el("p", { class: "bad" }, error.message), button(say("review.again"), () => ((this.at = null), this.show())));
    this.broken = true;
  }

  paint(id, { data, image }) {
    if (data.state === "gone") return this.gone(id, data.where);
    const held = [this.tabs, this.rivals, this.others].some((part) => part.contains(document.activeElement));
    const shown = new Set(data.rivals.map((rival) => rival.id));
    const rest = this.classes.filter((one) => !shown.has(one.id)).slice(0, Math.max(0, 9 - data.rivals.length));
    this.digits = [...data.rivals, ...rest];
    this.data = data;
    image.onclick = () => look([id], 0, () => this.names.get(id));
    this.picture.replaceChildren(image);
    this.words.replaceChildren(el("b", {}, this.names.get(id)), el("p", {}, thought(data)));
    this.rivals.replaceChildren(...data.rivals.map((one, index) => rival(one, index, data, () => this.file(one))));
    this.others.replaceChildren(...rest.map((one, index) => other(one, data.rivals.length + index, () => this.file(one))));
    this.stage.classList.remove("rs-review-waiting");
    if (held) this.stage.focus({ preventScroll: true });
    const turn = (this.turn = {});
    requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(() => this.turn === turn && this.awake(id), SEEN_MS)));
  }

  /** The picture is on the screen: from now on keys are about it. */
  awake(id) {
    this.live = true;
    this.stage.dataset.at = id;
    this.around();
  }

  /** What stands around the picture: counts, buttons, the next ones. */
  around() {
    const none = this.at === null;
    const held = this.tabs.contains(document.activeElement);
    this.tabs.replaceChildren(...QUEUES.map((which) => {
      const here = which === this.which;
      return queue(which, here, here && this.loaded ? this.line.length : this.counts[which], () => this.begin(which));
    }));
    if (held) this.tabs.querySelector("[aria-pressed='true']").focus();
    this.times = this.times.filter((time) => performance.now() - time < MINUTE_MS);
    this.progress.textContent = this.done ? say("review.progress", { done: this.done, all: this.done + this.line.length, rate: rate(this.times) }) : "";
    this.stage.hidden = this.strip.hidden = none;
    this.bar.hidden = none && !this.stack.length;
    this.empty.hidden = !none;
    this.empty.textContent = this.loaded ? say(`review.empty_${this.which}`) : say("page.working");
    this.acts.back.disabled = !this.stack.length;
    for (const key of ["skip", "make", "find"]) this.acts[key].disabled = none;
    if (!this.live) delete this.stage.dataset.at;
    for (const id of this.line.slice(1, 1 + AHEAD)) this.ahead(id).ready.catch(() => {});
    const kept = new Set([...this.line.slice(0, 1 + AHEAD), ...this.stack.slice(-KEPT).map((entry) => entry.id)]);
    for (const id of this.looks.keys()) if (!kept.has(id)) this.looks.delete(id);
    strip(this.strip, this.line.slice(1, 1 + STRIP), (id) => this.names.get(id));
  }

  /** A field for what no digit says; it is about the picture on the screen and goes with it. */
  open(form) {
    if (this.live) form(this, this.form);
  }

  close() {
    if (this.form.contains(document.activeElement)) this.stage.focus({ preventScroll: true });
    this.form.replaceChildren();
  }

  // -- what a person says

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
    const entry = { id, dataset, which, sha256, name: this.names.get(id), answer: null, taken: false };
    this.leave(entry);
    this.show();
    this.moves.later(id, async () => {
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
    this.times.push(performance.now());
  }

  uncount() {
    this.done = Math.max(0, this.done - 1);
    this.times.pop();
  }

  /** It was not done after all. `then`: unless the person has taken it back already. */
  forget(entry, then) {
    this.stack = this.stack.filter((one) => one !== entry);
    if (entry.taken) return;
    if (this.shows(entry)) this.uncount();
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

  skip() {
    if (!(this.live || this.broken) || this.line.length < 2) return;
    this.stack.push({ id: this.at, dataset: this.dataset, which: this.which, skipped: true });
    this.line.push(this.line.shift());
    this.show();
  }

  /** Take the last one back: it is on the screen at once, and what was there is next. */
  back() {
    const entry = this.stack.pop();
    if (!entry) return;
    entry.taken = true;
    if (this.shows(entry)) {
      if (entry.skipped) this.line = this.line.filter((id) => id !== entry.id);
      else this.uncount();
      this.line.unshift(entry.id);
    }
    if (!entry.skipped) this.moves.later(entry.id, () => this.undone(entry));
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
    tell(this.where(this.names.get(id), where));
    this.line = this.line.filter((one) => one !== id);
    this.looks.delete(id);
    this.show();
  }
}
