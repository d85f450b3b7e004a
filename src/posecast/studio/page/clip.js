// Small pictures in a row, decoded when they are shown.

const MOST_BYTES = 160 * 2 ** 20; // of decoded pictures, over all clips

/** All decoded pictures, the least recently shown first. */
const decoded = new Map();
let bytes = 0;

function keep(blob, bitmap) {
  decoded.set(blob, bitmap);
  bytes += bitmap.width * bitmap.height * 4;
  for (const [old, picture] of decoded) {
    if (bytes <= MOST_BYTES || old === blob) break;
    decoded.delete(old);
    bytes -= picture.width * picture.height * 4;
    picture.close();
  }
}

export class Clip {
  /** `about` has fps, step (of frames that are shown) and frames. */
  constructor(about = null) {
    this.about = about;
    this.pictures = [];
    this.count = 0;
    this.whole = false;
  }

  get rate() {
    return this.about.fps / this.about.step;
  }

  /** Which picture is shown at a time in seconds. */
  at(seconds) {
    const last = Math.ceil(this.about.frames / this.about.step) - 1;
    return Math.min(last, Math.max(0, Math.floor(seconds * this.rate + 1e-6)));
  }

  /** A picture if it is decoded; else null, and `then` is called when it is. */
  bitmap(index, then) {
    const blob = this.pictures[index];
    if (!blob) return null;
    const there = decoded.get(blob);
    if (there) {
      decoded.delete(blob); // to the end
      decoded.set(blob, there);
      return there;
    }
    this.decode(index).then(then, () => {});
    return null;
  }

  async decode(index) {
    const blob = this.pictures[index];
    if (!blob || decoded.has(blob) || blob.decoding) return;
    blob.decoding = true;
    try {
      keep(blob, await createImageBitmap(blob));
    } finally {
      blob.decoding = false;
    }
  }

  /** Read a stream of pictures; `onPicture` hears of each. */
  async read(stream, onPicture = () => {}) {
    for await (const piece of stream) {
      if (this.about === null) {
        this.about = piece;
      } else {
        // Previews begin where the playhead is, and go round.
        const all = Math.ceil(this.about.frames / this.about.step);
        this.pictures[((this.about.from ?? 0) + this.count) % all] = piece;
        this.count += 1;
      }
      onPicture(this);
    }
    this.whole = true;
    onPicture(this);
    return this;
  }
}
