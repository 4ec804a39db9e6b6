"""A call that no integration sees, whose usage and cost the program sets itself, as with MLflow."""

import tollbook as mlflow


@mlflow.trace
def call_my_model():
    # ... the call itself ...
    span = mlflow.get_current_active_span()
    span.set_attribute("mlflow.chat.tokenUsage", {"input_tokens": 100, "output_tokens": 50, "total_tokens": 150})
    span.set_attribute("mlflow.llm.cost", {"input_cost": 0.0001, "output_cost": 0.0002, "total_cost": 0.0003})
    return "an answer"


call_my_model()

trace = mlflow.get_trace(mlflow.get_last_active_trace_id())
print(trace.info.token_usage)
print(trace.info.cost)
