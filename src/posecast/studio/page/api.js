// The server's interface.

export class Refused extends Error {}
export class Stale extends Error {}

async function call(path, options = {}) {
  const answer = await fetch(`/api${path}`, options);
  if (answer.ok) return answer;
  if (answer.status === 403) throw new Refused(await answer.text());
  if (answer.status === 409) throw new Stale();
  let line = `${answer.status}`;
  try {
    line = (await answer.json()).error ?? line;
  } catch {
    // no JSON: the status is all there is to say
  }
  throw new Error(line);
}

const json = (method, value) => ({
  method,
  headers: { "content-type": "application/json" },
  body: JSON.stringify(value),
});

export const about = async () => (await call("/studio")).json();
export const newProject = async () => (await call("/projects", { method: "POST" })).json();
export const deleteProject = (project) => call(`/projects/${project}`, { method: "DELETE" });

/** What can be asked of one project. */
export class Project {
  constructor(id) {
    this.id = id;
    this.at = `/projects/${id}`;
  }

  address(path) {
    return `/api${this.at}${path}`;
  }

  async state() {
    return (await call(this.at)).json();
  }

  async save(base, document, signal) {
    const options = { ...json("PUT", document), signal };
    return (await (await call(`${this.at}/document?base=${base}`, options)).json()).revision;
  }

  async send(path, options = { method: "POST" }) {
    return (await call(`${this.at}${path}`, options)).json();
  }

  post(path, value) {
    return this.send(path, json("POST", value));
  }

  /** Send a file; `onPart` hears which share of it has arrived. */
  upload(method, path, name, body, onPart = () => {}) {
    return new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      request.open(method, this.address(`${path}${path.includes("?") ? "&" : "?"}name=${encodeURIComponent(name)}`));
      request.upload.onprogress = (event) => event.lengthComputable && onPart(event.loaded / event.total);
      request.onerror = () => reject(new Error(name));
      request.onload = () => {
        let value = {};
        try {
          value = JSON.parse(request.responseText);
        } catch {
          value = { error: request.responseText || `${request.status}` };
        }
        if (request.status < 400) resolve(value);
        else reject(new Error(value.error ?? `${request.status}`));
      };
      request.send(body);
    });
  }

  async drawMask(keys, width, height) {
    const path = `${this.at}/mask?width=${width}&height=${height}`;
    return (await (await call(path, { method: "PUT", body: keys })).json()).mask;
  }

  /** Pictures in a row as they arrive: first their header, then blobs. */
  async *pictures(path, signal) {
    const answer = await call(`${this.at}${path}`, { signal });
    let first = true;
    for await (const bytes of blocks(answer.body)) {
      if (first) yield JSON.parse(new TextDecoder().decode(bytes));
      else yield new Blob([bytes], { type: "image/jpeg" });
      first = false;
    }
  }

  listen(handlers) {
    const source = new EventSource(this.address("/events"));
    for (const [kind, handler] of Object.entries(handlers)) {
      if (kind === "open" || kind === "error") source.addEventListener(kind, handler);
      else source.addEventListener(kind, (event) => handler(JSON.parse(event.data)));
    }
    return source;
  }
}

/** Bytes after their length, out of a stream of bytes. */
async function* blocks(stream) {
  const reader = stream.getReader();
  let held = [];
  let size = 0;
  const take = (count) => {
    const whole = new Uint8Array(count);
    let filled = 0;
    while (filled < count) {
      const part = held[0].subarray(0, count - filled);
      whole.set(part, filled);
      filled += part.length;
      if (part.length === held[0].length) held.shift();
      else held[0] = held[0].subarray(part.length);
    }
    size -= count;
    return whole;
  };
  let wanted = null;
  try {
    for (;;) {
      if (wanted === null && size >= 4) wanted = new DataView(take(4).buffer).getUint32(0);
      if (wanted !== null && size >= wanted) {
        yield take(wanted);
        wanted = null;
        continue;
      }
      const { done, value } = await reader.read();
      if (done) return;
      held.push(value);
      size += value.length;
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}
