"""FastAPI: what a request costs, by route, user and session. Needs OPENAI_API_KEY.

uvicorn fastapi_app:app
tollbook report --by feature,user
"""

import openai
from fastapi import FastAPI
from fastapi.responses import StreamingResponse

import tollbook
from tollbook_integrations.asgi import TollbookMiddleware

tollbook.autolog()
client = openai.AsyncOpenAI()

app = FastAPI()
app.add_middleware(TollbookMiddleware, user="x-user-id", session="x-session-id")


@app.get("/words/{word}")
async def explain(word: str):
    messages = [{"role": "user", "content": f"Explain {word}."}]
    answer = await client.chat.completions.create(model="gpt-4o-mini", messages=messages)
    return {"text": answer.choices[0].message.content}


@app.get("/stories/{hero}")
async def tell(hero: str):
    async def pieces():
        messages = [{"role": "user", "content": f"Tell a story of {hero}."}]
        async for chunk in await client.chat.completions.create(model="gpt-4o-mini", messages=messages, stream=True):
            if chunk.choices and chunk.choices[0].delta.content:
                yield chunk.choices[0].delta.content

    return StreamingResponse(pieces(), media_type="text/plain")
