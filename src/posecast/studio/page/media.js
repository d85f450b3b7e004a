// What the page loads of a project: the picture, masks, drivers' pictures and tracks, previews.

import { Clip } from "./clip.js";

const PICTURE_SIDE = 1600;

export class Media {
  constructor(store) {
    this.store = store;
    this.clips = new Map(); // by driver and how far it is read
    this.tracks = new Map();
    this.masks = new Map(); // by name: {keys, width, height}
    this.picture = null; // {file, bitmap}
    this.loading = new Set();
  }

  /** Start `load` unless it is going on; tell "media" when it is done. */
  once(name, load) {
    if (this.loading.has(name)) return;
    this.loading.add(name);
    load().then(
      () => this.store.tell("media"),
      () => setTimeout(() => this.loading.delete(name), 2000),
    );
  }

  /** The picture, decoded; null until it is loaded. */
  pictureBitmap() {
    const { picture } = this.store.state;
    if (!picture) return null;
    if (this.picture?.file === picture.file) return this.picture.bitmap;
    this.once(`picture ${picture.file}`, async () => {
      const answer = await fetch(this.store.project.address(`/picture?side=${PICTURE_SIDE}`));
      if (!answer.ok) throw new Error(answer.statusText);
      this.picture = { file: picture.file, bitmap: await createImageBitmap(await answer.blob()) };
    });
    return null;
  }

  /** An image of keys; null until it is loaded. */
  mask(name) {
    if (!name) return null;
    const there = this.masks.get(name);
    if (there) return there;
    this.once(`mask ${name}`, async () => {
      const answer = await fetch(this.store.project.address(`/masks/${name}`));
      if (!answer.ok) throw new Error(answer.statusText);
      const bitmap = await createImageBitmap(await answer.blob(), { colorSpaceConversion: "none" });
      const pen = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d");
      pen.drawImage(bitmap, 0, 0);
      const pixels = pen.getImageData(0, 0, bitmap.width, bitmap.height).data;
      const keys = new Uint8Array(bitmap.width * bitmap.height);
      for (let i = 0; i < keys.length; i += 1) keys[i] = pixels[4 * i];
      this.masks.set(name, { keys, width: bitmap.width, height: bitmap.height });
    });
    return null;
  }

  /** A driver's small pictures, as far as they are loaded. */
  driverClip(driver) {
    const name = `${driver.id} ${driver.frames}`;
    if (!this.clips.has(name) && driver.state === "ready") {
      this.clips.set(name, new Clip());
      this.once(`clip ${name}`, () =>
        this.clips.get(name).read(this.store.project.pictures(`/drivers/${driver.id}/clip`)));
    }
    const clip = this.clips.get(name);
    return clip?.about ? clip : null;
  }

  /** A driver's skeletons; null until they are loaded. */
  driverTracks(driver) {
    const name = `${driver.id} ${driver.frames}`;
    const there = this.tracks.get(name);
    if (there || driver.state !== "ready") return there ?? null;
    this.once(`tracks ${name}`, async () => {
      const answer = await fetch(this.store.project.address(`/drivers/${driver.id}/tracks`));
      if (!answer.ok) throw new Error(answer.statusText);
      this.tracks.set(name, await answer.json());
    });
    return null;
  }
}
