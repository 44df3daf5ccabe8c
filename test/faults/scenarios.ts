import type { Scenario } from "./scenario.ts";
import { scenario as t01 } from "./t01-kill-loop.ts";
import { scenario as t02 } from "./t02-crash-points.ts";
import { scenario as t03 } from "./t03-postgres-crash.ts";
import { scenario as t04 } from "./t04-partition.ts";
import { scenario as t05 } from "./t05-clock.ts";
import { scenario as t06 } from "./t06-sink-outage.ts";
import { scenario as t07 } from "./t07-duplicate-storm.ts";
import { scenario as t08 } from "./t08-double-texting.ts";
import { scenario as t13 } from "./t13-drain.ts";
import { scenario as t15 } from "./t15-version-skew.ts";
import { scenario as t16 } from "./t16-retention.ts";
import { scenario as t17 } from "./t17-cancel.ts";
import { scenario as t19 } from "./t19-model.ts";
import { scenario as t20 } from "./t20-poison.ts";
import { scenario as t21 } from "./t21-nats.ts";

/** In the order in which they are played. */
export const scenarios: readonly Scenario[] = [
  t01,
  t02,
  t03,
  t04,
  t05,
  t06,
  t07,
  t08,
  t13,
  t15,
  t16,
  t17,
  t19,
  t20,
  t21,
];
