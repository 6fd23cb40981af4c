// Finds the places that the page has for scripts and lets each one draw there, as soon as its tab is opened.

import { choose, get, tried } from "./api.js";

window.refsort = { choose };

const begun = new WeakSet();

async function begin(place) {
  if (begun.has(place)) return;
  begun.add(place);
  const { draw } = await import(`./${place.dataset.refsort}.js`);
  await tried(() => draw(place));
}

const sweep = () => document.querySelectorAll("[data-refsort]").forEach(begin);
new MutationObserver(sweep).observe(document.documentElement, { childList: true, subtree: true });

choose((await (await fetch("/refsort/datasets")).json())[0]);
sweep();

/** What the dataset is just now, told to everybody who listens; less often while nobody looks. */
let told = "";
async function pulse() {
  try {
    const now = await get("/now");
    document.dispatchEvent(new CustomEvent("refsort:now", { detail: now }));
    if (told && told !== now.stamp) document.dispatchEvent(new CustomEvent("refsort:changed", { detail: now }));
    told = now.stamp;
  } catch {
    document.dispatchEvent(new CustomEvent("refsort:now", { detail: null }));
  }
  setTimeout(pulse, document.hidden ? 10000 : 2000);
}
document.addEventListener("refsort:dataset", () => (told = ""));
pulse();
