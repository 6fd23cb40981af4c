// References: every class with its pictures, new ones dropped onto it, and what a look at them finds, each with a remedy.

import { button, current, el, followed, get, look, percent, post, progress, say, send, tell, thumbnail, tried } from "./api.js";

const FIRST = 24;
const FEW = 5;
const FINDINGS = 20;
const EXAMPLES = 4;
/** Files that travel together: few enough to see progress, and far below what one request may carry. */
const BATCH = { files: 12, bytes: 60e6 };

const whole = (share) => percent(Math.round(100 * share) / 100);

export function draw(place) {
  const page = new Referencing(place);
  document.addEventListener("refsort:dataset", () => page.begin());
  document.addEventListener("refsort:changed", () => tried(() => page.list()));
  page.begin();
}

class Referencing {
  constructor(place) {
    this.bar = el("div", { class: "rs-bar" });
    this.words = el("div", { class: "rs-words", "aria-live": "polite" });
    this.findings = el("div", { class: "rs-ref-findings" });
    this.sections = el("div", { class: "rs-ref-classes" });
    this.chooser = el("input", { type: "file", multiple: true, accept: "image/*", class: "rs-ref-chooser", tabindex: -1, "aria-label": say("references.choose"), onchange: () => this.chosen() });
    place.replaceChildren(this.bar, this.words, this.findings, el("h2", {}, say("references.classes")), el("p", { class: "soft" }, say("references.how")), this.maker(), this.sections, this.chooser);
  }

  async begin() {
    this.classes = [];
    this.found = null;
    this.last = null;
    this.open = new Set();
    this.all = false;
    await tried(() => this.list());
    await tried(async () => this.take(await get("/references/check")));
    const { job } = (await tried(() => get("/now"))) ?? {};
    if (this.busy) return;
    if (job?.state === "running") {
      if (job.kind === "references.check") await this.follow(job);
    } else if (!this.found || this.found.stamp !== this.stamp) await this.check();
  }

  // -- classes

  async list() {
    const shown = current();
    const found = await get("/references");
    if (shown !== current()) return;
    const drawn = JSON.stringify([found, this.found?.recall]);
    if (drawn === this.drawn) return;
    Object.assign(this, { drawn, classes: found.classes, stamp: found.stamp });
    const top = document.scrollingElement.scrollTop;
    this.sections.replaceChildren(...found.classes.map((one) => this.section(one)));
    document.scrollingElement.scrollTop = top;
    this.head();
  }

  section(one) {
    const rate = this.found?.recall[one.id];
    const count = one.pictures.length;
    const facts = [say(count === 1 ? "references.one" : "references.count", { count }), rate === null || rate === undefined ? "" : say("references.recall", { share: whole(rate) })];
    const shown = this.open.has(one.id) ? one.pictures : one.pictures.slice(0, FIRST);
    const row = el("div", { class: "rs-ref-row" }, ...shown.map((picture) => this.thumb(picture, () => this.act(one, picture))));
    if (shown.length < count) row.append(button(say("references.more", { count: count - shown.length }), () => (this.open.add(one.id), (this.drawn = ""), tried(() => this.list()))));
    const made = el("section", { class: "rs-ref-class", "aria-label": one.name, "data-class": one.id },
      el("div", { class: "rs-ref-class-head" }, el("h3", {}, one.name), el("span", { class: count < FEW ? "rs-ref-few" : "soft" }, facts.filter(Boolean).join(" · ")),
        el("button", { type: "button", class: "rs-button", "aria-label": say("references.add_to", { name: one.name }), onclick: () => this.choose(one) }, say("references.add"))),
      one.phrases && el("p", { class: "soft" }, say("references.phrases"), " ", ...one.phrases.slice(0, 12).map((line) => el("span", { class: "rs-chip" }, line))), row);
    this.droppable(made, (files) => this.add(one.id, files, false));
    return made;
  }

  thumb(picture, onclick) {
    return el("button", { type: "button", class: "rs-ref-thumb", title: picture.name, onclick }, el("img", { src: thumbnail(picture.id), alt: picture.name, loading: "lazy", width: 96, height: 96, onerror: (event) => event.target.replaceWith(el("span", { class: "rs-none" }, "?")) }));
  }

  droppable(target, take) {
    const has = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
    target.addEventListener("dragover", (event) => has(event) && (event.preventDefault(), target.classList.add("over")));
    target.addEventListener("dragleave", (event) => target.contains(event.relatedTarget) || target.classList.remove("over"));
    target.addEventListener("drop", (event) => {
      if (!has(event)) return;
      event.preventDefault();
      target.classList.remove("over");
      take([...event.dataTransfer.files]);
    });
  }

  maker() {
    this.name = el("input", { class: "rs-input", "aria-label": say("references.new_name"), placeholder: say("references.new_name"), maxlength: 120 });
    const named = (then) => {
      const name = this.name.value.trim();
      if (name) return then({ id: encodeURIComponent(name), name });
      this.name.focus();
      return tell(say("references.name_first"), { bad: true });
    };
    const made = el("form", { class: "rs-bar rs-ref-maker", onsubmit: (event) => (event.preventDefault(), named((one) => this.choose(one, true))) },
      this.name, el("button", { type: "submit", class: "rs-button" }, say("references.new_class")));
    this.droppable(made, (files) => named((one) => this.add(one.id, files, true)));
    return made;
  }

  choose(one, fresh = false) {
    this.into = { id: one.id, fresh };
    this.chooser.value = "";
    this.chooser.click();
  }

  chosen() {
    if (this.chooser.files.length) this.add(this.into.id, [...this.chooser.files], this.into.fresh);
  }

  /** Files into a class, some at a time; what is refused is said with its reason. */
  async add(id, files, fresh) {
    const sum = { added: [], refused: [], notes: [] };
    await tried(async () => {
      for (let at = 0; at < files.length; ) {
        this.words.replaceChildren(el("p", {}, say("references.sending", { done: at, total: files.length })));
        const form = new FormData();
        for (let bytes = 0, held = 0; at < files.length && held < BATCH.files && (!held || bytes + files[at].size < BATCH.bytes); at += 1, held += 1) {
          bytes += files[at].size;
          form.append("files", files[at], files[at].name);
        }
        const done = await send(`/references/add?class=${id}&new=${fresh}`, form);
        for (const key of Object.keys(sum)) sum[key].push(...done[key]);
      }
    });
    this.words.replaceChildren();
    if (sum.added.length) {
      if (fresh) this.name.value = "";
      tell(say(sum.added.length === 1 ? "references.added_one" : "references.added", { count: sum.added.length }));
    }
    for (const one of sum.notes.slice(0, 2)) tell(say("references.also", { name: one.name, classes: one.also.join(", ") }), { bad: true });
    if (sum.refused.length) this.words.append(el("div", { class: "rs-ref-refused", role: "alert" }, el("b", {}, say("references.refused", { count: sum.refused.length })),
      el("ul", {}, ...sum.refused.slice(0, 20).map((one) => el("li", {}, `${one.name}: ${one.reason}`))), button(say("page.close"), () => this.words.replaceChildren())));
    await tried(() => this.list());
    if (sum.added.length) await this.check();
  }

  /** One reference, large, with what can be done with it. */
  act(one, picture) {
    const others = this.classes.filter((other) => other.id !== one.id);
    const close = (work) => () => (box.close(), work());
    const target = el("select", { class: "rs-input", "aria-label": say("references.to_class") }, ...others.map((other) => el("option", { value: other.id }, other.name)));
    const box = el("dialog", { class: "rs-look rs-ref-act", "aria-label": picture.name, onclick: (event) => event.target === box && box.close() },
      el("img", { src: thumbnail(picture.id, 1600), alt: picture.name }), el("p", {}, `${one.name} / ${picture.name}`),
      el("div", { class: "rs-bar" }, others.length ? target : null, others.length ? button(say("references.move"), close(() => this.move([picture], "class", target.value))) : null,
        button(say("references.aside"), close(() => this.move([picture], "unsure")))),
      el("button", { type: "button", class: "rs-close", "aria-label": say("page.close"), onclick: () => box.close() }, "×"));
    box.addEventListener("close", () => box.remove());
    document.body.append(box);
    box.showModal();
  }

  // -- leaving a class, and coming back

  async move(pictures, to, target = "") {
    await tried(async () => {
      const seen = pictures.every((one) => one.sha256) ? pictures.map((one) => one.sha256) : null;
      const done = await post("/references/move", { ids: pictures.map((one) => one.id), seen, to, target });
      for (const one of done.stayed.slice(0, 3)) tell(`${one.name}: ${one.reason}`, { bad: true });
      if (done.run) this.last = done.run;
      if (done.moved.length) tell(say(done.moved.length === 1 ? "references.moved_one" : "references.moved", { count: done.moved.length, folder: done.moved[0].folder }), { action: say("references.undo"), does: () => this.back(done.run) });
      await this.list();
      if (done.moved.length) await this.check();
    });
  }

  async back(run) {
    await tried(async () => {
      const done = await post("/references/back", { run });
      if (this.last === run) this.last = null;
      for (const one of done.left.slice(0, 3)) tell(`${one.name}: ${one.reason}`, { bad: true });
      if (done.restored) tell(say("references.restored", { count: done.restored }));
      await this.list();
      await this.check();
    });
  }

  // -- what a look finds

  /** Look again. One look at a time: what changes meanwhile is looked at afterwards, and another job is not disturbed. */
  async check() {
    if (this.busy) {
      this.next = true;
      return;
    }
    this.busy = true;
    await tried(async () => {
      const { job } = await get("/now");
      if (job?.state === "running") tell(say("references.later"));
      else await this.follow(await post("/references/check"));
    });
    this.busy = false;
    this.head();
  }

  async follow(job) {
    this.busy = true;
    await tried(async () => {
      await followed(job, (seen) => this.bar.replaceChildren(progress(seen)));
      this.take(await get("/references/check"));
    });
    this.busy = false;
    await tried(() => this.list());
    this.head();
    if (!this.next) return;
    this.next = false;
    await this.check();
  }

  take(found) {
    this.found = found.job === null ? null : found;
    this.head();
    this.show();
  }

  head() {
    if (this.busy) return;
    const again = button(say(this.found ? "references.again" : "references.look"), () => this.check(), this.found ? "" : "primary");
    const stale = this.found && this.stamp && this.found.stamp !== this.stamp && el("span", { class: "rs-ref-few" }, say("references.stale"));
    const expected = this.found?.accuracy;
    const accuracy = this.found && el("span", {}, expected ? say("references.accuracy", { share: whole(expected.accuracy), low: whole(expected.low), high: whole(expected.high) }) : say("references.accuracy_unknown"),
      this.found.one_more ? el("span", { class: "soft" }, ` ${say("references.one_more", { points: Math.round(1000 * this.found.one_more) / 10 })}`) : "");
    const undo = this.last && button(say("references.undo_last"), () => this.back(this.last));
    this.bar.replaceChildren(again, ...[undo, accuracy, stale].filter(Boolean));
  }

  show() {
    if (!this.found) return this.findings.replaceChildren();
    const { findings, all } = this.found;
    if (!all) return this.findings.replaceChildren(el("p", {}, say("references.nothing")));
    const shown = this.all ? findings : findings.slice(0, FINDINGS);
    this.findings.replaceChildren(el("h2", {}, say("references.findings", { count: all })), ...shown.map((one) => this.finding(one)));
    if (shown.length < findings.length) this.findings.append(button(say("references.more", { count: findings.length - shown.length }), () => ((this.all = true), this.show())));
    return undefined;
  }

  finding(one) {
    const named = one.classes.map((other) => other.name);
    const numbers = one.numbers;
    const across = one.severity === "error" && (one.kind === "same_picture" || one.kind === "near_duplicate") ? "_across" : "";
    const text = say(`references.${one.kind}${across}`, {
      name: one.pictures[0]?.name ?? "", classes: named.join(", "), first: named[0] ?? "", second: named[1] ?? "", count: one.pictures.length + one.more,
      odds: numbers.odds > 1000 ? say("references.over", { odds: 1000 }) : Math.round(numbers.odds ?? 0), share: whole(numbers.confused ?? 0), ratio: Math.round(numbers.ratio ?? 0), few: FEW,
    });
    const names = (at) => `${one.pictures[at].own.name} / ${one.pictures[at].name}`;
    const figures = one.pictures.map((picture, at) => el("figure", {}, this.thumb(picture, () => look(one.pictures.map((p) => p.id), at, names)),
      el("figcaption", {}, el("b", {}, picture.own.name), el("small", {}, picture.name)), ...this.remedies(one, picture)));
    return el("article", { class: `rs-ref-finding ${one.severity}` }, el("p", {}, el("b", { class: "rs-ref-mark" }, say(`references.${one.severity}`)), " ", text),
      figures.length ? el("div", { class: "rs-ref-row" }, ...figures, ...(["mislabelled", "outlier"].includes(one.kind) ? one.classes.map((other) => this.examples(other, one.pictures)) : [])) : null,
      ["one_reference", "few_references", "unequal_classes"].includes(one.kind) ? el("div", { class: "rs-bar" }, ...this.wanting(one)) : null);
  }

  /** Some other references of a class, to compare with. */
  examples(one, but) {
    const ids = new Set(but.map((picture) => picture.id));
    const found = (this.classes.find((other) => other.id === one.id)?.pictures ?? []).filter((picture) => !ids.has(picture.id)).slice(0, EXAMPLES);
    return el("div", { class: "rs-ref-examples" }, el("small", {}, say("references.others", { name: one.name })),
      el("div", { class: "rs-ref-row" }, ...found.map((picture) => el("img", { src: thumbnail(picture.id), alt: picture.name, loading: "lazy", width: 62, height: 62 }))));
  }

  /** What can be done with one picture of a finding. */
  remedies(one, picture) {
    if (!picture.reference) return [el("small", { class: "soft" }, say("references.sorted"))];
    const others = one.pictures.filter((other) => other !== picture && other.reference);
    if (one.kind === "same_picture" || one.kind === "near_duplicate")
      return others.length && !one.more ? [this.remedy(say("references.keep"), say("references.keep_long", { name: picture.name, own: picture.own.name }), () => this.move(others, "duplicates"))] : [];
    const found = [];
    const other = one.classes.find((two) => two.id !== picture.own.id);
    if (other && (one.kind === "mislabelled" || one.kind === "close_classes")) found.push(this.remedy(`→ ${other.name}`, say("references.move_long", { name: picture.name, other: other.name }), () => this.move([picture], "class", other.id)));
    if (one.kind !== "close_classes") found.push(this.remedy(say("references.aside"), say("references.aside_long", { name: picture.name }), () => this.move([picture], "unsure")));
    return found;
  }

  remedy(text, long, work) {
    return el("button", { type: "button", class: "rs-button rs-ref-small", "aria-label": `${text}: ${long}`, title: long, onclick: work }, text);
  }

  wanting(one) {
    const classes = one.kind === "unequal_classes" ? one.classes.slice(0, 1) : one.classes.slice(0, 6);
    return classes.map((wanted) => button(say("references.add_to", { name: wanted.name }), () => this.choose(wanted)));
  }
}
