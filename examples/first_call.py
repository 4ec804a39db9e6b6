"""One call, and what it cost. Needs OPENAI_API_KEY."""

import openai

import tollbook

tollbook.autolog()

client = openai.OpenAI()
answer = client.chat.completions.create(
    model="gpt-4o-mini",
    messages=[{"role": "user", "content": "Name a colour."}],
)
print(answer.choices[0].message.content)

trace = tollbook.get_trace(tollbook.get_last_active_trace_id())
print(trace.info.token_usage)
print(trace.info.total_cost, "USD")
