// The list of projects, as a dialog.

import * as api from "./api.js";
import { h, iconButton } from "./dom.js";
import { text } from "./texts.js";

export async function openProjects(studio) {
  const about = await api.about();
  const list = h("ul", { class: "projects" });
  const dialog = h(
    "dialog", { "aria-label": text("projects"), onclose: () => dialog.remove() },
    h("div", { class: "dialog-head" }, h("h2", {}, text("projects")),
      iconButton("close", text("close"), () => dialog.close())),
    list,
    h("div", { class: "dialog-foot" }, h("button", {
      type: "button", class: "primary",
      onclick: async () => {
        dialog.close();
        await studio.open((await api.newProject()).id);
      },
    }, text("newProject"))),
  );
  for (const project of about.projects) list.append(row(studio, dialog, project));
  if (!about.projects.length) list.append(h("li", { class: "quiet" }, text("noProjects")));
  studio.append(dialog);
  dialog.showModal();
}

function row(studio, dialog, { id, name, changed }) {
  const here = studio.store.project.id === id;
  const entry = h(
    "li", {},
    h("button", {
      type: "button", class: "plain", "aria-current": here ? "true" : null,
      onclick: async () => {
        dialog.close();
        await studio.open(id);
      },
    }, h("span", { class: "name" }, name), h("span", { class: "quiet" }, new Date(changed * 1000).toLocaleString())),
    iconButton("trash", text("deleteProject", { name }), async () => {
      if (!confirm(text("deleteSure", { name }))) return;
      await api.deleteProject(id);
      entry.remove();
      if (here) {
        dialog.close();
        await studio.open((await api.about()).projects[0]?.id);
      }
    }),
  );
  return entry;
}
