// Elements without a framework.

const SVG = "http://www.w3.org/2000/svg";

/** An element: `h("button", {class: "plain", onclick: f}, "Text", child)`. */
export function h(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

/** As `h`, of SVG. */
export function svg(name, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, name), attributes, children);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "style") Object.assign(element.style, value);
    else if (name === "value") element.defaultValue = element.value = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

/**
 * Replace what an element holds, and keep the focus on what has the same `data-focus`.
 *
 * Not while a button in it is pressed: one that is new at the release would get no click. And not
 * under the hands of somebody who types: when the field is left.
 */
export function fill(element, ...children) {
  const active = document.activeElement;
  if (pressed && element.contains(pressed)) {
    waiting.set(element, children);
    return;
  }
  if (element.contains(active) && typing(active)) {
    if (!waiting.has(element)) active.addEventListener("blur", () => setTimeout(() => waiting.has(element) && fill(element, ...waiting.get(element))), { once: true });
    waiting.set(element, children);
    return;
  }
  waiting.delete(element);
  const kept = element.contains(active) ? active.dataset.focus : undefined;
  const caret = kept && active.selectionStart !== undefined ? safeCaret(active) : null;
  element.replaceChildren(...children.flat().filter(Boolean));
  if (!kept) return;
  const again = element.querySelector(`[data-focus="${CSS.escape(kept)}"]`);
  again?.focus({ preventScroll: true });
  if (again && caret) again.setSelectionRange?.(...caret);
}

const waiting = new Map();
let pressed = null;

addEventListener("pointerdown", (event) => { pressed = event.target.closest("button, a, label, summary"); }, true);
addEventListener("click", () => setTimeout(release, 0, pressed), true);
for (const name of ["pointerup", "pointercancel"]) addEventListener(name, () => setTimeout(release, 300, pressed), true); // no click came

function release(button) {
  if (!button || pressed !== button) return;
  pressed = null;
  const late = [...waiting];
  waiting.clear();
  for (const [element, children] of late) fill(element, ...children);
}

const typing = (field) => field.matches("input:not([type=range], [type=checkbox], [type=radio])") && field.value !== field.defaultValue;

function safeCaret(input) {
  try {
    return input.selectionStart === null ? null : [input.selectionStart, input.selectionEnd];
  } catch {
    return null;
  }
}

/** Colours of characters: the same as in pictures of the cast sheet. */
const COLOURS = [
  [255, 99, 71], [64, 156, 255], [60, 200, 100], [255, 200, 40],
  [190, 110, 255], [255, 130, 200], [70, 220, 220], [200, 160, 110],
];

export const rgbOf = (key) => COLOURS[(key - 1) % COLOURS.length];
export const colourOf = (key, alpha = 1) => `rgb(${rgbOf(key).join(" ")} / ${alpha})`;

/** Icons, drawn with strokes on a grid of 24. */
const ICONS = {
  undo: "M8 5 4 9l4 4M4 9h10a6 6 0 0 1 0 12h-4",
  redo: "m16 5 4 4-4 4M20 9H10a6 6 0 0 0 0 12h4",
  play: "M7 4.5v15l12.5-7.5z",
  pause: "M8 5v14M16 5v14",
  plus: "M12 5v14M5 12h14",
  minus: "M5 12h14",
  close: "M6 6l12 12M18 6 6 18",
  joints: "M6 18 12 6l6 12M12 6v0M6 18v0M18 18v0",
  brush: "M4 20c2 0 4-1 4-3s1-3 3-3l8-9M11 14l-2-2",
  eraser: "M9 19h11M5 14l8-8 6 6-6 7H9z",
  person: "M12 8a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM12 8v7M12 10l-5 3M12 10l5 3M12 15l-4 7M12 15l4 7",
  swap: "M4 8h14l-4-4M20 16H6l4 4",
  folder: "M3 6h6l2 2h10v11H3z",
  fit: "M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5",
  trash: "M4 7h16M9 7V4h6v3M6 7l1 13h10l1-13",
  film: "M4 5h16v14H4zM4 9h16M4 15h16M9 5v4M15 5v4M9 15v4M15 15v4",
  sound: "M4 10v4h4l5 4V6L8 10zM16.5 9a4 4 0 0 1 0 6",
};

export function icon(name) {
  return svg(
    "svg",
    { viewBox: "0 0 24 24", class: "icon", "aria-hidden": "true" },
    svg("path", { d: ICONS[name] }),
  );
}

/** A button that shows an icon and is called by a text. */
export function iconButton(name, label, onclick, more = {}) {
  return h(
    "button",
    { type: "button", class: "icon-button", "aria-label": label, title: label, onclick, ...more },
    icon(name),
  );
}

/** Follow a pointer from its press on: `move` and `end` get events, the element has the pointer. */
export function drag(event, move, end = () => {}) {
  const element = event.currentTarget;
  pressed = null; // what is dragged is drawn anew as it goes
  element.setPointerCapture(event.pointerId);
  const moved = (next) => next.pointerId === event.pointerId && move(next);
  const ended = (next) => {
    if (next.pointerId !== event.pointerId) return;
    element.removeEventListener("pointermove", moved);
    element.removeEventListener("pointerup", ended);
    element.removeEventListener("pointercancel", ended);
    end(next);
  };
  element.addEventListener("pointermove", moved);
  element.addEventListener("pointerup", ended);
  element.addEventListener("pointercancel", ended);
}

export const clamp = (value, least, most) => Math.min(most, Math.max(least, value));
