/** The start of a server that imports at the top of its files whatever it may ever need. */
import "@langchain/anthropic";
import "@langchain/langgraph";
import "@langchain/openai";
import "cloudevents";
import "deepagents";
import "pino";
import "prom-client";
import "./naive.ts";
