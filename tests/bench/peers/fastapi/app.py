"""GET /api/user as a FastAPI service does it: an HS256 token is checked, one row is read by primary key as JSON.

Environment: PGHOST (a directory), PGUSER, PGDATABASE, SECRET, SELECT (the statement). Run by uvicorn with two workers, uvloop and httptools, without a log.
"""
import os

import asyncpg
import jwt
from fastapi import FastAPI, Header, HTTPException, Response

app = FastAPI()
secret = os.environ["SECRET"]


@app.on_event("startup")
async def connect():
    app.state.pool = await asyncpg.create_pool(min_size=8, max_size=8)


@app.get("/api/user")
async def user(authorization: str = Header()):
    try:
        claims = jwt.decode(authorization.removeprefix("Bearer "), secret, algorithms=["HS256"])
    except jwt.InvalidTokenError:
        raise HTTPException(401)
    async with app.state.pool.acquire() as connection:
        body = await connection.fetchval(os.environ["SELECT"], claims["sub"])
    if body is None:
        raise HTTPException(404)
    return Response(body, media_type="application/json")
