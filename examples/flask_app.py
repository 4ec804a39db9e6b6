"""Flask: what a request costs, by route and user. Needs OPENAI_API_KEY.

flask --app flask_app run
tollbook report --by feature,user
"""

import flask
import openai

import tollbook
from tollbook_integrations.wsgi import TollbookMiddleware

tollbook.autolog()
client = openai.OpenAI()

app = flask.Flask(__name__)
app.wsgi_app = TollbookMiddleware(app.wsgi_app, user=lambda environ: flask.g.user)


@app.before_request
def authenticate():
    flask.g.user = flask.request.headers.get("x-user-id")


@app.get("/words/<word>")
def explain(word):
    messages = [{"role": "user", "content": f"Explain {word}."}]
    answer = client.chat.completions.create(model="gpt-4o-mini", messages=messages)
    return {"text": answer.choices[0].message.content}


@app.get("/stories/<hero>")
def tell(hero):
    def pieces():
        messages = [{"role": "user", "content": f"Tell a story of {hero}."}]
        for chunk in client.chat.completions.create(model="gpt-4o-mini", messages=messages, stream=True):
            if chunk.choices and chunk.choices[0].delta.content:
                yield chunk.choices[0].delta.content

    return flask.Response(pieces(), mimetype="text/plain")
