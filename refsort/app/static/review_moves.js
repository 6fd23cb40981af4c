// What was said on this page, on its way to the server: one after the other, in the order of the keys.

import { say } from "./api.js";

/** As `post` of api.js, to the dataset that the picture is of: another one may be chosen before its turn comes. */
export async function sent(dataset, path, body) {
  const headers = { "content-type": "application/json", "x-refsort": "1" };
  const options = { method: "POST", credentials: "same-origin", headers, body: JSON.stringify(body) };
  const answer = await fetch(`/refsort/api/${encodeURIComponent(dataset)}/review/${path}`, options).catch(() => {
    throw new Error(say("page.gone"));
  });
  const found = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(found.error || found.detail?.[0]?.msg || `${answer.status}`);
  return found;
}

export class Moves {
  constructor() {
    this.chain = Promise.resolve();
    this.pending = new Map();
    this.touched = new Map();
    this.clock = 0;
  }

  /** `work` must not fail. */
  later(id, work) {
    this.pending.set(id, (this.pending.get(id) ?? 0) + 1);
    this.chain = this.chain.then(work).finally(() => {
      this.touched.set(id, this.now());
      const left = this.pending.get(id) - 1;
      if (left) this.pending.set(id, left);
      else this.pending.delete(id);
    });
  }

  now() {
    return (this.clock += 1);
  }

  /** Whether the server's answer to a question asked at `since` may be older than what we know of a picture. */
  ours(id, since) {
    return this.pending.has(id) || (this.touched.get(id) ?? 0) > since;
  }

  /** Nobody will ask any more about what was done before. */
  forget(since) {
    for (const [id, time] of this.touched) if (time <= since) this.touched.delete(id);
  }

  /** Settled when nothing is on its way for this picture. */
  async settled(id) {
    if (this.pending.has(id)) await this.chain;
  }
}
