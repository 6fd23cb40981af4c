"use strict";
// Inside the map's frame: fills in what the drawing of `refsort map` (map.js, loaded last) reads, and adds the lasso.
// That script is no module, so its names are seen here: px, py, on, groupOf, matched, view, sx, sy, at, soon, choose …

window.refsortMap = (() => {
  const $ = (id) => document.getElementById(id);
  const ring = $("lasso");
  let words, hooks, lassoing = false, path = null, picked = null;

  /** data: as page_data of the report makes it. script: its address. state(): how the frame before was left, or null. */
  async function begin({ data, script, says, told, state }) {
    words = says;
    hooks = told;
    document.documentElement.lang = words.language;
    $("data").textContent = JSON.stringify(data);
    label(data);
    legendOf(data);
    await new Promise((done, failed) => {
      const made = document.createElement("script");
      Object.assign(made, { src: script, onload: done, onerror: () => failed(new Error(words.gone)) });
      document.body.append(made);
    });
    join();
    const before = state();
    if (before) restore(before);
  }

  function label(data) {
    const called = { in: words.zoom_in, out: words.zoom_out, all: words.all, search: words.search };
    for (const [id, text] of Object.entries(called)) { $(id).setAttribute("aria-label", text); $(id).title = text; }
    const shown = { ring: words.lasso, seen: words.seen, names: words.names, labels: words.labels, every: words.every, none: words.none };
    for (const [id, text] of Object.entries(shown)) $(id).textContent = text;
    $("search").placeholder = words.search;
    $("ring").title = words.lasso_hint;
    $("canvas").setAttribute("aria-label", words.canvas.replace("{count}", data.images));
    document.querySelector("aside").setAttribute("aria-label", words.legend);
  }

  function legendOf(data) {
    const counts = data.groups.map(() => 0), phrases = data.groups.map(() => 0);
    numbers(data.group).forEach((g, i) => ((i < data.images ? counts : phrases)[g] += 1));
    $("legend").replaceChildren(...data.groups.map(({ name }, g) => {
      const button = document.createElement("button"), image = document.createElement("img"), text = document.createElement("span"), count = document.createElement("small");
      Object.assign(button, { type: "button" }).dataset.group = g;
      button.setAttribute("aria-pressed", "true");
      image.alt = "";
      text.textContent = text.title = name;
      count.textContent = counts[g] || phrases[g];
      button.append(image, text, count);
      const line = document.createElement("li");
      line.append(button);
      line.hidden = !counts[g] && !phrases[g];
      return line;
    }));
  }

  const numbers = (text) => new Uint16Array(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);

  /** Put our own in the place of what the report does: pictures are opened by the page around, in its language. */
  function join() {
    window.visit = (i) => { if (i >= 0 && !isText(i)) hooks.look(i); };
    const plain = window.choose;
    window.choose = (i, pinned) => { plain(i, pinned); if (i >= 0) dress(i); };
    const searched = search.oninput;
    search.oninput = () => {
      searched();
      $("found").textContent = matched ? words.found.replace("{count}", matched.size) : "";
      if (!matched) mark();
    };
    $("ring").onclick = () => lasso(!lassoing);
    $("seen").onclick = () => pick(inside((x, y) => x >= 0 && y >= 0 && x <= width && y <= height), false);
    document.addEventListener("keydown", key);
    ring.addEventListener("pointerdown", down);
    ring.addEventListener("pointermove", move);
    ring.addEventListener("pointerup", up);
    ring.addEventListener("pointercancel", () => trace(null));
    // Zooming goes on while the lasso is on.
    ring.addEventListener("wheel", (event) => { event.preventDefault(); canvas.dispatchEvent(new WheelEvent("wheel", event)); }, { passive: false });
  }

  function dress(i) {
    const link = card.querySelector("a");
    if (link && link.textContent !== words.open) {
      link.textContent = words.open;
      link.onclick = (event) => { event.preventDefault(); hooks.look(i); };
    }
    if (isText(i) && card.querySelector(".soft")) card.querySelector(".soft").textContent = words.phrase;
  }

  // ---- the lasso

  function lasso(wanted) {
    lassoing = wanted;
    ring.classList.toggle("on", wanted);
    $("ring").setAttribute("aria-pressed", wanted);
    trace(null);
    choose(-1);
  }

  function trace(points) {
    path = points;
    ring.firstElementChild.setAttribute("points", (points ?? []).map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join(" "));
  }

  function down(event) {
    if (!event.isPrimary || event.button) return;
    ring.setPointerCapture(event.pointerId);
    trace([at(event)]);
  }

  function move(event) {
    if (!path || !event.isPrimary) return;
    const [x, y] = at(event), [before, above] = path.at(-1);
    if (Math.hypot(x - before, y - above) >= 2) trace([...path, [x, y]]);
  }

  function up(event) {
    if (!path || !event.isPrimary) return;
    const ringed = path;
    trace(null);
    if (ringed.length > 2) pick(inside((x, y) => within(ringed, x, y)), event.shiftKey);
  }

  /** Whether a point lies in a polygon: an odd number of its edges lie to the right. */
  function within(polygon, x, y) {
    let odd = false;
    for (let a = 0, b = polygon.length - 1; a < polygon.length; b = a++) {
      const [ax, ay] = polygon[a], [bx, by] = polygon[b];
      if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) odd = !odd;
    }
    return odd;
  }

  /** Pictures that are shown (by the legend, and by the search if there is one) and lie where `test` says. */
  function inside(test) {
    const found = [], wanted = search.value.trim() ? matched : null;
    for (let i = 0; i < data.images; i++)
      if (on[groupOf[i]] && (!wanted || wanted.has(i)) && test(sx(px[i]), sy(py[i]))) found.push(i);
    return found;
  }

  function pick(indexes, more) {
    picked = new Set(more && picked ? [...picked, ...indexes] : indexes);
    mark();
    hooks.picked([...picked]);
  }

  /** What was picked stands out, unless a search does. */
  function mark() {
    if (search.value.trim()) return;
    matched = picked?.size ? picked : null;
    soon();
  }

  function clear() {
    picked = null;
    mark();
  }

  function key(event) {
    if (event.target === search || event.ctrlKey || event.metaKey || event.altKey) return;
    const does = { l: () => lasso(!lassoing), a: () => $("seen").onclick(), Escape: () => (path ? trace(null) : lassoing ? lasso(false) : picked && hooks.picked([])) };
    does[event.key.length === 1 ? event.key.toLowerCase() : event.key]?.();
  }

  // ---- from one drawing of the same map to the next: pictures were moved, or are coloured in another way

  function state() {
    return { view: { ...view }, off: data.groups.filter((_, g) => !on[g]).map((group) => group.name), lassoing, picked, searched: search.value, show: { ...show } };
  }

  function restore(before) {
    data.groups.forEach((group, g) => (on[g] = !before.off.includes(group.name)));
    legend();
    Object.assign(view, before.view);
    for (const name of ["names", "labels"]) if (show[name] !== before.show[name]) $(name).onclick();
    picked = before.picked && new Set(before.picked);
    search.value = before.searched;
    search.oninput();
    lasso(before.lassoing);
  }

  return {
    begin, state, clear, lasso: () => lasso(!lassoing),
    link: (i) => link(i),
    name: (i) => data.names[i],
    place: (i) => data.places[folderOf[i]],
    group: (i) => data.groups[groupOf[i]].name,
  };
})();
