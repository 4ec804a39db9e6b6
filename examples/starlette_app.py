"""Starlette: what a request costs, by route and by the user whom other middleware finds. Needs OPENAI_API_KEY.

uvicorn starlette_app:app
tollbook report --by feature,user
"""

import openai
from starlette.applications import Starlette
from starlette.authentication import AuthCredentials, AuthenticationBackend, SimpleUser
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.responses import JSONResponse
from starlette.routing import Route

import tollbook
from tollbook_integrations.asgi import TollbookMiddleware

tollbook.autolog()
client = openai.AsyncOpenAI()


class ByHeader(AuthenticationBackend):
    async def authenticate(self, conn):
        name = conn.headers.get("x-user-id")
        return (AuthCredentials(["authenticated"]), SimpleUser(name)) if name else None


async def explain(request):
    messages = [{"role": "user", "content": f"Explain {request.path_params['word']}."}]
    answer = await client.chat.completions.create(model="gpt-4o-mini", messages=messages)
    return JSONResponse({"text": answer.choices[0].message.content})


app = Starlette(
    routes=[Route("/words/{word}", explain)],
    middleware=[
        Middleware(TollbookMiddleware, user=lambda scope: scope["user"].display_name),
        Middleware(AuthenticationMiddleware, backend=ByHeader()),
    ],
)
