import http from "node:http";
import https from "node:https";

export type GetJsonOptions = {
  timeoutMs: number;
  ca?: readonly string[] | undefined;
  bearer?: string | undefined;
};

const MOST_BYTES = 262_144;

/** One GET with a limit on its time and its size. Redirects are not followed: what is asked is who we trust. */
export function getJson(url: URL, { timeoutMs, ca, bearer }: GetJsonOptions): Promise<unknown> {
  const signal = AbortSignal.timeout(timeoutMs);
  const headers = { accept: "application/json", ...(bearer && { authorization: `Bearer ${bearer}` }) };
  const options = { signal, headers, ...(ca && { ca: [...ca] }) };
  return new Promise((resolve, reject) => {
    const request = url.protocol === "https:" ? https.request : http.request;
    const asked = request(url, options, (response) => {
      collect(response).then(resolve, (error) => {
        asked.destroy();
        reject(signal.aborted ? tooSlow() : error);
      });
    });
    const tooSlow = () => new Error(`no answer within ${timeoutMs} ms`);
    asked.once("error", (error) => reject(signal.aborted ? tooSlow() : error)).end();
  });
}

async function collect(response: http.IncomingMessage): Promise<unknown> {
  if (response.statusCode !== 200) throw new Error(`status ${response.statusCode}`);
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MOST_BYTES) throw new Error(`an answer of more than ${MOST_BYTES} bytes`);
    chunks.push(chunk);
  }
  return JSON.parse(Buffer.concat(chunks).toString("utf8"));
}
