// Who of the picture is moved by which track, and what else can be said of a person.

import { clamp, colourOf, fill, h, icon } from "./dom.js";
import { toggleJoint } from "./picture.js";
import { BONES, JOINTS, SEEN, bounds } from "./skeleton.js";
import { text } from "./texts.js";

export const TRACK = "application/x-posecast-track";
const FACE = 40; // pixels of the small picture

export class CastPanel {
  constructor(store) {
    this.store = store;
    this.list = h("ul", { class: "cast-list" });
    this.foot = h("div", { class: "cast-foot" });
    this.element = h(
      "section", { class: "panel", "aria-label": text("cast") },
      h("div", { class: "panel-head" }, h("h2", {}, text("cast"))), this.list, this.foot,
    );
    store.on("document state view media", () => this.build());
    this.build();
  }

  build() {
    const { store } = this;
    const { people, retarget } = store.document;
    fill(this.list, people.length ? people.map((person) => this.row(person)) : h("li", { class: "quiet" }, text("noPeople")));
    fill(
      this.foot,
      people.length > 1 ? h("button", {
        type: "button", class: "plain small", "data-focus": "swap", onclick: () => this.swap(),
      }, icon("swap"), text("swap")) : null,
      people.length ? h("label", { class: "toggle", title: text("fitHelp") }, h("input", {
        type: "checkbox", checked: retarget, "data-focus": "fit-drivers",
        onchange: (event) => store.edit("fit", (document) => {
          document.retarget = event.target.checked;
        }),
      }), text("fit")) : null,
    );
  }

  row(person) {
    const { store } = this;
    const { key } = person;
    const chosen = store.view.person === key;
    const row = h(
      "li", { class: `cast-row${chosen ? " chosen" : ""}`, "data-person": key },
      h("button", {
        type: "button", class: "face", "aria-pressed": String(chosen), "aria-label": person.name, title: person.name,
        "data-focus": `person-${key}`, style: { borderColor: colourOf(key) },
        onclick: () => store.look({ person: chosen ? null : key, left: "picture" }),
      }, this.face(person), h("span", { class: "number", style: { background: colourOf(key) } }, String(key))),
      h("div", { class: "cast-what" },
        h("input", {
          class: "person-name", value: person.name, maxlength: 60, "aria-label": text("personName", { number: key }),
          "data-focus": `name-${key}`, autocomplete: "off",
          onchange: (event) => store.edit("name", (document) => {
            of(document, key).name = event.target.value.trim() || text("person", { number: key });
          }),
        }),
        this.choice(person)),
      chosen ? this.inspector(person) : null,
    );
    row.addEventListener("dragover", (event) => {
      if (![...event.dataTransfer.types].includes(TRACK)) return;
      event.preventDefault();
      row.classList.add("over");
    });
    row.addEventListener("dragleave", () => row.classList.remove("over"));
    row.addEventListener("drop", (event) => {
      const track = event.dataTransfer.getData(TRACK);
      row.classList.remove("over");
      if (!track) return;
      event.preventDefault();
      this.assign(key, track);
    });
    return row;
  }

  /** The person's face, else the middle of the body, cut out of the picture. */
  face(person) {
    const canvas = h("canvas", { width: FACE * 2, height: FACE * 2, "aria-hidden": "true" });
    const bitmap = this.store.media.pictureBitmap();
    const box = bounds(person.joints);
    if (!bitmap || !box) return canvas;
    const { width } = this.store.state.picture;
    const scale = bitmap.width / width;
    const [nose] = person.joints;
    const side = Math.max(24, (box[3] - box[1]) * 0.3);
    const [x, y] = nose[2] >= SEEN ? nose : [(box[0] + box[2]) / 2, box[1] + side / 2];
    const left = clamp((x - side / 2) * scale, 0, Math.max(0, bitmap.width - side * scale));
    const top = clamp((y - side / 2) * scale, 0, Math.max(0, bitmap.height - side * scale));
    canvas.getContext("2d").drawImage(bitmap, left, top, side * scale, side * scale, 0, 0, FACE * 2, FACE * 2);
    return canvas;
  }

  choice(person) {
    const { store } = this;
    const value = person.moved_by ? `${person.moved_by.driver}:${person.moved_by.track}` : "";
    const groups = store.drivers.map((driver) => h(
      "optgroup", { label: driver.name },
      Array.from({ length: driver.tracks }, (_, track) => {
        const name = `${driver.id}:${track}`;
        const label = store.drivers.length > 1 ? "track" : "trackShort";
        return h("option", { value: name, selected: name === value }, text(label, { driver: driver.name, number: track + 1 }));
      }),
    ));
    return h(
      "select", {
        "aria-label": text("movedByOf", { name: person.name }), "data-focus": `moved-${person.key}`,
        onchange: (event) => this.assign(person.key, event.target.value),
      },
      h("option", { value: "", selected: value === "" }, text("standsStill")), groups,
    );
  }

  assign(key, track) {
    const [driver, number] = track.split(":");
    this.store.edit("cast", (document) => {
      of(document, key).moved_by = track ? { driver, track: Number(number) } : null;
    });
  }

  /** Everybody takes over what moved the next one. */
  swap() {
    this.store.edit("swap", (document) => {
      const moved = document.people.map((person) => person.moved_by);
      document.people.forEach((person, i) => (person.moved_by = moved[(i + 1) % moved.length]));
    });
  }

  inspector(person) {
    const { store } = this;
    const { key } = person;
    const joints = h(
      "details", { class: "joints", open: this.opened, ontoggle: (event) => (this.opened = event.target.open) },
      h("summary", { "data-focus": `joints-${key}` }, text("jointList")),
      h("ul", {}, person.joints.slice(0, JOINTS.length).map((joint, i) => (joint[0] || joint[1]) && h(
        "li", {}, h("label", { class: "toggle" }, h("input", {
          type: "checkbox", checked: joint[2] >= SEEN, "data-focus": `joint-${key}-box-${i}`,
          onchange: () => toggleJoint(store, key, i),
        }), JOINTS[i]),
      )).filter(Boolean)),
    );
    return h(
      "div", { class: "inspector" },
      h("button", {
        type: "button", class: "plain small", "data-focus": `cut-${key}`,
        onclick: async () => {
          await store.flush();
          store.project.send(`/people/${key}/mask`).catch((error) => store.notice(error.message));
        },
      }, text("findMask")),
      h("button", {
        type: "button", class: "plain small", "data-focus": `remove-${key}`,
        onclick: () => {
          store.edit("remove", (document) => {
            document.people = document.people.filter((other) => other.key !== key);
            for (const change of document.order) change.keys = change.keys.filter((other) => other !== key);
          });
          store.look({ person: null });
        },
      }, text("removePerson")),
      joints,
    );
  }
}

const of = (document, key) => document.people.find((person) => person.key === key);

/** A small figure of a track's body, for its chip. */
export function figure(points, colour, size = 22) {
  const canvas = h("canvas", { width: size * 2, height: size * 2, class: "figure-chip", "aria-hidden": "true" });
  if (!points) return canvas;
  const xs = points.filter((value, i) => i % 2 === 0 && value !== null);
  const ys = points.filter((value, i) => i % 2 === 1 && value !== null);
  const [left, top] = [Math.min(...xs), Math.min(...ys)];
  const scale = (size * 2 - 6) / Math.max(Math.max(...xs) - left, Math.max(...ys) - top, 1);
  const pen = canvas.getContext("2d");
  pen.translate(3 - left * scale + (size * 2 - 6 - (Math.max(...xs) - left) * scale) / 2, 3 - top * scale);
  pen.strokeStyle = colour;
  pen.lineWidth = 3;
  pen.lineCap = "round";
  for (const [a, b] of BONES) {
    if (points[2 * a] === null || points[2 * b] === null) continue;
    pen.beginPath();
    pen.moveTo(points[2 * a] * scale, points[2 * a + 1] * scale);
    pen.lineTo(points[2 * b] * scale, points[2 * b + 1] * scale);
    pen.stroke();
  }
  return canvas;
}
