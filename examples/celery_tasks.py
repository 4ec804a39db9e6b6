"""Celery: a task's calls are booked to what sent it, and to the task where that says nothing. Needs OPENAI_API_KEY.

celery --app celery_tasks worker
tollbook report --by feature,user
"""

import openai
from celery import Celery

import tollbook
from tollbook_integrations import celery as tollbook_celery

tollbook.autolog()
tollbook_celery.instrument()
client = openai.OpenAI()

app = Celery("celery_tasks", broker="memory://", backend="cache+memory://")


@app.task
def explain(word):
    messages = [{"role": "user", "content": f"Explain {word}."}]
    answer = client.chat.completions.create(model="gpt-4o-mini", messages=messages)
    return answer.choices[0].message.content


def send(word, user):
    with tollbook.attribute(feature="dictionary", user=user):
        return explain.delay(word)
