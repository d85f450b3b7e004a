// Files that are dropped or chosen: which are pictures, which drive, and folders as one.

import { h, icon } from "./dom.js";
import { text } from "./texts.js";

const STILLS = ["image/png", "image/jpeg", "image/webp", "image/bmp", "image/tiff"];

/** A control that chooses files, to be dropped upon as well. */
export function chooser(label, place, options = {}) {
  return h(
    "label", { class: options.class ?? "button" }, icon(options.icon ?? "plus"), h("span", {}, label),
    h("input", {
      type: "file", class: "hidden-input", multiple: options.multiple, accept: options.accept, "data-place": place,
    }),
  );
}

/** What is shown while a project is empty. */
export function startPage(about) {
  return h(
    "main", { class: "start", "data-drop": "any" },
    h("div", { class: "start-box" },
      h("h1", {}, text("startTitle")),
      h("p", {}, text("startText")),
      h("div", { class: "start-buttons" },
        chooser(text("choosePicture"), "picture", { accept: "image/*", class: "button primary" }),
        chooser(text("chooseDriver"), "driver", { multiple: true }),
      ),
      h("p", { class: "version" }, `Posecast ${about.version}`),
    ),
  );
}

/** Take files to a place: "picture", "driver", or "any" (by their kind). */
export async function receive(store, source, place) {
  const things = source.items ? await dropped(source.items) : [...source.files].map((file) => ({ file }));
  for (const thing of things) {
    try {
      await send(store, thing, place);
    } catch (error) {
      store.notice(error.message);
    }
  }
}

async function send(store, { file, folder, files }, place) {
  const { project, about } = store;
  const name = folder ?? file.name;
  const size = file ? file.size : files.reduce((sum, one) => sum + one.size, 0);
  if (size > about.upload) {
    throw new Error(text("tooLarge", { name, size: `${Math.round(about.upload / 2 ** 20)} MB` }));
  }
  const part = (share) => store.tell("receiving", { name, share });
  part(0);
  try {
    if (folder) {
      await project.upload("POST", "/drivers?folder=1", name, bundle(files), part);
    } else if (isPicture(store, file, place)) {
      await project.upload("PUT", "/picture", name, file, part);
    } else if (place === "picture" && /\.(json|npy|npz|ya?ml)$/i.test(name)) {
      await project.upload("PUT", "/people", name, file, part);
    } else {
      await project.upload("POST", "/drivers", name, file, part);
    }
  } finally {
    store.tell("receiving", { name, share: null });
  }
}

function isPicture(store, file, place) {
  const still = STILLS.includes(file.type);
  if (place === "driver") return false;
  return still && (place === "picture" || store.state.picture === null);
}

/** Files and folders of a drop. */
async function dropped(items) {
  const entries = [...items].filter((item) => item.kind === "file").map((item) => ({
    entry: item.webkitGetAsEntry?.() ?? null,
    file: item.getAsFile(),
  }));
  return Promise.all(entries.map(async ({ entry, file }) => {
    if (!entry?.isDirectory) return { file };
    return { folder: entry.name, files: await filesIn(entry) };
  }));
}

async function filesIn(folder) {
  const reader = folder.createReader();
  const all = [];
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) break;
    all.push(...some.filter((entry) => entry.isFile && !entry.name.startsWith(".")));
  }
  return Promise.all(all.map((entry) => new Promise((resolve, reject) => entry.file(resolve, reject))));
}

/** Files of a folder as one: the length of a list of names and sizes, the list, the bytes. */
function bundle(files) {
  const list = new TextEncoder().encode(JSON.stringify(files.map(({ name, size }) => ({ name, size }))));
  const length = new DataView(new ArrayBuffer(4));
  length.setUint32(0, list.length);
  return new Blob([length.buffer, list, ...files]);
}
