// Who is in front when: a ribbon a character through time, the nearest on top.

import { clamp, colourOf, drag, fill, h, svg } from "./dom.js";
import { text } from "./texts.js";

const LANE = 26; // pixels high
const RIBBON = 16;

export class Lanes {
  constructor(store, timeline) {
    this.store = store;
    this.timeline = timeline;
    this.room = svg("svg", { class: "lanes", role: "group", "aria-label": text("depth") });
    this.marks = h("div", { class: "marks" });
    this.ends = h("div", { class: "row-name lane-name" }, h("span", {}, text("front")), h("span", {}, text("back")));
    this.element = h("div", { class: "row lane-row" }, this.ends, h("div", { class: "row-room" }, this.room, this.marks));
    store.on("view frame", () => this.tellChosen());
  }

  build() {
    const { store } = this;
    const { people } = store.document;
    this.element.hidden = people.length < 2;
    if (people.length < 2) return;
    this.place = null;
    this.draw(store.document.order);
    fill(this.marks, store.document.order.slice(1).map((change) => this.mark(change)));
  }

  y(place) {
    return LANE * place + LANE / 2;
  }

  draw(order) {
    const { store, timeline } = this;
    const { people } = store.document;
    const height = LANE * people.length;
    this.room.setAttribute("height", height);
    this.room.setAttribute("width", timeline.width);
    const rails = people.map((_, i) => svg("line", {
      class: "rail", x1: 0, x2: timeline.pixels(store.frames / store.fps), y1: this.y(i), y2: this.y(i),
    }));
    fill(this.room, rails, people.map((person) => this.ribbon(person, order)));
    this.tellChosen();
  }

  ribbon(person, order) {
    const { store } = this;
    const path = svg("path", {
      d: this.path(person.key, order), class: "ribbon", stroke: colourOf(person.key), "stroke-width": RIBBON,
      tabindex: 0, role: "button", "data-focus": `lane-${person.key}`, "data-person": person.key,
      onpointerdown: (event) => this.grab(event, person.key),
      onkeydown: (event) => {
        const by = { ArrowUp: -1, ArrowDown: 1 }[event.key];
        if (!by) return;
        event.preventDefault();
        this.shift(person.key, Math.floor(store.frame), by);
      },
      onfocus: () => store.view.person !== person.key && store.look({ person: person.key }),
    });
    const label = svg("text", { class: "lane-label", x: 8, y: this.y(order[0].keys.indexOf(person.key)) + 4 }, person.name);
    return svg("g", {}, path, label);
  }

  /** Level while the order holds, and a curve where it changes. */
  path(key, order) {
    const { store, timeline } = this;
    const end = timeline.pixels(store.frames / store.fps);
    const shown = order.filter((change) => change.from_frame < store.frames);
    let place = shown[0].keys.indexOf(key);
    let d = `M0 ${this.y(place)}`;
    for (const change of shown.slice(1)) {
      const x = timeline.pixels(change.from_frame / store.fps);
      const next = change.keys.indexOf(key);
      const half = Math.min(14, Math.max(4, x / 2, 4));
      d += ` H${Math.max(0, x - half)} C${x} ${this.y(place)} ${x} ${this.y(next)} ${x + half} ${this.y(next)}`;
      place = next;
    }
    return `${d} H${end}`;
  }

  grab(event, key) {
    if (event.button !== 0) return;
    const { store, timeline } = this;
    event.preventDefault();
    const room = this.room.getBoundingClientRect();
    const frame = timeline.frameAt(event.clientX - room.left);
    let to = null;
    if (store.view.person !== key) store.look({ person: key });
    // The ribbon is drawn anew while it is dragged, so the room holds the pointer.
    drag({ currentTarget: this.room, pointerId: event.pointerId }, (next) => {
      const place = clamp(Math.floor((next.clientY - room.top) / LANE), 0, store.document.people.length - 1);
      if (place === to) return;
      to = place;
      this.draw(moved(store.document.order, key, frame, place, store));
    }, (next) => {
      const still = Math.abs(next.clientX - event.clientX) < 4 && Math.abs(next.clientY - event.clientY) < 4;
      if (still || to === null) {
        store.seek(frame);
        this.build();
      } else this.put(key, frame, to);
      this.room.querySelector(`[data-person="${key}"]`)?.focus({ preventScroll: true });
    });
  }

  put(key, frame, place) {
    const { store } = this;
    store.edit("order", (document) => {
      document.order = moved(document.order, key, frame, place, store);
    });
    this.build();
  }

  /** Bring a person forward (-1) or send it back (1) from a frame on. */
  shift(key, frame, by) {
    const { store } = this;
    const keys = store.orderAt(frame);
    const place = clamp(keys.indexOf(key) + by, 0, keys.length - 1);
    if (place !== keys.indexOf(key)) this.put(key, frame, place);
  }

  mark(change) {
    const { store, timeline } = this;
    const put = (frame) => store.edit("order", (document) => {
      const mine = document.order.find((other) => other.from_frame === change.from_frame);
      const others = document.order.filter((other) => other !== mine);
      if (others.some((other) => other.from_frame === frame)) return false;
      mine.from_frame = frame;
      document.order.sort((a, b) => a.from_frame - b.from_frame);
      return true;
    }, "mark");
    const remove = () => store.edit("order", (document) => {
      document.order = document.order.filter((other) => other.from_frame !== change.from_frame);
    });
    return h("button", {
      type: "button", class: "mark", "aria-label": text("changeAt", { frame: change.from_frame }),
      title: text("changeAt", { frame: change.from_frame }), "data-focus": `mark-${change.from_frame}`, "data-frame": change.from_frame,
      style: { left: `${timeline.pixels(change.from_frame / store.fps)}px` },
      onclick: () => store.seek(change.from_frame),
      onkeydown: (event) => {
        const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
        if (event.key === "Delete" || event.key === "Backspace") {
          event.preventDefault();
          remove();
        } else if (by) {
          event.preventDefault();
          const frame = clamp(change.from_frame + by * (event.shiftKey ? 10 : 1), 1, store.frames - 1);
          put(frame);
          this.build();
          this.marks.querySelector(`[data-frame="${frame}"]`)?.focus();
        }
      },
      onpointerdown: (event) => {
        const rect = this.room.getBoundingClientRect();
        const mark = event.currentTarget;
        let frame = change.from_frame;
        drag(event, (next) => {
          frame = clamp(timeline.frameAt(next.clientX - rect.left), 1, store.frames - 1);
          mark.style.left = `${timeline.pixels(frame / store.fps)}px`;
        }, () => frame !== change.from_frame && (put(frame), this.build()));
      },
    });
  }

  tellChosen() {
    const { store } = this;
    const frame = Math.floor(store.frame);
    const keys = store.orderAt(frame);
    for (const path of this.room.querySelectorAll(".ribbon")) {
      const key = Number(path.dataset.person);
      path.classList.toggle("chosen", key === store.view.person);
      if (store.playing && path.hasAttribute("aria-label")) continue;
      path.setAttribute("aria-label", text("lane", {
        name: store.person(key)?.name, place: keys.indexOf(key) + 1, places: keys.length, frame,
      }));
    }
  }
}

/** The changes of an order with a person at another place from a frame on, until the next one. */
function moved(order, key, frame, place, store) {
  const keys = store.orderAt(frame).filter((other) => other !== key);
  keys.splice(place, 0, key);
  const others = order.filter((change) => change.from_frame !== frame);
  const all = [...others, { from_frame: frame, keys }].sort((a, b) => a.from_frame - b.from_frame);
  return all.filter((change, i) => i === 0 || change.keys.join() !== all[i - 1].keys.join());
}
