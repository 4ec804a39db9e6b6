"""Usage objects as Langfuse takes them, booked for calls that no integration sees."""

import tollbook

USAGES = [
    {"input": 1500, "output": 350, "unit": "TOKENS"},
    {"input": 1500, "output": 350, "total": 1850, "totalCost": 0.02},  # a cost that is told is taken
    {"promptTokens": 1500, "completionTokens": 350, "totalTokens": 1850},
]

for usage in USAGES:
    trace_id = tollbook.record(model="claude-3-5-sonnet", provider="anthropic", usage=usage, convention="langfuse")
    info = tollbook.get_trace(trace_id).info
    print(info.token_usage["input_tokens"], "in,", info.token_usage["output_tokens"], "out,", info.total_cost, "USD")
