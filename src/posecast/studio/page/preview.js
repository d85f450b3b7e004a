// What the cast looks like: the preview as it is made, the condition maps, or a finished video.

import { Clip } from "./clip.js";
import { clamp, colourOf, drag, fill, h, icon } from "./dom.js";
import { drawBody } from "./skeleton.js";
import { text } from "./texts.js";

const FIRST_SIDE = 320; // of frames that come within a second
const FINE_SIDE = 512;
const REST = 60; // ms without a change before a preview is asked for
const FINE_AFTER = 1200;

export class PreviewView {
  constructor(store) {
    this.store = store;
    this.clip = new Clip();
    this.before = new Clip(); // what is shown where the new one has nothing yet
    this.results = new Map();
    this.canvas = h("canvas", { role: "img", "aria-label": text("previewView") });
    this.divider = h("div", { class: "divider", "aria-hidden": "true" });
    this.space = h("div", { class: "space", "data-tool": "look" }, this.canvas, this.divider);
    this.head = h("div", { class: "view-head" });
    this.tools = h("div", { class: "tools" });
    this.line = h("div", { class: "view-line", role: "status" });
    this.sound = h("audio", { preload: "auto" });
    this.element = h(
      "section", { class: "view", "aria-label": text("preview"), "data-shown": "preview" },
      this.head, this.tools, this.space, this.line, this.sound,
    );
    store.on("document state", () => this.changed());
    store.on("view", () => this.changed());
    store.on("frame media", () => this.draw());
    this.space.addEventListener("pointerdown", (event) => this.slide(event));
    new ResizeObserver(() => this.draw()).observe(this.space);
    this.changed();
  }

  /** The finished video that is shown; undefined: a preview. */
  get result() {
    return this.store.state.results.find((result) => result.id === this.store.view.right);
  }

  get shown() {
    return this.result ? this.resultClip(this.result) : this.clip;
  }

  /** Frames, at the rate of the project, that can be played. */
  get playable() {
    const { shown, store } = this;
    if (!shown?.about) return this.before.about ? store.frames : 1;
    const frames = Math.round((shown.about.frames / shown.about.fps) * store.fps);
    return this.result ? frames : Math.max(frames, 1);
  }

  changed() {
    this.build();
    const { document, state, view } = this.store;
    const kind = view.right === "maps" ? "maps" : "video";
    if (kind === "maps" && view.compare !== null) view.compare = null;
    const drivers = this.store.ready.map((driver) => [driver.id, driver.frames]);
    const { people, mask, order, retarget } = document;
    const joints = people.map((person) => [person.key, person.joints, person.moved_by]);
    const wanted = JSON.stringify([kind, state.picture?.file, joints, mask, document.drivers, order, retarget, drivers]);
    if (wanted !== this.wanted && this.store.canPreview && !this.result) {
      this.wanted = wanted;
      if (kind !== this.kind) [this.clip, this.before] = [new Clip(), new Clip()];
      this.kind = kind;
      clearTimeout(this.timer);
      clearTimeout(this.fineTimer);
      this.timer = setTimeout(() => this.ask(kind, FIRST_SIDE), REST);
    }
    this.draw();
  }

  async ask(kind, side) {
    const { store } = this;
    this.abort?.abort();
    const abort = (this.abort = new AbortController());
    this.tell(text("previewing"), true);
    this.asked = performance.now();
    try {
      await store.flush();
      const from = kind === "maps" ? 0 : Math.floor(store.frame);
      const stream = store.project.pictures(`/preview?side=${side}&kind=${kind}&from=${from}`, abort.signal);
      const fresh = new Clip();
      const whole = await fresh.read(stream, (clip) => this.arrived(clip, abort));
      this.before = whole;
      this.tell("");
      if (side === FIRST_SIDE && kind === "video" && Math.max(...this.box) * (window.devicePixelRatio || 1) > 400) {
        this.fineTimer = setTimeout(() => this.ask(kind, FINE_SIDE), FINE_AFTER);
      }
    } catch (error) {
      if (error.name === "AbortError") return;
      this.tell(error instanceof TypeError ? "" : error.message);
      this.wanted = error instanceof TypeError ? null : this.wanted;
    }
  }

  arrived(clip, abort) {
    if (this.abort !== abort) return;
    if (this.clip !== clip && clip.count > 0) {
      if (this.clip.whole) this.before = this.clip;
      this.clip = clip;
      this.store.plan = clip.about;
      this.element.dataset.ready = String(Math.round(performance.now() - this.asked));
      this.store.tell("plan");
      this.buildNotes();
    }
    this.element.dataset.frames = String(clip.count);
    this.draw();
  }

  resultClip(result) {
    const name = `${result.id} ${result.state === "done"}`;
    let clip = this.results.get(name);
    if (!clip) {
      this.results.clear();
      clip = new Clip();
      this.results.set(name, clip);
      clip.read(this.store.project.pictures(`/results/${result.id}/clip`), () => this.draw()).catch((error) => this.tell(error.message));
      this.sound.src = result.state === "done" ? this.store.project.address(`/results/${result.id}/video`) : "";
    }
    return clip;
  }

  tell(line, busy = false) {
    this.line.textContent = line;
    this.line.classList.toggle("busy", busy);
    this.line.hidden = line === "";
  }

  build() {
    const { store } = this;
    const { view } = store;
    const videos = store.state.results.filter((result) => result.state === "done" || result.id === view.right);
    const options = [["preview", text("previewIs")], ["maps", text("maps")], ...videos.map((r) => [r.id, r.name])];
    fill(this.head, h("select", {
      class: "view-title", "aria-label": text("previewView"), "data-focus": "right",
      onchange: (event) => store.look({ right: event.target.value }),
    }, options.map(([value, name]) => h("option", { value, selected: value === view.right }, name))));
    this.buildTools();
    if (!store.canPreview && !this.result) this.tell(text("waitingFor"));
    else if (this.line.textContent === text("waitingFor")) this.tell("");
    if (this.result) this.tell("");
  }

  buildTools() {
    const { store } = this;
    const { view } = store;
    const toggle = (label, checked, onchange, focus) => h(
      "label", { class: "toggle" },
      h("input", { type: "checkbox", checked, "data-focus": focus, onchange: (event) => onchange(event.target.checked) }), text(label),
    );
    fill(
      this.tools,
      view.right === "maps" ? null
        : toggle("compare", view.compare !== null, (on) => store.look({ compare: on ? 0.5 : null }), "compare"),
      view.compare === null ? null : h("input", {
        type: "range", min: 0, max: 100, value: Math.round(view.compare * 100), "aria-label": text("beforeAfter"),
        "data-focus": "divider", oninput: (event) => {
          view.compare = Number(event.target.value) / 100;
          this.draw();
        },
      }),
      h("span", { class: "gap" }),
      view.right === "preview" ? toggle("fitted", view.fitted, (on) => store.look({ fitted: on }), "fitted") : null,
      this.result ? toggle("sound", this.hears, (on) => this.hear(on), "sound") : null,
      this.notes ?? null,
    );
  }

  buildNotes() {
    const notes = this.store.plan?.notes ?? [];
    this.notes = notes.length ? h(
      "details", { class: "notes" }, h("summary", { "data-focus": "notes" }, `${text("notes")} (${notes.length})`),
      h("ul", {}, notes.map((note) => h("li", {}, note.replace(/[:;] `[a-z_]+=[^`]*`.*$/, "")))),
    ) : null;
    this.buildTools();
  }

  hear(on) {
    this.hears = on;
    if (!on) this.sound.pause();
    this.draw();
  }

  follow() {
    const { sound, store } = this;
    if (!this.result || !this.hears) {
      if (!sound.paused) sound.pause();
      return;
    }
    if (Math.abs(sound.currentTime - store.seconds) > (store.playing ? 0.2 : 0.02)) sound.currentTime = store.seconds;
    if (store.playing && sound.paused) sound.play().catch(() => this.hear(false));
    if (!store.playing && !sound.paused) sound.pause();
  }

  slide(event) {
    const { view } = this.store;
    if (view.compare === null) return;
    const move = (next) => {
      const [left, , width] = this.frameBox;
      const rect = this.space.getBoundingClientRect();
      view.compare = clamp((next.clientX - rect.left - left) / width, 0, 1);
      const range = this.tools.querySelector("[data-focus=divider]");
      if (range) range.value = Math.round(view.compare * 100);
      this.draw();
    };
    move(event);
    drag(event, move);
  }

  // Drawing

  get box() {
    return [this.space.clientWidth, this.space.clientHeight];
  }

  draw() {
    if (this.planned) return;
    this.planned = requestAnimationFrame(() => {
      this.planned = null;
      this.paint();
      this.follow();
    });
  }

  /** The picture for the playhead: of the clip that is shown, else of the one before it. */
  bitmap() {
    const { shown, before, store } = this;
    const again = () => this.draw();
    for (const clip of [shown, this.result ? null : before]) {
      if (!clip?.about) continue;
      const index = clip.at(store.seconds);
      if (!clip.pictures[index]) continue;
      for (let ahead = 1; ahead < 4; ahead += 1) clip.decode(index + ahead);
      const bitmap = clip.bitmap(index, again);
      if (bitmap) return { bitmap, clip, index };
      return null;
    }
    return null;
  }

  paint() {
    const [across, down] = this.box;
    if (!across || !down) return;
    const density = Math.min(2, window.devicePixelRatio || 1);
    const [width, height] = [Math.round(across * density), Math.round(down * density)];
    const resized = this.canvas.width !== width || this.canvas.height !== height;
    const found = this.bitmap();
    const plan = this.shown?.about ?? this.before.about;
    const still = this.store.media.pictureBitmap();
    if (!found && plan && !resized) return; // it is being decoded
    if (resized) [this.canvas.width, this.canvas.height] = [width, height];
    const pen = this.canvas.getContext("2d");
    pen.setTransform(density, 0, 0, density, 0, 0);
    pen.clearRect(0, 0, across, down);
    pen.imageSmoothingQuality = "high";
    const size = found ? [found.bitmap.width, found.bitmap.height] : still ? [still.width, still.height] : null;
    if (!size) return;
    const scale = Math.min((across - 16) / size[0], (down - 16) / size[1]);
    const box = [(across - size[0] * scale) / 2, (down - size[1] * scale) / 2, size[0] * scale, size[1] * scale];
    this.frameBox = box;
    if (found) pen.drawImage(found.bitmap, ...box);
    else {
      pen.globalAlpha = 0.35;
      pen.drawImage(still, ...box);
      pen.globalAlpha = 1;
    }
    this.paintBodies(pen, found, box);
    this.paintBefore(pen, still, box);
  }

  /** The fitted skeletons, where they are wanted. */
  paintBodies(pen, found, box) {
    const { store } = this;
    if (!found || !store.view.fitted || this.result || store.view.right === "maps") return;
    const { tracks, width } = found.clip.about;
    pen.save();
    pen.beginPath();
    pen.rect(...box);
    pen.clip();
    pen.translate(box[0], box[1]);
    store.document.people.forEach((person, i) => {
      const points = tracks[i]?.[found.index];
      drawBody(pen, points, box[2] / width / 4, colourOf(person.key, 0.9), 2);
    });
    pen.restore();
  }

  paintBefore(pen, still, box) {
    const { compare } = this.store.view;
    this.divider.style.display = compare === null || !still ? "none" : "block";
    if (compare === null || !still) return;
    const [left, top, width, height] = box;
    pen.save();
    pen.beginPath();
    pen.rect(left, top, width * compare, height);
    pen.clip();
    // The frames are the picture's middle, of their own shape.
    const cover = Math.max(width / still.width, height / still.height);
    const [w, h_] = [still.width * cover, still.height * cover];
    pen.drawImage(still, left + (width - w) / 2, top + (height - h_) / 2, w, h_);
    pen.restore();
    Object.assign(this.divider.style, { left: `${left + width * compare}px`, top: `${top}px`, height: `${height}px` });
    if (!this.divider.firstChild) this.divider.append(icon("swap"));
  }
}
