// A grid of any number of pictures in sections: only what is seen exists, so 50,000 scroll like fifty.

import { el } from "./api.js";

const HEAD = 44;

/** How many pictures are asked for at once; what has been scrolled past is not asked for any more. */
const AT_ONCE = 8;
const waiting = [];
let loading = 0;

function load(image, address) {
  waiting.push([image, address]);
  next();
}

function next() {
  while (loading < AT_ONCE && waiting.length) {
    const [image, address] = waiting.pop();
    if (!image.isConnected) continue;
    loading += 1;
    image.onload = image.onerror = (event) => {
      loading -= 1;
      if (event.type === "error") image.replaceWith(el("span", { class: "rs-none" }, "?"));
      next();
    };
    image.src = address;
  }
}

export class Grid {
  /**
   * host: an element; its height is the window onto the grid.
   * picture(item) → { address, alt }: what is seen. caption(item) → element or text below it.
   * state(item) → "on" | "off" | "": how it is marked. click(item, event), open(item): what a click and Enter do.
   */
  constructor(host, { label, picture, caption, state = () => "", click = () => {}, open = () => {}, size = 148, foot = 46 }) {
    Object.assign(this, { host, picture, caption, state, click, open, size, foot });
    this.sections = [];
    this.cells = new Map();
    this.at = null;
    this.body = el("div", { class: "rs-grid-body" });
    host.classList.add("rs-grid");
    host.tabIndex = 0;
    host.setAttribute("role", "listbox");
    host.setAttribute("aria-multiselectable", "true");
    host.setAttribute("aria-label", label);
    host.replaceChildren(this.body);
    host.addEventListener("scroll", () => this.later(), { passive: true });
    host.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.layout()).observe(host);
  }

  /** sections: [{ key, head: element or null, items: [...] }]; the place that is looked at stays. */
  show(sections) {
    this.sections = sections;
    this.drop();
    this.layout();
  }

  /** Draw again what is seen: marks have changed. */
  refresh() {
    this.drop();
    this.draw();
  }

  drop() {
    for (const cell of this.cells.values()) cell.remove();
    this.cells.clear();
  }

  layout() {
    const width = this.host.clientWidth - 8;
    if (width <= 0) return;
    this.columns = Math.max(1, Math.floor(width / this.size));
    this.wide = Math.floor(width / this.columns);
    this.high = this.size + this.foot;
    let top = 0;
    let first = 0;
    this.rows = [];
    for (const section of this.sections) {
      if (section.head) {
        this.rows.push({ top, height: HEAD, head: section });
        top += HEAD;
      }
      for (let start = 0; start < section.items.length; start += this.columns) {
        this.rows.push({ top, height: this.high, section, start, first: first + start });
        top += this.high;
      }
      first += section.items.length;
    }
    this.total = first;
    this.body.style.height = `${top}px`;
    this.drop();
    this.draw();
  }

  later() {
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      this.draw();
    });
  }

  draw() {
    if (!this.rows) return;
    const from = this.host.scrollTop - 2 * this.high;
    const to = this.host.scrollTop + this.host.clientHeight + 2 * this.high;
    let low = 0;
    let high = this.rows.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.rows[middle].top + this.rows[middle].height < from) low = middle + 1;
      else high = middle;
    }
    const seen = new Set();
    for (let row = low; row < this.rows.length && this.rows[row].top < to; row += 1) {
      seen.add(row);
      if (!this.cells.has(row)) {
        const made = this.row(this.rows[row]);
        this.cells.set(row, made);
        this.body.append(made);
      }
    }
    for (const [row, cell] of this.cells)
      if (!seen.has(row)) {
        cell.remove();
        this.cells.delete(row);
      }
  }

  row({ top, height, head, section, start, first }) {
    const made = el("div", { class: head ? "rs-grid-head" : "rs-grid-row", role: head ? "presentation" : "presentation", style: `top:${top}px;height:${height}px` });
    if (head) {
      made.append(head.head);
      return made;
    }
    section.items.slice(start, start + this.columns).forEach((item, offset) => made.append(this.cell(item, first + offset)));
    return made;
  }

  cell(item, index) {
    const { address, alt } = this.picture(item);
    const image = el("img", { alt, width: this.size - 20, height: this.size - 20, decoding: "async", draggable: "false" });
    const state = this.state(item);
    const made = el("div", {
      class: `rs-cell ${state} ${index === this.at ? "at" : ""}`, role: "option", id: `rs-cell-${index}`, "data-index": index,
      "aria-selected": state === "on" ? "true" : "false", "aria-posinset": index + 1, "aria-setsize": this.total,
      style: `width:${this.wide - 8}px`, title: alt,
      onclick: (event) => (this.move(index, false), this.click(item, event)), ondblclick: () => this.open(item),
    }, el("span", { class: "rs-frame", style: `height:${this.size - 16}px` }, image), el("span", { class: "rs-caption" }, this.caption(item)));
    queueMicrotask(() => load(image, address));
    return made;
  }

  item(index) {
    for (const section of this.sections) {
      if (index < section.items.length) return section.items[index];
      index -= section.items.length;
    }
    return undefined;
  }

  move(index, scroll = true) {
    if (index < 0 || index >= this.total) return;
    this.body.querySelector(".rs-cell.at")?.classList.remove("at");
    this.at = index;
    this.host.setAttribute("aria-activedescendant", `rs-cell-${index}`);
    if (scroll) {
      const row = this.rows.find((one) => one.section && one.first <= index && index < one.first + this.columns && index - one.first + one.start < one.section.items.length);
      if (row && row.top < this.host.scrollTop) this.host.scrollTop = row.top - HEAD;
      else if (row && row.top + row.height > this.host.scrollTop + this.host.clientHeight) this.host.scrollTop = row.top + row.height - this.host.clientHeight;
      this.draw();
    }
    this.body.querySelector(`[data-index="${index}"]`)?.classList.add("at");
  }

  key(event) {
    const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: this.columns, ArrowUp: -this.columns };
    if (event.key in steps) this.move(this.at === null ? 0 : this.at + steps[event.key]);
    else if (event.key === "Home") this.move(0);
    else if (event.key === "End") this.move(this.total - 1);
    else if (event.key === " " && this.at !== null) this.click(this.item(this.at), event);
    else if (event.key === "Enter" && this.at !== null) this.open(this.item(this.at));
    else return;
    event.preventDefault();
  }
}
