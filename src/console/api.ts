import type { Interrupt, Job, JobList, RunDetails } from "./types.ts";

export class ApiError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** Kept for this tab alone; a link brings its own. */
let token = readToken();

function readToken(): string {
  const url = new URL(location.href);
  const link = url.searchParams.get("link");
  if (link === null) return sessionStorage.getItem("token") ?? "";
  // Out of the address at once, so that it is not left in the history.
  url.searchParams.delete("link");
  history.replaceState(null, "", url);
  return link;
}

export function useToken(next: string): void {
  token = next.trim();
  sessionStorage.setItem("token", token);
}

/** The paths of the service, wherever a proxy has put it. */
const base = new URL(".", location.href).href.replace(/\/$/, "");

export async function request(path: string, init: RequestInit = {}): Promise<Response> {
  const headers = new Headers(init.headers);
  if (token !== "") headers.set("authorization", `Bearer ${token}`);
  const response = await fetch(base + path, { ...init, headers, cache: "no-store" });
  if (response.ok) return response;
  const body = (await response.json().catch(() => ({}))) as { error?: { code?: string; message?: string } };
  throw new ApiError(response.status, body.error?.message ?? `the service answered ${response.status}`);
}

const read = async <T>(path: string): Promise<T> => (await (await request(path)).json()) as T;

const post = async (path: string, body: unknown): Promise<unknown> =>
  (await request(path, { method: "POST", body: JSON.stringify(body), headers: JSON_BODY })).json();

const JSON_BODY = { "content-type": "application/json" };
const pathOf = (job: string): string => `/jobs/${encodeURIComponent(job)}`;

export const api = {
  jobs: (query: URLSearchParams) => read<JobList>(`/jobs?${query}`),
  job: (job: string) => read<Job>(pathOf(job)),
  run: (job: string, run: string) => read<RunDetails>(`${pathOf(job)}/runs/${run}`),
  definition: (job: string) => read<{ hash: string; definition: unknown }>(`${pathOf(job)}/definition`),
  interrupt: (job: string, id: string) => read<Interrupt>(`${pathOf(job)}/interrupts/${id}`),
  decide: (job: string, decisions: unknown[]) => post(`${pathOf(job)}/resume`, { decisions }),
  cancel: (job: string) => post(`${pathOf(job)}/cancel`, { reason: "cancelled on the page" }),
  retry: (job: string, run_id: string, from: string) => post(`${pathOf(job)}/retry`, { run_id, from }),
  events: (job: string, headers: Record<string, string>, signal: AbortSignal) =>
    request(`${pathOf(job)}/events`, { headers, signal }),
};

/** The same request for a shell. The token is left to whoever pastes it. */
export function asCurl(method: "GET" | "POST", job: string, what: string, body?: unknown): string {
  const url = `${base}${pathOf(job)}${what}`;
  const auth = token === "" ? "" : ' -H "authorization: Bearer $TOKEN"';
  const quote = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;
  if (method === "GET") return `curl${auth} ${quote(url)}`;
  return `curl -X POST${auth} -H 'content-type: application/json' -d ${quote(JSON.stringify(body))} ${quote(url)}`;
}
