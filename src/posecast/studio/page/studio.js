// The web component: opens a project, lays out the panels, takes what is dropped.

import * as api from "./api.js";
import { CastPanel } from "./cast.js";
import { DriversPanel } from "./drivers.js";
import { h, icon, iconButton } from "./dom.js";
import { MakePanel } from "./make.js";
import { Media } from "./media.js";
import { PictureView } from "./picture.js";
import { PreviewView } from "./preview.js";
import { openProjects } from "./projects.js";
import { Store } from "./store.js";
import { Timeline } from "./timeline.js";
import { text } from "./texts.js";
import { receive, startPage } from "./files.js";

class PosecastStudio extends HTMLElement {
  async connectedCallback() {
    this.toasts = h("div", { class: "toasts", role: "status", "aria-live": "polite" });
    this.body = h("div", { class: "studio" });
    this.append(this.body, this.toasts);
    this.takeDrops();
    this.takeKeys();
    try {
      this.about = await api.about();
      await this.open(this.wanted());
    } catch (error) {
      this.body.replaceChildren(this.refusal(error));
    }
  }

  /** The project that the address names, else the newest. */
  wanted() {
    const named = new URLSearchParams(location.search).get("project");
    const known = this.about.projects.map((project) => project.id);
    return known.includes(named) ? named : known[0];
  }

  refusal(error) {
    const line = error instanceof api.Refused ? text("refused") : error.message;
    return h("main", { class: "refused" }, h("h1", {}, text("title")), h("p", { role: "alert" }, line));
  }

  async open(id) {
    const state = id ? await new api.Project(id).state() : await api.newProject();
    history.replaceState(null, "", `?project=${state.id}`);
    this.store?.close();
    this.store = new Store(state);
    this.store.about = this.about;
    this.store.media = new Media(this.store);
    this.layOut();
    this.store.on("notice", ({ line, kind }) => this.toast(line, kind));
    this.store.on("state document status", () => this.refresh());
    this.store.on("view", (changes) => this.showPanel(changes));
    this.refresh();
    this.clock(this.store);
  }

  layOut() {
    const store = this.store;
    this.picture = new PictureView(store);
    this.preview = new PreviewView(store);
    this.make = new MakePanel(store);
    const cast = new CastPanel(store);
    const drivers = new DriversPanel(store);
    const timeline = new Timeline(store);
    this.start = startPage(this.about);
    this.work = h(
      "main", { class: "work", "data-panel": "picture" },
      h("h1", { class: "unseen" }, text("title")),
      h("div", { class: "side", "data-shown": "cast" }, cast.element, drivers.element),
      this.picture.element,
      this.preview.element,
      timeline.element,
      this.make.element,
    );
    this.tabs = this.panelTabs();
    this.body.replaceChildren(this.topBar(), this.start, this.work, this.tabs);
  }

  topBar() {
    const store = this.store;
    this.undo = iconButton("undo", text("undo"), () => store.undo());
    this.redo = iconButton("redo", text("redo"), () => store.redo());
    this.name = h("input", {
      class: "project-name", "aria-label": text("projectName"), maxlength: 120, autocomplete: "off",
      onchange: () => store.edit("name", (document) => {
        document.name = this.name.value.trim() || "Untitled";
      }),
      onkeydown: (event) => event.key === "Enter" && this.name.blur(),
    });
    this.status = h("span", { class: "status", role: "status" });
    this.makeButton = h(
      "button", {
        type: "button", class: "primary wide-only", "aria-expanded": "false", "aria-controls": "make",
        onclick: () => store.look({ make: !store.view.make }),
      }, icon("film"), h("span", {}, text("make")),
    );
    return h(
      "header", { class: "top" },
      h("button", {
        type: "button", class: "plain", "aria-label": text("projects"), title: text("projects"),
        onclick: () => openProjects(this),
      }, icon("folder"), h("span", { class: "wide-only" }, text("projects"))),
      this.name,
      h("div", { class: "group" }, this.undo, this.redo),
      this.status,
      h("span", { class: "gap" }),
      this.makeButton,
    );
  }

  /** On narrow screens one panel is shown at a time. */
  panelTabs() {
    const panels = ["picture", "cast", "preview", "make"];
    const names = { cast: "cast", picture: "picture", preview: "preview", make: "makeTitle" };
    return h(
      "nav", { class: "tabs", "aria-label": text("views") },
      panels.map((panel) => h("button", {
        type: "button", "data-panel": panel, "aria-pressed": String(panel === "picture"),
        onclick: () => this.selectPanel(panel),
      }, text(names[panel]))),
    );
  }

  selectPanel(panel) {
    this.work.dataset.panel = panel;
    for (const tab of this.tabs.children) tab.setAttribute("aria-pressed", String(tab.dataset.panel === panel));
    if (panel === "make" && !this.store.view.make) this.store.look({ make: true });
    window.dispatchEvent(new Event("resize"));
  }

  showPanel(changes) {
    if ("make" in changes) {
      this.makeButton.setAttribute("aria-expanded", String(changes.make));
      this.work.classList.toggle("making", changes.make);
      if (changes.make && matchMedia("(max-width: 759px)").matches) this.selectPanel("make");
      if (!changes.make && this.work.dataset.panel === "make") this.selectPanel("picture");
      window.dispatchEvent(new Event("resize"));
    }
    if ("right" in changes && matchMedia("(max-width: 759px)").matches) this.selectPanel("preview");
  }

  refresh() {
    const { document, state, status, undos, redos } = this.store;
    const empty = state.picture === null && document.drivers.length === 0;
    this.start.hidden = !empty;
    this.work.hidden = empty;
    this.tabs.hidden = empty;
    this.makeButton.hidden = empty;
    if (this.name !== window.document.activeElement) this.name.value = document.name;
    window.document.title = `${document.name} · ${text("title")}`;
    this.tellStep(this.undo, "undo", undos);
    this.tellStep(this.redo, "redo", redos);
    this.status.textContent = status === "offline" ? text("offline") : text(status);
    this.status.dataset.status = status;
  }

  tellStep(button, name, steps) {
    button.disabled = steps.length === 0;
    const label = steps.length ? text(`${name}Of`, { what: text(`edits.${steps.at(-1).what}`) }) : text(name);
    button.setAttribute("aria-label", label);
    button.title = label;
  }

  toast(line, kind) {
    const toast = h(
      "div", { class: `toast ${kind}` }, h("span", {}, line),
      iconButton("close", text("close"), () => toast.remove()),
    );
    this.toasts.append(toast);
    setTimeout(() => toast.remove(), kind === "error" ? 12000 : 5000);
  }

  takeDrops() {
    const carries = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
    this.addEventListener("dragover", (event) => {
      if (!carries(event)) return;
      event.preventDefault();
      this.classList.add("dropping");
    });
    this.addEventListener("dragleave", (event) => {
      if (!this.contains(event.relatedTarget)) this.classList.remove("dropping");
    });
    this.addEventListener("drop", (event) => {
      this.classList.remove("dropping");
      if (!carries(event)) return;
      event.preventDefault();
      const place = event.target.closest?.("[data-drop]")?.dataset.drop ?? "any";
      receive(this.store, event.dataTransfer, place);
    });
    this.addEventListener("change", (event) => {
      if (event.target.type !== "file") return;
      receive(this.store, event.target, event.target.dataset.place ?? "any");
      event.target.value = "";
    });
  }

  takeKeys() {
    this.addEventListener("keydown", (event) => {
      const typing = event.target.matches("input:not([type=range], [type=checkbox], [type=radio]), textarea, select");
      if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z" && !typing) {
        event.preventDefault();
        if (event.shiftKey) this.store.redo();
        else this.store.undo();
      } else if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "y" && !typing) {
        event.preventDefault();
        this.store.redo();
      } else if (event.key === " " && !typing && !event.target.matches("button, [role=button], summary, input")) {
        event.preventDefault();
        this.store.play(!this.store.playing);
      } else if (event.key === "Escape" && this.store.view.make && !typing) {
        this.store.look({ make: false });
        this.makeButton.focus();
      }
    });
  }

  /** Moves the playhead while it plays. */
  clock(store) {
    let before = performance.now();
    const tick = (now) => {
      if (this.store !== store) return;
      const passed = Math.min(0.25, (now - before) / 1000);
      before = now;
      if (store.playing && this.preview.playable > 1) {
        const limit = Math.min(store.frames, this.preview.playable);
        const shown = Math.floor(store.frame);
        const next = store.frame + passed * store.fps;
        store.frame = next >= limit ? 0 : next;
        if (Math.floor(store.frame) !== shown) store.tell("frame"); // screens are faster than clips
      }
      requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
  }
}

customElements.define("posecast-studio", PosecastStudio);
