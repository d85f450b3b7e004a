// The drivers: what was found in each, its tracks to drag onto characters, and how it is used.

import { TRACK, figure } from "./cast.js";
import { clamp, colourOf, fill, h, iconButton } from "./dom.js";
import { chooser } from "./files.js";
import { text } from "./texts.js";

export class DriversPanel {
  constructor(store) {
    this.store = store;
    this.list = h("ul", { class: "driver-list" });
    this.element = h(
      "section", { class: "panel", "aria-label": text("drivers"), "data-drop": "driver" },
      h("div", { class: "panel-head" }, h("h2", {}, text("drivers")),
        chooser(text("addDriver"), "driver", { multiple: true, class: "plain small" })),
      this.list,
    );
    store.on("document state view media", () => this.build());
    store.on("jobs", () => this.tellProgress());
    this.build();
  }

  build() {
    const { drivers } = this.store;
    fill(this.list, drivers.length ? drivers.map((driver) => this.row(driver)) : h("li", { class: "quiet" }, text("noDrivers")));
    this.tellProgress();
  }

  row(driver) {
    const { store } = this;
    const chosen = store.view.left === driver.id;
    const facts = driver.state === "ready" ? text("driverFacts", {
      seconds: (driver.frames / driver.fps).toFixed(1),
      rate: Number(driver.fps.toFixed(2)),
      tracks: driver.tracks === 1 ? text("tracksOne") : text("tracksMany", { number: driver.tracks }),
    }) : driver.state === "stopped" ? text("stopped") : driver.state === "failed" ? driver.message : "";
    const working = driver.state === "finding" || driver.early;
    return h(
      "li", { class: `driver-row${chosen ? " chosen" : ""}`, "data-driver": driver.id },
      h("div", { class: "driver-head" },
        h("button", {
          type: "button", class: "driver-name", "aria-pressed": String(chosen), title: driver.name,
          "data-focus": `driver-${driver.id}`,
          onclick: () => store.look({ left: chosen ? "picture" : driver.id }),
        }, driver.name),
        iconButton("close", text("removeDriver", { name: driver.name }), () => this.remove(driver), { "data-focus": `drop-${driver.id}` })),
      facts ? h("p", { class: driver.state === "failed" ? "facts wrong" : "facts", role: driver.state === "failed" ? "alert" : null }, facts) : null,
      working ? h("div", { class: "working" },
        h("progress", { "aria-label": text("following"), "data-job": driver.id }),
        h("button", {
          type: "button", class: "plain small", "data-focus": `stop-${driver.id}`,
          onclick: () => store.project.send(`/stop/${driver.id}`),
        }, text("stop"))) : null,
      driver.state === "failed" || driver.state === "stopped" ? h("button", {
        type: "button", class: "plain small", "data-focus": `retry-${driver.id}`,
        onclick: () => store.project.send(`/drivers/${driver.id}`),
      }, text("retry")) : null,
      driver.state === "ready" ? h("div", { class: "tracks" }, this.chips(driver)) : null,
      driver.state === "ready" && chosen ? this.settings(driver) : null,
    );
  }

  chips(driver) {
    const { store } = this;
    const tracks = store.media.driverTracks(driver)?.tracks;
    return Array.from({ length: driver.tracks }, (_, i) => {
      const keys = store.movedBy(driver.id, i);
      const shown = tracks?.[i].find((points) => points !== null && points.filter((v) => v !== null).length > 20) ?? tracks?.[i].find(Boolean);
      const name = text("chip", { driver: driver.name, number: i + 1 });
      return h(
        "span", {
          class: "chip", draggable: "true", title: name, "data-track": `${driver.id}:${i}`,
          style: keys.length ? { borderColor: colourOf(keys[0]) } : {},
          ondragstart: (event) => {
            event.dataTransfer.setData(TRACK, `${driver.id}:${i}`);
            event.dataTransfer.effectAllowed = "copy";
          },
        }, figure(shown, keys.length ? colourOf(keys[0]) : "rgb(140 140 150)"), String(i + 1),
      );
    });
  }

  settings(driver) {
    const { store } = this;
    const use = store.use(driver.id);
    const { end } = store.span(driver);
    const field = (name, label, value, most, put) => h(
      "label", { class: "field" }, h("span", {}, text(label)),
      h("input", {
        type: "number", min: 0, max: most, step: 0.05, value, "data-focus": `${name}-${driver.id}`,
        onchange: (event) => {
          const number = clamp(Number(event.target.value) || 0, 0, most);
          store.edit("trim", (document) => put(document.drivers.find((d) => d.id === driver.id), number));
        },
      }), h("span", { class: "unit" }, text("seconds")),
    );
    const shown = (value) => Number(value.toFixed(2));
    const most = Number(end.toFixed(2));
    return h(
      "div", { class: "settings" },
      field("first", "trimFirst", shown(use.first), most, (d, v) => {
        d.first = Math.min(v, (d.last ?? end) - 1 / driver.fps);
      }),
      field("last", "trimLast", shown(use.last ?? end), most, (d, v) => {
        d.last = v >= end - 0.02 ? null : Math.max(v, d.first + 1 / driver.fps);
      }),
      field("offset", "offset", shown(use.offset), 600, (d, v) => (d.offset = v)),
      field("smooth", "smooth", shown(use.smooth), 2, (d, v) => (d.smooth = v)),
      field("fill", "fill", shown(use.fill), 5, (d, v) => (d.fill = v)),
    );
  }

  remove(driver) {
    const { store } = this;
    store.project.send(`/stop/${driver.id}`).catch(() => {});
    store.edit("driver", (document) => {
      document.drivers = document.drivers.filter((use) => use.id !== driver.id);
      for (const person of document.people) if (person.moved_by?.driver === driver.id) person.moved_by = null;
    });
    if (store.view.left === driver.id) store.look({ left: "picture" });
  }

  tellProgress() {
    for (const bar of this.list.querySelectorAll("progress")) {
      const job = this.store.job(bar.dataset.job);
      if (job?.total) {
        bar.max = job.total;
        bar.value = job.done;
      } else bar.removeAttribute("value");
    }
  }
}
