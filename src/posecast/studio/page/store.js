// The project as the page holds it: the document with its history, saved as it changes.
//
// Events: "document" (it changed), "state" (what the server knows changed), "jobs", "frame" (the
// playhead moved), "view" (what is chosen or shown), "status" (saved or not), "notice" (a line).

import { Project, Refused, Stale } from "./api.js";
import { text } from "./texts.js";

const SAVE_AFTER = 120; // ms of rest
const RETRY_AFTER = 1500;
const MOST_STEPS = 100;

export class Store extends EventTarget {
  constructor(state) {
    super();
    this.project = new Project(state.id);
    this.state = state;
    this.base = state.document; // what the server has, as far as is known
    this.document = state.document;
    this.jobs = [];
    this.undos = [];
    this.redos = [];
    this.gesture = null;
    this.status = "saved";
    this.view = {
      person: null, joint: 0, tool: "joints", brush: 24, driver: null,
      left: "picture", right: "preview", masks: true, skeletons: true, fitted: false, compare: null, make: false,
    };
    this.frame = 0;
    this.playing = !matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.plan = null; // of the last preview: fps, frames, tracks, notes
    this.restore();
    this.source = this.project.listen({
      state: (value) => this.adopt(value),
      jobs: (value) => {
        this.jobs = value;
        this.tell("jobs");
      },
      trouble: (line) => this.notice(line),
      open: () => this.flush(),
      error: () => this.setStatus("offline"),
    });
  }

  close() {
    this.source.close();
    clearTimeout(this.timer);
  }

  tell(kind, detail) {
    this.dispatchEvent(new CustomEvent(kind, { detail }));
  }

  on(kinds, handler) {
    for (const kind of kinds.split(" ")) this.addEventListener(kind, (event) => handler(event.detail));
  }

  notice(line, kind = "error") {
    this.tell("notice", { line, kind });
  }

  look(changes) {
    Object.assign(this.view, changes);
    this.tell("view", changes);
  }

  // The document

  /** Change the document by a function of a copy. Steps with the same `gesture` are undone as one. */
  edit(what, change, gesture = null) {
    const next = structuredClone(this.document);
    if (change(next) === false) return;
    if (same(next, this.document)) return;
    if (gesture === null || gesture !== this.gesture) {
      this.undos.push({ what, document: this.document });
      if (this.undos.length > MOST_STEPS) this.undos.shift();
    }
    this.gesture = gesture;
    this.redos = [];
    this.document = next;
    this.changed();
  }

  undo() {
    this.travel(this.undos, this.redos);
  }

  redo() {
    this.travel(this.redos, this.undos);
  }

  travel(from, to) {
    const step = from.pop();
    if (!step) return;
    to.push({ what: step.what, document: this.document });
    this.gesture = null;
    this.document = structuredClone(step.document);
    this.changed();
  }

  changed() {
    this.remember();
    this.tell("document");
    this.setStatus(this.status === "offline" ? "offline" : "saving");
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.flush(), SAVE_AFTER);
  }

  get dirty() {
    return !same(this.document, this.base);
  }

  /** Save what is not saved; resolves when the server has all of it, or cannot be reached. */
  async flush() {
    clearTimeout(this.timer);
    if (this.saving) {
      await this.saving;
      if (!this.dirty) return;
    }
    this.saving = this.save().finally(() => (this.saving = null));
    await this.saving;
  }

  async save() {
    try {
      while (this.dirty) {
        const sent = this.document;
        this.sent = normal(sent);
        try {
          const revision = await this.project.save(this.state.revision, sent);
          this.state = { ...this.state, revision: Math.max(revision, this.state.revision) };
          this.base = sent;
        } catch (error) {
          if (!(error instanceof Stale)) throw error;
          this.adopt(await this.project.state(), true);
        }
      }
      this.setStatus("saved");
    } catch (error) {
      if (error instanceof TypeError || error instanceof Refused) {
        this.setStatus("offline");
        this.timer = setTimeout(() => this.flush(), RETRY_AFTER);
      } else {
        // The server refuses this document: go back to what it has.
        this.notice(error.message);
        this.document = this.base;
        this.tell("document");
        this.setStatus("saved");
      }
    }
    this.remember();
  }

  /** Take over what the server says; what is changed here and not there stays. */
  adopt(state, stale = false) {
    if (state.revision < this.state.revision) return;
    const theirs = state.document;
    // What comes back of a save is no change of others, even if more was changed here since.
    const mine = same(theirs, this.sent) ? this.document : merged(this.base, this.document, theirs);
    const fresh = !same(mine, this.document);
    const ours = same(theirs, normal(this.document)) || same(theirs, this.base);
    if (fresh && !ours) {
      this.undos.push({ what: "found", document: this.document });
      this.gesture = null;
      if (stale) this.notice(text("otherPage"), "note");
    }
    this.state = state;
    this.base = theirs;
    this.document = mine;
    this.remember();
    this.tell("state");
    if (fresh) this.tell("document");
    if (this.dirty && !this.saving) this.flush();
    else if (!this.dirty) this.setStatus("saved");
  }

  setStatus(status) {
    if (status === this.status) return;
    this.status = status;
    this.tell("status");
  }

  // What outlives a reload: steps to undo, in this tab; unsaved changes, in the browser.

  remember() {
    const kept = { undos: this.undos.slice(-30), redos: this.redos.slice(-30) };
    put(sessionStorage, `history-${this.project.id}`, kept);
    if (this.dirty) {
      put(localStorage, `unsaved-${this.project.id}`, { base: this.base, document: this.document });
    } else {
      localStorage.removeItem(`unsaved-${this.project.id}`);
    }
  }

  restore() {
    const kept = get(sessionStorage, `history-${this.project.id}`);
    if (kept) [this.undos, this.redos] = [kept.undos, kept.redos];
    const unsaved = get(localStorage, `unsaved-${this.project.id}`);
    if (unsaved) {
      this.document = merged(unsaved.base, unsaved.document, this.base);
      if (this.dirty) setTimeout(() => this.changed());
    }
  }

  // Time

  get fps() {
    return this.plan?.fps ?? this.ready[0]?.fps ?? 25;
  }

  /** Frames that are made: by the last plan, else by the drivers. */
  get frames() {
    const lengths = this.used.map((driver) => this.span(driver).length);
    return lengths.length ? Math.max(1, Math.min(...lengths)) : 1;
  }

  /** First and last second of a driver that is used, and how many frames that makes. */
  span(driver) {
    const use = this.use(driver.id);
    const end = driver.frames / driver.fps;
    const last = Math.min(use?.last ?? end, end);
    const first = Math.min(use?.first ?? 0, Math.max(0, last - 1 / driver.fps));
    const seconds = last - first + (use?.offset ?? 0);
    const fps = this.used[0]?.fps ?? driver.fps;
    return { first, last, end, offset: use?.offset ?? 0, length: Math.max(1, Math.ceil(seconds * fps - 1e-3)) };
  }

  seek(frame, stop = true) {
    const next = Math.min(Math.max(0, frame), Math.max(0, this.frames - 1e-3));
    if (stop) this.play(false);
    this.frame = next;
    this.tell("frame");
  }

  play(on) {
    if (this.playing === on) return;
    this.playing = on;
    this.tell("frame");
  }

  /** Seconds from the beginning of what is made. */
  get seconds() {
    return this.frame / this.fps;
  }

  /** Seconds of a driver's own time at the playhead. */
  driverSeconds(driver) {
    const { first, last, offset } = this.span(driver);
    return Math.min(last - 1e-3, first + Math.max(0, this.seconds - offset));
  }

  // What is in the document and what the server knows of it

  get ready() {
    return this.drivers.filter((driver) => driver.state === "ready");
  }

  /** Drivers in the document's order. */
  get drivers() {
    const known = new Map(this.state.drivers.map((driver) => [driver.id, driver]));
    return this.document.drivers.map((use) => known.get(use.id)).filter(Boolean);
  }

  /** Drivers that move somebody; the first one where nobody moves. */
  get used() {
    const moving = new Set(this.document.people.map((person) => person.moved_by?.driver));
    const used = this.ready.filter((driver) => moving.has(driver.id));
    return used.length ? used : this.ready.slice(0, 1);
  }

  use(driver) {
    return this.document.drivers.find((use) => use.id === driver);
  }

  person(key) {
    return this.document.people.find((person) => person.key === key);
  }

  /** Keys front to back at a frame. */
  orderAt(frame) {
    let keys = this.document.people.map((person) => person.key);
    for (const change of this.document.order) if (change.from_frame <= frame) keys = change.keys;
    return keys;
  }

  /** Keys of the people whom a track moves. */
  movedBy(driver, track) {
    return this.document.people
      .filter((person) => person.moved_by?.driver === driver && person.moved_by.track === track)
      .map((person) => person.key);
  }

  get canPreview() {
    return this.state.picture !== null && this.document.people.length > 0 && this.ready.length > 0;
  }

  job(target) {
    return this.jobs.find((job) => job.target === target);
  }
}

const same = (a, b) => a === b || JSON.stringify(a) === JSON.stringify(b);

/** Of each part of a document the one that was changed; ours where both were. */
function merged(base, mine, theirs) {
  const result = {};
  for (const name of Object.keys(theirs)) {
    result[name] = same(base[name], mine[name]) ? theirs[name] : mine[name];
  }
  return result;
}

/** As the server tidies a document up: the order names everybody once. */
export function normal(document) {
  const keys = document.people.map((person) => person.key);
  const order = [];
  for (const change of [...document.order].sort((a, b) => a.from_frame - b.from_frame)) {
    const known = [...new Set(change.keys)].filter((key) => keys.includes(key));
    const all = [...known, ...keys.filter((key) => !known.includes(key))];
    if (order.at(-1)?.from_frame === change.from_frame) order.pop();
    if (!order.length || !same(order.at(-1).keys, all)) order.push({ from_frame: change.from_frame, keys: all });
  }
  if (!order.length) order.push({ from_frame: 0, keys });
  order[0] = { ...order[0], from_frame: 0 };
  return { ...document, order };
}

function put(storage, name, value) {
  try {
    storage.setItem(name, JSON.stringify(value));
  } catch {
    storage.removeItem(name); // full: history is a comfort
  }
}

function get(storage, name) {
  try {
    return JSON.parse(storage.getItem(name));
  } catch {
    return null;
  }
}
