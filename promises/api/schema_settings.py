"""SPECTACULAR_SETTINGS: what drf-spectacular needs to know. Imports nothing of Django, since the settings import it."""

from typing import Any

SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "Countersign",
    "DESCRIPTION": (
        "Durable workflows that wait for people. "
        "Call with `Authorization: Bearer <token>` (`./run manage token create`). "
        "Every refusal is a problem document (RFC 9457, `application/problem+json`). Lists are `{results, next}`. "
        "`?wait=30s` holds an answer until the thing is settled, for a minute at most."
    ),
    "VERSION": "0.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SWAGGER_UI_SETTINGS": {"deepLinking": True, "persistAuthorization": False, "displayOperationId": True},
    "REDOC_DIST": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "SCHEMA_PATH_PREFIX": r"/(api|callbacks)/",
    "POSTPROCESSING_HOOKS": [],
    "TAGS": [
        {"name": "executions", "description": "Start workflows, watch them, cancel them."},
        {"name": "approvals", "description": "What people are asked, and what they decide."},
        {"name": "promises", "description": "Durable promises: create, read, settle."},
        {"name": "callbacks", "description": "Settle one promise by its signed address; no account needed."},
    ],
}
