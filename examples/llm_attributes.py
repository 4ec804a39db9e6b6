"""Usage, cost and attribution set one attribute at a time, under the names `llm.*`, `cost.*`, `agent.*`, `session.*`.

tollbook report --by agent
"""

import tollbook

with tollbook.span("summarise", kind="llm", model="my-own-model") as span:
    # What the call used and cost; this is what counts in totals.
    span.set_attribute("llm.tokens.input", 1500)
    span.set_attribute("llm.tokens.output", 350)
    span.set_attribute("llm.tokens.total", 1850)
    span.set_attribute("llm.cost_usd", 0.025)
    # Whose it is: any attribute can be reported by. Ids of people are kept as you give them, so give a hash.
    span.set_attribute("cost.feature", "document_analysis")
    span.set_attribute("cost.agent", "researcher")
    span.set_attribute("cost.user_id", "9f86d081")
    span.set_attribute("cost.org_id", "org_123")
    # What you know beside it is kept as it is, and counts nowhere.
    span.set_attribute("llm.cache.hit", True)
    span.set_attribute("llm.cache.tokens_saved", 1200)
    span.set_attribute("llm.cache.cost_saved_usd", 0.018)
    span.set_attribute("agent.llm_calls", 5)
    span.set_attribute("session.agent_runs", 3)
    span.set_attribute("prompt.compression_ratio", 0.7)
    span.set_attribute("model.recommendation", "could_downgrade")

trace = tollbook.get_trace(span.trace_id)
(summarise,) = trace.data.spans
print(summarise.get_attribute("llm.tokens.total"), "tokens,", summarise.get_attribute("llm.cost_usd"), "USD")
print("The same under OpenTelemetry's name:", summarise.get_attribute("gen_ai.usage.input_tokens"))
print("Feature:", summarise.get_attribute("cost.feature"))
