// The line in the head: what is going on with the dataset, whoever does it.

import { el, say } from "./api.js";

export function draw(place) {
  document.addEventListener("refsort:now", ({ detail: now }) => place.replaceChildren(...parts(now)));
}

function parts(now) {
  if (!now) return [el("b", { class: "bad" }, say("page.gone"))];
  const found = [];
  if (now.job?.state === "running") found.push(el("span", { class: "rs-chip busy" }, `${say(`job.${now.job.kind}`)} ${share(now.job)}`));
  const daemon = now.daemon;
  if (daemon && daemon.state !== "stopped")
    found.push(daemon.ill ? el("span", { class: "rs-chip bad", title: daemon.ill }, say("page.daemon_ill")) : el("span", { class: "rs-chip" }, say("page.daemon", { queue: daemon.queue })));
  return found;
}

const share = (job) => (job.total ? `${Math.round((100 * job.done) / job.total)} %` : "…");
