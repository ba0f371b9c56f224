// What the page asks its server, and the key that goes along. The key is kept in this variable alone: no storage, no cookie.

let key = null;

export const hasKey = () => key !== null;
export const theKey = () => key;
export function setKey(value) {
  key = value;
}

/** What the server said no to. `status`: of HTTP; `code`: OpenAI's. */
export class Refused extends Error {
  constructor(status, error) {
    super(error?.message ?? `HTTP ${status}`);
    this.status = status;
    this.code = error?.code ?? null;
  }

  get isAboutKey() {
    return this.status === 401 || this.status === 403;
  }
}

/** A good answer; throws `Refused`, or what `fetch` throws. `key`: another one than the page's. */
export async function ask(path, { key: other, ...options } = {}) {
  const sent = other ?? key;
  const headers = { ...options.headers, ...(sent ? { Authorization: `Bearer ${sent}` } : {}) };
  const answer = await fetch(path, { cache: "no-store", credentials: "omit", redirect: "error", ...options, headers });
  if (answer.ok) return answer;
  const body = await answer.json().catch(() => null);
  throw new Refused(answer.status, body?.error);
}

export const askJson = async (path, options) => (await ask(path, options)).json();
