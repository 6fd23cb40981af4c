// Learn: what counts as truth, fine-tuned models and how they came out, training, the daemon, and groups that make classes.

import { button, current, duration, el, followed, get, language, look, percent, post, progress, say, tell, thumbnail, tried } from "./api.js";
import { chart } from "./learn_chart.js";

const SOURCES = ["reference", "corrected", "confirmed", "trusted"];
const KINDS = ["labels", "finetune", "compare", "propose", "make"];
const BASE = "base";
const signed = new Intl.NumberFormat(language, { signDisplay: "exceptZero", maximumFractionDigits: 1 });
const points = (share) => signed.format(100 * share).replace("-", "−");
const time = (text) => new Date(text).toLocaleString(language);

export function draw(place) {
  const page = new Learning(place);
  document.addEventListener("refsort:dataset", () => page.begin());
  document.addEventListener("refsort:changed", () => tried(() => page.models()));
  document.addEventListener("refsort:now", ({ detail }) => detail && page.daemon(detail.daemon));
  page.begin();
}

class Learning {
  constructor(place) {
    const part = (key) => ((this[key] = el("div", { class: "rs-learn-part" })), el("section", { "aria-label": say(`learn.${key}`) }, el("h2", {}, say(`learn.${key}`)), this[key]));
    place.replaceChildren(...["watching", "truth", "training", "tuned", "comparing", "groups"].map(part));
  }

  async begin() {
    for (const part of [this.watching, this.truth, this.training, this.tuned, this.comparing, this.groups]) part.replaceChildren();
    Object.assign(this, { seen: "", drawn: "", found: null, labels: null, compared: null, proposed: null, working: "", now: undefined });
    await tried(() => this.models());
    const shown = current();
    for (const kind of ["labels", "compare", "propose"]) {
      const { job, result } = (await tried(() => get(`/learning/result?kind=learn.${kind}`))) ?? {};
      if (shown !== current()) return;
      if (job?.state === "done") this.take(kind, result);
    }
    this.show();
    const now = await tried(() => get("/now"));
    if (!now || shown !== current()) return;
    this.daemon(now.daemon);
    const kind = KINDS.find((one) => now.job?.kind === `learn.${one}`);
    if (kind && now.job.state === "running" && !this.working) await this.follow(kind, now.job);
  }

  show() {
    this.truths();
    this.trainer();
    this.comparer();
    this.proposals();
  }

  // -- jobs

  box(kind) {
    return { labels: this.truth, finetune: this.training, compare: this.comparing, propose: this.groups, make: this.groups }[kind];
  }

  async work(kind, path, body = {}) {
    await tried(async () => this.follow(kind, await post(`/learning/${path}`, body)));
  }

  async follow(kind, job) {
    this.working = kind;
    const shown = current();
    await tried(async () => {
      const box = this.box(kind);
      const ended = await followed(job, (seen) => box.replaceChildren(el("p", {}, say(`learn.${kind}_runs`)), progress(seen), el("p", { class: "soft" }, seen.messages.at(-1) ?? "")));
      if (shown !== current()) return;
      if (ended?.state === "stopped") tell(say(kind === "finetune" ? "learn.stopped_training" : "learn.stopped"));
      if (ended?.state === "done") this.take(kind, (await get(`/learning/result?kind=learn.${kind}`)).result, true);
    });
    this.working = "";
    if (shown !== current()) return;
    await tried(() => this.models());
    this.show();
  }

  take(kind, result, fresh = false) {
    if (kind === "labels") this.labels = result;
    if (kind === "compare") this.compared = result;
    if (kind === "propose") this.proposed = result;
    if (kind === "finetune" && fresh) this.outcome = result.words;
    if (kind === "make" && fresh) {
      this.proposed = null;
      tell(say("learn.made", { name: result.class, references: result.references, moved: result.moved }));
      for (const one of result.left.slice(0, 2)) tell(`${one.name}: ${one.reason}`, { bad: true });
    }
  }

  // -- the daemon

  daemon(status) {
    const seen = JSON.stringify([status, this.found?.watch]);
    if (seen === this.seen) return;
    this.seen = seen;
    const parts = [];
    if (status && status.state !== "stopped" && !status.ill) {
      const counts = Object.entries(status.counts).map(([what, count]) => `${count} ${what}`).join(", ");
      parts.push(el("p", {}, say(`learn.state_${status.state.replace(" ", "_")}`), " ", say("learn.queue", { queue: status.queue }), counts ? ` ${say("learn.counts", { counts })}` : ""),
        el("p", { class: "soft" }, say("learn.since", { time: time(status.started), encoder: status.encoder ?? "–", references: status.references })));
      parts.push(status.drift.length ? el("div", { class: "rs-learn-warn" }, el("b", {}, say("learn.drift")), el("ul", {}, ...status.drift.map((text) => el("li", {}, text)))) : el("p", {}, say("learn.no_drift")));
      if (status.error) parts.push(el("p", { class: "bad" }, status.error));
    } else {
      parts.push(el("p", { class: status?.ill && status.state !== "stopped" ? "bad" : "" }, status ? (status.state === "stopped" ? say("learn.daemon_stopped") : say("learn.daemon_ill", { reason: status.ill })) : say("learn.daemon_none")));
      if (this.found) parts.push(this.command(say("learn.start"), this.found.watch), this.command(say("learn.unit"), this.found.unit));
    }
    this.watching.replaceChildren(...parts);
  }

  /** A command to be typed, and a button that copies it. */
  command(words, text) {
    const copy = button(say("learn.copy"), () => tried(async () => (await navigator.clipboard.writeText(text), tell(say("learn.copied")))));
    copy.setAttribute("aria-label", `${say("learn.copy")}: ${text}`);
    return el("p", { class: "rs-learn-command" }, el("span", {}, words), el("code", { tabindex: 0 }, text), copy);
  }

  // -- labels

  truths() {
    if (this.working === "labels") return;
    const found = this.labels;
    const count = button(say(found ? "learn.count_again" : "learn.count"), () => this.work("labels", "labels"));
    this.truth.replaceChildren(el("p", { class: "soft" }, say("learn.truth_means")), el("div", { class: "rs-bar" }, count));
    if (!found) return;
    const total = (source) => found.classes.reduce((sum, one) => sum + one[source], 0);
    const row = (name, of, head = "td") => el("tr", {}, el("th", { scope: "row" }, name), ...SOURCES.map((source) => el(head, { class: "rs-learn-number" }, of(source).toLocaleString(language))));
    this.truth.append(this.table([say("learn.class"), ...SOURCES.map((source) => say(`learn.${source}`))], [...found.classes.map((one) => row(one.name, (source) => one[source])), row(say("learn.total"), total)]));
    if (found.contradictions.length) this.truth.append(el("div", { class: "rs-learn-warn" }, el("b", {}, say("learn.contradictions")), el("ul", {}, ...found.contradictions.map((text) => el("li", {}, text)))));
    if (found.left_out.length) this.truth.append(el("details", {}, el("summary", {}, say("learn.left_out", { count: found.left_out.reduce((sum, one) => sum + one.count, 0) })), el("ul", {}, ...found.left_out.map((one) => el("li", {}, `${one.count} × ${one.reason}`)))));
  }

  table(heads, rows) {
    return el("div", { class: "rs-runs", tabindex: 0, role: "region", "aria-label": heads[0] }, el("table", { class: "rs-table" }, el("thead", {}, el("tr", {}, ...heads.map((text) => el("th", { scope: "col" }, text)))), el("tbody", {}, ...rows)));
  }

  // -- training

  trainer() {
    if (this.working === "finetune" || !this.found) return;
    const { missing, recipes, unfinished, timer } = this.found;
    if (missing) return this.training.replaceChildren(el("p", {}, say("learn.missing")), el("p", { class: "soft" }, missing));
    const recipe = el("select", { class: "rs-input", "aria-label": say("learn.recipe") }, ...recipes.map((name) => el("option", { value: name }, say(`learn.recipe_${name.replace("-", "_")}`))));
    const epochs = el("input", { class: "rs-input", type: "number", min: 1, max: 1000, "aria-label": say("learn.epochs"), placeholder: say("learn.epochs_auto") });
    const use = el("input", { type: "checkbox", checked: true });
    const start = button(say("learn.start_training"), () => ((this.outcome = ""), this.work("finetune", "train", { recipe: recipe.value, epochs: epochs.value ? Number(epochs.value) : null, promote: use.checked })), "primary");
    this.training.replaceChildren(el("p", { class: "soft" }, say("learn.training_means")),
      this.outcome ? el("p", { class: "rs-learn-outcome" }, this.outcome) : "",
      unfinished ? el("p", {}, say("learn.unfinished")) : "",
      el("div", { class: "rs-bar" }, el("label", {}, say("learn.recipe"), " ", recipe), el("label", {}, say("learn.epochs"), " ", epochs)),
      el("div", { class: "rs-bar" }, el("label", {}, use, " ", say("learn.use")), start), this.command(say("learn.weekly"), timer));
    return undefined;
  }

  // -- models

  async models() {
    const shown = current();
    const found = await get("/learning");
    if (shown !== current()) return;
    this.found = found;
    const drawn = JSON.stringify(found);
    if (drawn === this.drawn) return;
    this.drawn = drawn;
    const { models, current: used, before, trouble } = found;
    const inUse = el("p", {}, used ? say("learn.in_use", { run: used }) : say("learn.base_in_use"));
    const back = used ? button(say("learn.rollback"), () => this.sure(say("learn.rollback_sure", { run: this.called(before) }), () => this.change("rollback", {}))) : "";
    this.tuned.replaceChildren(el("div", { class: "rs-bar" }, inUse, back), trouble ? el("p", { class: "bad" }, trouble) : "", ...(models.length ? models.map((model) => this.model(model)) : [el("p", { class: "soft" }, say("learn.no_models"))]));
    this.comparer();
    this.trainer();
  }

  called(run) {
    return run === BASE ? say("learn.base") : run;
  }

  model(model) {
    const head = el("div", { class: "rs-learn-head" }, el("h3", {}, model.run), model.current ? el("span", { class: "rs-chip busy" }, say("learn.used")) : "",
      model.current || model.error ? "" : button(say("learn.promote"), () => this.sure(say("learn.promote_sure", { run: model.run }) + (model.objections.length ? ` ${say("learn.promote_despite")}` : ""), () => this.change("promote", { run: model.run }))));
    const made = el("article", { class: "rs-learn-model", "aria-label": model.run }, head);
    if (model.error) return made.append(el("p", { class: "bad" }, model.error)), made;
    made.append(el("p", { class: "soft" }, say("learn.made_of", { base: model.base, recipe: model.recipe, examples: model.examples ?? 0, time: duration(model.seconds ?? 0), date: time(model.made) })), this.verdict(model));
    const { loss, left_out: left, accuracy } = model.curves;
    if (loss?.length > 1) made.append(el("div", { class: "rs-learn-charts" },
      chart(say("learn.loss"), [{ name: say("learn.learned_from"), values: loss }, { name: say("learn.held_out"), values: left }], say("learn.epoch")),
      chart(say("learn.head_accuracy"), [{ name: say("learn.held_out"), values: accuracy }], say("learn.epoch"), { from: 0, to: 1, show: percent })));
    return made;
  }

  verdict(model) {
    const found = model.comparison;
    const parts = [];
    if (found) {
      const { before, after, interval } = found;
      parts.push(el("p", {}, say("learn.verdict", { pictures: found.pictures, before: percent(before.accuracy), after: percent(after.accuracy), gain: points(found.gain), least: points(interval[0]), most: points(interval[1]) })),
        el("p", {}, say("learn.verdict_moved", { before: percent(before.moved), after: percent(after.moved), wrong_before: percent(before.wrong), wrong_after: percent(after.wrong) })));
    } else parts.push(el("p", {}, say("learn.untested")));
    if (model.objections.length) parts.push(el("p", { class: "rs-learn-refused" }, say(model.current ? "learn.despite" : "learn.refused"), " ", model.objections.join("; ")));
    else parts.push(el("p", { class: "rs-learn-passed" }, say("learn.passed")));
    return el("div", {}, ...parts);
  }

  async change(what, body) {
    await tried(async () => {
      const { current: used } = await post(`/learning/${what}`, body);
      tell(used ? say("learn.in_use", { run: used }) : say("learn.base_in_use"));
    });
    await tried(() => this.models());
  }

  /** Ask before what is in use changes. */
  sure(text, does) {
    const box = el("dialog", { class: "rs-learn-sure", "aria-label": text }, el("p", {}, text),
      el("div", { class: "rs-bar" }, button(say("learn.go"), () => (box.close(), does()), "primary"), button(say("learn.cancel"), () => box.close())));
    box.addEventListener("close", () => box.remove());
    document.body.append(box);
    box.showModal();
  }

  // -- comparing

  comparer() {
    if (this.working === "compare" || !this.found) return;
    const runs = [BASE, ...this.found.models.filter((model) => !model.error).map((model) => model.run)];
    if (runs.length < 2) return this.comparing.replaceChildren(el("p", { class: "soft" }, say("learn.compare_later")));
    const select = (key, value) => {
      const made = el("select", { class: "rs-input", "aria-label": say(`learn.${key}`) }, ...runs.map((run) => el("option", { value: run }, this.called(run))));
      made.value = runs.includes(value) ? value : BASE;
      return made;
    };
    const first = select("first", this.compared?.first ?? BASE);
    const second = select("second", this.compared?.second ?? runs[1]);
    this.comparing.replaceChildren(el("div", { class: "rs-bar" }, first, say("learn.against"), second, button(say("learn.compare"), () => this.work("compare", "compare", { first: first.value, second: second.value }))));
    if (this.compared) this.comparing.append(...this.comparison(this.compared));
    return undefined;
  }

  comparison(found) {
    const row = (key) => el("tr", {}, el("th", { scope: "row" }, say(`learn.${key}`)), el("td", {}, percent(found.before[key])), el("td", {}, percent(found.after[key])));
    return [
      this.table([say("learn.on_pictures", { count: found.pictures }), this.called(found.first), this.called(found.second)], ["accuracy", "moved", "wrong"].map(row)),
      el("p", {}, say("learn.change", { gain: points(found.gain), least: points(found.interval[0]), most: points(found.interval[1]), lost: found.lost, gained: found.gained, p: found.p_value })),
      found.class_changes.length ? el("ul", {}, ...found.class_changes.map((one) => el("li", {}, say("learn.class_change", { name: one.name, gain: points(one.gain), count: one.pictures })))) : "",
    ];
  }

  // -- groups that belong to no class but to one another

  proposals() {
    if (["propose", "make"].includes(this.working)) return;
    const unsure = el("input", { type: "checkbox" });
    const found = this.proposed;
    this.groups.replaceChildren(el("p", { class: "soft" }, say("learn.groups_mean")), el("div", { class: "rs-bar" }, button(say(found ? "learn.propose_again" : "learn.propose"), () => this.work("propose", "propose", { unsure: unsure.checked })), el("label", {}, unsure, " ", say("learn.unsure_too"))));
    if (!found) return;
    this.groups.append(el("p", {}, say(["learn.no_groups", "learn.one_group"][found.groups.length] ?? "learn.groups_found", { count: found.groups.length, looked: found.looked_at })), ...found.groups.map((group) => this.group(group, found.written)));
  }

  group(group, written) {
    const ids = group.pictures.map((picture) => picture.id);
    const name = el("input", { class: "rs-input", maxlength: 120, placeholder: say("learn.name"), "aria-label": say("learn.name_of", { group: group.group }) });
    const move = el("input", { type: "checkbox", checked: true });
    const make = () => (name.value.trim() ? this.work("make", "make", { group: group.group, written, class_name: name.value.trim(), move: move.checked }) : name.focus());
    return el("article", { class: "rs-learn-model", "aria-label": say("learn.group", { group: group.group }) },
      el("h3", {}, say("learn.alike", { count: group.count, share: percent(group.share), nearest: group.nearest })),
      el("div", { class: "rs-learn-row" }, ...group.pictures.map((picture, at) => el("button", { type: "button", class: "rs-learn-thumb", onclick: () => look(ids, at, (index) => group.pictures[index].name) }, el("img", { src: thumbnail(picture.id), alt: picture.name, loading: "lazy" })))),
      el("form", { class: "rs-bar", onsubmit: (event) => (event.preventDefault(), make()) }, name, el("label", {}, move, " ", say("learn.move_too")), el("button", { type: "submit", class: "rs-button primary" }, say("learn.make_class"))));
  }
}
