"""An agent with a tool: spans give the calls a structure, attributes say what to report by. Needs OPENAI_API_KEY.

tollbook trace
tollbook report --by feature
"""

import openai

import tollbook

tollbook.autolog()
client = openai.OpenAI()


def ask(question):
    answer = client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": question}])
    return answer.choices[0].message.content


@tollbook.trace(kind="tool")
def look_up(word):
    return ask(f"What does {word} mean?")


with tollbook.span("researcher", kind="agent") as run:
    look_up(ask("Name a rare word."))

trace = tollbook.get_trace(run.trace_id)
print(trace.info.llm_calls, "calls for", trace.info.total_cost, "USD")
