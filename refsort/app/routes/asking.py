"""asking."""

from fastapi import APIRouter

from refsort.app.routes.common import API

router = APIRouter(prefix=f"{API}/asking")
