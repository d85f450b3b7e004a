// Time: the playhead, each driver on a scrubber with thumbnails, and who is in front when.

import { clamp, colourOf, drag, fill, h, icon } from "./dom.js";
import { Lanes } from "./lanes.js";
import { drawBody } from "./skeleton.js";
import { text } from "./texts.js";

const STRIP = 44; // pixels high

export class Timeline {
  constructor(store) {
    this.store = store;
    this.transport = h("div", { class: "transport" });
    this.ruler = h("div", {
      class: "ruler", role: "slider", tabindex: 0, "aria-label": text("playhead"), "data-focus": "playhead",
      onpointerdown: (event) => this.scrub(event, (x) => store.seek(this.frameAt(x))),
      onkeydown: (event) => this.step(event),
    });
    this.ticks = h("canvas", { "aria-hidden": "true" });
    this.head = h("div", { class: "playhead", "aria-hidden": "true" });
    this.strips = h("div", { class: "strips" });
    this.lanes = new Lanes(store, this);
    this.ruler.append(this.ticks);
    this.rows = h(
      "div", { class: "rows" },
      h("div", { class: "row" }, h("div", { class: "row-name" }, text("frame")), this.ruler),
      this.strips, this.lanes.element, h("div", { class: "playhead-room" }, this.head),
    );
    this.element = h(
      "section", { class: "timeline", "aria-label": text("timeline"), "data-shown": "timeline" }, this.transport, this.rows,
    );
    this.buildTransport();
    store.on("document state plan", () => this.build());
    store.on("media view", () => this.draw());
    store.on("frame", () => this.tellFrame());
    new ResizeObserver(() => this.build()).observe(this.rows);
    this.build();
  }

  // The common measure of all rows: pixels from the ruler's left edge

  get width() {
    return this.ruler.clientWidth || 1;
  }

  /** Seconds that the rows are wide. */
  get length() {
    const { store } = this;
    const ends = store.ready.map((driver) => driver.frames / driver.fps);
    return Math.max(store.frames / store.fps, ...ends, 0.1);
  }

  pixels(seconds) {
    return (seconds / this.length) * this.width;
  }

  frameAt(x) {
    return clamp(Math.round((x / this.width) * this.length * this.store.fps), 0, this.store.frames - 1);
  }

  scrub(event, seek) {
    if (event.button !== 0) return;
    const rect = event.currentTarget.getBoundingClientRect();
    seek(event.clientX - rect.left);
    drag(event, (next) => seek(next.clientX - rect.left));
  }

  step(event) {
    const { store } = this;
    const steps = {
      ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageUp: 10, PageDown: -10,
      Home: -Infinity, End: Infinity,
    };
    if (!(event.key in steps)) return;
    event.preventDefault();
    store.seek(clamp(Math.floor(store.frame) + steps[event.key] * (event.shiftKey ? 10 : 1), 0, store.frames - 1));
  }

  buildTransport() {
    const { store } = this;
    this.play = h("button", {
      type: "button", class: "icon-button play", onclick: () => store.play(!store.playing),
    });
    this.number = h("input", {
      type: "number", class: "frame-number", min: 0, "aria-label": text("frame"),
      onfocus: () => store.play(false), // else the frame that is typed may be the one that plays
      onchange: () => store.seek(Number(this.number.value) || 0),
    });
    this.of = h("span", { class: "quiet" });
    this.transport.append(
      this.play, h("label", { class: "frame-field" }, h("span", {}, text("frame")), this.number), this.of,
      h("span", { class: "gap" }), this.orderButtons(),
    );
    this.tellFrame();
  }

  orderButtons() {
    const { store } = this;
    const button = (label, by) => h("button", {
      type: "button", class: "plain small", onclick: () => {
        const { person } = store.view;
        if (person !== null) this.lanes.shift(person, Math.floor(store.frame), by);
      },
    }, text(label));
    this.order = h("div", { class: "group" }, button("forward", -1), button("backward", 1));
    return this.order;
  }

  build() {
    const { store } = this;
    fill(this.strips, store.ready.map((driver) => this.strip(driver)));
    this.lanes.build();
    this.draw();
    this.tellFrame();
  }

  strip(driver) {
    const { store } = this;
    const { first, last, end } = store.span(driver);
    const width = this.pixels(end);
    const canvas = h("canvas", { "aria-hidden": "true", "data-driver": driver.id });
    const shade = (from, to) => h("div", { class: "shade", style: { left: `${this.pixels(from)}px`, width: `${this.pixels(to - from)}px` } });
    const room = h(
      "div", {
        class: "strip", style: { width: `${width}px` },
        onpointerdown: (event) => {
          if (event.target.closest(".trim")) return;
          if (store.view.left !== driver.id && store.drivers.length) store.look({ left: driver.id });
          this.scrub(event, (x) => this.seekDriver(driver, (x / this.width) * this.length));
        },
      },
      canvas, shade(0, first), shade(last, end),
      h("div", { class: "driver-head-line", "data-driver": driver.id, "aria-hidden": "true" }),
      this.handle(driver, "first", first), this.handle(driver, "last", last),
    );
    return h("div", { class: "row" }, h("div", { class: "row-name", title: driver.name }, driver.name), h("div", { class: "row-room" }, room));
  }

  seekDriver(driver, seconds) {
    const { store } = this;
    const { first, offset } = store.span(driver);
    store.seek(Math.max(0, seconds - first + offset) * store.fps);
  }

  handle(driver, side, seconds) {
    const { store } = this;
    const { end } = store.span(driver);
    const put = (value, gesture) => store.edit("trim", (document) => {
      const use = document.drivers.find((other) => other.id === driver.id);
      const least = 2 / driver.fps;
      if (side === "first") use.first = clamp(snap(value, driver.fps), 0, (use.last ?? end) - least);
      else {
        const last = clamp(snap(value, driver.fps), use.first + least, end);
        use.last = last > end - 0.5 / driver.fps ? null : last;
      }
    }, gesture);
    return h("div", {
      class: `trim ${side}`, role: "slider", tabindex: 0, "data-focus": `trim-${side}-${driver.id}`,
      "aria-label": text(side === "first" ? "trimFirstOf" : "trimLastOf", { name: driver.name }),
      "aria-valuemin": 0, "aria-valuemax": Number(end.toFixed(2)), "aria-valuenow": Number(seconds.toFixed(2)),
      style: { left: `${this.pixels(seconds)}px` },
      onkeydown: (event) => {
        const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
        if (!by) return;
        event.preventDefault();
        event.stopPropagation();
        put(seconds + (by * (event.shiftKey ? 10 : 1)) / driver.fps, `trim ${side}`);
      },
      onpointerdown: (event) => {
        event.stopPropagation();
        const rect = event.currentTarget.parentElement.getBoundingClientRect();
        const handle = event.currentTarget;
        let value = seconds;
        drag(event, (next) => {
          value = clamp(((next.clientX - rect.left) / this.width) * this.length, 0, end);
          handle.style.left = `${this.pixels(value)}px`;
        }, () => put(value, null));
      },
    });
  }

  draw() {
    if (this.planned) return;
    this.planned = requestAnimationFrame(() => {
      this.planned = null;
      this.drawTicks();
      for (const canvas of this.strips.querySelectorAll("canvas")) this.drawStrip(canvas);
      this.order.hidden = this.store.view.person === null || this.store.document.people.length < 2;
    });
  }

  drawTicks() {
    const { store } = this;
    const pen = sized(this.ticks, this.width, 24);
    const style = getComputedStyle(this.ruler);
    pen.fillStyle = style.color;
    pen.font = `11px ${style.fontFamily}`;
    const apart = [1, 2, 5, 10, 12, 24, 25, 30, 48, 50, 60, 120, 150, 300, 600, 1200, 3000, 6000].find(
      (frames) => this.pixels(frames / store.fps) >= 56,
    ) ?? 12000;
    const last = this.length * store.fps;
    for (let frame = 0; frame <= last; frame += apart) {
      const x = Math.round(this.pixels(frame / store.fps)) + 0.5;
      pen.globalAlpha = frame <= store.frames ? 1 : 0.4;
      pen.fillRect(x, 16, 1, 8);
      if (x + 28 < this.width) pen.fillText(String(frame), x + 3, 14);
      for (let i = 1; i < 5; i += 1) {
        pen.fillRect(Math.round(x + (this.pixels(apart / store.fps) * i) / 5), 20, 1, 4);
      }
    }
    pen.globalAlpha = 1;
  }

  /** Thumbnails of a driver, each with the skeletons in it. */
  drawStrip(canvas) {
    const { store } = this;
    const driver = store.ready.find((one) => one.id === canvas.dataset.driver);
    if (!driver) return;
    const clip = store.media.driverClip(driver);
    const tracks = store.media.driverTracks(driver);
    const width = this.pixels(driver.frames / driver.fps);
    const pen = sized(canvas, width, STRIP);
    const thumb = Math.max(20, (STRIP * driver.width) / driver.height);
    for (let x = 0; x < width; x += thumb) {
      const seconds = ((x + thumb / 2) / width) * (driver.frames / driver.fps);
      const bitmap = clip?.bitmap(clip.at(seconds), () => this.draw());
      if (bitmap) pen.drawImage(bitmap, x, 0, thumb, STRIP);
      if (!tracks) continue;
      pen.save();
      pen.translate(x, 0);
      pen.beginPath();
      pen.rect(0, 0, thumb, STRIP);
      pen.clip();
      const frame = Math.min(driver.frames - 1, Math.floor(seconds * driver.fps));
      tracks.tracks.forEach((track, i) => {
        const keys = store.movedBy(driver.id, i);
        drawBody(pen, track[frame], thumb / driver.width, keys.length ? colourOf(keys[0]) : "rgb(210 210 220 / 0.7)", 1.5);
      });
      pen.restore();
    }
  }

  tellFrame() {
    const { store } = this;
    const frame = Math.floor(store.frame);
    if (this.shownPlaying !== store.playing) {
      this.shownPlaying = store.playing;
      fill(this.play, icon(store.playing ? "pause" : "play"));
      this.play.setAttribute("aria-label", text(store.playing ? "pause" : "play"));
      this.play.title = text(store.playing ? "pause" : "play");
    }
    if (document.activeElement !== this.number) this.number.value = frame;
    this.number.max = store.frames - 1;
    this.of.textContent = `/ ${store.frames - 1}`;
    const x = this.pixels(store.frame / store.fps);
    this.head.style.transform = `translateX(${x}px)`;
    if (!store.playing || frame % 12 === 0) {
      this.ruler.setAttribute("aria-valuemin", 0);
      this.ruler.setAttribute("aria-valuemax", store.frames - 1);
      this.ruler.setAttribute("aria-valuenow", frame);
      this.ruler.setAttribute("aria-valuetext", text("frameOf", { frame, frames: store.frames }));
    }
    for (const line of this.strips.querySelectorAll(".driver-head-line")) {
      const driver = store.ready.find((one) => one.id === line.dataset.driver);
      if (driver) line.style.transform = `translateX(${this.pixels(store.driverSeconds(driver))}px)`;
    }
  }
}

const snap = (seconds, fps) => Math.round(seconds * fps) / fps;

/** A canvas of so many pixels of the page, sharp on dense screens; its pen is in those pixels. */
export function sized(canvas, width, height) {
  const density = Math.min(2, window.devicePixelRatio || 1);
  canvas.width = Math.max(1, Math.round(width * density));
  canvas.height = Math.round(height * density);
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const pen = canvas.getContext("2d");
  pen.setTransform(density, 0, 0, density, 0, 0);
  return pen;
}
