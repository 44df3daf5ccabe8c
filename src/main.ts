import process from "node:process";
import closeWithGrace from "close-with-grace";
import { readConfig, readEnvironment, secretsIn } from "./config.ts";
import { AgentError } from "./errors/agent-error.ts";
import { createLogger, toggleDebug } from "./observability/logger.ts";
import { hideValue } from "./observability/redaction.ts";
import { startService } from "./service.ts";

async function main(): Promise<void> {
  const environment = readEnvironment();
  for (const secret of secretsIn(environment)) hideValue(secret);
  const { config, notes } = readConfig(environment);
  const log = createLogger(config.logLevel);
  for (const note of notes) log.warn(note);
  process.on("SIGUSR2", () => log.warn({ component: "logs" }, `log level is now ${toggleDebug()}`));

  const service = await startService(config, log);
  // A little more than the runs get, so that closing connections still fits in.
  const delay = (config.shutdownGraceSeconds + 3) * 1000;
  closeWithGrace({ delay, logger: false, skip: ["SIGUSR2"] }, async ({ err, signal }) => {
    if (err) log.fatal({ err }, "stopping after an uncaught error");
    else log.info({ signal }, "stopping");
    await service.close();
  });
  try {
    await service.ready;
    if (config.profile === "development") sayHello(service.url, config.events.typePrefix);
  } catch (error) {
    // A stop that came before is being dealt with above.
    if (!(error instanceof AgentError && error.code === "shutting_down")) throw error;
  }
}

/** For the first minute on a laptop: something to paste. People read it, so it is no log line. */
function sayHello(url: string, typePrefix: string): void {
  const event = {
    specversion: "1.0",
    id: "hello-1",
    source: "my-terminal",
    type: `${typePrefix}.execute`,
    data: {
      job_id: "hello-1",
      agent_definition: {
        nodes: [
          {
            type: "agent",
            name: "greeter",
            model: {
              provider: "scripted",
              model: "any",
              responses: ["Hello! I am an agent described as data."],
            },
          },
        ],
      },
      input: "Hi, who are you?",
    },
  };
  const lines = [
    "",
    "Agent Executor is ready. Paste this in another terminal:",
    "",
    `  curl -i ${url} -H 'content-type: application/cloudevents+json' -d '${JSON.stringify(event)}'`,
    "",
    `Then: curl ${url}/jobs/hello-1`,
    "",
  ];
  process.stderr.write(`${lines.join("\n")}\n`);
}

main().catch((error: unknown) => {
  // Before there is a logger, and for people: one message, no stack.
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
});
