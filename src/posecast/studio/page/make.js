// Make the video: engine, size, how long it will take; and the videos that there are.

import { about } from "./api.js";
import { fill, h, icon, iconButton } from "./dom.js";
import { duration, text } from "./texts.js";

const OWN_PIXELS = 1920 * 1080; // of frames whose size nobody chose, as the cut-out has it

export class MakePanel {
  constructor(store) {
    this.store = store;
    this.about = store.about;
    this.chosen = { model: "cutout", size: "own", width: 0, height: 0, steps: "", seed: 0, fast: false };
    this.form = h("div", { class: "make-form" });
    this.list = h("ul", { class: "results" });
    this.files = h("div", { class: "cast-files" });
    this.element = h(
      "section", { class: "make", id: "make", "aria-label": text("makeTitle"), "data-shown": "make" },
      h("div", { class: "panel-head" }, h("h2", {}, text("makeTitle")),
        iconButton("close", text("close"), () => store.look({ make: false }))),
      this.form, h("h3", {}, text("videos")), this.list, this.files,
    );
    store.on("document state plan", () => this.build());
    store.on("jobs", () => this.tellProgress());
    this.build();
  }

  build() {
    const done = this.store.state.results.filter((result) => result.state === "done").length;
    if (this.done !== undefined && done > this.done) {
      about().then((fresh) => {
        Object.assign(this.about, fresh);
        this.buildForm();
      }, () => {});
    }
    this.done = done;
    this.buildForm();
    this.buildList();
    const file = (name, label) => h("a", { href: this.store.project.address(`/files/${name}`), download: name }, text(label));
    fill(this.files, this.store.canPreview ? [
      h("h3", {}, text("castFiles")),
      h("p", {}, file("cast.yaml", "castSheet"), file("people.json", "people"), file("masks.png", "masks")),
      h("h3", {}, text("otherPrograms")),
      h("p", {}, Object.entries(this.about.systems).map(([system, title]) => h("a", {
        href: this.store.project.address(`/export?for=${system}`), download: "",
      }, title))),
      h("p", { class: "quiet" }, text("keptIn", { folder: this.store.state.folder })),
    ] : null);
  }

  // What is to be made

  /** Height and width of the frames; null: the model's own. */
  get size() {
    const { picture } = this.store.state;
    const { size, width, height } = this.chosen;
    if (!picture) return null;
    const own = ownSize(picture.height, picture.width);
    if (size === "other") return [height, width];
    if (size === "own") return null;
    const share = size === "half" ? 0.5 : size === "three" ? 0.75 : 1;
    return own.map((side) => even(side * share));
  }

  get pixels() {
    const { picture } = this.store.state;
    if (this.size) return this.size[0] * this.size[1];
    if (this.chosen.model !== "cutout") return 128 * 128;
    const [height, width] = ownSize(picture.height, picture.width);
    return height * width;
  }

  get estimate() {
    const { model, steps, fast } = this.chosen;
    const name = model === "cutout" ? model : `${model}-${steps || "own"}${fast ? "-fast" : ""}`;
    const speed = this.about.speeds[name];
    if (!speed || !this.store.state.picture) return null;
    return (speed * this.pixels * this.store.frames) / 1e6;
  }

  buildForm() {
    const { store, chosen } = this;
    const { picture } = store.state;
    const early = store.used.some((driver) => driver.early);
    const set = (changes) => {
      Object.assign(chosen, changes);
      this.buildForm();
    };
    const own = picture ? ownSize(picture.height, picture.width) : [0, 0];
    const sizes = [
      ["own", chosen.model === "cutout" ? text("sizeOwn", { size: shown(own) }) : text("sizeModel")],
      ["three", text("sizeThree", { size: shown(own.map((s) => even(s * 0.75))) })],
      ["half", text("sizeHalf", { size: shown(own.map((s) => even(s * 0.5))) })],
      ["other", text("sizeOther")],
    ];
    const ready = store.canPreview && !early;
    const { estimate } = this;
    fill(
      this.form,
      h("fieldset", {}, h("legend", {}, text("engine")), this.about.models.map((model) => this.engine(model, set))),
      h("label", { class: "field" }, h("span", {}, text("size")), h("select", {
        "data-focus": "size", onchange: (event) => set({ size: event.target.value, height: own[0], width: own[1] }),
      }, sizes.map(([value, name]) => h("option", { value, selected: value === chosen.size }, name)))),
      chosen.size === "other" ? h("div", { class: "pair" },
        this.number("width", chosen.width, 16, 8192, (width) => set({ width })),
        this.number("height", chosen.height, 16, 8192, (height) => set({ height }))) : null,
      chosen.model === "cutout" ? null : h("div", { class: "pair" },
        this.number("steps", chosen.steps, 1, 1000, (steps) => set({ steps }), text("stepsOwn")),
        this.number("seed", chosen.seed, 0, 2 ** 31, (seed) => set({ seed: seed || 0 }))),
      chosen.model === "cutout" ? null : h("label", { class: "toggle" }, h("input", {
        type: "checkbox", checked: chosen.fast, "data-focus": "fast", onchange: (event) => set({ fast: event.target.checked }),
      }), text("fast")),
      h("p", { class: "quiet" }, !store.canPreview ? text("notReady") : early ? text("stillFollowing")
        : estimate ? text("takes", { time: duration(estimate) }) : text("takesUnknown")),
      h("button", {
        type: "button", class: "primary start-making", disabled: !ready, "data-focus": "start", onclick: () => this.start(),
      }, text("start", { frames: store.frames })),
    );
  }

  engine(model, set) {
    const known = { cutout: ["cutout", "cutoutNeeds"], embedded: ["embedded", "embeddedNeeds"] }[model];
    const [name, needs] = known ?? ["otherModel", "otherNeeds"];
    return h(
      "label", { class: "engine" },
      h("input", {
        type: "radio", name: "engine", value: model, checked: this.chosen.model === model, "data-focus": `engine-${model}`,
        onchange: () => set({ model }),
      }),
      h("span", {}, h("strong", {}, text(name, { name: model })), h("small", {}, text(needs))),
    );
  }

  number(name, value, least, most, put, placeholder = "") {
    return h("label", { class: "field" }, h("span", {}, text(name)), h("input", {
      type: "number", min: least, max: most, value, placeholder, "data-focus": name,
      onchange: (event) => put(event.target.value === "" ? "" : Math.round(Number(event.target.value))),
    }));
  }

  async start() {
    const { store, chosen } = this;
    try {
      await store.flush();
      const settings = chosen.model === "cutout" ? {} : { steps: chosen.steps || null, seed: chosen.seed, fast: chosen.fast };
      await store.project.post("/results", { model: chosen.model, size: this.size, settings });
    } catch (error) {
      store.notice(error.message);
    }
  }

  // What was made

  buildList() {
    const results = [...this.store.state.results].reverse();
    fill(this.list, results.length ? results.map((result) => this.row(result)) : h("li", { class: "quiet" }, text("noVideos")));
    this.tellProgress();
  }

  row(result) {
    const { store } = this;
    const going = result.state === "queued" || result.state === "running";
    const send = (path, options) => store.project.send(`/results/${result.id}${path}`, options).catch((error) => store.notice(error.message));
    const button = (label, onclick, more = {}) => h("button", {
      type: "button", class: "plain small", "data-focus": `${label}-${result.id}`, onclick, ...more,
    }, text(label));
    return h(
      "li", { class: "result", "data-result": result.id, "data-state": result.state },
      h("div", { class: "result-head" }, h("strong", {}, result.name), h("span", { class: "quiet" }, result.model),
        h("span", { class: "gap" }),
        iconButton("trash", text("removeOf", { name: result.name }), () => {
          if (store.view.right === result.id) store.look({ right: "preview" });
          send("", { method: "DELETE" });
        }, { "data-focus": `delete-${result.id}` })),
      h("p", { class: result.state === "failed" ? "wrong" : "quiet", "data-line": result.id }, this.line(result)),
      going ? h("progress", { "aria-label": text("stateRunning"), "data-job": result.id }) : null,
      h("div", { class: "result-buttons" },
        going ? button("stop", () => store.project.send(`/stop/${result.id}`)) : null,
        result.state === "stopped" || result.state === "failed" ? button("goOn", () => send("/go-on")) : null,
        result.state === "done" ? button("show", () => store.look({ right: result.id, left: result.driver })) : null,
        result.state === "done" ? this.downloads(result) : null),
      h("details", { class: "command" }, h("summary", { "data-focus": `command-${result.id}` }, text("command")),
        h("pre", { tabindex: 0 }, result.command),
        button("copy", (event) => {
          navigator.clipboard?.writeText(result.command).then(() => store.notice(text("copied"), "note"));
          event.target.focus();
        })),
    );
  }

  line(result) {
    const job = this.store.job(result.id);
    if (result.state === "failed") return `${text("stateFailed")}: ${result.message}`;
    if (result.state === "stopped") return text("stateStopped", { done: result.done, total: result.total || "?" });
    if (result.state === "done") {
      const size = `${result.width}x${result.height}`;
      return text("stateDone", { frames: result.done, size, time: duration(result.seconds) });
    }
    if (!job) return text("stateQueued");
    const phase = text(`phases.${job.phase}`);
    if (!job.total) return phase;
    const done = `${phase}: ${text("frameOf", { frame: job.done, frames: job.total })}`;
    const left = job.done > 2 ? (job.begun / job.done) * (job.total - job.done) : null;
    return left && job.done < job.total ? `${done}, ${text("left", { time: duration(left) })}` : done;
  }

  downloads(result) {
    const kinds = this.about.formats;
    const link = (kind) => h("a", {
      href: this.store.project.address(`/results/${result.id}/download?as=${kind}`), download: "",
    }, kind === "frames" ? text("frames") : kind.toUpperCase());
    return h(
      "div", { class: "downloads", role: "group", "aria-label": text("downloadOf", { name: result.name }) },
      h("span", { class: "quiet" }, icon("film"), text("download")), kinds.map(link),
    );
  }

  tellProgress() {
    for (const result of this.store.state.results) {
      const line = this.list.querySelector(`[data-line="${result.id}"]`);
      const now = this.line(result);
      if (line && line.textContent !== now) line.textContent = now;
      const bar = this.list.querySelector(`progress[data-job="${result.id}"]`);
      const job = this.store.job(result.id);
      if (!bar) continue;
      if (job?.total) {
        bar.max = job.total;
        bar.value = job.done;
      } else bar.removeAttribute("value");
    }
  }
}

const even = (side) => Math.max(16, 2 * Math.round(side / 2));
const shown = ([height, width]) => `${width}x${height}`;

function ownSize(height, width) {
  if (height * width <= OWN_PIXELS) return [height, width];
  const scale = Math.sqrt(OWN_PIXELS / (height * width));
  return [even(height * scale), even(width * scale)];
}
