/* Server-sent events over fetch: unlike EventSource it carries the bearer header, so no token stands in an address. */

/** Two heartbeats of the server (15 s each) and some slack: a stream silent for longer is dead. */
const SILENCE_MS = 40_000;

/**
 * Read events until the stream ends, fails, falls silent or `signal` aborts.
 * Calls `onEvent({id, event, data})` for each, `onOpen()` once the server has answered, `onBytes()` whenever something comes;
 * returns how many characters came.
 */
export async function readEvents(url, { headers, signal, onOpen, onBytes, onEvent }) {
  const guard = new AbortController();
  const stop = () => guard.abort();
  signal.addEventListener("abort", stop, { once: true });
  let timer = setTimeout(stop, SILENCE_MS);
  let bytes = 0;
  try {
    const response = await fetch(url, { headers: { ...headers, Accept: "text/event-stream" }, signal: guard.signal, cache: "no-store" });
    if (!response.ok) throw Object.assign(new Error(`events answered ${response.status}`), { status: response.status });
    if (!response.body) throw new Error("this browser cannot read a stream");
    onOpen();
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    const parse = parser(onEvent);
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return bytes;
      bytes += value.length;
      onBytes(); // a heartbeat counts: the line is alive
      clearTimeout(timer);
      timer = setTimeout(stop, SILENCE_MS);
      parse(value);
    }
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", stop);
    stop();
  }
}

/** The event-stream format: fields by line, an empty line ends an event, a line with a leading colon is a heartbeat. */
export function parser(onEvent) {
  let rest = "";
  let event = {};
  return (chunk) => {
    const lines = (rest + chunk).split(/\r\n|\n|\r/);
    rest = lines.pop();
    for (const line of lines) {
      if (line === "") {
        if (event.data !== undefined) onEvent({ event: "message", ...event });
        event = {};
        continue;
      }
      const colon = line.indexOf(":");
      if (colon === 0) continue;
      const [field, value] = colon < 0 ? [line, ""] : [line.slice(0, colon), line.slice(colon + 1).replace(/^ /, "")];
      if (field === "data") event.data = event.data === undefined ? value : `${event.data}\n${value}`;
      else if (field === "id" || field === "event") event[field] = value;
    }
  };
}
