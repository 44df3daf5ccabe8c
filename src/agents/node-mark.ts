/** A message that stands for what another node said carries this: it begins no new turn. */
export const FROM_NODE = "agent_executor_node";
