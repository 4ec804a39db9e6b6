"""Django in one file: what a request costs, by route and user. Needs OPENAI_API_KEY.

python django_app.py runserver
tollbook report --by feature,user
"""

import sys

import django
import openai
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.core.management import execute_from_command_line
from django.http import JsonResponse, StreamingHttpResponse
from django.urls import path

import tollbook

tollbook.autolog()
client = openai.OpenAI()

settings.configure(
    SECRET_KEY="only for an example",  # noqa: S106
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    MIDDLEWARE=["tollbook_integrations.django.TollbookMiddleware"],
    TOLLBOOK={"user": "x-user-id", "session": lambda request: request.COOKIES.get("chat")},
)


def explain(request, word):
    messages = [{"role": "user", "content": f"Explain {word}."}]
    answer = client.chat.completions.create(model="gpt-4o-mini", messages=messages)
    return JsonResponse({"text": answer.choices[0].message.content})


def tell(request, hero):
    def pieces():
        messages = [{"role": "user", "content": f"Tell a story of {hero}."}]
        for chunk in client.chat.completions.create(model="gpt-4o-mini", messages=messages, stream=True):
            if chunk.choices and chunk.choices[0].delta.content:
                yield chunk.choices[0].delta.content

    return StreamingHttpResponse(pieces(), content_type="text/plain")


urlpatterns = [path("words/<str:word>/", explain), path("stories/<str:hero>/", tell)]
django.setup()
app = WSGIHandler()

if __name__ == "__main__":
    execute_from_command_line(sys.argv)
