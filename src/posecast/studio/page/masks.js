// Who is seen at each pixel, as a layer over the picture, and the brush that changes it.

import { rgbOf } from "./dom.js";

const SIDE = 1536; // the longer side of a mask that is begun here, as the server's
const FILL = 70;
const FAINT = 36;

export class MaskLayer {
  constructor(store, redraw) {
    this.store = store;
    this.redraw = redraw;
    this.work = null; // {keys, width, height} while it is drawn and until it is kept
    this.shown = null;
    this.canvas = null;
  }

  get mask() {
    return this.work ?? this.store.media.mask(this.store.document.mask);
  }

  /** A canvas with the masks in their colours, or null where there are none. */
  layer() {
    const { mask } = this;
    if (!mask) return this.store.document.mask ? this.canvas : null;
    const chosen = this.store.view.person;
    if (this.shown !== mask || this.chosen !== chosen) {
      this.shown = mask;
      this.chosen = chosen;
      this.canvas = new OffscreenCanvas(mask.width, mask.height);
      this.tint(mask, 0, 0, mask.width, mask.height);
    }
    return this.canvas;
  }

  tint({ keys, width, height }, x0, y0, x1, y1) {
    const [left, top, right, bottom] = [Math.max(0, x0), Math.max(0, y0), Math.min(width, x1), Math.min(height, y1)];
    if (right <= left || bottom <= top) return;
    const image = new ImageData(right - left, bottom - top);
    const edge = Math.max(1, Math.round(Math.max(width, height) / 700));
    for (let y = top; y < bottom; y += 1) {
      for (let x = left; x < right; x += 1) {
        const i = y * width + x;
        const key = keys[i];
        if (key === 0) continue;
        const inner = x >= edge && x < width - edge && y >= edge && y < height - edge
          && keys[i - edge] === key && keys[i + edge] === key
          && keys[i - edge * width] === key && keys[i + edge * width] === key;
        const [r, g, b] = rgbOf(key);
        const o = 4 * ((y - top) * image.width + x - left);
        image.data[o] = r;
        image.data[o + 1] = g;
        image.data[o + 2] = b;
        image.data[o + 3] = inner ? (key === this.chosen ? FILL : FAINT) : 235;
      }
    }
    this.canvas.getContext("2d").putImageData(image, left, top);
  }

  /** The key at a place in pixels of the picture; 0 is nobody. */
  keyAt(x, y) {
    const { mask } = this;
    const { picture } = this.store.state;
    if (!mask || !picture || x < 0 || y < 0 || x >= picture.width || y >= picture.height) return 0;
    const column = Math.floor((x * mask.width) / picture.width);
    const row = Math.floor((y * mask.height) / picture.height);
    return mask.keys[row * mask.width + column];
  }

  begin() {
    if (this.work) return;
    const there = this.store.media.mask(this.store.document.mask);
    const { width, height } = this.store.state.picture;
    const scale = Math.min(1, SIDE / Math.max(width, height));
    const size = there ?? { width: Math.round(width * scale), height: Math.round(height * scale), keys: null };
    this.work = { ...size, keys: there ? there.keys.slice() : new Uint8Array(size.width * size.height) };
    this.layer();
  }

  /** Draw from one place to another, in pixels of the picture. Erasing takes `person` alone. */
  stroke(from, to, radius, key, person) {
    this.begin();
    const { keys, width, height } = this.work;
    const scale = width / this.store.state.picture.width;
    const [x0, y0, x1, y1, r] = [from[0], from[1], to[0], to[1], radius].map((value) => value * scale);
    const reach = Math.max(0.5, r);
    const [left, right] = [Math.floor(Math.min(x0, x1) - reach), Math.ceil(Math.max(x0, x1) + reach)];
    const [top, bottom] = [Math.floor(Math.min(y0, y1) - reach), Math.ceil(Math.max(y0, y1) + reach)];
    const [dx, dy] = [x1 - x0, y1 - y0];
    const length = dx * dx + dy * dy || 1;
    for (let y = Math.max(0, top); y < Math.min(height, bottom + 1); y += 1) {
      for (let x = Math.max(0, left); x < Math.min(width, right + 1); x += 1) {
        const t = Math.min(1, Math.max(0, ((x - x0) * dx + (y - y0) * dy) / length));
        if (Math.hypot(x - x0 - t * dx, y - y0 - t * dy) > reach) continue;
        const i = y * width + x;
        if (key !== 0 || keys[i] === person) keys[i] = key;
      }
    }
    const canvas = this.canvas.getContext("2d");
    canvas.clearRect(left - 4, top - 4, right - left + 8, bottom - top + 8);
    this.tint(this.work, left - 4, top - 4, right + 4, bottom + 4);
    this.redraw();
  }

  /** What was drawn becomes the document's mask. */
  async keep() {
    const { work, store } = this;
    if (!work) return;
    try {
      const name = await store.project.drawMask(work.keys, work.width, work.height);
      store.media.masks.set(name, work);
      if (this.work === work) this.work = null;
      store.edit("mask", (document) => {
        document.mask = name;
      });
    } catch (error) {
      if (this.work === work) this.work = null;
      this.shown = null;
      store.notice(error.message);
      this.redraw();
    }
  }
}
