import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: ["test/support/global-setup.ts"],
    setupFiles: ["test/support/open-handles.ts", "test/support/tell-secrets.ts"],
    pool: "forks", // tests send signals and count open handles: a process for each file, not a thread
    maxWorkers: 2,
    testTimeout: 20_000,
    hookTimeout: 60_000,
    teardownTimeout: 10_000,
    dangerouslyIgnoreUnhandledErrors: false, // a rejection nobody handled fails the run
  },
});
