// What all scripts share: the texts, the way to the server, and small pieces of page.

export const language = document.querySelector('meta[name="refsort-language"]')?.content || "en";
const words = await (await fetch(`/refsort/texts/${language}`)).json();
const number = new Intl.NumberFormat(language);
let dataset = "";

/** A text by its key; {name} is filled in, numbers as the language writes them. */
export function say(key, values = {}) {
  const text = words[key];
  if (text === undefined) throw new Error(`no text ${key}`);
  return text.replace(/\{(\w+)\}/g, (_, name) => (typeof values[name] === "number" ? number.format(values[name]) : values[name]));
}

export const percent = (share) => `${number.format(Math.round(share * 1000) / 10)} %`;

/** The dataset that is shown. */
export const current = () => dataset;

/** Show another dataset; every part of the page is told by the event refsort:dataset. */
export function choose(name) {
  if (name === dataset) return;
  dataset = name;
  document.dispatchEvent(new CustomEvent("refsort:dataset", { detail: name }));
}

const base = () => `/refsort/api/${encodeURIComponent(dataset)}`;

/** Throws an Error whose message is for the person. */
async function asked(path, options) {
  let answer;
  try {
    answer = await fetch(base() + path, { credentials: "same-origin", ...options });
  } catch {
    throw new Error(say("page.gone"));
  }
  if (answer.status === 401) location.reload();
  const found = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(found.error || found.detail?.[0]?.msg || `${answer.status}`);
  return found;
}

export const get = (path) => asked(path);

export const post = (path, body = {}) =>
  asked(path, { method: "POST", headers: { "content-type": "application/json", "x-refsort": "1" }, body: JSON.stringify(body) });

/** Send files as they are; the server counts the bytes. */
export const send = (path, form) => asked(path, { method: "POST", headers: { "x-refsort": "1" }, body: form });

/** Address of a small picture; `id` as the server gave it. Sides: 160, 320, 1600. */
export const thumbnail = (id, side = 160, version = "") => `${base()}/thumbnail?side=${side}&v=${version}&path=${id}`;

/** An element. Text is always text: no name of a file or class is ever read as HTML. */
export function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name === "class") made.className = value;
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

export const button = (text, onclick, kind = "") => el("button", { type: "button", class: `rs-button ${kind}`, onclick }, text);

/** A line at the foot of the page, with one thing to do about it if there is one; read out by screen readers. */
export function tell(text, { bad = false, action = null, does = null } = {}) {
  let box = document.querySelector("#rs-told");
  if (!box) document.body.append((box = el("div", { id: "rs-told", role: "status", "aria-live": "polite" })));
  const line = el("div", { class: bad ? "bad" : "" }, el("span", {}, text));
  if (action) line.append(button(action, () => (line.remove(), does())));
  line.append(el("button", { type: "button", class: "rs-close", "aria-label": say("page.close"), onclick: () => line.remove() }, "×"));
  box.append(line);
  while (box.children.length > 3) box.firstChild.remove();
  setTimeout(() => line.remove(), bad ? 15000 : 7000);
}

/** Run something that may fail and say so if it does. */
export async function tried(work) {
  try {
    return await work();
  } catch (error) {
    tell(error.message, { bad: true });
    return undefined;
  }
}

/** Follow a job until it ends; `step` is told of its progress. The job as it ended. */
export async function followed(job, step = () => {}) {
  let seen = job;
  while (seen && seen.state === "running") {
    await new Promise((done) => setTimeout(done, 300));
    const now = await get("/now");
    if (!now.job || now.job.id !== job.id) return seen;
    step((seen = now.job));
  }
  if (seen?.state === "failed") throw new Error(seen.error);
  return seen;
}

/** A bar with words for a job. */
export function progress(job) {
  const share = job.total ? job.done / job.total : 0;
  const left = job.left === null ? "" : say("page.left", { time: duration(job.left) });
  const text = job.total ? say("page.progress", { done: job.done, total: job.total, left }) : say("page.working");
  return el("div", { class: "rs-progress" },
    el("div", { role: "progressbar", "aria-label": text, "aria-valuemin": 0, "aria-valuemax": job.total || 1, "aria-valuenow": job.done },
      el("i", { style: `width:${(100 * share).toFixed(1)}%` })),
    el("span", {}, text), button(say("page.stop"), () => tried(() => post("/stop"))));
}

export function duration(seconds) {
  if (seconds < 60) return say("page.seconds", { n: Math.max(1, Math.round(seconds)) });
  if (seconds < 5400) return say("page.minutes", { n: Math.round(seconds / 60) });
  return say("page.hours", { n: Math.round(seconds / 360) / 10 });
}

/** A picture over the whole page; Escape or a click closes it, arrows go on in `ids`. */
export function look(ids, at, name) {
  const shown = el("img", { alt: "" });
  const words = el("p", {});
  const box = el("dialog", { class: "rs-look", onclick: (event) => event.target === box && box.close() }, shown, words,
    el("button", { type: "button", class: "rs-close", "aria-label": say("page.close"), onclick: () => box.close() }, "×"));
  const go = (next) => {
    at = Math.min(ids.length - 1, Math.max(0, next));
    shown.src = thumbnail(ids[at], 1600);
    shown.alt = words.textContent = name(at);
  };
  box.addEventListener("keydown", (event) => {
    if (event.key === "ArrowRight") go(at + 1);
    if (event.key === "ArrowLeft") go(at - 1);
    event.stopPropagation();
  });
  box.addEventListener("close", () => box.remove());
  document.body.append(box);
  go(at);
  box.showModal();
}
