import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { stringify } from "yaml";
import { registry } from "../../src/observability/metrics.ts";
import { hasPromtool, promtool } from "../support/promtool.ts";
import { folder, parseManifests, readText } from "./manifests.ts";
import type { IPrometheusRule } from "./own-models.ts";

type Panel = { title: string; targets?: { expr: string }[]; gridPos: { x: number; y: number; w: number } };
type Series = { series: string; values: string };

const [manifest] = parseManifests("40-alerts.yaml", readText("monitoring/40-alerts.yaml"));
if (manifest === undefined) throw new Error("there are no rules");
const { spec } = manifest.body as IPrometheusRule; // models.test.ts holds it to that
const rules = spec.groups.flatMap((group) => group.rules);
const dashboard = JSON.parse(readFileSync(join(folder, "monitoring/dashboard.json"), "utf8")) as {
  panels: Panel[];
};
const shown = dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
const page = readFileSync(resolve(folder, "../docs/operations.md"), "utf8");
const alerts = page.split(/^## /m).find((section) => section.startsWith("Alerts")) ?? "";

/** Histograms are asked for by their parts. */
const namesIn = (exprs: readonly string[]) => [
  ...new Set(
    exprs
      .flatMap((expr) => expr.match(/agent_executor_\w+/g) ?? [])
      .map((name) => name.replace(/_bucket$/, "")),
  ),
];

describe("the alert rules", () => {
  let place: string;
  beforeAll(async () => {
    place = await mkdtemp(join(tmpdir(), "agent-executor-rules-"));
    await writeFile(join(place, "rules.yml"), stringify(spec));
  });
  afterAll(() => rm(place, { recursive: true, force: true }));

  it("are each explained in docs/operations.md, which knows no other", () => {
    const explained = [...alerts.matchAll(/^\| `(AgentExecutor\w+)` \| (\w+) \| \S/gm)];

    expect(explained.map(([, name, severity]) => `${name} ${severity}`)).toEqual(
      rules.map(({ alert, labels }) => `${alert} ${labels.severity}`),
    );
  });

  it("and the dashboard ask for metrics that there are", () => {
    const known = new Set(registry.getMetricsAsArray().map(({ name }) => name));
    const asked = namesIn([...rules.map(({ expr }) => expr), ...shown]);

    expect(asked.length).toBeGreaterThan(25);
    expect(asked.filter((name) => !known.has(name) && !alerts.includes(name))).toEqual([]);
  });

  it.runIf(hasPromtool)("are rules to promtool, and so is every query of the dashboard", async () => {
    const recorded = shown.map((expr, i) => ({
      record: `panel:${i}`,
      expr: expr.replaceAll("$__rate_interval", "5m"),
    }));
    const queries = join(place, "queries.yml");
    await writeFile(queries, stringify({ groups: [{ name: "dashboard", rules: recorded }] }));

    const { ok, said } = await promtool(["check", "rules", join(place, "rules.yml"), queries]);

    expect(said).toContain(`SUCCESS: ${rules.length} rules found`);
    expect(said).toContain(`SUCCESS: ${shown.length} rules found`);
    expect(ok, said).toBe(true);
  });

  // Of each kind of rule one that goes off, and the same a little below its mark.
  it.runIf(hasPromtool).each<[string, string, Series[], Series[]]>([
    [
      "ResultsNotDelivered",
      "6m",
      [{ series: 'agent_executor_outbox_oldest_seconds{pod="a"}', values: "301x10" }],
      [{ series: 'agent_executor_outbox_oldest_seconds{pod="a"}', values: "299x10" }],
    ],
    [
      "RunsFail",
      "40m",
      [
        { series: 'agent_executor_jobs_total{status="failed"}', values: "0+2x60" },
        { series: 'agent_executor_jobs_total{status="completed"}', values: "0+10x60" },
      ],
      [
        { series: 'agent_executor_jobs_total{status="failed"}', values: "0+1x60" },
        { series: 'agent_executor_jobs_total{status="completed"}', values: "0+10x60" },
      ],
    ],
    [
      "LeasesLost",
      "11m",
      [{ series: 'agent_executor_lease_renewals_total{outcome="lost"}', values: "0+1x20" }],
      [
        { series: 'agent_executor_lease_renewals_total{outcome="lost"}', values: "0x20" },
        { series: 'agent_executor_lease_renewals_total{outcome="kept"}', values: "0+100x20" },
      ],
    ],
    [
      "RunsSlow",
      "40m",
      [
        { series: 'agent_executor_job_duration_seconds_bucket{le="300"}', values: "0+1x60" },
        { series: 'agent_executor_job_duration_seconds_bucket{le="600"}', values: "0+10x60" },
        { series: 'agent_executor_job_duration_seconds_bucket{le="+Inf"}', values: "0+10x60" },
      ],
      [
        { series: 'agent_executor_job_duration_seconds_bucket{le="300"}', values: "0+10x60" },
        { series: 'agent_executor_job_duration_seconds_bucket{le="+Inf"}', values: "0+10x60" },
      ],
    ],
  ])("%s goes off at its mark and not below", async (name, at, above, below) => {
    const alert = rules.find((rule) => rule.alert === `AgentExecutor${name}`);
    const { labels, annotations } = alert ?? { labels: {}, annotations: {} };
    const expected = [{ exp_labels: labels, exp_annotations: annotations }];
    const test = (input_series: Series[], exp_alerts: object[]) => ({
      interval: "1m",
      input_series: input_series.map(({ series, values }) => ({ series, values })),
      alert_rule_test: [{ eval_time: at, alertname: alert?.alert, exp_alerts }],
    });
    const file = join(place, `${name}.yml`);
    const tests = [test(above, expected), test(below, [])];
    await writeFile(file, stringify({ rule_files: [join(place, "rules.yml")], tests }));

    expect(await promtool(["test", "rules", file])).toMatchObject({ ok: true, said: expect.any(String) });
  });
});

describe("the dashboard", () => {
  it("has panels with a title and a query each, side by side within its width", () => {
    const panels = dashboard.panels.filter(({ targets }) => targets !== undefined);

    expect(panels.length).toBeGreaterThan(15);
    for (const { title, targets = [], gridPos } of panels) {
      expect(title).not.toBe("");
      expect(targets.length).toBeGreaterThan(0);
      expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24);
    }
    const places = panels.map(({ gridPos }) => `${gridPos.x} ${gridPos.y}`);
    expect(new Set(places).size).toBe(panels.length);
  });
});
