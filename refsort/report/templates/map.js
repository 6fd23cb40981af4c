"use strict";
// The map's own drawing: points as small ready-made stamps on a canvas, found again through a grid.
const data = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const canvas = $("canvas"), pen = canvas.getContext("2d"), card = $("card"), live = $("live"), search = $("search");
const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer;
const raw = new Int16Array(bytes(data.xy)), groupOf = new Uint16Array(bytes(data.group)), folderOf = new Uint32Array(bytes(data.folder));
const count = groupOf.length, px = new Float32Array(count), py = new Float32Array(count);
for (let i = 0; i < count; i++) { px[i] = raw[2 * i] / 32767; py[i] = -raw[2 * i + 1] / 32767; }
const ROW = 16, CELLS = 128, isText = (i) => i >= data.images;
const low = data.names.map((name, i) => (name + "\n" + data.groups[groupOf[i]].name + "\n" + (isText(i) ? "" : data.places[folderOf[i]])).normalize("NFC").toLowerCase());

// ---- what is shown
const on = data.groups.map(() => true);
const show = { names: true, labels: data.labels, pictures: data.shown === "pictures" };
const view = { x: 0, y: 0, zoom: 1 };
let width = 1, height = 1, ratio = 1, colours = {}, stamps = [], matched = null, emphasis = -1, chosen = -1, waiting = false;
// Shuffled, so that no class lies on top of another everywhere; grey ones below, phrases above.
const grey = new Set(data.grey);
const level = (i) => (isText(i) ? 2 : grey.has(groupOf[i]) ? 0 : 1);
const order = Uint32Array.from({ length: count }, (_, i) => i).sort((a, b) => level(a) - level(b) || (Math.imul(a, 2654435761) >>> 0) - (Math.imul(b, 2654435761) >>> 0));
const grid = new Map(), cell = (v) => Math.min(CELLS - 1, Math.max(0, Math.floor(((v + 1) / 2) * CELLS)));
for (const i of order) { const key = cell(py[i]) * CELLS + cell(px[i]); if (grid.has(key)) grid.get(key).push(i); else grid.set(key, [i]); }
const middles = data.groups.map((_, g) => middle(g));

function middle(g) { // The point of a class that is nearest to its median: its name stands there.
  const own = []; for (let i = 0; i < data.images; i++) if (groupOf[i] === g) own.push(i);
  if (!own.length || grey.has(g)) return null;
  const half = (of) => Float32Array.from(own, (i) => of[i]).sort()[own.length >> 1], x = half(px), y = half(py);
  const at = own.reduce((best, i) => (Math.hypot(px[i] - x, py[i] - y) < Math.hypot(px[best] - x, py[best] - y) ? i : best));
  return { g, x: px[at], y: py[at], size: own.length };
}

// ---- looks
function restyle() {
  const style = getComputedStyle(document.documentElement), of = (name) => style.getPropertyValue(name).trim();
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  colours = { ground: of("--ground"), ink: of("--ink"), card: of("--card"), soft: of("--soft"), of: data.groups.map((g) => (dark ? g.dark : g.light)) };
  stamps = [];
  document.querySelectorAll("#legend button").forEach((button) => {
    const g = +button.dataset.group, image = button.querySelector("img");
    image.src = stamp(g, false, 6, 2).toDataURL();
  });
}
const radius = () => Math.min(9, (count <= 300 ? 6 : count <= 2000 ? 4.5 : count <= 8000 ? 3.2 : 2.4) * Math.pow(view.zoom, 0.3));
function stamp(g, text, r, scale) { // A disc, ring, half or bull's eye; phrases are diamonds.
  const side = Math.ceil((r + 2) * 2 * scale), made = document.createElement("canvas"), p = made.getContext("2d", { willReadFrequently: true });
  made.width = made.height = side; p.translate(side / 2, side / 2); p.scale(scale, scale);
  const shape = (size) => { p.beginPath(); if (text) { p.moveTo(0, -size); p.lineTo(size, 0); p.lineTo(0, size); p.lineTo(-size, 0); p.closePath(); } else p.arc(0, 0, size, 0, 7); };
  const filling = data.groups[g].filling, colour = colours.of[g];
  shape(r + 0.8); p.fillStyle = colours.ground; p.fill();
  if (text) { shape(r + 0.5); p.fillStyle = colour; p.fill(); p.strokeStyle = colours.ink; p.lineWidth = 1.5; p.stroke(); return made; }
  shape(r); p.fillStyle = colour;
  if (filling === "full") p.fill();
  else {
    const line = Math.max(1.2, r * 0.34); shape(r - line / 2); p.strokeStyle = colour; p.lineWidth = line; p.stroke();
    if (filling === "half") { p.beginPath(); p.arc(0, 0, r - line / 2, Math.PI / 2, Math.PI * 1.5); p.fill(); }
    if (filling === "bull") { p.beginPath(); p.arc(0, 0, r * 0.3, 0, 7); p.fill(); }
  }
  return made;
}
// Points are written into an array of pixels: 20,000 of them take a few milliseconds on any machine, without a GPU.
const PAD = 40; let field = null, pixels = null, pitch = 0;
function stampOf(i, r, strength) {
  const key = groupOf[i] * 4 + (isText(i) ? 2 : 0) + (strength === 1 ? 1 : 0);
  return (stamps[key] ??= spots(stamp(groupOf[i], isText(i), isText(i) ? Math.max(r, 5) + 2 : r, ratio), strength));
}
function spots(made, strength) { // Offsets of its pixels: full ones with their value, others with colour and opacity.
  const { width: w, data: p } = made.getContext("2d").getImageData(0, 0, made.width, made.height), words = new Uint32Array(p.buffer), solid = [], soft = [];
  for (let k = 0; k < words.length; k++) {
    const offset = (Math.floor(k / w) - (w >> 1)) * pitch + (k % w) - (w >> 1), opacity = p[4 * k + 3] * strength;
    if (opacity > 250) solid.push(offset, words[k]); else if (opacity > 3) soft.push(offset, p[4 * k], p[4 * k + 1], p[4 * k + 2], Math.round(opacity));
  }
  return { solid: Int32Array.from(solid), soft: Int32Array.from(soft) };
}
function press(made, x, y) {
  const at = (y + PAD) * pitch + x + PAD, { solid, soft } = made;
  for (let k = 0; k < solid.length; k += 2) pixels[at + solid[k]] = solid[k + 1];
  for (let k = 0; k < soft.length; k += 5) {
    const where = at + soft[k], under = pixels[where], o = soft[k + 4], rest = 255 - o, mix = (over, below) => ((over * o + below * rest + 127) / 255) | 0;
    pixels[where] = mix(soft[k + 1], under & 255) | (mix(soft[k + 2], (under >> 8) & 255) << 8) | (mix(soft[k + 3], (under >> 16) & 255) << 16) | 0xff000000;
  }
}
function clear() {
  const wide = canvas.width + 2 * PAD, high = canvas.height + 2 * PAD;
  if (!field || field.width !== wide || field.height !== high) { field = new ImageData(wide, high); pixels = new Uint32Array(field.data.buffer); pitch = wide; stamps = []; }
  const probe = parseInt(colours.ground.slice(1), 16); // #rrggbb in the style sheet, bytes b, g, r in memory
  pixels.fill(((probe >> 16) | (probe & 0xff00) | ((probe & 255) << 16) | 0xff000000) >>> 0);
}
const sheets = data.sheets.map((url) => { const image = new Image(); image.onload = soon; image.src = url; return image; });
const hasTile = (i) => data.side > 0 && !isText(i) && sizes[2 * i] > 0;
const sizes = new Uint8Array(bytes(data.sizes)); // of 0 × 0: no picture
function tile(p, i, x, y, size, frame) { // The picture of point i in the middle of a square, with a frame of a colour.
  const sheet = sheets[Math.floor(i / (ROW * ROW))], at = i % (ROW * ROW), s = data.side, w = sizes[2 * i], h = sizes[2 * i + 1];
  const scale = size / s, left = x + (size - w * scale) / 2, top = y + (size - h * scale) / 2;
  if (frame) { p.fillStyle = frame; p.fillRect(left - 2, top - 2, w * scale + 4, h * scale + 4); }
  if (sheet.complete) p.drawImage(sheet, (at % ROW) * s, Math.floor(at / ROW) * s, w, h, left, top, w * scale, h * scale);
}

// ---- drawing
const unit = () => (Math.min(width, height) / 2 - 28) * view.zoom;
const sx = (x) => width / 2 + (x - view.x) * unit(), sy = (y) => height / 2 + (y - view.y) * unit();
const strong = (i) => (matched ? matched.has(i) : emphasis < 0 || groupOf[i] === emphasis);
let lastRadius = 0;
function soon() { if (!waiting) { waiting = true; requestAnimationFrame(draw); } }
function draw() {
  waiting = false;
  const r = Math.round(radius() * 4) / 4;
  if (r !== lastRadius) { stamps = []; lastRadius = r; }
  clear();
  const scale = unit(), left = width / 2 - view.x * scale, top = height / 2 - view.y * scale, picky = matched || emphasis >= 0;
  const taken = new Set(), size = Math.min(data.side, 48), shown = [];
  for (let pass = picky ? 0 : 1; pass < 2; pass++) for (let n = 0; n < count; n++) {
    const i = order[n];
    if (!on[groupOf[i]] || (picky && strong(i) !== (pass === 1))) continue;
    const x = left + px[i] * scale, y = top + py[i] * scale;
    if (x < -12 || y < -12 || x > width + 12 || y > height + 12) continue;
    if (pass && show.pictures && hasTile(i)) {
      const key = Math.floor(x / size) * 4096 + Math.floor(y / size);
      if (!taken.has(key)) { taken.add(key); shown.push(i, x, y); continue; }
    }
    press(stampOf(i, r, pass ? 1 : 0.15), Math.round(x * ratio), Math.round(y * ratio));
  }
  pen.putImageData(field, -PAD, -PAD);
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  for (let n = 0; n < shown.length; n += 3) {
    const [i, x, y] = [shown[n], shown[n + 1] - size / 2, shown[n + 2] - size / 2];
    tile(pen, i, x, y, size, colours.of[groupOf[i]]);
  }
  words(left, top, scale, r);
  if (chosen >= 0) {
    pen.beginPath(); pen.arc(left + px[chosen] * scale, top + py[chosen] * scale, r + 5, 0, 7);
    pen.lineWidth = 2.5; pen.strokeStyle = colours.ink; pen.stroke();
  }
}
function words(left, top, scale, r) { // Phrases, class names, then names: each where nothing is written yet.
  const boxes = [];
  const write = (text, x, y, font, ink, wanted) => {
    pen.font = font; const w = pen.measureText(text).width, box = [x - w / 2 - 3, y - 9, x + w / 2 + 3, y + 9];
    if (box[2] < 0 || box[0] > width || box[3] < 0 || box[1] > height) return;
    if (!wanted && boxes.some((b) => b[0] < box[2] && box[0] < b[2] && b[1] < box[3] && box[1] < b[3])) return;
    boxes.push(box); pen.lineWidth = 4; pen.strokeStyle = colours.ground; pen.lineJoin = "round"; pen.strokeText(text, x, y); pen.fillStyle = ink; pen.fillText(text, x, y);
  };
  const cut = (text, most) => { const all = [...text]; return all.length > most ? all.slice(0, most - 1).join("") + "…" : text; };
  const family = "system-ui, 'Segoe UI', sans-serif"; pen.textAlign = "center"; pen.textBaseline = "middle";
  for (let i = data.images, n = 0; i < count && n < 200; i++)
    if (on[groupOf[i]] && strong(i)) { n++; write("“" + cut(data.names[i], 32) + "”", left + px[i] * scale, top + py[i] * scale - r - 15, `italic 13px ${family}`, colours.ink); }
  if (show.names) for (const m of [...middles].filter((m) => m && on[m.g]).sort((a, b) => b.size - a.size))
    if (emphasis < 0 || emphasis === m.g) write(cut(data.groups[m.g].name, 24), left + m.x * scale, top + m.y * scale, `600 14px ${family}`, colours.ink);
  if (!show.labels) return;
  for (let n = count - 1, tried = 0; n >= 0 && tried < 600; n--) {
    const i = order[n], x = left + px[i] * scale, y = top + py[i] * scale;
    if (isText(i) || !on[groupOf[i]] || !strong(i) || x < 0 || y < 0 || x > width || y > height) continue;
    tried++; write(cut(data.names[i], 22), x, y + r + 9, `11px ${family}`, colours.soft);
  }
}

// ---- finding and showing a point
function nearest(x, y, reach) {
  const scale = unit(), wx = (x - width / 2) / scale + view.x, wy = (y - height / 2) / scale + view.y, far = reach / scale;
  let best = -1, least = far * far;
  for (let row = cell(wy - far); row <= cell(wy + far); row++) for (let column = cell(wx - far); column <= cell(wx + far); column++)
    for (const i of grid.get(row * CELLS + column) || []) {
      const d = (px[i] - wx) ** 2 + (py[i] - wy) ** 2;
      if (d <= least && on[groupOf[i]] && (!matched || matched.has(i))) { least = d; best = i; }
    }
  return best;
}
const link = (i) => { const folder = data.folders[folderOf[i]]; return (folder ? folder + "/" : "") + (data.odd[i] ?? encodeURIComponent(data.names[i])); };
function element(kind, text, className) { const made = document.createElement(kind); if (text) made.textContent = text; if (className) made.className = className; return made; }
let later = 0;
function choose(i, pinned) {
  if (i === chosen && card.classList.contains("pinned") === Boolean(pinned)) return;
  clearTimeout(later); chosen = i; card.replaceChildren(); card.classList.toggle("pinned", Boolean(pinned)); soon();
  card.style.display = i < 0 ? "none" : "block";
  canvas.classList.toggle("point", i >= 0 && !isText(i));
  if (i < 0) { live.textContent = ""; return; }
  const lines = [isText(i) ? "phrase" : data.places[folderOf[i]], data.groups[groupOf[i]].name, data.said[i] && "most likely " + data.said[i]];
  if (!isText(i)) picture(i);
  card.append(element("b", data.names[i]));
  for (const line of new Set(lines.filter(Boolean))) card.append(element("div", line, "soft"));
  if (pinned && !isText(i)) { const open = element("a", "open the picture"); open.href = link(i); open.target = "_blank"; open.rel = "noopener"; card.append(open); }
  const x = sx(px[i]), y = sy(py[i]), w = card.offsetWidth, h = card.offsetHeight;
  card.style.left = Math.max(4, Math.min(width - w - 4, x + 16 + w < width ? x + 16 : x - w - 16)) + "px";
  card.style.top = Math.max(4, Math.min(height - h - 4, y - h / 2)) + "px";
  live.textContent = [data.names[i], ...new Set(lines.filter(Boolean))].join(", ");
}
function picture(i) { // The small one at once, the file itself if the pointer rests.
  const frame = element("div", "", "view"), small = document.createElement("canvas"), whole = document.createElement("img");
  card.append(frame); whole.alt = "";
  if (hasTile(i)) { small.width = small.height = data.side; tile(small.getContext("2d"), i, 0, 0, data.side); frame.append(small); }
  whole.onload = () => frame.replaceChildren(whole);
  whole.onerror = () => { if (!hasTile(i)) frame.textContent = "no preview"; };
  later = setTimeout(() => { whole.src = link(i); }, 120);
}
// Not called "open": a function of that name here would take the place of window.open.
function visit(i) { if (i >= 0 && !isText(i)) window.open(link(i), "_blank", "noopener"); }

// ---- moving about
function zoomAt(x, y, factor) {
  const zoom = Math.min(400, Math.max(0.5, view.zoom * factor)), before = unit();
  const wx = (x - width / 2) / before + view.x, wy = (y - height / 2) / before + view.y;
  view.zoom = zoom; view.x = wx - (x - width / 2) / unit(); view.y = wy - (y - height / 2) / unit(); choose(-1); soon();
}
function pan(dx, dy) { view.x -= dx / unit(); view.y -= dy / unit(); choose(-1); soon(); }
function fit(points) {
  if (!points) { Object.assign(view, { x: 0, y: 0, zoom: 1 }); choose(-1); soon(); return; }
  let [l, t, r, b] = [9, 9, -9, -9];
  for (const i of points) { l = Math.min(l, px[i]); r = Math.max(r, px[i]); t = Math.min(t, py[i]); b = Math.max(b, py[i]); }
  Object.assign(view, { x: (l + r) / 2, y: (t + b) / 2, zoom: Math.min(20, Math.max(1, 1.6 / Math.max(r - l, b - t, 0.01))) }); choose(-1); soon();
}
const fingers = new Map(); let moved = 0;
const at = (event) => { const box = canvas.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; };
canvas.addEventListener("wheel", (event) => { event.preventDefault(); const lines = event.deltaMode === 1 ? 30 : 1; zoomAt(...at(event), Math.exp(-Math.max(-200, Math.min(200, event.deltaY * lines)) * 0.0022)); }, { passive: false });
canvas.addEventListener("pointerdown", (event) => { canvas.setPointerCapture(event.pointerId); if (!fingers.size) moved = 0; fingers.set(event.pointerId, at(event)); });
canvas.addEventListener("pointermove", (event) => {
  const [x, y] = at(event), before = fingers.get(event.pointerId);
  if (!before) { choose(nearest(x, y, 12)); return; }
  if (fingers.size === 1) { moved += Math.hypot(x - before[0], y - before[1]); if (moved > 4) pan(x - before[0], y - before[1]); if (moved <= 4) return; }
  if (fingers.size === 2) {
    const other = [...fingers].find(([id]) => id !== event.pointerId)[1], was = Math.hypot(before[0] - other[0], before[1] - other[1]);
    moved = 99; zoomAt((x + other[0]) / 2, (y + other[1]) / 2, Math.hypot(x - other[0], y - other[1]) / Math.max(was, 1)); pan((x - before[0]) / 2, (y - before[1]) / 2);
  }
  fingers.set(event.pointerId, [x, y]);
});
canvas.addEventListener("pointerup", (event) => {
  fingers.delete(event.pointerId); if (moved > 4) return;
  const touch = event.pointerType !== "mouse", found = nearest(...at(event), touch ? 22 : 12);
  if (touch) choose(found, true); else visit(found);
});
canvas.addEventListener("pointercancel", (event) => fingers.delete(event.pointerId));
canvas.addEventListener("pointerleave", () => { if (!card.classList.contains("pinned")) choose(-1); });
function step(by) { // To the next point of those that count, in the order of names.
  const usual = (i) => on[groupOf[i]] && strong(i); let i = chosen < 0 && by < 0 ? 0 : chosen;
  for (let n = 0; n < count; n++) { i = (i + by + count) % count; if (usual(i)) break; }
  if (!count || !usual(i)) return;
  const x = sx(px[i]), y = sy(py[i]); if (x < 20 || y < 20 || x > width - 20 || y > height - 20) { view.x = px[i]; view.y = py[i]; }
  choose(i, true);
}
canvas.addEventListener("keydown", (event) => {
  const keys = { ArrowLeft: () => pan(60, 0), ArrowRight: () => pan(-60, 0), ArrowUp: () => pan(0, 60), ArrowDown: () => pan(0, -60), "+": () => zoomAt(width / 2, height / 2, 1.4), "=": () => zoomAt(width / 2, height / 2, 1.4),
    "-": () => zoomAt(width / 2, height / 2, 1 / 1.4), 0: () => fit(), n: () => step(1), p: () => step(-1), Enter: () => visit(chosen), Escape: () => choose(-1) };
  if (event.ctrlKey || event.metaKey || event.altKey || !keys[event.key]) return;
  event.preventDefault(); keys[event.key]();
});
$("in").onclick = () => zoomAt(width / 2, height / 2, 1.6); $("out").onclick = () => zoomAt(width / 2, height / 2, 1 / 1.6); $("all").onclick = () => fit();

// ---- legend and search
const buttons = [...document.querySelectorAll("#legend button")];
function legend() { buttons.forEach((button, g) => button.setAttribute("aria-pressed", on[g])); choose(-1); soon(); }
buttons.forEach((button, g) => {
  button.onclick = () => { on[g] = !on[g]; legend(); };
  button.ondblclick = () => { on.fill(false); on[g] = true; legend(); };
  button.onmouseenter = button.onfocus = () => { if (on[g]) { emphasis = g; soon(); } };
  button.onmouseleave = button.onblur = () => { emphasis = -1; soon(); };
});
$("every").onclick = () => { on.fill(true); legend(); }; $("none").onclick = () => { on.fill(false); legend(); };
for (const name of ["names", "labels", "pictures"]) if ($(name)) {
  const tell = () => $(name).setAttribute("aria-pressed", show[name]); tell();
  $(name).onclick = () => { show[name] = !show[name]; tell(); soon(); };
}
search.oninput = () => {
  const wanted = search.value.normalize("NFC").toLowerCase().trim();
  matched = wanted ? new Set(low.flatMap((text, i) => (text.includes(wanted) ? [i] : []))) : null;
  $("found").textContent = matched ? matched.size + " found" : ""; choose(-1); soon();
};
search.onkeydown = (event) => { if (event.key === "Enter" && matched?.size) fit(matched); if (event.key === "Escape") { search.value = ""; search.oninput(); } };

function resize() {
  const box = canvas.getBoundingClientRect(); width = box.width; height = box.height; ratio = Math.min(devicePixelRatio || 1, 2);
  canvas.width = Math.round(width * ratio); canvas.height = Math.round(height * ratio); stamps = []; draw();
}
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { restyle(); soon(); });
restyle(); new ResizeObserver(resize).observe(canvas);
