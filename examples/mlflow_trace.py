"""What the last trace used and cost, read as with MLflow: only the import differs."""

import tollbook as mlflow

last_trace_id = mlflow.get_last_active_trace_id()
trace = mlflow.get_trace(trace_id=last_trace_id)
if trace is None:
    raise SystemExit("Nothing is recorded yet.")

if usage := trace.info.token_usage:
    print("== Total token usage: ==")
    for name in ("Input", "Output", "Total"):
        print(f"{name} tokens: {usage[f'{name.lower()}_tokens']}")

if cost := trace.info.cost:
    print("== Total cost (USD): ==")
    for name in ("Input", "Output", "Total"):
        print(f"{name} cost: ${cost[f'{name.lower()}_cost']:.6f}")
