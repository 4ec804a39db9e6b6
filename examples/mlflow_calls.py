"""What each span of the last trace used and cost, read as with MLflow: only the import differs."""

import tollbook as mlflow

last_trace_id = mlflow.get_last_active_trace_id()
trace = mlflow.get_trace(trace_id=last_trace_id)
if trace is None:
    raise SystemExit("Nothing is recorded yet.")

print("== Token usage and cost for each LLM call: ==")
for span in trace.data.spans:
    print(f"{span.name}:")
    if usage := span.get_attribute("mlflow.chat.tokenUsage"):
        for name in ("Input", "Output", "Total"):
            print(f"{name} tokens: {usage[f'{name.lower()}_tokens']}")
    if cost := span.llm_cost:
        for name in ("Input", "Output", "Total"):
            print(f"{name} cost: ${cost[f'{name.lower()}_cost']:.6f}")
