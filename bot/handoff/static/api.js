/* The console's requests. Every write carries the CSRF token that only this page was told. */

let csrf = "";
let onSignedOut = () => {};

/** An answer that is no success: `code` and `message` of the one error shape, and what came with them. */
export class Refusal extends Error {
  constructor(status, error = {}) {
    super(error.message || `status ${status}`);
    Object.assign(this, { status, ...error });
  }
}

export function whenSignedOut(listener) { onSignedOut = listener; }

export async function call(method, path, body) {
  let response;
  try {
    response = await fetch(`/api/console${path}`, {
      method,
      headers: { ...(body && { "Content-Type": "application/json" }), ...(method !== "GET" && { "X-CSRF-Token": csrf }) },
      body: body && JSON.stringify(body),
      signal: AbortSignal.timeout(20_000),
    });
  } catch {
    throw new Refusal(0, { code: "unreachable", message: "unreachable" });
  }
  const answer = await response.json().catch(() => ({}));
  if (response.ok) {
    if (answer.csrf_token) csrf = answer.csrf_token;
    return answer;
  }
  const refusal = new Refusal(response.status, answer.error);
  if (refusal.code === "signed_out") onSignedOut();
  throw refusal;
}

export const get = (path) => call("GET", path);
export const post = (path, body = {}) => call("POST", path, body);
