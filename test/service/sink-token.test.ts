import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { executeEvent } from "../support/agents.ts";
import { postEvent } from "../support/post.ts";
import { startTestService } from "../support/service.ts";
import { startSink } from "../support/sink.ts";
import { until } from "../support/wait.ts";

it("the token for the sink is the one of the file, also after it was rotated, and stays out of the outbox", async () => {
  const folder = mkdtempSync(join(tmpdir(), "sink-token-"));
  const file = join(folder, "token");
  const rotateTo = (token: string) => {
    writeFileSync(`${file}.next`, `${token}\n`);
    renameSync(`${file}.next`, file);
  };
  const sink = await startSink();
  const service = await startTestService({
    K_SINK: sink.url,
    SINK_TOKEN_FILE: file,
    K_SINK_TIMEOUT: "2",
    SINK_DEADLINE_SECONDS: "1",
  });

  const early = await postEvent(service.url, executeEvent());
  const [waiting] = await service.database.sql("select last_error, parked_at from agent_executor.outbox");
  rotateTo("token-one");
  await until(() => sink.accepted().length === 1, { what: "the first result", timeoutMs: 10_000 });
  rotateTo("token-two");
  const late = await postEvent(service.url, executeEvent());

  expect([early.status, late.status]).toEqual([503, 200]);
  expect(waiting).toEqual({ last_error: `token of the sink: there is no file ${file}`, parked_at: null });
  const sent = sink.received.map(({ headers }) => headers.authorization);
  expect(sent).toEqual(["Bearer token-one", "Bearer token-two"]);
  const rows = await service.database.sql("select event, last_error from agent_executor.outbox");
  expect(JSON.stringify(rows)).not.toContain("token-");
  await service.close();
  await sink.close();
  rmSync(folder, { recursive: true });
});
