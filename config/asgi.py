"""The ASGI application that serves everything on one address."""

from a2wsgi import WSGIMiddleware

from config.wsgi import application as django

application = WSGIMiddleware(django)
