// The pieces that Review is made of: buttons for classes, the strip, and the two fields for what no digit says.

import { button, el, percent, say, thumbnail } from "./api.js";

export const MINUTE_MS = 60000;
const FOUND = 8;

/** The places that a page of Review draws into, as its properties; they are put into `place`. */
export function shell(page, place) {
  // After a click Enter confirms the picture again; who came by keyboard stays on the button.
  const freed = (does) => (event) => (event.detail && page.stage.focus({ preventScroll: true }), does());
  const act = (key, text, does) => el("button", { type: "button", class: "rs-button", "aria-keyshortcuts": key, onclick: freed(does) }, el("kbd", {}, key), ` ${say(`review.${text}`)}`);
  page.tabs = el("div", { class: "rs-bar", role: "group", "aria-label": say("review.queues") });
  page.progress = el("span", { class: "rs-review-progress soft" });
  page.picture = el("div", { class: "rs-review-picture" });
  page.words = el("div", { class: "rs-review-words", "aria-live": "polite" });
  page.rivals = el("div", { class: "rs-rivals" });
  page.others = el("div", { class: "rs-others" });
  page.form = el("div", { class: "rs-review-form" });
  page.acts = {
    back: act("U", "back", () => page.back()), skip: act("S", "skip", () => page.skip()),
    make: act("N", "new", () => page.open(name)), find: act("/", "find", () => page.open(find)),
  };
  page.bar = el("div", { class: "rs-bar rs-review-acts" }, ...Object.values(page.acts));
  page.strip = el("div", { class: "rs-strip", role: "group", "aria-label": say("review.next") });
  page.stage = el("section", { class: "rs-review", tabindex: -1, "aria-label": say("review.stage") },
    el("div", { class: "rs-review-left" }, page.picture, page.words),
    el("div", { class: "rs-review-right" }, page.form, page.rivals, page.others));
  page.empty = el("p", { class: "rs-review-empty" });
  place.replaceChildren(el("div", { class: "rs-review-head" }, page.tabs, page.progress), page.empty, page.stage, page.bar, page.strip);
}

/** What a key means; nothing while a field has the focus or the picture is not on the screen yet. */
export function key(page, event) {
  if (!page.place.offsetParent || event.repeat || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  const within = (selector) => event.target.closest?.(selector);
  if (within("input, textarea, select, [contenteditable=''], [contenteditable='true'], dialog") || document.querySelector("dialog[open]")) return;
  const low = event.key.toLowerCase();
  const does = { u: () => page.back(), s: () => page.skip(), n: () => page.open(name), "/": () => page.open(find) }[low];
  if (/^[1-9]$/.test(low)) page.live && page.digits[low - 1] && page.file(page.digits[low - 1]);
  else if (low === "enter" && page.live && page.data.lies_in && !within("button:not([role='tab']), a, summary")) page.file(page.data.rivals[0]);
  else if (does) does();
  else return;
  event.preventDefault();
}

/** Which queue is worked through. */
export function queue(which, here, count, onclick) {
  return el("button", { type: "button", class: `rs-button ${here ? "primary" : ""}`, "aria-pressed": here ? "true" : "false", "data-queue": which, onclick },
    `${say(`review.${which}`)} `, el("b", {}, count === undefined ? "" : say("review.count", { count })));
}

/** How fast it goes, by what was said within the last minute; nothing before that can be told. */
export function rate(times) {
  if (times.length < 3) return "";
  const spent = Math.max(5000, performance.now() - times[0]);
  return say("review.rate", { rate: Math.round((MINUTE_MS * times.length) / spent) });
}

/** What the program thought, in a sentence. */
export function thought({ verdict, best, runner_up, probability, run, lies_in, rivals }) {
  if (!best) return say("review.thought_none");
  const sure = probability === null ? "" : say("review.sure", { share: percent(probability) });
  const leads = probability !== null && rivals[0]?.score > 2 / 3;
  const kind = lies_in ? "filed" : verdict === "unknown" ? "unknown" : leads ? "leans" : runner_up ? "unsure" : "only";
  return say(`review.thought_${kind}`, { best, rival: runner_up, sure }) + (run === null ? ` ${say("review.just_now")}` : "");
}

/** A class that the picture may belong to, with its references nearest to the picture: all of it is the button. */
export function rival(one, index, data, onclick) {
  const score = one.score === null ? "" : data.probability === null ? one.score.toFixed(2) : percent(one.score);
  const here = index === 0 && data.lies_in !== null && say("review.lies_here");
  const label = [`${index + 1}: ${one.name}`, score, here].filter(Boolean).join(", ");
  const keys = here ? `${index + 1} Enter` : `${index + 1}`;
  return el("button", { type: "button", class: `rs-rival ${here ? "here" : ""}`, "aria-label": label, "aria-keyshortcuts": keys, onclick },
    el("kbd", {}, `${index + 1}`),
    el("span", { class: "rs-rival-name" }, el("b", {}, one.name), el("small", {}, score), here && el("small", {}, here)),
    el("span", { class: "rs-rival-near" }, ...one.images));
}

/** A class that nothing speaks for. */
export function other(one, index, onclick) {
  const label = `${index + 1}: ${one.name}`;
  return el("button", { type: "button", class: "rs-button rs-other", "aria-label": label, "aria-keyshortcuts": `${index + 1}`, onclick },
    el("kbd", {}, `${index + 1}`), el("span", {}, one.name));
}

/** The next few pictures, small; those that are there already stay. */
export function strip(host, ids, name) {
  const old = new Map([...host.children].map((image) => [image.dataset.id, image]));
  const made = (id) => el("img", { alt: name(id), title: name(id), src: thumbnail(id), width: 64, height: 64, "data-id": id, draggable: "false" });
  host.replaceChildren(...ids.map((id) => old.get(id) ?? made(id)));
}

/** Without accents and case, as people type. */
const plain = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();

/** Type to find a class. */
export function find(page, host) {
  let found = [];
  let at = 0;
  const list = el("ul", { id: "rs-found", role: "listbox", "aria-label": say("review.classes") });
  const field = el("input", { class: "rs-input", type: "text", role: "combobox", "aria-expanded": "true", "aria-controls": "rs-found", "aria-label": say("review.find_label"), placeholder: say("review.find_label"), autocomplete: "off", spellcheck: "false" });
  const take = (one) => (page.close(), page.file(one));
  const mark = (next) => {
    at = Math.max(0, Math.min(found.length - 1, next));
    [...list.children].forEach((line, index) => line.setAttribute("aria-selected", index === at ? "true" : "false"));
    field.setAttribute("aria-activedescendant", found.length ? `rs-found-${at}` : "");
  };
  const search = () => {
    const wanted = plain(field.value);
    const begins = (one) => (plain(one.name).startsWith(wanted) ? 0 : 1);
    found = page.classes.filter((one) => plain(one.name).includes(wanted)).sort((a, b) => begins(a) - begins(b)).slice(0, FOUND);
    list.replaceChildren(...found.map((one, index) => el("li", { id: `rs-found-${index}`, role: "option", onclick: () => take(one) }, one.name)));
    if (!found.length) list.append(el("li", { class: "soft", role: "option", "aria-disabled": "true" }, say("review.none_found")));
    mark(0);
  };
  field.addEventListener("input", search);
  field.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown") mark(at + 1);
    else if (event.key === "ArrowUp") mark(at - 1);
    else if (event.key === "Enter" && found[at]) take(found[at]);
    else if (event.key === "Escape") page.close();
    else return;
    event.preventDefault();
  });
  host.replaceChildren(field, button(say("page.close"), () => page.close()), list);
  search();
  field.focus();
  host.scrollIntoView({ block: "nearest" });
}

/** Ask for the name of a new class; one that there is already is simply meant. */
export function name(page, host) {
  const field = el("input", { class: "rs-input", type: "text", "aria-label": say("review.name_label"), placeholder: say("review.name_label"), autocomplete: "off", spellcheck: "false" });
  const make = () => {
    const wanted = field.value.trim();
    if (!wanted) return field.focus();
    const known = page.classes.find((one) => one.name === wanted);
    page.close();
    if (known) page.file(known);
    else page.found(wanted);
  };
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter") make();
    else if (event.key === "Escape") page.close();
    else return;
    event.preventDefault();
  });
  host.replaceChildren(field, button(say("review.make"), make, "primary"), button(say("page.close"), () => page.close()), el("p", { class: "soft" }, say("review.new_hint")));
  field.focus();
  host.scrollIntoView({ block: "nearest" });
}
