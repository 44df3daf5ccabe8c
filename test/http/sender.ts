import { once } from "node:events";
import { connect, type Socket } from "node:net";
import process from "node:process";

export type Poured = {
  /** What was answered; NaN when nothing was. */
  status: number;
  body: string;
  /** Why the line broke; undefined when it ended in order. */
  error: string | undefined;
  sentBytes: number;
  /** What buffers took at the most, beside those of before. */
  grownBytes: number;
};

const CHUNK = Buffer.alloc(64 * 1024, "x");
const framed = Buffer.concat([Buffer.from("10000\r\n"), CHUNK, Buffer.from("\r\n")]);

/** Writes a long body to its end without listening, as simple clients do, and reads the answer after that. */
export async function pour(
  url: string,
  head: string,
  bytes: number,
  mode: "plain" | "chunked",
): Promise<Poured> {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port) });
  let error: string | undefined;
  socket.on("error", (broken) => {
    error = broken.message;
  });
  await once(socket, "connect");
  socket.pause();
  const before = process.memoryUsage().arrayBuffers;
  let grownBytes = 0;
  socket.write(head);
  let sentBytes = 0;
  while (sentBytes < bytes && !socket.destroyed) {
    const takenAll = socket.write(mode === "chunked" ? framed : CHUNK);
    sentBytes += CHUNK.length;
    if (!takenAll) await drained(socket);
    grownBytes = Math.max(grownBytes, process.memoryUsage().arrayBuffers - before);
  }
  if (mode === "chunked") socket.write("0\r\n\r\n");
  const heard: Buffer[] = [];
  for await (const chunk of socket.resume()) heard.push(chunk as Buffer);
  const text = Buffer.concat(heard).toString("latin1");
  const [headers = "", body = ""] = text.split("\r\n\r\n");
  return { status: Number(headers.split(" ")[1]), body, error, sentBytes, grownBytes };
}

function drained(socket: Socket): Promise<void> {
  return new Promise((done) => {
    const go = () => {
      socket.off("drain", go).off("close", go);
      done();
    };
    socket.on("drain", go).on("close", go);
  });
}
