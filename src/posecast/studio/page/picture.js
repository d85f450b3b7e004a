// The picture and its people: joints to drag, masks to draw; or a driver's footage with its tracks.

import { clamp, colourOf, drag, fill, h, iconButton, svg } from "./dom.js";
import { chooser } from "./files.js";
import { MaskLayer } from "./masks.js";
import { BONES, FOOT_BONES, JOINTS, SEEN, bounds, drawBody, moveJoint, standing } from "./skeleton.js";
import { text } from "./texts.js";

const JOINT_RADIUS = 5; // pixels of the screen
const MOST_ZOOM = 12;

export class PictureView {
  constructor(store) {
    this.store = store;
    this.zoom = 1;
    this.centre = null; // of the view, in pixels of the picture; null: its middle
    this.canvas = h("canvas", { "aria-hidden": "true" });
    this.overlay = svg("svg", { class: "overlay", role: "group", "aria-label": text("pictureView") });
    this.cursor = h("div", { class: "brush-cursor", "aria-hidden": "true" });
    this.space = h("div", { class: "space", "data-tool": "joints" }, this.canvas, this.overlay, this.cursor);
    this.head = h("div", { class: "view-head" });
    this.tools = h("div", { class: "tools" });
    this.line = h("div", { class: "view-line", role: "status" });
    this.element = h(
      "section", { class: "view", "aria-label": text("pictureView"), "data-drop": "picture", "data-shown": "picture" },
      this.head, this.tools, this.space, this.line,
    );
    this.masks = new MaskLayer(store, () => this.draw());
    this.listen();
    this.build();
    new ResizeObserver(() => this.draw()).observe(this.space);
  }

  listen() {
    const { store } = this;
    store.on("document state", () => this.build());
    store.on("view", () => this.build());
    store.on("media", () => this.draw());
    store.on("jobs", () => this.tellWork());
    store.on("receiving", ({ name, share }) => {
      this.receiving = share === null ? null : name;
      this.tellWork();
    });
    store.on("frame", () => this.driver && this.draw());
    this.space.addEventListener("pointerdown", (event) => this.press(event));
    this.space.addEventListener("pointermove", (event) => this.showBrush(event));
    this.space.addEventListener("pointerleave", () => (this.cursor.style.display = "none"));
    this.space.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
  }

  /** The driver that is shown instead of the picture. */
  get driver() {
    return this.store.drivers.find((driver) => driver.id === this.store.view.left);
  }

  get size() {
    const shown = this.driver ?? this.store.state.picture;
    return shown ? [shown.width, shown.height] : [1, 1];
  }

  build() {
    this.buildHead();
    this.buildTools();
    this.tellWork();
    this.draw();
  }

  buildHead() {
    const { store } = this;
    const options = [["picture", text("picture")], ...store.drivers.map((d) => [d.id, d.name])];
    fill(
      this.head,
      h("select", {
        class: "view-title", "aria-label": text("pictureView"), "data-focus": "left",
        onchange: (event) => store.look({ left: event.target.value }),
      }, options.map(([value, name]) => h("option", { value, selected: value === store.view.left }, name))),
      h("span", { class: "gap" }),
      this.driver ? null : chooser(text("newPicture"), "picture", { accept: "image/*", class: "plain small", icon: "folder" }),
      h("div", { class: "group" },
        iconButton("minus", text("zoomOut"), () => this.zoomBy(1 / 1.4), { "data-focus": "out" }),
        iconButton("fit", text("zoomFit"), () => this.fit(), { "data-focus": "fit" }),
        iconButton("plus", text("zoomIn"), () => this.zoomBy(1.4), { "data-focus": "in" })),
    );
  }

  buildTools() {
    const { store } = this;
    const { view } = store;
    this.space.dataset.tool = this.driver ? "look" : view.tool;
    this.tools.hidden = Boolean(this.driver) || !store.state.picture;
    const tool = (name, sign, label) => iconButton(sign, text(label), () => {
      if ((name === "draw" || name === "erase") && view.person === null) {
        store.look({ tool: name, person: store.document.people[0]?.key ?? null });
      } else {
        store.look({ tool: name });
      }
    }, { "aria-pressed": String(view.tool === name), "data-focus": `tool-${name}` });
    const brush = h("input", {
      type: "range", min: 4, max: 160, value: view.brush, "aria-label": text("brushSize"), "data-focus": "brush",
      oninput: (event) => (view.brush = Number(event.target.value)),
    });
    const toggle = (name, label) => h(
      "label", { class: "toggle" },
      h("input", {
        type: "checkbox", checked: view[name], "data-focus": `show-${name}`,
        onchange: (event) => store.look({ [name]: event.target.checked }),
      }), text(label),
    );
    fill(
      this.tools,
      h("div", { class: "group", role: "group", "aria-label": text("tools") },
        tool("joints", "joints", "toolJoints"), tool("draw", "brush", "toolPaint"),
        tool("erase", "eraser", "toolErase"), tool("add", "person", "toolAdd")),
      view.tool === "draw" || view.tool === "erase" ? brush : null,
      h("span", { class: "gap" }),
      toggle("masks", "showMasks"), toggle("skeletons", "showSkeletons"),
    );
  }

  tellWork() {
    const { store } = this;
    const { picture } = store.state;
    const job = store.job("picture") ?? store.job("mask");
    let line = "";
    if (this.receiving) line = text("receiving", { name: this.receiving });
    else if (job) line = job.phase === "cutting them out" || job.kind === "find_mask" ? text("cuttingOut") : text("findingPeople");
    else if (picture?.state === "failed") line = picture.message;
    else if (picture && !store.document.people.length) line = text("nobody");
    else if (store.view.tool === "add" && !this.driver) line = text("addHint");
    this.line.textContent = line;
    this.line.classList.toggle("busy", Boolean(job || this.receiving));
    this.line.hidden = line === "";
    if (!picture && !this.driver) this.invite();
    else this.invitation?.remove();
  }

  invite() {
    this.invitation ??= h("div", { class: "invitation" }, chooser(text("choosePicture"), "picture", {
      accept: "image/*", class: "button primary",
    }));
    if (!this.invitation.isConnected) this.space.append(this.invitation);
  }

  // Where things are on the screen

  get box() {
    return [this.space.clientWidth, this.space.clientHeight];
  }

  get scale() {
    const [width, height] = this.size;
    const [across, down] = this.box;
    return Math.min((across - 16) / width, (down - 16) / height) * this.zoom;
  }

  get origin() {
    const [width, height] = this.size;
    const [x, y] = this.centre ?? [width / 2, height / 2];
    const [across, down] = this.box;
    return [across / 2 - x * this.scale, down / 2 - y * this.scale];
  }

  /** An event's place in pixels of the picture. */
  place(event) {
    const rect = this.space.getBoundingClientRect();
    const [left, top] = this.origin;
    return [(event.clientX - rect.left - left) / this.scale, (event.clientY - rect.top - top) / this.scale];
  }

  fit() {
    this.zoom = 1;
    this.centre = null;
    this.draw();
  }

  zoomBy(factor, event = null) {
    const before = event ? this.place(event) : null;
    this.zoom = clamp(this.zoom * factor, 1, MOST_ZOOM);
    if (this.zoom === 1) this.centre = null;
    else this.centre ??= this.size.map((side) => side / 2);
    if (before && this.centre) {
      const after = this.place(event);
      this.centre = this.centre.map((value, i) => clamp(value + before[i] - after[i], 0, this.size[i]));
    }
    this.draw();
  }

  wheel(event) {
    if (event.ctrlKey || event.metaKey) {
      event.preventDefault();
      this.zoomBy(Math.exp(-event.deltaY / 200), event);
    } else if (this.zoom > 1) {
      event.preventDefault();
      this.pan(-event.deltaX, -event.deltaY);
    }
  }

  pan(dx, dy) {
    if (this.zoom === 1) return;
    this.centre = [
      clamp(this.centre[0] - dx / this.scale, 0, this.size[0]),
      clamp(this.centre[1] - dy / this.scale, 0, this.size[1]),
    ];
    this.draw();
  }

  // What a pointer does

  press(event) {
    if (event.button > 1 || event.target.closest("label, button, .joint")) return;
    const { view } = this.store;
    if (this.driver || event.button === 1) return this.panWith(event);
    if (view.tool === "draw" || view.tool === "erase") return this.paint(event);
    const [x, y] = this.place(event);
    if (view.tool === "add") return this.addPerson(x, y);
    const key = this.personAt(x, y);
    if (key !== view.person) this.store.look({ person: key });
    return this.panWith(event);
  }

  panWith(event) {
    let [x, y] = [event.clientX, event.clientY];
    drag(event, (next) => {
      this.pan(next.clientX - x, next.clientY - y);
      [x, y] = [next.clientX, next.clientY];
    });
  }

  personAt(x, y) {
    const { store } = this;
    const masked = this.masks.keyAt(x, y);
    if (masked && store.person(masked)) return masked;
    const around = store.document.people.filter(({ joints }) => {
      const box = bounds(joints);
      return box && x >= box[0] - 8 && x <= box[2] + 8 && y >= box[1] - 8 && y <= box[3] + 8;
    });
    return around.at(-1)?.key ?? null;
  }

  paint(event) {
    const { store } = this;
    const { person, tool } = store.view;
    if (person === null || !store.state.picture) return;
    event.preventDefault();
    const key = tool === "draw" ? person : 0;
    let before = this.place(event);
    const radius = () => store.view.brush / 2 / this.scale;
    this.masks.stroke(before, before, radius(), key, person);
    drag(event, (next) => {
      for (const part of next.getCoalescedEvents?.() ?? [next]) {
        const after = this.place(part);
        this.masks.stroke(before, after, radius(), key, person);
        before = after;
      }
      this.showBrush(next);
    }, () => this.masks.keep());
  }

  showBrush(event) {
    const { tool, brush } = this.store.view;
    const shown = !this.driver && (tool === "draw" || tool === "erase");
    Object.assign(this.cursor.style, { display: shown ? "block" : "none" });
    if (!shown) return;
    const rect = this.space.getBoundingClientRect();
    Object.assign(this.cursor.style, {
      width: `${brush}px`, height: `${brush}px`,
      left: `${event.clientX - rect.left - brush / 2}px`, top: `${event.clientY - rect.top - brush / 2}px`,
    });
  }

  addPerson(x, y) {
    const { store } = this;
    const heights = store.document.people.map(({ joints }) => bounds(joints)).filter(Boolean).map((box) => box[3] - box[1]);
    const height = heights.length ? Math.max(...heights) : this.size[1] * 0.7;
    const taken = store.document.people.map((person) => person.key);
    let key = 1;
    while (taken.includes(key)) key += 1;
    store.edit("add", (document) => {
      document.people.push({
        key, name: text("person", { number: key }), joints: standing(x, y, height), moved_by: null,
      });
      for (const change of document.order) change.keys.push(key);
    });
    store.look({ person: key, tool: "joints" });
  }

  // Drawing

  draw() {
    if (this.planned) return;
    this.planned = requestAnimationFrame(() => {
      this.planned = null;
      this.paintCanvas();
      this.placeOverlay();
    });
  }

  paintCanvas() {
    const [across, down] = this.box;
    const density = Math.min(2, window.devicePixelRatio || 1);
    if (this.canvas.width !== Math.round(across * density) || this.canvas.height !== Math.round(down * density)) {
      this.canvas.width = Math.round(across * density);
      this.canvas.height = Math.round(down * density);
    }
    const pen = this.canvas.getContext("2d");
    pen.setTransform(density, 0, 0, density, 0, 0);
    pen.clearRect(0, 0, across, down);
    const [left, top] = this.origin;
    const [width, height] = this.size;
    pen.imageSmoothingQuality = "high";
    if (this.driver) {
      this.paintDriver(pen, left, top);
      return;
    }
    const bitmap = this.store.media.pictureBitmap();
    if (!bitmap) return;
    pen.drawImage(bitmap, left, top, width * this.scale, height * this.scale);
    if (this.store.view.masks) {
      const layer = this.masks.layer();
      if (layer) pen.drawImage(layer, left, top, width * this.scale, height * this.scale);
    }
  }

  paintDriver(pen, left, top) {
    const { store, driver } = this;
    const [width, height] = this.size;
    const seconds = store.driverSeconds(driver);
    const clip = store.media.driverClip(driver);
    const bitmap = clip?.bitmap(clip.at(seconds), () => this.draw());
    if (bitmap) this.last = bitmap;
    pen.fillStyle = "#101014";
    pen.fillRect(left, top, width * this.scale, height * this.scale);
    try {
      if (bitmap ?? this.last) pen.drawImage(bitmap ?? this.last, left, top, width * this.scale, height * this.scale);
    } catch {
      this.last = null; // it was dropped meanwhile
    }
    const tracks = store.media.driverTracks(driver);
    if (!tracks || !store.view.skeletons) return;
    const frame = Math.min(driver.frames - 1, Math.floor(seconds * driver.fps + 1e-6));
    pen.save();
    pen.translate(left, top);
    tracks.tracks.forEach((track, i) => {
      const keys = store.movedBy(driver.id, i);
      drawBody(pen, track[frame], this.scale, keys.length ? colourOf(keys[0]) : "rgb(200 200 210 / 0.7)", 3);
    });
    pen.restore();
  }

  placeOverlay() {
    const { document, view } = this.store;
    const shown = this.driver || !view.skeletons || !this.store.media.pictureBitmap() ? [] : document.people;
    const plan = JSON.stringify([view.person, shown.map(({ key, joints }) => [key, joints.length])]);
    if (plan !== this.overlayPlan) {
      this.overlayPlan = plan;
      this.figures = shown.map((person) => new Figure(this, person.key, person.joints.length));
      fill(this.overlay, this.figures.map((figure) => figure.element));
    }
    for (const figure of this.figures) figure.place();
  }
}

/** One person's bones, joints and number. */
class Figure {
  constructor(view, key, count) {
    this.view = view;
    this.key = key;
    this.chosen = view.store.view.person === key;
    const shown = Math.min(count, JOINTS.length);
    const colour = colourOf(key);
    this.bones = [...BONES, ...FOOT_BONES].filter(([a, b]) => a < shown && b < shown);
    this.lines = this.bones.map(() => svg("line", { stroke: colour, class: "bone" }));
    this.dots = Array.from({ length: shown }, (_, i) => this.dot(i, colour));
    this.tag = svg("g", { class: "tag" }, svg("rect", { fill: colour, rx: 3, width: 22, height: 18 }), svg("text", { x: 11, y: 13.5 }, String(key)));
    this.element = svg("g", { class: `figure${this.chosen ? " chosen" : ""}`, "data-person": key }, this.lines, this.dots, this.tag);
  }

  dot(index, colour) {
    const { store } = this.view;
    return svg("circle", {
      r: JOINT_RADIUS, fill: colour, class: "joint", role: "button", "data-joint": index,
      "data-focus": `joint-${this.key}-${index}`,
      tabindex: this.chosen ? 0 : -1,
      onpointerdown: (event) => this.grab(event, index),
      onkeydown: (event) => this.key_(event, index),
      onfocus: () => (store.view.joint = index),
    });
  }

  get person() {
    return this.view.store.person(this.key);
  }

  place() {
    const { view, person } = this;
    if (!person) return;
    const [left, top] = view.origin;
    const at = person.joints.map(([x, y]) => [left + (x + 0.5) * view.scale, top + (y + 0.5) * view.scale]);
    const seen = person.joints.map((joint) => joint[2] >= SEEN);
    const there = person.joints.map((joint) => joint[2] > 0 || joint[0] !== 0 || joint[1] !== 0);
    this.lines.forEach((line, i) => {
      const [a, b] = this.bones[i];
      line.style.display = seen[a] && seen[b] ? "" : "none";
      set(line, { x1: at[a][0], y1: at[a][1], x2: at[b][0], y2: at[b][1] });
    });
    this.dots.forEach((dot, i) => {
      dot.style.display = seen[i] || (this.chosen && there[i]) ? "" : "none";
      dot.classList.toggle("hidden-joint", !seen[i]);
      set(dot, { cx: at[i][0], cy: at[i][1] });
      const label = text(seen[i] ? "joint" : "jointHidden", { joint: JOINTS[i], person: person.name });
      dot.setAttribute("aria-label", `${label}. ${text("jointKeys")}`);
    });
    const box = bounds(person.joints);
    this.tag.style.display = box ? "" : "none";
    if (box) {
      const x = left + ((box[0] + box[2]) / 2) * view.scale - 11;
      const y = Math.max(2, top + box[1] * view.scale - 40);
      this.tag.setAttribute("transform", `translate(${x} ${y})`);
    }
  }

  grab(event, index) {
    if (event.button !== 0) return;
    const { view } = this;
    const { store } = view;
    if (store.view.tool !== "joints") return;
    event.stopPropagation();
    event.preventDefault();
    if (!this.chosen) {
      store.look({ person: this.key, joint: index });
      return;
    }
    store.view.joint = index;
    event.currentTarget.focus({ preventScroll: true });
    const gesture = `joint ${Date.now()}`;
    const [x, y] = this.person.joints[index];
    drag(event, (next) => {
      // By the pointer's own way: the view may change its size meanwhile.
      const [dx, dy] = [next.clientX - event.clientX, next.clientY - event.clientY];
      this.move(index, x + dx / view.scale, y + dy / view.scale, gesture);
    });
  }

  move(index, x, y, gesture) {
    const [width, height] = this.view.size;
    this.view.store.edit("joint", (document) => {
      const { joints } = document.people.find((person) => person.key === this.key);
      moveJoint(joints, index, clamp(x, -width, 2 * width), clamp(y, -height, 2 * height));
    }, gesture);
  }

  key_(event, index) {
    const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const step = steps[event.key];
    if (step) {
      event.preventDefault();
      event.stopPropagation();
      const far = event.shiftKey ? 10 : 1;
      const [x, y] = this.person.joints[index];
      this.move(index, x + far * step[0], y + far * step[1], `keys ${this.key} ${index}`);
    } else if (event.key.toLowerCase() === "h" || event.key === "Delete") {
      event.preventDefault();
      toggleJoint(this.view.store, this.key, index);
    }
  }
}

/** Hide a joint, or show it again. */
export function toggleJoint(store, key, index) {
  store.edit("hide", (document) => {
    const joint = document.people.find((person) => person.key === key).joints[index];
    joint[2] = joint[2] >= SEEN ? 0.1 : 0.9;
  });
}

function set(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value.toFixed(1));
}
